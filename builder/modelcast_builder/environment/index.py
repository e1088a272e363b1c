"""Questions to the package index (or a wheelhouse), each answered by one call of uv and changed by nothing else."""

import datetime
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from modelcast_builder.environment.lock import FILE
from modelcast_builder.environment.uv import Ran, Uv

NEVER_BUILT = (
    *("catboost", "lightgbm", "matplotlib", "ml-dtypes", "numpy", "onnx", "onnxruntime", "pandas", "pyarrow"),
    *("scikit-learn", "scipy", "xgboost", "xgboost-cpu"),
)
"""Building these takes compilers and up to an hour, then fails: without a wheel they are refused at once."""
FOR_GPUS = ("nvidia-nccl-cu12", "nvidia-nccl-cu13")
"""335 MB by which XGBoost trains on several GPUs at once; it imports and scores without them, PyTorch does not."""
_HASH = "--hash=sha256:"
PYTHONS = tuple(f"3.{minor}" for minor in range(6, 16))
"""Which Pythons to ask about when there is no wheel for ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where packages come from and the Python that they are for."""

    uv: Uv
    python: Path
    wheelhouse: Path | None = None
    """The machine's, which an image carries; it spares the network where it suffices."""
    vendored: Path | None = None
    """The repository's own: where there is one, no index is asked at all."""
    file: str = FILE
    """Which file of the repository says what is wanted."""

    @property
    def houses(self) -> tuple[Path, ...]:
        """The wheelhouses, the repository's own first."""
        return tuple(house for house in (self.vendored, self.wheelhouse) if house)


def only_wheels() -> list[str]:
    """The options by which nothing heavy is built from source."""
    return [option for name in NEVER_BUILT for option in ("--only-binary", name)]


def from_houses(houses: Iterable[Path]) -> list[str]:
    """The options by which packages come from wheelhouses, and from nowhere else."""
    return ["--no-index", "--offline", *(option for house in houses for option in ("--find-links", str(house)))]


def pick(
    place: Place,
    entries: Sequence[str],
    *,
    constraints: Iterable[str] = (),
    as_of: str = "",
    alone: Sequence[Path] = (),
) -> Ran:
    """Choose versions for `entries` and all that they need; `alone`: from these wheelhouses, asking no index."""
    options = ["--no-header", "--no-annotate", *only_wheels()]
    # A folder of wheels knows only those that it holds: no other machine's.
    options += [] if alone else ["--generate-hashes"]
    options += ["--exclude-newer", as_of] if as_of else []
    options += from_houses(alone) if alone else []
    named = {canonicalize_name(Requirement(entry).name) for entry in entries}
    unasked = [f"{name} ; python_version < '3'" for name in FOR_GPUS if name not in named]
    with _file(constraints) as held, _file(unasked) as nowhere:
        options += ["--constraints", held]
        ran = _compile(place, entries, *options, "--overrides", nowhere)
        with_gpus = any(pin.startswith("torch==") for pin in pins_of(ran))
        return _compile(place, entries, *options) if with_gpus else ran


@contextmanager
def _file(lines: Iterable[str]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        yield file.name


def pins_of(ran: Ran) -> tuple[str, ...]:
    """The packages that a question was answered with, sorted."""
    return tuple(sorted(line.rstrip(" \\") for line in ran.out.splitlines() if "==" in line))


def hashes_of(ran: Ran) -> dict[str, tuple[str, ...]]:
    """Pin -> the SHA-256 of each of its files, of every platform, that the question was answered with."""
    found: dict[str, list[str]] = {}
    pin = ""
    for line in ran.out.splitlines():
        if "==" in line:
            pin = line.rstrip(" \\")
        elif _HASH in line:
            found.setdefault(pin, []).append(line.partition(_HASH)[2].rstrip(" \\"))
    return {pin: tuple(sorted(hashes)) for pin, hashes in found.items()}


def released(place: Place, pins: Iterable[str]) -> Ran:
    """Ask for the files of exact versions, for this Python and platform, and when they were uploaded."""
    return _compile(place, pins, "--no-deps", "--format", "pylock.toml", *only_wheels())


def newest_day(ran: Ran) -> str:
    """The end of the day by which each of the released packages could be installed; nothing without dates."""
    firsts = [first for package in files_of(ran) if (first := _first_upload(package))]
    if not firsts:
        return ""
    next_day = max(firsts).astimezone(datetime.UTC).date() + datetime.timedelta(days=1)
    return f"{next_day:%Y-%m-%d}T00:00:00Z"


def are_local(ran: Ran) -> bool:
    """Whether each of the released packages is a file on this disk, which has no date."""
    addresses = [str(file.get("url") or "file:") for package in files_of(ran) for file in package.get("wheels", ())]
    return bool(addresses) and all(address.startswith("file:") for address in addresses)


def files_of(ran: Ran) -> Sequence[Mapping[str, Any]]:
    """Each released package: `name`, `version`, its `wheels` that fit this Python and platform, its `sdist`."""
    packages: list[Mapping[str, Any]] = tomllib.loads(ran.out).get("packages", [])
    return packages


def available(place: Place, entries: Iterable[str], *, python: str = "") -> bool:
    """Whether each entry by itself can be had for this Python, or for another one."""
    version = ("--python-version", python) if python else ()
    return _compile(place, entries, "--no-deps", *only_wheels(), *version).ok


def pythons_with(place: Place, entry: str) -> Sequence[str]:
    """The Pythons, of the known ones, for which the index has what this one requirement asks for."""
    return [python for python in PYTHONS if available(place, [entry], python=python)]


def oldest(place: Place, entry: str) -> str:
    """The first version for an entry that has wheels for this Python, nothing where the index tells none."""
    name = Requirement(entry).name
    options = ("--no-deps", "--no-header", "--no-annotate", "--resolution", "lowest", "--only-binary", name)
    pins = pins_of(_compile(place, [entry], *options))
    return pins[0].partition("==")[2] if pins else ""


def _compile(place: Place, entries: Iterable[str], *options: str) -> Ran:
    # Not --quiet: uv says by a warning, and not in its answer, that an index tells no dates.
    command = ("pip", "compile", "-", "--python", str(place.python), *options)
    return place.uv(*command, stdin="\n".join(entries) + "\n")


def _first_upload(package: Mapping[str, Any]) -> datetime.datetime | None:
    # uv lists the wheels that fit this Python. Not the newest: wheels for other Pythons and a late build of the
    # same version follow by months; the version could be installed from the first on.
    wheels = package.get("wheels") or [package.get("sdist")]
    files = [file for file in wheels if isinstance(file, dict)] if isinstance(wheels, list) else []
    times = [file["upload-time"] for file in files if "upload-time" in file]
    return min(times, default=None)

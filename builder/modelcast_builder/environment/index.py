"""Questions to the package index (or a wheelhouse), each answered by one call of uv and changed by nothing else."""

import datetime
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from modelcast_builder.environment.uv import Ran, Uv

NEVER_BUILT = ("catboost", "lightgbm", "matplotlib", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "xgboost")
"""Building these takes compilers and up to an hour, then fails: without a wheel they are refused at once."""
PYTHONS = tuple(f"3.{minor}" for minor in range(6, 16))
"""Which Pythons to ask about when there is no wheel for ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where packages come from and the Python that they are for."""

    uv: Uv
    python: Path
    wheelhouse: Path | None = None


def only_wheels() -> list[str]:
    """The options by which nothing heavy is built from source."""
    return [option for name in NEVER_BUILT for option in ("--only-binary", name)]


def pick(
    place: Place, entries: Iterable[str], *, constraints: Iterable[str] = (), as_of: str = "", alone: bool = False
) -> Ran:
    """Choose versions for `entries` and all that they need; `alone`: from the wheelhouse, asking no index."""
    options = ["--no-header", "--no-annotate", *only_wheels()]
    options += ["--exclude-newer", as_of] if as_of else []
    options += ["--no-index", "--find-links", str(place.wheelhouse)] if alone else []
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as held:
        held.write("\n".join(constraints) + "\n")
        held.flush()
        return _compile(place, entries, *options, "--constraints", held.name)


def pins_of(ran: Ran) -> tuple[str, ...]:
    """The packages that a question was answered with, sorted."""
    return tuple(sorted(line for line in ran.out.splitlines() if "==" in line))


def released(place: Place, pins: Iterable[str]) -> Ran:
    """Ask when the files of exact versions were uploaded, for this Python and platform."""
    return _compile(place, pins, "--no-deps", "--format", "pylock.toml", *only_wheels())


def newest_day(ran: Ran) -> str:
    """The end of the day by which each of the released packages could be installed; nothing without dates."""
    packages = tomllib.loads(ran.out).get("packages", [])
    firsts = [first for package in packages if (first := _first_upload(package))]
    if not firsts:
        return ""
    next_day = max(firsts).astimezone(datetime.UTC).date() + datetime.timedelta(days=1)
    return f"{next_day:%Y-%m-%d}T00:00:00Z"


def available(place: Place, entries: Iterable[str], *, python: str = "") -> bool:
    """Whether each entry by itself can be had for this Python, or for another one."""
    version = ("--python-version", python) if python else ()
    return _compile(place, entries, "--no-deps", *only_wheels(), *version).ok


def pythons_with(place: Place, entry: str) -> Sequence[str]:
    """The Pythons, of the known ones, for which the index has what this one requirement asks for."""
    return [python for python in PYTHONS if available(place, [entry], python=python)]


def missing_from(wheelhouse: Path | None, entries: Iterable[str]) -> list[str]:
    """The entries that no wheel of the wheelhouse satisfies."""
    held = _wheels(wheelhouse) if wheelhouse else {}
    asked = [Requirement(entry) for entry in entries]
    return [
        str(entry)
        for entry in asked
        if not any(entry.specifier.contains(version, prereleases=True) for version in held.get(entry.name, ()))
    ]


def this_python() -> str:
    """The minor version of the Python that builds and serves."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _compile(place: Place, entries: Iterable[str], *options: str) -> Ran:
    # Not --quiet: uv says by a warning, and not in its answer, that an index tells no dates.
    command = ("pip", "compile", "-", "--python", str(place.python), *options)
    return place.uv(*command, stdin="\n".join(entries) + "\n")


def _first_upload(package: dict[str, object]) -> datetime.datetime | None:
    # uv lists the wheels that fit this Python. Not the newest: wheels for other Pythons and a late build of the
    # same version follow by months; the version could be installed from the first on.
    wheels = package.get("wheels") or [package.get("sdist")]
    files = [file for file in wheels if isinstance(file, dict)] if isinstance(wheels, list) else []
    times = [file["upload-time"] for file in files if "upload-time" in file]
    return min(times, default=None)


def _wheels(wheelhouse: Path) -> dict[str, list[str]]:
    held: dict[str, list[str]] = {}
    for file in sorted(wheelhouse.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            continue
        held.setdefault(canonicalize_name(name), []).append(str(version))
    return held

"""Fills a wheelhouse with all that a lock names: held by the index's hashes, and in its place only when all have come.

What has no wheel is built into one, by the build tools of the lock's time.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name

from modelcast_builder.environment import index, pip, refusals, wheelhouse
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.lock import STEP
from modelcast_builder.environment.pip_settings import in_pips_words
from modelcast_builder.environment.wheelhouse import LOCK_FILE, Filled
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.source_tree import sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of an index: a wheel, or the source of a package that has none."""

    pin: str
    name: str
    url: str
    sha256: str
    """Nothing where the index tells no hash."""

    @property
    def is_wheel(self) -> bool:
        """Whether nothing has to be built."""
        return self.name.endswith(".whl")

    @property
    def line(self) -> str:
        """What pip is asked for: this very file, for by its name pip might find another one in another index."""
        held = f"#sha256={self.sha256}" if self.sha256 else ""
        return f"{self.pin.partition('==')[0]} @ {self.url}{held}"


@contextmanager
def own_wheels(folder: Path) -> Iterator[Path | None]:
    """A folder with the wheels of a wheelhouse that the user put there; None where there are none."""
    own = _own(folder)
    if not own:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="modelcast-") as aside:
        for name in own:
            (Path(aside) / name).symlink_to((folder / name).resolve())
        yield Path(aside)


def fill(place: Place, filled: Filled, into: Path, *, beside: tuple[str, ...] = ()) -> tuple[Path, ...]:
    """Put every wheel of the lock, and what it was chosen for, into a folder; the files, sorted.

    `beside` are pins of what is no part of the lock: the tools that compile its model.
    The folder's other files stay, but for the wheels of the lock that was there before. Raises BuildError and
    MissingPart, and leaves the folder as it was.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{into.name}-", dir=into.parent) as folder:
        stage = Path(folder) / "wheels"
        stage.mkdir()
        pins = (*filled.lock.packages, *filled.lock.serving, *beside)
        _download(place, pins, filled.lock.as_of, stage, into)
        missing = wheelhouse.missing_from([stage], pins)
        if missing:
            raise BuildError(STEP, f"the index gave no wheel for {', '.join(missing)}", "Name another version of it")
        return _put(stage, into, filled)


def _download(place: Place, pins: Sequence[str], as_of: str, stage: Path, into: Path) -> None:
    files = list(_files(place, pins))
    own = _own(into)
    wanted = [file for file in files if not _is_there(file, into, stage, own)]
    dated = [f"--uploaded-prior-to={as_of}"] if as_of else []
    with place.uv.trusting() as env:
        told = in_pips_words(env)
        for some in _rounds([file for file in wanted if file.is_wheel]):
            _check(place, some, pip.download([file.line for file in some], stage, env=told), into)
        for file in (file for file in wanted if not file.is_wheel):
            _check(place, [file], pip.build([file.line], stage, env=told, options=dated), into)


def _check(place: Place, files: Sequence[File], refusal: pip.Refusal | None, into: Path) -> None:
    if refusal is None:
        return
    shown = " and ".join(file.pin for file in files[:3])
    if refusal.unauthorised:
        raise refusals.unauthorised(place.uv)
    if refusal.is_of_the_build:
        problem = f"{shown} has no wheel and cannot be built from its source: {refusal.reason}"
        fix = f"Name a version that has one in {place.file}, or put a wheel of it into {into.name}"
        raise BuildError(STEP, problem, fix)
    told = f"{STEP}: {place.uv.hosts} does not give {shown} as it was resolved: {refusal.reason}"
    raise MissingPart(f"{told}. Try again where the index can be reached")


def _rounds(files: Iterable[File]) -> Iterable[list[File]]:
    """Files that one call of pip takes together: each package once."""
    of_each = [list(group) for _, group in groupby(files, key=lambda file: file.pin)]
    return ([file for file in some if file] for some in zip_longest(*of_each))


def _files(place: Place, pins: Sequence[str]) -> Iterator[File]:
    asked = index.released(place, pins)
    if not asked.ok:
        raise refusals.why_not(place, pins, asked)
    for package in index.files_of(asked):
        pin = f"{canonicalize_name(package['name'])}=={package['version']}"
        named = {_name(file): file for file in package.get("wheels", ())}
        chosen = wheelhouse.first_and_last_fitting(named)
        files = [named[name] for name in chosen] or ([package["sdist"]] if "sdist" in package else [])
        for file in files:
            yield File(pin=pin, name=_name(file), url=str(file["url"]), sha256=file.get("hashes", {}).get("sha256", ""))


def _name(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or unquote(urlsplit(str(file["url"])).path.rpartition("/")[2]))


def _is_there(file: File, into: Path, stage: Path, own: frozenset[str]) -> bool:
    """Whether the folder has this very file already, or the user's own of that name; it is taken over."""
    there = into / file.name
    is_same = file.name in own or bool(file.sha256 and there.is_file() and sha256_of(there) == file.sha256)
    if is_same:
        shutil.copyfile(there, stage / file.name)
    return is_same


def _put(stage: Path, into: Path, filled: Filled) -> tuple[Path, ...]:
    names, former, own = sorted(file.name for file in stage.iterdir()), _former(into), _own(into)
    into.mkdir(exist_ok=True)
    # While wheels come and go the folder does not say that it is whole.
    (into / LOCK_FILE).unlink(missing_ok=True)
    for name in names:
        (stage / name).replace(into / name)
    for name in former.difference(names):
        (into / name).unlink(missing_ok=True)
    whole = replace(filled, put=tuple(name for name in names if name not in own))
    (stage / LOCK_FILE).write_text(wheelhouse.text_of(whole), encoding="utf-8")
    (stage / LOCK_FILE).replace(into / LOCK_FILE)
    return tuple(into / name for name in sorted([*names, LOCK_FILE]))


def _own(into: Path) -> frozenset[str]:
    """The wheels that the user put there, by their files' names."""
    return frozenset(wheel.path.name for wheel in wheelhouse.wheels(into)) - _former(into)


def _former(into: Path) -> frozenset[str]:
    """The wheels that a former `modelcast wheels` put there, by their files' names; the user's own are none of them."""
    try:
        before = wheelhouse.read(into)
    except BuildError:
        return frozenset()
    there = {wheel.path.name for wheel in wheelhouse.wheels(into)}
    return frozenset(there.intersection(before.put if before else ()))

"""A folder of wheels: which one a repository has, what it holds for this Python, what `modelcast wheels` left.

`wheelhouse.lock` lies among the wheels and says what they were chosen for: the requirements, and the lock that the
index gave for them. A build that finds it has the same lock with no index, to the day of which it is.
"""

import os
import platform
import sysconfig
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from modelcast_builder.environment.lock import NOTE, STEP, Lock, lock_text, parse_lock, this_python
from modelcast_builder.errors import BuildError

LOCK_FILE = "wheelhouse.lock"
CONVENTIONAL = ("wheels", "wheelhouse")
TITLE = "# What `modelcast wheels` put here, and for which requirements: a build reads it and asks no index."
ASKED = "# asked: "
PUT = "# wheel: "
FILL = "Run `modelcast wheels SRC` where there is a network, and put the folder into the repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One wheel by its name."""

    path: Path
    name: str
    version: str
    fits: bool
    """Whether this Python on this platform can install it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a wheelhouse was filled for."""

    asked: tuple[str, ...]
    lock: Lock
    put: tuple[str, ...] = ()
    """The files that came from the index; every other wheel is the user's own."""


def find(root: Path, named: str | None) -> Path | None:
    """The repository's wheelhouse: the folder of `wheels:`, else one of the usual name that holds a wheel."""
    if named is not None:
        return _named(root, named)
    found = [root / name for name in CONVENTIONAL if any((root / name).glob("*.whl"))]
    if len(found) > 1:
        problem = f"the repository has two wheelhouses: {' and '.join(CONVENTIONAL)}"
        raise BuildError(STEP, problem, f"Name one in modelcast.yaml: `wheels: {CONVENTIONAL[0]}`")
    return found[0] if found else None


def place_for(root: Path, named: str | None) -> Path:
    """Where `modelcast wheels` fills the repository's wheelhouse. Raises BuildError for a place outside of it."""
    return _inside(root, named) if named is not None else root / CONVENTIONAL[0]


def wheels(folder: Path) -> Sequence[Wheel]:
    """Every wheel of a folder, sorted by its file's name."""
    held = []
    for file in sorted(folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(file.name)
        except InvalidWheelFilename:
            continue
        held.append(Wheel(path=file, name=name, version=str(version), fits=not tags.isdisjoint(_order())))
    return held


def missing_from(houses: Iterable[Path], entries: Iterable[str]) -> list[str]:
    """The entries that no wheel of the wheelhouses satisfies on this Python."""
    held = [wheel for house in houses for wheel in wheels(house) if wheel.fits]
    return [entry for entry in entries if not any(_is_for(wheel, Requirement(entry)) for wheel in held)]


def check_complete(house: Path, houses: Sequence[Path], entries: Iterable[str]) -> None:
    """Raise BuildError where the wheelhouses lack a wheel for one of the entries: which, and what is there instead."""
    lacking = missing_from(houses, entries)
    if not lacking:
        return
    first = Requirement(lacking[0])
    others = [wheel.path.name for wheel in wheels(house) if wheel.name == canonicalize_name(first.name)]
    more = f", nor {len(lacking) - 1} more" if len(lacking) > 1 else ""
    instead = f" (it holds {', '.join(others[:3])})" if others else ""
    pinned = next((f"{spec.version}-" for spec in first.specifier if spec.operator == "=="), "")
    expected = f"{first.name.replace('-', '_')}-{pinned}*.whl for Python {this_python()} on {platform_name()}"
    problem = f"the wheelhouse {house.name} has no wheel for {lacking[0]}{more}: expected {expected}{instead}"
    raise BuildError(STEP, problem, FILL)


def read(folder: Path) -> Filled | None:
    """What the folder was filled for; None where nobody says. Raises BuildError for a damaged file."""
    file = folder / LOCK_FILE
    if not file.is_file():
        return None
    try:
        head, _, text = file.read_text(encoding="utf-8").partition("\n\n")
        lock = parse_lock(text)
    except (UnicodeDecodeError, BuildError) as wrong:
        raise BuildError(STEP, f"{folder.name}/{LOCK_FILE} cannot be read", FILL) from wrong
    asked, notes, put = (
        tuple(line.removeprefix(kind) for line in head.splitlines() if line.startswith(kind))
        for kind in (ASKED, NOTE, PUT)
    )
    return Filled(asked=asked, lock=replace(lock, notes=notes), put=put)


def text_of(filled: Filled) -> str:
    """`wheelhouse.lock`, which `read` understands."""
    told = ((ASKED, filled.asked), (NOTE, filled.lock.notes), (PUT, filled.put))
    lines = [f"{kind}{line}" for kind, lines in told for line in lines]
    return "\n".join([TITLE, *lines, "", lock_text(filled.lock)])


def first_and_last_fitting(files: Iterable[str]) -> tuple[str, ...]:
    """Of wheels of one release: the one that this machine prefers, and the one that most machines can install."""
    order = _order()
    ranked = sorted((_rank(file, order), file) for file in files)
    fitting = [file for rank, file in ranked if rank < len(order)]
    return tuple(dict.fromkeys([*fitting[:1], *fitting[-1:]]))


def platform_name() -> str:
    """The platform as a person says it."""
    return f"{sysconfig.get_platform()} ({'-'.join(platform.libc_ver()) or 'no libc'})"


def _named(root: Path, named: str) -> Path:
    folder = _inside(root, named)
    if not folder.is_dir():
        raise BuildError(STEP, f"`wheels: {named}` of modelcast.yaml is no folder of the repository", FILL)
    if not any(folder.glob("*.whl")):
        raise BuildError(STEP, f"`wheels: {named}` of modelcast.yaml holds no wheel", FILL)
    return folder


def _inside(root: Path, named: str) -> Path:
    folder = Path(os.path.normpath(root / named))
    is_inside = folder.is_relative_to(root) and folder.resolve().is_relative_to(root.resolve())
    if not is_inside or folder == root:
        problem = f"`wheels: {named}` of modelcast.yaml is no folder below the repository's root"
        raise BuildError(STEP, problem, f"Write `wheels: {CONVENTIONAL[0]}`")
    return folder


def _is_for(wheel: Wheel, entry: Requirement) -> bool:
    is_named = wheel.name == canonicalize_name(entry.name)
    return is_named and entry.specifier.contains(wheel.version, prereleases=True)


def _rank(file: str, order: Mapping[Tag, int]) -> int:
    _, _, _, tags = parse_wheel_filename(file)
    return min((order[tag] for tag in tags if tag in order), default=len(order))


@cache
def _order() -> Mapping[Tag, int]:
    return {tag: at for at, tag in enumerate(sys_tags())}

"""Which versions the model's environment gets: everything that the repository leaves open, as of one date.

With nothing pinned the builder's own lock rules; with pins, the day on which the newest of them was released. So
neither a dead environment nor the day of the build decides. The service's packages come afterwards and yield.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from modelcast_builder.environment import index, locked, refusals, remembered, vendored
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.lock import STEP, Lock, of_these, this_python
from modelcast_builder.environment.requirements import Requirements, pinned
from modelcast_builder.environment.uv import Ran, Uv, use_uv
from modelcast_builder.errors import BuildError

UNDATED = "the package index tells no upload dates: the lock depends on the day of the build"
WHEELHOUSE_ONLY = "the package index cannot be reached: the wheelhouse alone decided the versions"

_LEAST = ">="
_SINCE_2 = tuple(f"2.{minor}.{patch}" for minor in range(10) for patch in range(10))
_ALSO_READ_2 = tuple(f"1.26.{patch}" for patch in range(5))
"""numpy's releases that know the names of numpy 2 too."""

WITHOUT_GPUS = "nvidia-nccl is left out: it is for several GPUs; `xgboost-cpu` in the place of xgboost is smaller still"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """The model's packages and the moment that decided them."""

    packages: tuple[str, ...]
    as_of: str
    notes: tuple[str, ...] = ()
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def resolve(
    requirements: Requirements,
    recorded: Mapping[str, str],
    *,
    python: Path,
    wheelhouse: Path | None = None,
    cache: Path | None = None,
    uv: Uv | None = None,
) -> Lock:
    """The lock for what the repository names and the artifact records (`{"scikit-learn": "1.4.2", "numpy": ">=2"}`).

    `python` is an interpreter of the running version. Raises BuildError where nothing fits, MissingPart where the
    index is needed and cannot be reached.
    """
    own = requirements.wheels
    place = Place(uv=uv or use_uv(), python=python, wheelhouse=wheelhouse, vendored=own, file=requirements.file)
    entries = wanted(requirements, recorded)
    if own:
        lock = vendored.resolve(place, own, entries, None if _foreign(entries) else _agreeing(entries))
        return replace(lock, notes=(*requirements.notes, *lock.notes), wheels=own, file=requirements.file)
    key = remembered.key(place, entries)
    known = remembered.recall(cache, key)
    try:
        lock = known or _resolved(place, entries)
    except BuildError as refused:
        raise refusals.of_artifact(place, refused, recorded) from refused
    if not known and lock.as_of:
        remembered.keep(cache, key, lock)
    return replace(lock, notes=(*requirements.notes, *lock.notes), file=requirements.file)


def wanted(requirements: Requirements, recorded: Mapping[str, str]) -> tuple[str, ...]:
    """The repository's entries, the artifact's versions and the default names. Raises BuildError where they differ."""
    least = {name: told.removeprefix(_LEAST) for name, told in recorded.items() if told.startswith(_LEAST)}
    versions: dict[str, str] = {
        canonicalize_name(name): _version(name, version) for name, version in recorded.items() if name not in least
    }
    theirs = [Requirement(entry) for entry in (*requirements.pins, *requirements.ranges)]
    known = [entry for entry in theirs if entry.name in versions]
    differing = [entry for entry in known if not entry.specifier.contains(versions[entry.name], prereleases=True)]
    if differing:
        raise refusals.contradiction(differing, versions, requirements.file)
    readers = [*_readers(requirements, theirs, least)]
    named = {entry.name for entry in theirs} | set(versions) | {Requirement(entry).name for entry in readers}
    added = [*readers, *(name for name in locked.MODEL_NAMES if name not in named)]
    return (*sorted(map(str, theirs)), *(f"{name}=={version}" for name, version in sorted(versions.items())), *added)


def _readers(requirements: Requirements, theirs: Sequence[Requirement], least: Mapping[str, str]) -> Iterator[str]:
    """The ranges that read the artifact, where the repository leaves the choice; raises BuildError as `wanted`."""
    for name, version in least.items():
        known = [entry for entry in theirs if entry.name == name]
        asked = SpecifierSet(",".join(str(entry.specifier) for entry in known))
        if any(asked.contains(release, prereleases=True) for release in _SINCE_2):
            yield from [] if any(map(pinned, known)) else [f"{name}>={version}"]
        elif not any(asked.contains(release, prereleases=True) for release in _ALSO_READ_2):
            raise refusals.unreadable(known, version, requirements.file)


def _version(name: str, text: str) -> str:
    # The text comes from an artifact that nobody has judged yet, and goes into a requirements file.
    try:
        return str(Version(text))
    except InvalidVersion as wrong:
        problem = f"the artifact records {name} {ascii(text)[:80]}, which is not a version"
        raise BuildError(STEP, problem, "Save the model again by a released version") from wrong


def _resolved(place: Place, entries: tuple[str, ...]) -> Lock:
    picked = _by_pins(place, entries) if _foreign(entries) else _by_builders_lock(place, entries)
    refusals.refuse_our_names(place, picked.packages)
    notes = (*picked.notes, *_left_out(picked.packages))
    serving, hashes = _serving(place, picked)
    known = {**of_these(hashes, serving), **picked.hashes}
    return Lock(packages=picked.packages, serving=serving, as_of=picked.as_of, notes=notes, hashes=known)


def _left_out(packages: tuple[str, ...]) -> tuple[str, ...]:
    versions = [Version(pin.partition("==")[2]) for pin in packages if pin.startswith("xgboost==")]
    wants_gpus = (
        versions and versions[0] >= Version("2.1") and not any(pin.startswith("nvidia-nccl") for pin in packages)
    )
    return (WITHOUT_GPUS,) if wants_gpus else ()


def _pins(entries: tuple[str, ...]) -> list[Requirement]:
    return [entry for entry in map(Requirement, entries) if pinned(entry)]


def _foreign(entries: tuple[str, ...]) -> list[Requirement]:
    """The pins that are not the builder's own versions."""
    ours = locked.model_versions()
    return [pin for pin in _pins(entries) if ours.get(pin.name) != pinned(pin)]


def _by_builders_lock(place: Place, entries: tuple[str, ...]) -> Picked:
    constraints, date = _agreeing(entries), locked.lock_date()
    if place.wheelhouse:
        ran = index.pick(place, entries, constraints=constraints, alone=place.houses)
        if ran.ok:
            return Picked(packages=index.pins_of(ran), as_of=date)
    ran = index.pick(place, entries, constraints=constraints, as_of=date)
    if not ran.ok and not (ran.unreachable or ran.undated):
        # A locked package that the repository does not name stands against a range that it does: the range wins.
        ran = index.pick(place, entries, as_of=date)
    if ran.undated:
        return _undated(place, entries, constraints)
    return _picked(_answered(place, entries, ran), as_of=date)


def _by_pins(place: Place, entries: tuple[str, ...]) -> Picked:
    asked = index.released(place, [*map(str, _pins(entries)), *_first_readers(place, entries)])
    if asked.unreachable and place.wheelhouse:
        ran = index.pick(place, entries, alone=place.houses)
        if ran.ok:
            return Picked(packages=index.pins_of(ran), as_of="", notes=(WHEELHOUSE_ONLY,))
    date = index.newest_day(_answered(place, entries, asked))
    if not date:
        return _by_builders_lock(place, entries) if index.are_local(asked) else _undated(place, entries, ())
    ran = index.pick(place, entries, as_of=date)
    if ran.undated:
        return _undated(place, entries, ())
    if ran.ok or ran.unreachable:
        return _picked(_answered(place, entries, ran), as_of=date)
    return _newer_than_pins(place, entries, date)


def _first_readers(place: Place, entries: tuple[str, ...]) -> Iterator[str]:
    """The first release that reads the artifact: on the day of the pins there may be none yet."""
    for entry in (Requirement(one) for one in entries):
        if entry.name == "numpy" and str(entry.specifier) == ">=2" and (first := index.oldest(place, str(entry))):
            yield f"numpy=={first}"


def _picked(ran: Ran, *, as_of: str, notes: tuple[str, ...] = ()) -> Picked:
    return Picked(packages=index.pins_of(ran), as_of=as_of, notes=notes, hashes=index.hashes_of(ran))


def _newer_than_pins(place: Place, entries: tuple[str, ...], date: str) -> Picked:
    # Old pure-Python pins (`six==1.12.0` alone) are older than this Python: nothing else has wheels as of their day.
    picked = _by_builders_lock(place, entries)
    note = f"as of {date[:10]} nothing fits Python {this_python()}: resolved as of {picked.as_of[:10]} instead"
    return replace(picked, notes=(note, *picked.notes))


def _undated(place: Place, entries: tuple[str, ...], constraints: tuple[str, ...]) -> Picked:
    ran = index.pick(place, entries, constraints=constraints)
    if constraints and not ran.ok:
        ran = index.pick(place, entries)
    return _picked(_answered(place, entries, ran), as_of="", notes=(UNDATED,))


def _agreeing(entries: tuple[str, ...]) -> tuple[str, ...]:
    """The builder's locked versions, without those that an entry excludes."""
    asked = [Requirement(entry) for entry in entries]
    ours = locked.model_versions()
    against = {
        entry.name for entry in asked if not entry.specifier.contains(ours.get(entry.name, "0"), prereleases=True)
    }
    return tuple(f"{name}=={version}" for name, version in ours.items() if name not in against)


def _serving(place: Place, picked: Picked) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    """What the service adds to the model's packages: at the builder's locked versions where the model leaves room.

    And the hashes of what was answered.
    """
    names = {Requirement(pin).name for pin in picked.packages}
    # The model may be younger than the builder's lock; the service's other packages are held by their pins.
    date = max(locked.lock_date(), picked.as_of) if picked.as_of else ""
    pins = [f"{name}=={version}" for name, version in locked.serving_versions().items() if name not in names]
    ran = _served(place, (*picked.packages, *pins), date)
    if not ran.ok and not (ran.unreachable or ran.unauthorised):
        ran = _served(place, picked.packages, date)
    if not ran.ok and not (ran.unreachable or ran.unauthorised):
        raise refusals.no_room(place, ran)
    answered = _answered(place, locked.runtime_ranges(), ran)
    added = tuple(pin for pin in index.pins_of(answered) if Requirement(pin).name not in names)
    return added, index.hashes_of(answered)


def _served(place: Place, constraints: tuple[str, ...], date: str) -> Ran:
    ranges = locked.runtime_ranges()
    if place.wheelhouse:
        ran = index.pick(place, ranges, constraints=constraints, alone=place.houses)
        if ran.ok:
            return ran
    ran = index.pick(place, ranges, constraints=constraints, as_of=date)
    return index.pick(place, ranges, constraints=constraints) if ran.undated else ran


def _answered(place: Place, entries: tuple[str, ...], ran: Ran) -> Ran:
    """The answer, if it is one. Raises BuildError or MissingPart with the reason."""
    if not ran.ok:
        raise refusals.why_not(place, entries, ran)
    return ran

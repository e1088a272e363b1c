"""The lock that a repository's own wheelhouse gives, with no index: what it was filled for, else what it holds."""

from pathlib import Path

from modelcast_builder.environment import index, locked, refusals, wheelhouse
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.lock import STEP, Lock, this_python
from modelcast_builder.errors import BuildError

UNDATED = "the wheelhouse alone decided the versions: `modelcast wheels` fills it with those that the index gives"


def resolve(place: Place, house: Path, entries: tuple[str, ...], constraints: tuple[str, ...] | None) -> Lock:
    """The lock; `constraints` are the builder's own versions, None where a pin stands against them."""
    filled = wheelhouse.read(house)
    if filled is None:
        return _chosen(place, house, entries, constraints)
    if filled.lock.python != this_python():
        problem = f"the wheelhouse {house.name} was filled for Python {filled.lock.python}"
        raise BuildError(STEP, f"{problem}, and this builder has {this_python()}", wheelhouse.FILL)
    if filled.asked != entries:
        changed = sorted({*filled.asked} ^ {*entries})
        problem = f"the wheelhouse {house.name} was filled for other requirements: {', '.join(changed[:5])} changed"
        raise BuildError(STEP, problem, f"{wheelhouse.FILL}, or let its wheels decide: remove {wheelhouse.LOCK_FILE}")
    return filled.lock


def _chosen(place: Place, house: Path, entries: tuple[str, ...], constraints: tuple[str, ...] | None) -> Lock:
    if constraints is not None:
        ran = index.pick(place, entries, constraints=constraints, alone=place.houses)
        if ran.ok:
            return _lock(place, house, index.pins_of(ran), as_of=locked.lock_date())
    # The repository's wheels go together; the machine's may be of another time, so they only fill gaps.
    ran = index.pick(place, entries, alone=(house,))
    if not ran.ok and place.wheelhouse:
        ran = index.pick(place, entries, alone=place.houses)
    if not ran.ok:
        wheelhouse.check_complete(house, place.houses, entries)
        problem = f"the wheels of {house.name} do not fit together: {ran.reason}"
        raise BuildError(STEP, problem, wheelhouse.FILL)
    return _lock(place, house, index.pins_of(ran), as_of="", notes=(UNDATED,))


def _lock(place: Place, house: Path, packages: tuple[str, ...], *, as_of: str, notes: tuple[str, ...] = ()) -> Lock:
    names = {pin.partition("==")[0] for pin in packages}
    ranges, ours = locked.runtime_ranges(), locked.serving_versions()
    pins = tuple(f"{name}=={version}" for name, version in ours.items() if name not in names)
    ran = index.pick(place, ranges, constraints=(*packages, *pins), alone=place.houses)
    if not ran.ok:
        ran = index.pick(place, ranges, constraints=packages, alone=place.houses)
    if not ran.ok:
        wheelhouse.check_complete(house, place.houses, ranges)
        raise refusals.no_room(place, ran)
    serving = tuple(pin for pin in index.pins_of(ran) if pin.partition("==")[0] not in names)
    return Lock(packages=packages, serving=serving, as_of=as_of, notes=notes)

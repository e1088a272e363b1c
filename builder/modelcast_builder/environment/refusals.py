"""Why an environment cannot be made, said to the person who must act: one line, and what to write."""

import re
from collections.abc import Iterable, Mapping, Sequence

from packaging.requirements import Requirement

from modelcast_builder.environment import index, wheelhouse
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.lock import STEP, this_python
from modelcast_builder.environment.pip_settings import index_settings
from modelcast_builder.environment.requirements import OURS, pinned
from modelcast_builder.environment.uv import Ran, Uv
from modelcast_builder.errors import BuildError, MissingPart

WITHOUT_INDEX = (
    "Build with a network, name a mirror in PIP_INDEX_URL, or run `modelcast wheels SRC` where there is a network"
)
"""What helps where the index cannot be reached."""


def why_not(place: Place, entries: Sequence[str], ran: Ran) -> BuildError | MissingPart:
    """What a question about these entries that was not answered is to the person who must act."""
    if ran.unauthorised:
        return unauthorised(place.uv)
    if ran.unreachable:
        return _unreachable(place, entries)
    if ran.misconfigured:
        problem = f"where packages come from cannot be read: {ran.reason}"
        return BuildError(STEP, problem, "Correct PIP_INDEX_URL and the like; in a password write / as %2F, @ as %40")
    return _unsatisfiable(place, entries, ran)


def contradiction(differing: Iterable[Requirement], versions: Mapping[str, str], file: str) -> BuildError:
    """The repository asks for another version than the one that made the artifact."""
    told = [
        f"the artifact was made by {entry.name} {versions[entry.name]}, {file} asks for {entry.specifier}"
        for entry in differing
    ]
    pins = " and ".join(f"{entry.name}=={versions[entry.name]}" for entry in differing)
    return BuildError(STEP, "; ".join(told), f"Write {pins} in {file}, or save the model again")


def unreadable(asked: Sequence[Requirement], version: str, file: str) -> BuildError:
    """The repository asks for versions of a package that are too old to read the artifact."""
    name = asked[0].name
    told = ", ".join(str(entry.specifier) for entry in asked)
    problem = f"the artifact was made by {name} {version} or newer, {file} asks for {told}"
    return BuildError(STEP, problem, f"Write {name}>={version} in {file}, or save the model again")


def of_artifact(place: Place, refused: BuildError, versions: Mapping[str, str]) -> BuildError:
    """What cannot be had was not asked for by anybody but recorded in the artifact: said so, and what can be had."""
    made = [
        name
        for name, version in versions.items()
        if re.search(rf"(?<![\w.-]){re.escape(f'{name} {version}')}(?![\w.+!-])", refused.problem)
    ]
    if not made:
        return refused
    problem = f"the artifact was made by {made[0]} {versions[made[0]]}, but {refused.problem}"
    first = index.oldest(place, made[0])
    known = f"{made[0]} {first} or newer" if first else "a version that has"
    return BuildError(STEP, problem, f"Fit and save the model again with {known}, or take a builder with that Python")


def _unsatisfiable(place: Place, entries: Sequence[str], ran: Ran) -> BuildError:
    """No set of versions fits: the packages at fault by themselves, else what uv says of their combination."""
    ours = this_python()
    suspects = [] if index.available(place, entries) else [e for e in entries if not index.available(place, [e])]
    at_fault = {entry: index.pythons_with(place, entry) for entry in suspects}
    elsewhere = {entry: pythons for entry, pythons in at_fault.items() if pythons}
    if elsewhere:
        told = [f"{_shown(entry)} needs Python {_span(pythons, ours)}" for entry, pythons in elsewhere.items()]
        problem = f"{', '.join(told)}; this builder has {ours}"
        fix = f"Name a version that has wheels for Python {ours}, or take a builder with that Python"
        return BuildError(STEP, problem, fix)
    if at_fault:
        problem = f"the package index has no {' and no '.join(map(_absent, at_fault))}"
        return BuildError(STEP, problem, f"Correct the name or the version in {place.file}")
    return BuildError(STEP, f"the packages do not fit together: {ran.reason}", f"Widen or correct {place.file}")


def no_room(place: Place, ran: Ran) -> BuildError:
    """The model's packages and the service's cannot be in one environment."""
    problem = f"the model's packages leave no room for the service's: {ran.reason}"
    return BuildError(STEP, problem, f"Let {place.file} name newer versions of the packages in that sentence")


def refuse_our_names(place: Place, packages: Iterable[str]) -> None:
    """Raise BuildError where a package of somebody's pulls in our names from an index: anybody could register them."""
    taken = [pin for pin in packages if Requirement(pin).name in OURS]
    if taken:
        problem = f"a package that {place.file} names wants {', '.join(taken)} from the index"
        raise BuildError(STEP, problem, "Leave that package out: the builder brings its own")


def _unreachable(place: Place, entries: Sequence[str]) -> MissingPart:
    """The index is needed and does not answer."""
    lacking = wheelhouse.missing_from(place.houses, entries) or ["what the named packages need"]
    where = "the wheelhouse lacks" if place.wheelhouse else "there is no wheelhouse for"
    told = f"the package index {place.uv.hosts} cannot be reached, and {where} {', '.join(lacking)}"
    return MissingPart(f"{STEP}: {told}. {WITHOUT_INDEX}")


def unauthorised(uv: Uv) -> MissingPart:
    """The index answers, and not to these credentials."""
    told = f"the package index {uv.hosts} refuses the credentials that it was given, or wants some"
    where = ", ".join(index_settings(uv.env) or ["PIP_INDEX_URL"])
    return MissingPart(f"{STEP}: {told}. Correct the user and the password in {where} or in ~/.netrc")


def _shown(entry: str) -> str:
    parsed = Requirement(entry)
    version = pinned(parsed)
    return f"{parsed.name} {version}" if version else entry


def _absent(entry: str) -> str:
    return f"wheel of {_shown(entry)}" if Requirement(entry).name in index.NEVER_BUILT else _shown(entry)


def _span(pythons: Sequence[str], ours: str) -> str:
    below, above = (_order(pythons[-1]) < _order(ours)), (_order(pythons[0]) > _order(ours))
    if below:
        return f"<= {pythons[-1]}"
    return f">= {pythons[0]}" if above else ", ".join(pythons)


def _order(python: str) -> int:
    return int(python.partition(".")[2])

"""From a repository to what is built of it: the notebooks to execute, or the trained file that is there.

The order is the design's: what is named, then own code that predicts, then the one artifact, then the one notebook;
everything else is refused with what was seen and the line to write.
"""

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelcast_builder import own_code
from modelcast_builder.artifact import lfs_pointer
from modelcast_builder.artifact.kinds import is_lfs_pointer
from modelcast_builder.errors import BuildError
from modelcast_builder.sight import Sight, listed, look, size_of

_SERVED = ".joblib .pkl .pickle .skops"
_DUMP = 'joblib.dump(model, "model.joblib")'
# What a notebook of the first S2I builders defined: a function, which was called in the notebook's own place.
_PREDICTOR = f"End the notebook with {_DUMP}, where model is the fitted estimator or Pipeline that predictor() asks"


class Named(Protocol):
    """What of `modelcast.yaml` discovery asks for."""

    @property
    def notebooks(self) -> tuple[str, ...] | None:
        """The notebooks to execute, in order; None where nobody named any."""

    @property
    def notebooks_key(self) -> str:
        """Where they are named: `notebooks`, or the variable of the build."""

    @property
    def model(self) -> str | None:
        """The artifact, relative to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is built: notebooks to execute (then the artifact is what they write), or an artifact that is there."""

    notebooks: tuple[Path, ...]
    artifact: Path | None
    """A trained file, or own code (`prediction.py`)."""
    reason: str


def discover(repo: Path, config: Named) -> Plan:
    """Decide what is built, by name, else by convention; raises BuildError where nothing or too much is seen."""
    sight = look(repo)
    if config.notebooks:
        notebooks = tuple(_named(sight, name, config.notebooks_key, sight.notebooks) for name in config.notebooks)
        return _execute(sight, notebooks, "named")
    if config.model is not None:
        return _named_model(sight, config.model)
    if own_code.FILE in sight.files and own_code.predicts(repo):
        return _use_code(sight, "found")
    if len(sight.artifacts) == 1:
        return _use(sight, sight.artifacts[0], "found")
    if sight.artifacts:
        raise _refused(
            f"found {len(sight.artifacts)} models: {listed(sight.artifacts)}",
            f"Name the one to serve in modelcast.yaml: `model: {sight.artifacts[0].as_posix()}`",
        )
    if len(sight.at_root) == 1 and config.notebooks is None:
        return _execute(sight, sight.at_root, "found")
    raise _nothing_decides(sight)


def written(repo: Path, files: Sequence[Path], config: Named) -> Path:
    """The artifact among the `files` that the notebooks wrote; raises BuildError where there is none, or no one."""
    home = repo.resolve()
    places = {path.relative_to(home) for path in map(Path.resolve, files) if path.is_relative_to(home)}
    seen = look(repo)
    found = tuple(path for path in seen.artifacts if any(path == place or path in place.parents for place in places))
    who = listed([Path(name) for name in config.notebooks or ()] or seen.at_root) or "the notebook"
    if config.model is not None:
        return _written_as_named(repo, config.model, places, who)
    if len(found) == 1:
        return repo / found[0]
    if found:
        raise _refused(
            f"{who} saved {len(found)} models: {listed(found)}",
            f"Name the one to serve in modelcast.yaml: `model: {found[0].as_posix()}`",
        )
    fix = _PREDICTOR if config.notebooks_key == "S2I_SOURCE_NOTEBOOK" else f"End the notebook with {_DUMP}"
    raise _refused(f"{who} saved no model: expected one {_SERVED} file in the repository", fix)


# What is named.


def _named(sight: Sight, name: str, key: str, candidates: Sequence[Path]) -> Path:
    """The path that a key of modelcast.yaml names; raises BuildError where it is missing or leads out."""
    place = _place(name, key)
    if place is None or not (sight.repo / place).exists():
        near = difflib.get_close_matches(name, [path.as_posix() for path in candidates or sight.files], n=1, cutoff=0.4)
        fix = f"Did you mean `{_line(key, near[0])}`?" if near else f"Add it, or name another: {_seen(sight)}"
        raise _refused(f"`{_line(key, name)}` is not in the repository", fix)
    if not (sight.repo / place).resolve().is_relative_to(sight.repo.resolve()):
        raise _outside(name, key)
    if key != "model" and place.suffix != ".ipynb":
        raise _refused(f"`{_line(key, name)}` is no notebook", "Name files that end in .ipynb")
    return place


def _place(name: str, key: str) -> Path | None:
    if not name.strip():
        return None
    place = Path(os.path.normpath(name))
    if place.is_absolute() or place.parts[:1] == ("..",):
        raise _outside(name, key)
    return place


def _named_model(sight: Sight, name: str) -> Plan:
    """The artifact, or where it is yet to be written, the one notebook that writes it."""
    place = _place(name, "model")
    is_there = place is not None and (sight.repo / place).exists()
    if not is_there and len(sight.at_root) == 1:
        return _execute(sight, sight.at_root, f"to write {name}, found")
    if not is_there and sight.notebooks and not sight.artifacts:
        problem = f"`model: {name}` is not in the repository; {listed(sight.notebooks)} could write it"
        raise _refused(problem, _list_them(sight.notebooks))
    named = _named(sight, name, "model", sight.artifacts)
    return _named_code(sight, named) if named.suffix == ".py" else _use(sight, named, "named")


def _named_code(sight: Sight, place: Path) -> Plan:
    if place == own_code.FILE and own_code.predicts(sight.repo):
        return _use_code(sight, "named")
    raise _refused(
        f"`model: {place.as_posix()}` names a module, and own code is served from {own_code.FILE} at the root alone, "
        f"with a function {own_code.FUNCTION}(body)",
        "Name a trained file, or write that function there and remove `model:`",
    )


def _written_as_named(repo: Path, name: str, places: set[Path], who: str) -> Path:
    place = _place(name, "model")
    is_written = place is not None and any(place == path or place in path.parents for path in places)
    if place is not None and is_written and (repo / place).exists():
        return repo / place
    saved = f"wrote {listed(sorted(places))}" if places else "wrote nothing"
    fix = f'End the notebook with joblib.dump(model, "{name}"), or correct `model:` in modelcast.yaml'
    raise _refused(f"{who} did not save {name} (`model:` in modelcast.yaml) but {saved}", fix)


# Plans and refusals.


def _use(sight: Sight, place: Path, how: str) -> Plan:
    path = sight.repo / place
    if is_lfs_pointer(path):
        raise lfs_pointer("discover", place.as_posix())
    name = place.as_posix() if place.parts else "an MLflow model at the root"
    reason = f"{how} {name} ({size_of(path)})"
    return Plan(notebooks=(), artifact=path, reason=reason + _documentation(sight))


def _use_code(sight: Sight, how: str) -> Plan:
    reason = f"{how} {own_code.FILE} with {own_code.FUNCTION}()"
    if sight.artifacts:
        reason += f", beside {listed(sight.artifacts)}"
    return Plan(notebooks=(), artifact=sight.repo / own_code.FILE, reason=reason + _documentation(sight))


def _documentation(sight: Sight) -> str:
    if not sight.notebooks:
        return ""
    return f"; {listed(sight.notebooks)} {'are' if len(sight.notebooks) > 1 else 'is'} documentation"


def _execute(sight: Sight, places: Sequence[Path], how: str) -> Plan:
    for place in places:
        if is_lfs_pointer(sight.repo / place):
            raise lfs_pointer("discover", place.as_posix())
    names = ", ".join(place.as_posix() for place in places)
    return Plan(notebooks=tuple(sight.repo / place for place in places), artifact=None, reason=f"{how} {names}")


def _nothing_decides(sight: Sight) -> BuildError:
    if len(sight.at_root) > 1:
        return _refused(
            f"found no model and {len(sight.at_root)} notebooks: {listed(sight.at_root)}", _list_them(sight.at_root)
        )
    if sight.notebooks:
        return _refused(
            f"found no model, and no notebook at the root but {listed(sight.notebooks)}", _list_them(sight.notebooks)
        )
    application = own_code.web_application(sight.repo, sight.files)
    if application is not None:
        return _refused(
            f"found no model and no notebook, but {application.as_posix()} of a Python web application",
            "To run it as it is, use the stock Python builder; to serve a model, add a notebook that ends with "
            f"{_DUMP}, or {own_code.FILE} with predict(body)",
        )
    if own_code.FILE in sight.files and (written := own_code.misshapen(sight.repo)):
        return _refused(
            f"found no model and no notebook, and {written} in {own_code.FILE} cannot be called with one argument",
            f"Write `def predict(body):`, which takes a dict and gives one, or add a notebook that ends with {_DUMP}",
        )
    return _refused(
        f"found no model and no notebook; {_seen(sight)}", f"Add a notebook that ends with {_DUMP}, or that file"
    )


def _list_them(notebooks: Sequence[Path]) -> str:
    names = ", ".join(notebook.as_posix() for notebook in notebooks)
    what = "the one to execute" if len(notebooks) == 1 else "those to execute, in order,"
    return f"Name {what} in modelcast.yaml: `notebooks: [{names}]`"


def _line(key: str, name: str) -> str:
    if key.isupper():
        return f"{key}={name}"  # a variable of the build
    return f"{key}: [{name}]" if key == "notebooks" else f"{key}: {name}"


def _outside(name: str, key: str) -> BuildError:
    return _refused(
        f"`{_line(key, name)}` leads out of the repository", "Name a path relative to the repository's root"
    )


def _refused(problem: str, fix: str) -> BuildError:
    return BuildError("discover", problem, fix)


def _seen(sight: Sight) -> str:
    return f"the repository holds {listed(sight.files)}" if sight.files else "the repository is empty"

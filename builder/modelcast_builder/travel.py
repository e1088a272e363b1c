"""Which of the repository's own modules travel with the model: what its artifact names, and what those import.

Modules are read with `ast`, never imported. With the bundle's `code/` on `sys.path`, each is found by the name it had.
"""

import difflib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from modelcast_builder import source_tree
from modelcast_builder.artifact import Artifact
from modelcast_builder.errors import BuildError
from modelcast_builder.imports import imports_of

_LEFT_BEHIND = {".ipynb", ".pyc", ".pyo"}


@dataclass(frozen=True, slots=True, order=True)
class TravelFile:
    """One file of the repository and its place below the bundle's `code/`."""

    target: PurePosixPath
    source: Path


def plan(
    repo: Path,
    artifact: Artifact,
    *,
    imported: Mapping[str, Path],
    code: Sequence[str] | None,
    roots: Sequence[Path],
) -> tuple[TravelFile, ...]:
    """The files that travel, by target; `code` (from modelcast.yaml) replaces what the artifact's names tell.

    `imported` is module -> file as the notebook's kernel saw it, `roots` (the notebooks' folders) where else modules
    may lie than at the root, beside the artifact and in `src/`. Raises BuildError for code that is missing or outside.
    """
    near = (*roots, artifact.path.parent, repo / "src")
    logged = artifact.mlflow.code if artifact.mlflow else None
    found_in = _inside(repo, near)
    # What MLflow kept is what the model was logged with; the repository's own may have moved on.
    search = _Search(
        repo=repo.resolve(), imported=imported, roots=(*((logged.resolve(),) if logged else ()), *found_in)
    )
    wanted = {module for module, _ in artifact.globals} | artifact.imports
    if logged:
        wanted |= {_dotted(PurePosixPath(file.relative_to(logged))) for file in logged.rglob("*.py")} - {""}
    if artifact.main_names or artifact.by_value:
        wanted |= set(imported)  # what a notebook's own definitions use, the artifact does not say
    if code is None:
        found = list(_closure(search, wanted))
    else:
        found = [file for entry in code for file in _named(search, entry, wanted | set(imported))]
    places: dict[PurePosixPath, Path] = {}
    for target, source in found:
        if source != artifact.path.resolve():
            places.setdefault(target, source)
    return tuple(sorted(TravelFile(target=target, source=source) for target, source in places.items()))


def everything(repo: Path, code: Sequence[str] | None) -> tuple[TravelFile, ...]:
    """All of the repository but notebooks and hidden files, or what `code` names, at the places where they lie.

    Raises BuildError for what is missing or outside.
    """
    search = _Search(repo=repo.resolve(), imported={}, roots=(repo.resolve(),))
    if code is None:
        found = list(_files(search, search.repo, PurePosixPath()))
    else:
        found = [file for entry in code for file in _named(search, entry, set())]
    return tuple(sorted(TravelFile(target=target, source=source) for target, source in dict(found).items()))


def lay_out(files: Iterable[TravelFile], folder: Path) -> Path:
    """Copy the files to their places below a new folder; the folder."""
    folder.mkdir()
    for file in files:
        target = folder / file.target
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, target)
    return folder


@dataclass(frozen=True, slots=True)
class _Search:
    """Where modules are looked for, and what was found so far."""

    repo: Path
    imported: Mapping[str, Path]
    roots: tuple[Path, ...]
    known: dict[str, "_Module | None"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Module:
    """A module of the repository: its dotted name, its file, and the folder that its name is relative to."""

    name: str
    file: Path
    root: Path

    @property
    def carrier(self) -> Path:
        """What travels with it: the folder of its outermost package, or the file alone where its name fits none."""
        parts = self.name.split(".")
        is_placed = self.file in _candidates(self.root, parts)
        top = self.root / parts[0]
        return top if is_placed and top.is_dir() and self.file.is_relative_to(top) else self.file


def _inside(repo: Path, roots: Sequence[Path]) -> tuple[Path, ...]:
    """The roots that are folders of the repository, each once, the repository's own first."""
    home = repo.resolve()
    resolved = [home, *(root.resolve() for root in roots)]
    return tuple(dict.fromkeys(root for root in resolved if root.is_relative_to(home) and root.is_dir()))


# The default: what the artifact names, and what that imports.


def _closure(search: _Search, wanted: Iterable[str]) -> Iterator[tuple[PurePosixPath, Path]]:
    queue, seen, brought = sorted(wanted), set[str](), set[Path]()
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        module = _find(search, name)
        if module is None or module.carrier in brought:
            continue
        brought.add(module.carrier)
        for target, source in _brought(search, module):
            yield target, source
            if source.suffix == ".py":
                queue += imports_of(source, _dotted(target), is_package=target.stem == "__init__")


def _find(search: _Search, name: str) -> _Module | None:
    if name not in search.known:
        search.known[name] = _locate(search, name)
    return search.known[name]


def _locate(search: _Search, name: str) -> _Module | None:
    """The kernel's own word first, else the roots; names of the standard library are the repository's by it only."""
    parts = name.split(".")
    if parts[0] == "__main__" or not all(part.isidentifier() for part in parts):
        return None
    if name in search.imported:
        file = search.imported[name].resolve()
        depth = len(parts) + (file.stem == "__init__") - 1
        is_own = file.is_relative_to(search.repo) and file.is_file() and len(file.parents) > depth
        return _Module(name=name, file=file, root=file.parents[depth]) if is_own else None
    if parts[0] in sys.stdlib_module_names or (parts[0] in search.imported and not _find(search, parts[0])):
        return None
    for root in search.roots:
        for file in _candidates(root, parts):
            if file.is_file():
                _check_inside(search, file)
                return _Module(name=name, file=file, root=root)
    return None


def _candidates(root: Path, parts: list[str]) -> tuple[Path, Path]:
    """Where a module of this name can lie, as Python looks: a package before a file."""
    return root.joinpath(*parts, "__init__.py"), root.joinpath(*parts[:-1], f"{parts[-1]}.py")


def _brought(search: _Search, module: _Module) -> Iterator[tuple[PurePosixPath, Path]]:
    """A module alone; with a package all of it, as it may read its own files; of a plain folder its modules."""
    top = module.carrier
    if top == module.file:
        yield PurePosixPath(*module.name.split(".")).with_suffix(".py"), module.file.resolve()
        return
    is_package = (top / "__init__.py").is_file()
    for target, source in _files(search, top, PurePosixPath(top.name)):
        if is_package or source.suffix == ".py":
            yield target, source


def _dotted(target: PurePosixPath) -> str:
    parts = target.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


# `code:` in modelcast.yaml.


def _named(search: _Search, entry: str, wanted: set[str]) -> Iterator[tuple[PurePosixPath, Path]]:
    path = Path(os.path.normpath(search.repo / entry))
    if not path.is_relative_to(search.repo):
        raise BuildError("travel", f"`code: {entry}` leads out of the repository", "Name files and folders inside it")
    if not path.exists():
        raise _missing(search, entry)
    _check_inside(search, path)
    place = PurePosixPath(path.relative_to(search.repo))
    listed = list(_files(search, path, place)) if path.is_dir() else [(place, path.resolve())]
    depth = _depth(search, path, [target for target, _ in listed], wanted)
    for target, source in listed:
        yield PurePosixPath(*target.parts[depth:]), source


def _depth(search: _Search, path: Path, places: list[PurePosixPath], wanted: set[str]) -> int:
    """How deep lies the root of the entry's modules: the one that explains most names, else the deepest above it."""

    def rank(root: Path) -> tuple[int, bool, int]:
        depth = len(root.relative_to(search.repo).parts)
        names = {_dotted(PurePosixPath(*place.parts[depth:])) for place in places if len(place.parts) > depth}
        return len(names & wanted), root != path, depth

    return max(rank(root) for root in search.roots if path.is_relative_to(root))[2]


def _missing(search: _Search, entry: str) -> BuildError:
    files = [file.relative_to(search.repo) for file in source_tree.files(search.repo)]
    known = {place.as_posix() for file in files for place in (file, *file.parents) if place.name}
    near = difflib.get_close_matches(entry, sorted(known), n=1)
    fix = f"Write `code: [{near[0]}]` in modelcast.yaml" if near else "Write the path from the repository's root"
    return BuildError("travel", f"`code: {entry}` is not in the repository", fix)


# Files, links followed inside the repository only.


def _files(
    search: _Search, folder: Path, target: PurePosixPath, above: tuple[Path, ...] = ()
) -> Iterator[tuple[PurePosixPath, Path]]:
    """Every visible file below `folder` but notebooks and compiled modules, with its place; a link to a folder once."""
    _check_inside(search, folder)
    home = folder.resolve()
    for path in source_tree.files(home):
        names = path.relative_to(home).parts
        if path.suffix in _LEFT_BEHIND or any(name.startswith(".") for name in names):
            continue
        _check_inside(search, path)
        if path.is_file():
            yield target.joinpath(*names), path.resolve()
        elif path.is_dir() and not any(place.is_relative_to(path.resolve()) for place in (*above, home)):
            yield from _files(search, path, target.joinpath(*names), (*above, home))


def _check_inside(search: _Search, path: Path) -> None:
    if not path.resolve().is_relative_to(search.repo):
        place = path.relative_to(search.repo).as_posix()
        raise BuildError("travel", f"{place} is a link that leads out of the repository", "Put the file itself there")

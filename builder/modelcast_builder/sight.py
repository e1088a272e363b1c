"""What a walk over a repository sees: trained files and notebooks, and how a sentence names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modelcast_builder import source_tree
from modelcast_builder.artifact.kinds import kind_of

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Sight:
    """What a walk over the repository saw, relative paths in order."""

    repo: Path
    files: tuple[Path, ...]
    artifacts: tuple[Path, ...]
    notebooks: tuple[Path, ...]

    @property
    def at_root(self) -> tuple[Path, ...]:
        """The notebooks that lie at the root."""
        return tuple(notebook for notebook in self.notebooks if notebook.parent == Path())


def look(repo: Path) -> Sight:
    """Walk the source once; what a link leads out of the repository to is not seen."""
    files = tuple(path.relative_to(repo) for path in source_tree.files(repo) if path.exists())
    inside = [file for file in files if (repo / file).resolve().is_relative_to(repo.resolve())]
    marked = {file.parent for file in inside if file.name == "MLmodel"}
    folders = {folder for folder in marked if not marked & set(folder.parents)}
    artifacts = folders | {file for file in inside if _is_artifact(repo, file) and not folders & set(file.parents)}
    notebooks = tuple(file for file in inside if file.suffix == ".ipynb" and not _is_hidden(file))
    return Sight(repo=repo, files=files, artifacts=tuple(sorted(artifacts)), notebooks=notebooks)


def _is_artifact(repo: Path, file: Path) -> bool:
    """By kind, but for hidden files and `data/train.*` and `data/holdout.*`, which are data by their names."""
    is_data = file.parent == Path("data") and file.stem in ("train", "holdout")
    if is_data or _is_hidden(file):
        return False
    return (repo / file).is_file() and kind_of(repo / file) is not None


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def listed(paths: Sequence[Path]) -> str:
    """The paths for a sentence, the first few by name."""
    names = [path.as_posix() for path in paths[:_SHOWN]]
    return ", ".join(names) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")


def size_of(path: Path) -> str:
    """How large a file or folder is, for people."""
    files = [path] if path.is_file() else [file for file in source_tree.files(path) if file.is_file()]
    size = float(sum(file.stat().st_size for file in files))
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"

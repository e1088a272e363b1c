"""Reads notebooks, and sees which files of the repository they wrote."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import nbformat.reader
from nbformat import NotebookNode

from modelcast_builder.errors import BuildError

STEP = "notebooks"
KINDS = (".joblib", ".pkl", ".pickle", ".skops", ".onnx", ".ubj", ".json", ".txt")
_NOT_WALKED = (".git", "__pycache__", ".ipynb_checkpoints")
_SAVE_AGAIN = "Open it in Jupyter and save it again, or remove it"
_PYTHONS = ("", "python", "python3", "ipython")
Facts = tuple[int, int, int]
State = Mapping[Path, Facts]


def read(path: Path, name: str) -> NotebookNode:
    """The notebook in nbformat 4; raises BuildError for anything that is no Python notebook with code."""
    text = _text(path, name)
    with warnings.catch_warnings():
        # nbformat warns of what it repairs itself: cells without ids.
        warnings.simplefilter("ignore")
        try:
            notebook = _upgraded(text)
            _name_cells(notebook)
            nbformat.validate(notebook)
        except nbformat.ValidationError as error:
            raise BuildError(STEP, f"{name} is not a valid notebook: {_place(error)}", _SAVE_AGAIN) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise BuildError(STEP, f"{name} is not a valid notebook: {reason}", _SAVE_AGAIN) from error
    _check_language(notebook, name)
    if not any(cell.cell_type == "code" and cell.source.strip() for cell in notebook.cells):
        raise BuildError(STEP, f"{name} has no code to run", "Name another notebook in `notebooks:`, or write the code")
    return notebook


def _upgraded(text: str) -> NotebookNode:
    # Without the validation that nbformat.reads adds: it would log what is mended in the next step.
    library: Any = nbformat
    notebook: NotebookNode = library.convert(library.reader.reads(text), library.current_nbformat)
    return notebook


def _place(error: nbformat.ValidationError) -> str:
    """Where it is not as the schema has it; the message itself would quote whole cells."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.relative_path)
    return f"${''.join(parts)} is not as nbformat defines it"


def _text(path: Path, name: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BuildError(STEP, f"{name} does not exist", "Correct `notebooks:` in modelcast.yaml") from None
    except UnicodeDecodeError:
        raise BuildError(STEP, f"{name} is not a notebook: it is not UTF-8", _SAVE_AGAIN) from None
    if not text.strip():
        raise BuildError(STEP, f"{name} is empty", "Commit the notebook with its cells, or remove it")
    if text.startswith("version https://git-lfs"):
        raise BuildError(STEP, f"{name} is a Git-LFS pointer, not the notebook", "Run `git lfs pull` before the build")
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}: {error.msg}"
        raise BuildError(STEP, f"{name} is not a notebook: its JSON ends being valid in {where}", _SAVE_AGAIN) from None
    major = raw.get("nbformat") if isinstance(raw, dict) else None
    if major not in (3, 4):
        raise BuildError(STEP, f"{name} is not a notebook of nbformat 3 or 4", _SAVE_AGAIN)
    return text


def _name_cells(notebook: NotebookNode) -> None:
    """Ids by position: the ones that are missing or double would be made up, differently in every build."""
    for index, cell in enumerate(notebook.cells):
        if notebook.nbformat_minor >= 5:  # the minor version that brought ids
            cell["id"] = f"cell-{index}"


def _check_language(notebook: NotebookNode, name: str) -> None:
    spec, info = notebook.metadata.get("kernelspec", {}), notebook.metadata.get("language_info", {})
    language = str(info.get("name") or spec.get("language") or "")
    if language.lower() not in _PYTHONS:
        fix = "Name a Python notebook in `notebooks:`: the model's environment runs Python only"
        raise BuildError(STEP, f"{name} is written in {language}", fix)
    # What the receipt is coloured by. Not ipython3: that lexer comes with IPython, which the builder has not.
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "python"}


def state(root: Path) -> State:
    """Every file of an artifact's kind, with what changes when it is written again."""
    found = {}
    for path in _walk(root):
        facts = facts_of(path) if path.suffix.lower() in KINDS else None
        if facts is not None:
            found[path] = facts
    return found


def facts_of(path: Path) -> Facts | None:
    """What changes when a file is written again; None where there is no file."""
    if not path.is_file():
        return None
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, facts.st_ino


def changed(before: State, after: State) -> tuple[Path, ...]:
    """The files that are new or were written between two looks, in the order of their paths."""
    return tuple(sorted(path for path, facts in after.items() if before.get(path) != facts))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        # An environment that a notebook made holds files of every kind.
        is_venv = "pyvenv.cfg" in files
        folders[:] = [] if is_venv else sorted(name for name in folders if name not in _NOT_WALKED)
        yield from (Path(folder) / name for name in files if not is_venv)

"""Repositories that a test writes, and what a folder holds."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def notebook(*cells: str) -> str:
    """A notebook as Jupyter saves it before it was run."""
    written: list[dict[str, Any]] = [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"c{number}",
            "metadata": {},
            "outputs": [],
            "source": cell.strip("\n"),
        }
        for number, cell in enumerate(cells)
    ]
    return json.dumps({"cells": written, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, ensure_ascii=False)


def code_of(path: Path) -> str:
    """A notebook's code as one program, without what only IPython understands."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    return "\n".join(line for line in lines if not line.startswith(("%", "!")))


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository of these files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def copy(source: Path, target: Path, *without: str) -> Path:
    """A copy of a folder without the named entries."""
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns(*without)))


Entry = tuple[int, int, str]


def contents(root: Path) -> dict[str, Entry]:
    """Every entry of a folder: its mode, when it was changed, and its content."""
    entries = [root, *root.rglob("*")]
    return {str(path.relative_to(root)): _state(path) for path in entries}


def _state(path: Path) -> Entry:
    state = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return state.st_mode, state.st_mtime_ns, content


def as_csv(names: list[str], rows: list[list[Any]]) -> str:
    """Rows as `text/csv`: what is missing is an empty field, and an empty text has its quotes."""
    return "".join(f"{','.join(map(_field, line))}\n" for line in [names, *rows])


def _field(value: Any) -> str:
    text = "" if value is None else str(value)
    has_quotes = value == "" or any(character in text for character in ',"\r\n')
    return '"' + text.replace('"', '""') + '"' if has_quotes else text

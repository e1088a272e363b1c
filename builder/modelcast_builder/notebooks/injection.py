"""Gives notebooks their parameters as papermill does: a cell after the one tagged `parameters`."""

from collections.abc import Mapping, Sequence
from typing import Any

from nbformat import NotebookNode, v4

from modelcast_builder import parameters
from modelcast_builder.document import Parameter

_PLACE = "parameters"
_INJECTED = "injected-parameters"
_ADDED = "modelcast_added"


def inject(notebooks: Sequence[NotebookNode], given: Mapping[str, Parameter]) -> bool:
    """Put the cell into every notebook that has a place for it, else at the top of each; whether one had a place."""
    found = [place for place in map(_place, notebooks) if place is not None]
    for notebook in notebooks if given else ():
        place = _place(notebook)
        if place is not None or not found:
            _put(notebook, *(place or (0, 0)), given)
    return bool(found)


def is_added(cell: NotebookNode) -> bool:
    """Whether the user's file has no such cell, which its numbers therefore leave out."""
    return bool(cell.metadata.get(_ADDED, False))


def _place(notebook: NotebookNode) -> tuple[int, int] | None:
    """Where the cell goes, and how many it replaces: papermill left its own in a notebook that it executed before."""
    for tag, after, replaced in ((_INJECTED, 0, 1), (_PLACE, 1, 0)):
        for index, cell in enumerate(notebook.cells):
            if tag in cell.metadata.get("tags", ()):
                return index + after, replaced
    return None


def _put(notebook: NotebookNode, index: int, replaced: int, given: Mapping[str, Parameter]) -> None:
    make: Any = v4
    cell = make.new_code_cell(f"# Parameters\n{parameters.assignments(given)}")
    cell.metadata.update({"tags": [_INJECTED]} if replaced else {"tags": [_INJECTED], _ADDED: True})
    if notebook.nbformat_minor >= 5:  # the minor version that brought ids
        cell["id"] = _INJECTED
    else:
        cell.pop("id", None)
    notebook.cells[index : index + replaced] = [cell]

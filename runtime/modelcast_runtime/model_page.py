"""What the page at `/` says of a model: a form made from its signature, real rows to fill it, and the facts."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from modelcast_runtime import contract, problems
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import Cell, Column, Dtype, Training, label_text, query_of, range_words, scored_by

EXAMPLES = 12
"""Golden rows that the page can be filled with."""
_LONG = 60
"""A text of more characters gets a text area."""
_EXACT = 2**53
_SHOWN = ("scikit-learn", "xgboost", "lightgbm", "catboost", "numpy", "pandas")
_TYPES: dict[Dtype, str] = {
    "bool": "yes or no",
    "int64": "whole number",
    "float32": "number",
    "float64": "number",
    "string": "text",
    "datetime": "date and time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One control of the form. Its values are JSON texts, so that no number loses a digit on the way."""

    id: str
    name: str
    at: str
    """The JSONPath step by which the service names the input."""
    kind: str
    """`choice`, `number`, `datetime`, `text` or `area`."""
    type: str
    hint: str
    nullable: bool
    choices: tuple[tuple[str, str], ...] = ()
    """JSON text and what is shown of it."""
    is_open: bool = False
    """Whether a value beside the choices is taken."""


def facts(bundle: Bundle) -> dict[str, Any]:
    """Everything that the template shows."""
    manifest, fields = bundle.manifest, list(_fields(bundle))
    examples = [[_literal(cell) for cell in row] for row in bundle.golden.rows[:EXAMPLES]]
    return {
        "manifest": manifest,
        "scored_by": scored_by(manifest.compilation),
        "digest": bundle.digest,
        "provenance": bundle.provenance(),
        "golden_rows": len(bundle.golden.rows),
        "environment": environment(bundle),
        "notebooks": sorted(bundle.notebooks()),
        "has_card": bundle.card is not None,
        "fields": fields,
        "model": {
            "question": query_of(manifest.signature.questions),
            "fields": [asdict(field) for field in fields],
            "examples": examples,
        },
    }


def environment(bundle: Bundle) -> list[tuple[str, str]]:
    """Python and the packages that people ask for, with their versions, from `environment.lock`."""
    lines = (bundle.root / contract.LOCK).read_text(encoding="utf-8").splitlines()
    python = [line.removeprefix(contract.LOCK_PYTHON) for line in lines if line.startswith(contract.LOCK_PYTHON)]
    pins = dict(line.split("==", 1) for line in lines if "==" in line)
    return [("Python", version) for version in python] + [(name, pins[name]) for name in _SHOWN if name in pins]


def _fields(bundle: Bundle) -> Iterator[Field]:
    for index, column in enumerate(bundle.manifest.signature.inputs):
        texts = [row[index] for row in bundle.golden.rows if isinstance(row[index], str)]
        is_long = bundle.manifest.signature.layout == "text" or any(len(str(text)) > _LONG for text in texts)
        choices = _choices(column)
        yield Field(
            id=f"input-{index}",
            name=column.name,
            at=problems.member(column.name),
            kind="choice" if choices else _kind(column.dtype, is_long=is_long),
            type=_TYPES[column.dtype],
            hint=", ".join(_hint(column, bundle.manifest.training)),
            nullable=column.nullable,
            choices=choices,
            is_open=column.dtype != "bool" and column.unknown == "accept",
        )


def _kind(dtype: Dtype, *, is_long: bool) -> str:
    if dtype == "string":
        return "area" if is_long else "text"
    return "datetime" if dtype == "datetime" else "number"


def _choices(column: Column) -> tuple[tuple[str, str], ...]:
    values = (True, False) if column.dtype == "bool" and column.categories is None else column.categories or ()
    return tuple((_literal(value), label_text(value)) for value in values)


def _literal(cell: Cell) -> str:
    """A value as JSON; 195.0 as anybody would write it."""
    is_whole = isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT
    return json.dumps(int(cell) if is_whole and cell is not None else cell, ensure_ascii=False)


def _hint(column: Column, training: Training | None) -> Iterator[str]:
    if not _choices(column):
        yield _TYPES[column.dtype]
    elif column.unknown == "refuse":
        yield f"one of {len(column.categories or ())}"
    yield from range_words(column, training)
    if column.nullable:
        yield "optional"

"""Reads the labels: a table with the ids of predictions, what was right, and columns that tell groups of rows."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelcast_builder.comparison import rows
from modelcast_builder.comparison.measures import text
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.labels.logged import STEP

ID, ROW, LABEL = "prediction_id", "row", "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """One entry a row of the file in every list."""

    file: str
    column: str
    """The one with the labels."""
    ids: Sequence[str]
    rows: Sequence[int] | None
    """Which row of its request each is, from 0; None where the file does not say: they are in order."""
    labels: Sequence[Any]
    """Text, or as JSON has it; None where it is not known."""
    groups: Mapping[str, Sequence[str]]


def read(path: Path, environment: Environment, work: Path) -> Labels:
    """A CSV, JSON, JSON lines or Parquet file; raises `BuildError` with what it lacks."""
    try:
        columns = _columns(path, environment, work)
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(STEP, f"{path} cannot be read: {error}", "Give the labels as CSV in UTF-8") from error
    if ID not in columns:
        fix = "Add the ids that came with the answers, also as the header Prediction-Id"
        raise BuildError(STEP, f"{path.name} has no column {ID}", fix)
    others = [name for name in columns if name not in (ID, ROW)]
    column = LABEL if LABEL in others else others[0] if len(others) == 1 else None
    if column is None:
        listed = f"the columns {', '.join(others[:10])}" if others else "no other column"
        problem = f"{path.name} has {listed} beside {ID}, and one has to be the labels"
        raise BuildError(STEP, problem, f"Call it `{LABEL}`")
    return Labels(
        file=path.name,
        column=column,
        ids=[text(value) for value in columns[ID]],
        rows=_rows(columns[ROW], path.name) if ROW in columns else None,
        labels=[None if value == "" else value for value in columns[column]],
        groups={name: [text(value) for value in columns[name]] for name in others if name != column},
    )


def _columns(path: Path, environment: Environment, work: Path) -> Mapping[str, Sequence[Any]]:
    kind = path.suffix.lower()
    if kind == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as lines:
            names, *lists = [record for record in csv.reader(lines) if record] or [[]]
        return {name: [_checked(record, names, path)[at] for record in lists] for at, name in enumerate(names)}
    if kind in (".jsonl", ".ndjson"):
        records = [_object(line, path) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return _by_name(records, list(dict.fromkeys(name for record in records for name in record)))
    if kind not in (".json", ".parquet"):
        problem = f"{path.name}: expected a file that ends in .csv, .json, .jsonl or .parquet"
        raise BuildError(STEP, problem, "Give the labels as CSV")
    source = rows.from_parquet(path, environment, work, STEP) if kind == ".parquet" else path
    columns = rows.columns_of_json(source, ())
    if columns is None:
        raise BuildError(STEP, f"{path.name} is no list of objects with the same keys", "Give the labels as CSV")
    return columns


def _by_name(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [record.get(name) for record in records] for name in names}


def _checked(record: list[str], names: list[str], path: Path) -> list[str]:
    if len(record) != len(names):
        problem = f"a line of {path.name} has {len(record)} fields, and its header line {len(names)}"
        raise BuildError(STEP, problem, "Quote what holds a comma")
    return record


def _object(line: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BuildError(STEP, f"a line of {path.name} is no JSON object", "Write one on every line")
    return found


def _rows(values: Sequence[Any], file: str) -> list[int]:
    found = []
    for place, value in enumerate(values):
        written = text(value).removesuffix(".0")
        if not (written.isascii() and written.isdigit()):
            problem = f"row {place + 1} of {file} has {written!r} in the column `{ROW}`"
            raise BuildError(STEP, problem, "Write the place of the row in its request: 0 for the first")
        found.append(int(written))
    return found

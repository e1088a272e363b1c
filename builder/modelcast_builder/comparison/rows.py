"""The rows that both bundles are asked: a file's or the golden ones, by name, and what else stands in their columns."""

import csv
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelcast_runtime.contract import Signature

from modelcast_builder import own_process
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError

STEP = "diff"
Columns = Mapping[str, Sequence[Any]]
"""By name, all of one length: text where they come from CSV, else as JSON has it."""
_PARQUET = """
import sys
from pathlib import Path
from modelcast_runtime.bundle import BundleError
from modelcast_runtime.offline import as_request
try:
    content, _ = as_request(Path(sys.argv[1]))
except BundleError as error:
    sys.exit(str(error))
Path(sys.argv[2]).write_bytes(content)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows to be asked, and their columns as far as they can be told here."""

    told: str
    """Where they come from, as the report says it."""
    file: Path
    """What both bundles are asked, as `modelcast-runtime predict` takes it."""
    columns: Columns
    """Nothing where the rows are no table."""

    def of_length(self, rows: int) -> Columns:
        """The columns, where they have as many rows as were answered: a reader of CSV may see a blank line as one."""
        return {name: values for name, values in self.columns.items() if len(values) == rows}


def golden(rows: Sequence[Sequence[Any]], signature: Signature, told: str, work: Path) -> Rows:
    """The rows that a bundle was sealed with."""
    names = [column.name for column in signature.inputs]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    return Rows(told=told, file=_written(columns, work), columns=columns)


def of_file(path: Path, signature: Signature, environment: Environment, work: Path) -> Rows:
    """A CSV, JSON or Parquet file; lists without names are in the order of `signature`. Raises `BuildError`."""
    kind = path.suffix.lower()
    if kind == ".csv":
        return Rows(told=path.name, file=path, columns=_csv(path))
    source = from_parquet(path, environment, work) if kind == ".parquet" else path
    columns = columns_of_json(source, [column.name for column in signature.inputs]) if signature.takes_rows else None
    # What is in no form is asked as it is: the runtime has the words for what is wrong with it.
    return Rows(told=path.name, file=_written(columns, work) if columns else source, columns=columns or {})


def _written(columns: Columns, work: Path) -> Path:
    file = work / "rows.json"
    file.write_text(json.dumps({"columns": columns}), encoding="utf-8")
    return file


def _csv(path: Path) -> dict[str, list[str | None]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        names, *records = [record for record in csv.reader(lines) if record] or [[]]
    if any(len(record) != len(names) for record in records):
        return {}
    return {name: [record[at] or None for record in records] for at, name in enumerate(names)}


def from_parquet(path: Path, environment: Environment, work: Path, step: str = STEP) -> Path:
    """The file as JSON, read where the model's libraries are."""
    file = work / "parquet.json"
    command = [str(environment.python), "-I", "-c", _PARQUET, str(path.absolute()), str(file)]
    try:
        done = own_process.run(command, cwd=work, env={})
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            step, f"{path.name} is not read within {error.timeout:g} seconds", "Give the rows as CSV"
        ) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"{path.name} cannot be read"])[-1]
        raise BuildError(step, said.partition(";")[0], "Give the rows as CSV")
    return file


def columns_of_json(path: Path, names: Sequence[str]) -> dict[str, list[Any]] | None:
    """The columns of any form that a request has; None where it is in none."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if isinstance(document, dict) and len(document) == 1:
        ((form, document),) = document.items()
        if form == "columns":
            return _rectangular(document)
        if form == "split" and isinstance(document, dict) and isinstance(document.get("columns"), list):
            names, document = document["columns"], document.get("data")
    if not isinstance(document, list) or not document:
        return None
    if all(isinstance(row, dict) and row.keys() == document[0].keys() for row in document):
        return {name: [row[name] for row in document] for name in document[0]}
    lists = [[row] if isinstance(row, str) else row for row in document]
    if not all(isinstance(row, list) and len(row) == len(names) for row in lists):
        return None
    return dict(zip(names, map(list, zip(*lists, strict=True)), strict=True))


def _rectangular(columns: Any) -> dict[str, list[Any]] | None:
    is_table = isinstance(columns, dict) and all(isinstance(values, list) for values in columns.values())
    return columns if is_table and len(set(map(len, columns.values()))) == 1 else None

"""A sample's data as a client would send them, and what scikit-learn itself says of them."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.engine import docker

NULL = ("", "NA")
IN_PROCESS = Path(__file__).with_name("in_process.py")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text by column."""

    rows: tuple[dict[str, str], ...]

    @property
    def instances(self) -> list[dict[str, Any]]:
        """As JSON rows: numbers are numbers, what is missing is null."""
        return [{name: _value(text) for name, text in row.items()} for row in self.rows]

    @property
    def text(self) -> str:
        """As CSV: what is missing is an empty field."""
        lines = io.StringIO()
        writer = csv.DictWriter(lines, list(self.rows[0]))
        writer.writeheader()
        writer.writerows({name: "" if text in NULL else text for name, text in row.items()} for row in self.rows)
        return lines.getvalue()


def read_table(path: Path, *, without: tuple[str, ...], every: int = 1) -> Table:
    """A CSV file without its target."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = [{name: text for name, text in row.items() if name not in without} for row in csv.DictReader(lines)]
    return Table(tuple(rows[::every]))


def in_process(image: str, table: Table, notebook: str = "") -> dict[str, Any]:
    """What scikit-learn answers in the model's own environment, called by hand: predictions and probabilities."""
    python = "/opt/app-root/environment/bin/python"
    command = [python, "-c", IN_PROCESS.read_text(encoding="utf-8"), "/opt/app-root/src", *filter(None, [notebook])]
    options = ("--rm", "--interactive", "--network", "none", "--env", "OMP_NUM_THREADS=1", "--env", "HOME=/tmp")
    return dict(json.loads(docker("run", *options, image, *command, stdin=table.text)))


def _value(text: str) -> float | str | None:
    if text in NULL:
        return None
    try:
        return float(text)
    except ValueError:
        return text

"""Reads the service's log: what it answered to the requests of which labels are known. Other lines are passed over."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from modelcast_builder.errors import BuildError

STEP = "evaluate"
# No value can look like it: quotes inside of a JSON text are escaped.
_MARK = re.compile(rb'"logger": ?"modelcast\.predictions"')
_GZIP = b"\x1f\x8b"


class _Line(msgspec.Struct):
    """The parts of a line that are read."""

    version: str
    prediction_id: str
    rows: int
    first_row: int = 0
    predictions: list[Any] = []
    probabilities: list[list[float]] | None = None
    values: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one row was answered."""

    prediction: Any
    probabilities: list[float] | None
    """By class, in the signature's order."""
    values: dict[str, Any]
    """Those of its inputs that tell groups apart, where the log holds values."""


@dataclass(slots=True)
class Prediction:
    """One request's answers, by row, as far as the log holds them."""

    rows: int
    answers: dict[int, Answer] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Logged:
    """What was found; `predictions` and `others` are those that were asked for."""

    predictions: dict[str, Prediction] = field(default_factory=dict)
    """By id, of the bundle's own version."""
    others: dict[str, str] = field(default_factory=dict)
    """Id -> version."""
    lines: int = 0
    skipped: int = 0
    unreadable: int = 0
    repeated: int = 0
    """Lines with an id and rows that a line before had."""
    requests: Counter[str] = field(default_factory=Counter)
    """Of all predictions in the log, by version."""


def read(path: Path, version: str, wanted: AbstractSet[str], columns: AbstractSet[str]) -> Logged:
    """Keep the answers with these ids, and of the values these columns'; raises `BuildError` for no readable file."""
    found = Logged()
    for content in _lines(path):
        found.lines += 1
        if not _MARK.search(content):
            found.skipped += 1
            continue
        try:
            # Collectors of logs put a time or a stream's name before it.
            line = msgspec.json.decode(content[content.index(b"{") :], type=_Line)
        except ValueError:
            found.unreadable += 1
            continue
        if line.probabilities is not None and len(line.probabilities) != len(line.predictions):
            found.unreadable += 1
        else:
            _keep(line, found, version, wanted, columns)
    return found


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as stream:
            is_packed = stream.read(2) == _GZIP
        with gzip.open(path) if is_packed else path.open("rb") as lines:
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        fix = "Give the service's log, as it is or gzipped"
        raise BuildError(STEP, f"{path} cannot be read: {reason}", fix) from error


def _keep(line: _Line, found: Logged, version: str, wanted: AbstractSet[str], columns: AbstractSet[str]) -> None:
    found.requests[line.version] += line.first_row == 0
    if line.prediction_id not in wanted:
        return
    if line.version != version:
        found.others[line.prediction_id] = line.version
        return
    prediction = found.predictions.setdefault(line.prediction_id, Prediction(line.rows))
    if line.first_row in prediction.answers:
        found.repeated += 1
        return
    of_groups = {
        name: cells
        for name, cells in (line.values.items() if isinstance(line.values, dict) else ())
        if name in columns and isinstance(cells, list) and len(cells) == len(line.predictions)
    }
    for place, answer in enumerate(line.predictions):
        prediction.answers[line.first_row + place] = Answer(
            answer,
            None if line.probabilities is None else line.probabilities[place],
            {name: cells[place] for name, cells in of_groups.items()},
        )

"""Reads `text/csv`: a header line with names, then rows; tells an empty field from an empty string.

Python's `csv` cannot tell `,,` (null) from `,"",` (an empty text), and says nothing about where a field stood.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

from modelcast_runtime import problems
from modelcast_runtime.contract import Dtype

Field = str | None
"""A field's text; None is a field that is empty and has no quotes."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The header and the records as text; `lines` has the line on which each record begins."""

    names: tuple[str, ...]
    records: Sequence[Sequence[Field]]
    lines: Sequence[int]


def read(body: bytes, max_rows: int, *, blank_end_is_row: bool = False, unless_named: tuple[str, ...] = ()) -> Sheet:
    """Split the body into records of as many fields as the header has; raises `Problem` with the line.

    Blank lines at the end are no rows, except with one column where `blank_end_is_row`: nulls, as they are before.
    `unless_named` are the fields' names where the first line does not hold them: then that line is a record too.
    """
    text = _text(body)
    if not blank_end_is_row:
        text = text.rstrip("\r\n")
    records, lines = _plain(text, max_rows) or _with_quotes(text, max_rows)
    first = tuple(name or "" for name in records[0])
    has_header = set(unless_named) <= set(first)
    names = first if has_header else unless_named
    while len(names) > 1 and records[-1] == [None]:
        records.pop()
    if set(map(len, records)) != {len(names)}:
        row = next(row for row, record in enumerate(records) if len(record) != len(names))
        raise problems.wrong_length(f"line {lines[row]}", names, len(records[row]), "field")
    return Sheet(names, records[has_header:], lines[has_header:])


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise problems.not_utf8(body, error.start) from None
    if not text.strip():
        raise problems.wrong_form("line 1", "a header line with the names of the inputs", "nothing")
    return text


Records = tuple[list[list[Field]], Sequence[int]]


def _plain(text: str, max_rows: int) -> Records | None:
    """Split a text without quotes and bare carriage returns; None for any other."""
    text = text.replace("\r\n", "\n")
    if '"' in text or "\r" in text:
        return None
    text = text.removesuffix("\n")
    # Counted before they are made: a body of line ends would become millions of lists.
    if text.count("\n") > max_rows:
        raise problems.too_many_rows(max_rows)
    lines = text.split("\n")
    return [[field or None for field in line.split(",")] for line in lines], range(1, len(lines) + 1)


# One field and what ends it. A quoted field may hold line ends and doubled quotes.
_FIELD = re.compile(r'(?:"((?:[^"]++|"")*+)"|([^",\r\n]*+))(,|\r?\n|\Z)')


def _with_quotes(text: str, max_rows: int) -> Records:
    records: list[list[Field]] = [[]]
    lines, line, position = [1], 1, 0
    while True:
        match = _FIELD.match(text, position)
        if match is None:
            raise problems.not_csv(
                f"line {line}", "a comma or a line end after the field", "a stray quote or carriage return"
            )
        quoted, plain, end = match.groups()
        records[-1].append(plain or None if quoted is None else quoted.replace('""', '"'))
        line += text.count("\n", position, match.end())
        position = match.end()
        if end != "," and position == len(text):
            return records, lines
        if end != ",":
            if len(records) > max_rows:
                raise problems.too_many_rows(max_rows)
            records.append([])
            lines.append(line)


def parsed(fields: Sequence[Field], dtype: Dtype) -> Sequence[Any]:
    """Read a column's fields as their dtype; what is none of it stays text, for the check to refuse."""
    return _PARSERS[dtype](fields)


# float() and int() take underscores, other alphabets' digits, inf and nan; but not in a text of these characters.
_OF_NUMBERS = b"-+0123456789.eE \t\n"
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BLANKS = " \t\n"
BEYOND_FLOAT = 10**400
"""Stands for a number that Python's float() would make infinite: no array takes it."""


def _numbers(fields: Sequence[Field], number: Callable[[str], float]) -> Sequence[Any]:
    texts = [field for field in fields if field is not None]
    if len(texts) == len(fields) and not "\n".join(texts).encode().translate(None, _OF_NUMBERS):
        try:
            numbers = list(map(number, texts))
        except ValueError:
            pass
        else:
            if inf not in numbers and -inf not in numbers:
                return numbers
    return [None if field is None else _number(field) for field in fields]


def _number(field: str) -> float | str | None:
    text = field.strip(_BLANKS)
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _DECIMAL.fullmatch(text):
        return field if text else None
    number = float(text)
    return number if isfinite(number) else BEYOND_FLOAT


def _booleans(fields: Sequence[Field]) -> Sequence[Any]:
    known = {"true": True, "false": False, "": None}
    return [None if field is None else known.get(field.strip(_BLANKS).lower(), field) for field in fields]


def _trimmed(fields: Sequence[Field]) -> Sequence[Any]:
    return [None if field is None else field.strip(_BLANKS) or None for field in fields]


_PARSERS: dict[Dtype, Callable[[Sequence[Field]], Sequence[Any]]] = {
    "float64": lambda fields: _numbers(fields, float),
    "float32": lambda fields: _numbers(fields, float),
    "int64": lambda fields: _numbers(fields, int),
    "bool": _booleans,
    "string": lambda fields: fields,
    "datetime": _trimmed,
}

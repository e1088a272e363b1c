"""A request's body becomes checked columns: every form of JSON, CSV and nachlass' form meet in one `Table`.

Whole rows and columns are compared at once; a body is walked only to find the place that a problem names.
"""

import codecs
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import orjson

from modelcast_runtime import payload_csv, payload_form, problems
from modelcast_runtime.columns import ByRow, Columns, Locate, Table, names_of, numbers_to_arrays, to_arrays
from modelcast_runtime.contract import Cell, Signature
from modelcast_runtime.problems import Problem, describe, member, quoted


class Decoded(NamedTuple):
    """A request's rows, where they stood, and by input how many values were unseen or missing (no zeros)."""

    columns: Columns
    locate: Locate
    unseen: dict[str, int]
    missing: dict[str, int]


def decode(body: bytes, content_type: str | None, signature: Signature, *, extra_inputs: str, max_rows: int) -> Decoded:
    """Read and check a body; raises `Problem`."""
    read = _reader(content_type)
    if read is _read_json and _is_numeric(body):
        decoded = _numbers(body, signature, max_rows)
        if decoded is not None:
            return decoded
    terms = _Terms(signature, names_of(signature), extra_inputs == "ignore", max_rows)
    return _checked(read(body, terms), signature)


def _numbers(body: bytes, signature: Signature, max_rows: int) -> Decoded | None:
    """Rows of nothing but numbers, as nearly all bodies are; None for any other: the forms have the words for it."""
    try:
        rows, at = orjson.loads(body), "$"
    except orjson.JSONDecodeError:
        return None
    if type(rows) is dict and len(rows) == 1 and "instances" in rows:
        rows, at = rows["instances"], "$.instances"
    if type(rows) is not list or not 0 < len(rows) <= max_rows:
        return None
    locate = _in_lists(at, names_of(signature))
    checked = numbers_to_arrays(rows, signature, locate)
    return None if checked is None else Decoded(checked.columns, locate, checked.unseen, checked.missing)


Form = Literal["instances", "records", "columns", "split"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """What the forms of other protocols' documents have in common with ours; each method raises `Problem`."""

    signature: Signature
    ignores_extra: bool
    max_rows: int

    def part(self, form: Form, content: Any, at: str) -> Decoded:
        """Check what stands `at` a place of a document in one of our forms."""
        return _checked(_FORMS[form](content, at, self._terms), self.signature)

    def csv(self, body: bytes, *, may_lack_header: bool = False) -> Decoded:
        """Check a CSV; one that may lack its header has values in the signature's order where it does."""
        return _checked(_read_csv(body, self._terms, may_lack_header=may_lack_header), self.signature)

    @property
    def _terms(self) -> "_Terms":
        return _Terms(self.signature, names_of(self.signature), self.ignores_extra, self.max_rows)


def _checked(table: Table, signature: Signature) -> Decoded:
    columns, unseen, missing = to_arrays(table, signature)
    return Decoded(columns, table.locate, unseen, missing)


def is_form(content_type: str | None) -> bool:
    """Whether a client of nachlass asks, who expects a bare list."""
    return content_type is not None and _reader(content_type) is _read_form


def decode_rows(rows: Sequence[Sequence[Cell]], signature: Signature) -> Columns:
    """Check rows in the signature's order, as a request's would be; raises `Problem`."""
    terms = _Terms(signature, names_of(signature), ignores_extra=False, max_rows=len(rows))
    return to_arrays(_instances([list(row) for row in rows], "$", terms), signature).columns


def _is_numeric(body: bytes) -> bool:
    """Whether a JSON document of at most one key holds no text, boolean or null, in a tenth of what asking cells takes.

    Every literal has a `u` or an `l`, every text two quotes; those of `{"instances": [...]}` are the key's own.
    """
    if b"u" in body or b"l" in body:
        return False
    quotes = body.count(b'"')
    return quotes == 0 or (quotes == _OF_ONE_KEY and body.startswith(b"{"))


_OF_ONE_KEY = 2


@dataclass(frozen=True, slots=True)
class _Terms:
    """What a body must fit."""

    signature: Signature
    names: tuple[str, ...]
    ignores_extra: bool
    max_rows: int

    def check_count(self, rows: int, at: str) -> None:
        """Refuse none and too many."""
        if rows == 0:
            raise problems.no_rows(at)
        if rows > self.max_rows:
            raise problems.too_many_rows(self.max_rows)

    def positions(self, sent: Sequence[str], whole: str, place: Callable[[int], str]) -> list[int]:
        """Find the signature's names in a header; raises `Problem` for a name twice, missing or too much."""
        found: dict[str, int] = {}
        for position, name in enumerate(sent):
            if name in found:
                raise problems.duplicate_input(place(position))
            found[name] = position
        self.check_names(found, whole, lambda name: place(found[name]), lambda _: "another name")
        return [found[name] for name in self.names]

    def check_names(
        self, sent: Collection[str], whole: str, place: Callable[[str], str], got: Callable[[str], str]
    ) -> None:
        """Refuse missing names, all at once, and the first name too much."""
        if missing := [name for name in self.names if name not in sent]:
            raise problems.missing_input(whole, missing)
        if not self.ignores_extra and len(sent) > len(self.names):
            extra = next(name for name in sent if name not in self.names)
            raise problems.extra_input(place(extra), self.names, got(extra))


def decode_object(body: bytes, content_type: str | None) -> dict[str, Any]:
    """Read the JSON object of a request to own code, which alone knows what it holds; raises `Problem`."""
    if content_type is not None:
        if _media_type(content_type) not in ("", "application/json"):
            raise problems.unsupported_media_type(("application/json",))
        check_charset(content_type)
    return check_object(parse(body), "$")


def check_object(document: Any, at: str) -> dict[str, Any]:
    """The document if it is an object; raises `Problem`."""
    if type(document) is not dict:
        raise problems.wrong_form(at, "an object", describe(document))
    return document


def _reader(content_type: str | None) -> Callable[[bytes, _Terms], Table]:
    if content_type is None or content_type == "application/json":
        return _read_json
    reader = _READERS.get(_media_type(content_type))
    if reader is None:
        raise problems.unsupported_media_type()
    check_charset(content_type)
    return reader


def _media_type(content_type: str) -> str:
    return content_type.lower().partition(";")[0].strip()


def check_charset(content_type: str) -> None:
    """Refuse text in another encoding than UTF-8; raises `Problem`."""
    for parameter in content_type.lower().split(";")[1:]:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise problems.unsupported_charset()


def parse(body: bytes, within: str = "") -> Any:
    """A JSON document; raises `Problem` with the line and column, `within` which part of the body."""
    try:
        return orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise _not_json(body, error, within) from None


def _read_json(body: bytes, terms: _Terms) -> Table:
    document = parse(body)
    if type(document) is list:
        return _instances(document, "$", terms)
    if type(document) is not dict:
        raise problems.wrong_form("$", _ONE_FORM, describe(document))
    for key in document:
        if key not in _FORMS:
            raise problems.wrong_form(f"${member(key)}", _ONE_FORM, "another key")
    if len(document) != 1:
        raise problems.wrong_form("$", _ONE_FORM, " and ".join(document) or "an object without keys")
    ((form, content),) = document.items()
    return _FORMS[form](content, f"$.{form}", terms)


def _not_json(body: bytes, error: orjson.JSONDecodeError, within: str) -> Problem:
    try:
        body.decode()
    except UnicodeDecodeError as flaw:
        return problems.not_utf8(body, flaw.start, within)
    at = f"{within}line {error.lineno}, column {error.colno}"
    return problems.not_json(at, "something else" if body else "nothing")


def _instances(rows: Any, at: str, terms: _Terms) -> Table:
    """Lists in the signature's order, objects by name or, for a text model, strings."""
    return _rows(rows, at, terms, _ROWS | _TEXTS if terms.signature.layout == "text" else _ROWS)


def _records(rows: Any, at: str, terms: _Terms) -> Table:
    return _rows(rows, at, terms, _OBJECTS)


def _rows(rows: Any, at: str, terms: _Terms, kinds: "_Kinds") -> Table:
    words = " or ".join(words for words, _ in kinds.values())
    terms.check_count(len(_list(rows, at, f"a list of rows, each {words}")), at)
    first = type(rows[0])
    if first not in kinds:
        raise problems.wrong_form(f"{at}[0]", words, describe(rows[0]))
    words, read = kinds[first]
    if set(map(type, rows)) != {first}:
        row = next(row for row, value in enumerate(rows) if type(value) is not first)
        raise problems.wrong_form(f"{at}[{row}]", f"{words}, as in the first row", describe(rows[row]))
    return read(rows, at, terms)


def _texts(rows: list[Any], at: str, terms: _Terms) -> Table:  # noqa: ARG001 - a reader of rows like the others
    return Table(len(rows), [rows], lambda row, _: f"{at}[{row}]")


def _lists(rows: list[Any], at: str, terms: _Terms) -> Table:
    _check_lengths(rows, at, terms.names)
    values = ByRow(rows, len(terms.names))
    return Table(len(rows), values, _in_lists(at, terms.names))


def _in_lists(at: str, names: Sequence[str]) -> Locate:
    return lambda row, name: f"{at}[{row}]{'' if name is None else f'[{names.index(name)}]'}"


def _check_lengths(rows: Sequence[list[Any]], at: str, names: Sequence[str]) -> None:
    if set(map(len, rows)) != {len(names)}:
        row = next(row for row, values in enumerate(rows) if len(values) != len(names))
        raise problems.wrong_length(f"{at}[{row}]", names, len(rows[row]))


def _objects(rows: list[Any], at: str, terms: _Terms) -> Table:
    try:
        values = [list(map(itemgetter(name), rows)) for name in terms.names]
    except KeyError:
        values = []
    if not values or (not terms.ignores_extra and set(map(len, rows)) != {len(terms.names)}):
        for row, cells in enumerate(rows):
            _check_object(cells, f"{at}[{row}]", terms)
    return Table(len(rows), values, lambda row, name: f"{at}[{row}]" if name is None else f"{at}[{row}]{member(name)}")


def _check_object(values: dict[str, Any], at: str, terms: _Terms) -> None:
    terms.check_names(values, at, lambda name: f"{at}{member(name)}", lambda name: describe(values[name]))


def _columns(columns: Any, at: str, terms: _Terms) -> Table:
    if type(columns) is not dict:
        raise problems.wrong_form(at, "an object with a list of values for each input", describe(columns))
    _check_object(columns, at, terms)
    return _by_column([columns[name] for name in terms.names], terms.names, at, terms)


def _by_column(columns: Sequence[Any], names: Sequence[str], at: str, terms: _Terms) -> Table:
    """Lists of values in the signature's order; `names` are what the request calls them."""
    for name, column in zip(names, columns, strict=True):
        if type(column) is not list:
            raise problems.wrong_form(f"{at}{member(name)}", "a list of values", describe(column))
        if len(column) != len(columns[0]):
            raise problems.ragged(f"{at}{member(name)}", len(columns[0]), len(column))
    terms.check_count(len(columns[0]), at)
    steps = {None: ".*"} | dict(zip(terms.names, map(member, names), strict=True))
    return Table(len(columns[0]), columns, lambda row, name: f"{at}{steps[name]}[{row}]")


def _split(split: Any, at: str, terms: _Terms) -> Table:
    names, rows = _split_parts(split, at)
    positions = terms.positions(names, f"{at}.columns", lambda index: f"{at}.columns[{index}]")

    def read(rows: list[Any], at: str, _: _Terms) -> Table:
        _check_lengths(rows, at, names)
        values = ByRow(rows, len(names))
        return Table(len(rows), [values[position] for position in positions], _in_lists(at, names))

    return _rows(rows, f"{at}.data", terms, {list: ("a list", read)})


def _split_parts(split: Any, at: str) -> tuple[list[str], Any]:
    expected = "an object with the keys columns and data"
    if type(split) is not dict:
        raise problems.wrong_form(at, expected, describe(split))
    for key in split:
        if key not in ("columns", "data"):
            raise problems.wrong_form(f"{at}{member(key)}", expected, "another key")
    if len(split) != len(("columns", "data")):
        raise problems.wrong_form(at, expected, f"only {' '.join(split)}" if split else "no key")
    for index, name in enumerate(_list(split["columns"], f"{at}.columns", "a list of names")):
        if type(name) is not str:
            raise problems.wrong_form(f"{at}.columns[{index}]", "a name", describe(name))
    return split["columns"], split["data"]


def _list(value: Any, at: str, expected: str) -> list[Any]:
    if type(value) is not list:
        raise problems.wrong_form(at, expected, describe(value))
    return value


def _read_csv(body: bytes, terms: _Terms, *, may_lack_header: bool = False) -> Table:
    inputs = terms.signature.inputs
    sheet = payload_csv.read(
        body,
        terms.max_rows,
        blank_end_is_row=len(inputs) == 1 and inputs[0].nullable,
        unless_named=terms.names if may_lack_header else (),
    )
    positions = terms.positions(sheet.names, "line 1", lambda index: f"line 1, column {quoted(sheet.names[index])}")
    terms.check_count(len(sheet.records), "line 2")
    fields = list(zip(*sheet.records, strict=True))
    values = [payload_csv.parsed(fields[at], column.dtype) for at, column in zip(positions, inputs, strict=True)]
    return Table(len(sheet.records), values, _in_lines(sheet.lines))


def _in_lines(lines: Sequence[int]) -> Locate:
    return lambda row, name: f"line {lines[row]}{'' if name is None else f', column {quoted(name)}'}"


def _read_form(body: bytes, terms: _Terms) -> Table:
    """What pandas' `read_json` took: a list of rows or, for one column, of strings; or columns, listed or labelled."""
    at = f"$.{payload_form.FIELD}"
    document = parse(payload_form.json_args(body), f"{at}, ")
    if type(document) is not dict:
        return _rows(document, at, terms, _ROWS | _TEXTS if len(terms.names) == 1 else _ROWS)
    names = payload_form.names_sent(document, terms.signature)
    if names == terms.names:
        _check_object(document, at, terms)
    columns = [document[name] for name in names]
    labelled = all(type(column) is dict for column in columns)
    return (_labelled if labelled else _by_column)(columns, names, at, terms)


def _labelled(columns: Sequence[dict[str, Any]], names: Sequence[str], at: str, terms: _Terms) -> Table:
    """Columns as pandas' `to_json` writes them: an object from the row's label to the value."""
    labels = list(columns[0])
    for name, column in zip(names, columns, strict=True):
        if column.keys() != columns[0].keys():
            raise problems.other_labels(f"{at}{member(name)}", f"{at}{member(names[0])}")
    table = _by_column([[column[label] for label in labels] for column in columns], names, at, terms)
    steps = {None: ".*"} | dict(zip(terms.names, map(member, names), strict=True))
    return replace(table, locate=lambda row, name: f"{at}{steps[name]}{member(labels[row])}")


_Read = Callable[[Any, str, _Terms], Table]
_Kinds = dict[type, tuple[str, _Read]]
_OBJECTS: _Kinds = {dict: ("an object", _objects)}
_ROWS: _Kinds = {list: ("a list", _lists)} | _OBJECTS
_TEXTS: _Kinds = {str: ("a string", _texts)}
_ONE_FORM = "a list of rows, or an object with one of the keys instances, records, columns and split"
_FORMS: dict[str, _Read] = {"instances": _instances, "records": _records, "columns": _columns, "split": _split}
_READERS = {
    "": _read_json,
    "application/json": _read_json,
    "text/csv": _read_csv,
    "application/x-www-form-urlencoded": _read_form,
}

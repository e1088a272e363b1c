"""Rows between the wire and the model: values as they were parsed, then checked columns, then scores.

Every form of a request becomes a `Table`; `to_arrays` checks it against the signature, one converter a dtype. The
checks look at whole columns at once: only a column that fails is walked, for the place of its first bad cell.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from types import NoneType
from typing import Any, NamedTuple, overload

import numpy as np

from modelcast_runtime import problems
from modelcast_runtime.contract import Column, Dtype, Label, Signature
from modelcast_runtime.problems import Problem

Locate = Callable[[int, str | None], str]
"""The place in the document of a row, or of the cell of this row and input."""
Values = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Checked inputs by name, in the signature's order; every array has `rows` values."""

    rows: int
    arrays: Mapping[str, np.ndarray]
    matrix: np.ndarray | None = None
    """All of them as float64, [rows, columns] in C order, where they were read so: then `arrays` are views of it."""

    @classmethod
    def of_matrix(cls, names: tuple[str, ...], matrix: np.ndarray) -> "Columns":
        """Columns of one array of float64, [rows, len(names)]."""
        return cls(len(matrix), _Views(names, matrix), matrix)

    def part(self, low: int, high: int) -> "Columns":
        """The rows from `low` to before `high`."""
        if self.matrix is not None:
            return Columns.of_matrix(tuple(self.arrays), self.matrix[low:high])
        return Columns(high - low, {name: values[low:high] for name, values in self.arrays.items()})


class _Views(Mapping[str, np.ndarray]):
    """A matrix's columns by name, made when they are asked for: what scores the matrix asks for none."""

    __slots__ = ("_matrix", "_names")

    def __init__(self, names: tuple[str, ...], matrix: np.ndarray) -> None:
        self._names = names
        self._matrix = matrix

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            column: np.ndarray = self._matrix[:, self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's answers, one for each row."""

    predictions: np.ndarray
    probabilities: np.ndarray | None = None
    distances: np.ndarray | None = None

    @classmethod
    def joined(cls, parts: "Sequence[Scores]") -> "Scores":
        """The answers of several calls, one after the other; all of them were asked for the same."""

        def whole(arrays: "list[np.ndarray | None]") -> np.ndarray | None:
            present = [array for array in arrays if array is not None]
            return np.concatenate(present) if present else None

        return cls(
            np.concatenate([part.predictions for part in parts]),
            whole([part.probabilities for part in parts]),
            whole([part.distances for part in parts]),
        )

    def split(self, sizes: Sequence[int]) -> list["Scores"]:
        """The answers of requests that were scored as one, of so many rows each."""
        parts, low = [], 0
        for size in sizes:
            rows, low = slice(low, low + size), low + size
            parts.append(
                Scores(
                    self.predictions[rows],
                    None if self.probabilities is None else self.probabilities[rows],
                    None if self.distances is None else self.distances[rows],
                )
            )
        return parts


@dataclass(frozen=True, slots=True)
class Table:
    """Unchecked values by column, in the signature's order, and where they stood."""

    rows: int
    values: Sequence[Values] | np.ndarray
    """An array of [inputs, rows] where they came as numbers of one type, NaN for what is missing and none infinite."""
    locate: Locate


class ByRow(Sequence[Values]):
    """Rows of equal length as columns; they are turned only where a column is asked for."""

    __slots__ = ("_columns", "rows", "width")

    def __init__(self, rows: Sequence[list[Any]], width: int) -> None:
        """Every row has `width` cells."""
        self.rows = rows
        self.width = width
        self._columns: list[tuple[Any, ...]] | None = None

    @overload
    def __getitem__(self, index: int) -> Values: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Values]: ...
    def __getitem__(self, index: int | slice) -> Values | Sequence[Values]:
        if self._columns is None:
            self._columns = list(zip(*self.rows, strict=True))
        return self._columns[index]

    def __len__(self) -> int:
        return self.width


class Checked(NamedTuple):
    """Arrays, and by input how many values were outside the categories or missing (no zeros)."""

    columns: Columns
    unseen: dict[str, int]
    missing: dict[str, int]


def to_arrays(table: Table, signature: Signature) -> Checked:
    """Check and convert every column; raises `Problem` for the first bad cell of the first bad column."""
    plan = _plan(signature)
    matrix = _matrix(table, plan) if plan.is_matrix else None
    if matrix is not None:
        return _of_matrix(matrix, signature, plan, table.locate)
    arrays: dict[str, np.ndarray] = {}
    unseen: dict[str, int] = {}
    missing: dict[str, int] = {}
    ready = _floats(table, plan)
    for index, column in enumerate(signature.inputs):
        array = ready.get(index)
        if array is None:
            array, nulls = _array(table.values[index], column, table.locate)
            if nulls:
                missing[column.name] = nulls
        if count := _check_values(array, column, plan.known.get(index), table.locate):
            unseen[column.name] = count
        arrays[column.name] = array
    return Checked(Columns(table.rows, arrays), unseen, missing)


def numbers_to_arrays(rows: Sequence[list[Any]], signature: Signature, locate: Locate) -> Checked | None:
    """The same for rows in which nothing but numbers and containers can be; None where they are not all numbers.

    Raises `Problem` for a value outside of bounds or categories.
    """
    plan = _plan(signature)
    width = len(plan.names)
    if not plan.is_matrix or set(map(type, rows)) != {list} or set(map(len, rows)) != {width}:
        return None
    matrix = _cells(rows, width)
    return None if matrix is None else _of_matrix(matrix, signature, plan, locate)


def _of_matrix(matrix: np.ndarray, signature: Signature, plan: "_Plan", locate: Locate) -> Checked:
    unseen: dict[str, int] = {}
    if not plan.is_open:
        for index, column in enumerate(signature.inputs):
            if count := _check_values(matrix[:, index], column, plan.known.get(index), locate):
                unseen[column.name] = count
    return Checked(Columns.of_matrix(plan.names, matrix), unseen, {})


def _check_values(array: np.ndarray, column: Column, known: frozenset[Label] | None, locate: Locate) -> int:
    """How many are outside the categories; raises `Problem` where bounds or categories refuse one."""
    if column.minimum is not None or column.maximum is not None:
        _check_bounds(array, column, locate)
    return 0 if known is None else _strangers(array, column, known, locate)


def names_of(signature: Signature) -> tuple[str, ...]:
    """The inputs' names, in order."""
    return _plan(signature).names


class _Plan(NamedTuple):
    """What the signature says, made ready for every request."""

    names: tuple[str, ...]
    floats: tuple[int, ...]
    known: dict[int, frozenset[Label]]
    is_matrix: bool
    """Whether all inputs are float64."""
    is_open: bool
    """Whether none has bounds or categories."""


_plans: dict[int, tuple[Signature, _Plan]] = {}
_MOST_PLANS = 16


def _plan(signature: Signature) -> _Plan:
    # By identity: hashing a signature with thousands of categories takes longer than decoding a row. The kept
    # reference keeps the identity from being given to another object.
    kept = _plans.get(id(signature))
    if kept is None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        kept = _plans[id(signature)] = (signature, _planned(signature))
    return kept[1]


def _planned(signature: Signature) -> _Plan:
    inputs = list(enumerate(signature.inputs))
    known = {
        index: frozenset(CASTS[column.dtype].build(column.categories).tolist())
        for index, column in inputs
        if column.categories is not None
    }
    floats = tuple(index for index, column in inputs if column.dtype == "float64")
    has_bounds = any(column.minimum is not None or column.maximum is not None for _, column in inputs)
    return _Plan(
        names=tuple(column.name for _, column in inputs),
        floats=floats,
        known=known,
        is_matrix=len(floats) == len(inputs),
        is_open=not known and not has_bounds,
    )


def _matrix(table: Table, plan: _Plan) -> np.ndarray | None:
    """All cells in one go, as [rows, columns]; None where one is missing or wrong: then the columns tell which."""
    if isinstance(table.values, np.ndarray):
        if np.isnan(table.values).any():
            return None
        # Turned back: what came as one tensor is that tensor again, without a copy, unless it is the body's own
        # memory: a model may write to what it is given.
        return np.require(table.values.T, np.float64, ("C", "W"))
    if not isinstance(table.values, ByRow):
        block = _floats(table, plan)
        return np.stack(list(block.values()), axis=1) if block else None
    rows = table.values.rows
    return _cells(rows, len(plan.names)) if set(map(type, chain.from_iterable(rows))) <= _NUMBERS else None


def _cells(rows: Sequence[list[Any]], width: int) -> np.ndarray | None:
    """Rows without texts, booleans and nulls, which would become numbers; None where a cell is no number."""
    cells = np.empty((len(rows), width))
    try:  # numpy takes half as long again for the same
        struct.pack_into(f"{cells.size}d", cells.data, 0, *chain.from_iterable(rows))
    except (struct.error, OverflowError):
        return None  # a container among the numbers, or a number beyond 64 bits
    return cells


def _floats(table: Table, plan: _Plan) -> dict[int, np.ndarray]:
    """Convert all float64 columns in one go where no value is missing or wrong, which is nearly always."""
    if isinstance(table.values, np.ndarray):
        every = len(plan.floats) == len(table.values)
        numbers = table.values if every else table.values[list(plan.floats)]
        if np.isnan(numbers).any():
            return {}
        return dict(zip(plan.floats, numbers.astype(np.float64, copy=False), strict=True))
    block = [table.values[index] for index in plan.floats]
    if not set(map(type, chain.from_iterable(block))) <= _NUMBERS:
        return {}
    try:
        return dict(zip(plan.floats, np.array(block, dtype=np.float64), strict=True))
    except OverflowError:
        return {}


def _array(values: Values | np.ndarray, column: Column, locate: Locate) -> tuple[np.ndarray, int]:
    if isinstance(values, np.ndarray):
        values = with_nulls(values)
    cast, types = CASTS[column.dtype], set(map(type, values))
    nulls = values.count(None) if NoneType in types else 0
    types.discard(NoneType)
    if types <= cast.types and (column.nullable or not nulls):
        try:
            return cast.build(values), nulls
        except (ValueError, OverflowError):
            pass
    raise _first_bad(values, column, locate)


def with_nulls(numbers: np.ndarray) -> list[Any]:
    """Numbers as JSON would have brought them: None for NaN, which alone differs from itself."""
    return [value if value == value else None for value in numbers.tolist()]  # noqa: PLR0124


def _first_bad(values: Values, column: Column, locate: Locate) -> Problem:
    cast = CASTS[column.dtype]
    for row, value in enumerate(values):
        if value is None:
            if not column.nullable:
                return problems.null_refused(locate(row, column.name), cast.expected)
        elif type(value) not in cast.types:
            return problems.wrong_type(locate(row, column.name), cast.expected, problems.describe(value))
        else:
            try:
                cast.build((value,))
            except ValueError:
                return problems.wrong_type(locate(row, column.name), cast.expected, cast.otherwise)
            except OverflowError:
                return problems.out_of_range(locate(row, column.name), cast.range, "a value outside")
    raise AssertionError(column.name)  # what converts value by value converts as a whole


def _check_bounds(array: np.ndarray, column: Column, locate: Locate) -> None:
    for bound, outside, words, got in (
        (column.minimum, np.less, "at least", "a smaller number"),
        (column.maximum, np.greater, "at most", "a larger number"),
    ):
        if bound is not None and (found := outside(array, bound)).any():
            at = locate(int(found.argmax()), column.name)
            raise problems.out_of_range(at, f"a number of {words} {bound:.15g}", got)


def _strangers(array: np.ndarray, column: Column, known: frozenset[Label], locate: Locate) -> int:
    """Count the values outside the categories; raises `Problem` where the model refuses them."""
    values = array.tolist()
    # A missing value is no category: None, and NaN, which differs from itself.
    strangers = {value for value in set(values) - known if value is not None and value == value}  # noqa: PLR0124
    if not strangers:
        return 0
    rows = [row for row, value in enumerate(values) if value in strangers]
    if column.unknown == "refuse":
        categories = column.categories or ()
        at, kind = locate(rows[0], column.name), problems.describe(next(iter(categories), None))
        raise problems.unknown_category(at, categories, kind)
    return len(rows)


class Cast(NamedTuple):
    """How values of one dtype become an array, and the words for those that do not."""

    types: frozenset[type]
    build: Callable[[Values], np.ndarray]
    """Takes values of `types` and None; ValueError: not of this dtype; OverflowError: beyond its range."""
    expected: str
    otherwise: str = ""
    range: str = ""


def _float32(values: Values) -> np.ndarray:
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float32)
    if np.isinf(array).any():
        raise OverflowError
    return array


def _int64(values: Values) -> np.ndarray:
    present = [value for value in values if value is not None] if None in values else list(values)
    whole = list(map(int, present))
    if whole != present:
        raise ValueError
    array = np.array(whole, dtype=np.int64)
    # numpy has no missing integer: as in pandas, such a column is one of floats.
    return array if len(whole) == len(values) else np.array(values, dtype=np.float64)


def _datetime(values: Values) -> np.ndarray:
    moments = [_NOT_A_TIME if value is None else _nanoseconds(value) for value in values]
    return np.array(moments, dtype=np.int64).view("datetime64[ns]")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_A_TIME = -(2**63)
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.([0-9]{1,9}))?)?)(?:[Zz]|([+-])([01][0-9]|2[0-3]):?([0-5][0-9]))?)?"
)


def _nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 in UTC; a time without an offset is taken as it stands."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError
    day, time, fraction, sign, hours, minutes = match.groups()
    passed = datetime.fromisoformat(f"{day}T{(time or '00:00').partition('.')[0]}+00:00") - _EPOCH
    offset = int(f"{sign}1") * (int(hours) * 60 + int(minutes)) * 60 if sign else 0
    moment = (passed.days * 86_400 + passed.seconds - offset) * 10**9 + int((fraction or "0").ljust(9, "0"))
    if not _NOT_A_TIME < moment < -_NOT_A_TIME:
        raise OverflowError
    return moment


_NUMBERS = frozenset({int, float})
_WHEN = "a date or time in ISO 8601, such as 2024-05-01T12:30:00Z"
CASTS: dict[Dtype, Cast] = {
    "float64": Cast(
        _NUMBERS, lambda values: np.array(values, dtype=np.float64), "a number", range="a number of 64 bits"
    ),
    "float32": Cast(_NUMBERS, _float32, "a number", range="a number of 32 bits"),
    "int64": Cast(_NUMBERS, _int64, "a whole number", "number with a fraction", "a whole number of 64 bits"),
    "bool": Cast(
        frozenset({bool}), lambda values: np.array(values, dtype=object if None in values else bool), "true or false"
    ),
    "string": Cast(frozenset({str}), lambda values: np.array(values, dtype=object), "a string"),
    "datetime": Cast(frozenset({str}), _datetime, _WHEN, "another string", "a time from 1677-09-22 to 2262-04-11"),
}

"""The tensors of a request become the model's columns: one tensor of all of them, or one tensor a column."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from modelcast_runtime import problems
from modelcast_runtime.columns import Locate, Table, to_arrays, with_nulls
from modelcast_runtime.contract import Dtype, Signature
from modelcast_runtime.dialects import v2_tensors
from modelcast_runtime.dialects.v2_metadata import MATRIX, takes_matrix
from modelcast_runtime.dialects.v2_problems import wrong_tensor
from modelcast_runtime.dialects.v2_request import Envelope, Head
from modelcast_runtime.dialects.v2_tensors import BOOL, BYTES, NUMBERS, Tensor, Values
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import listed, quoted

_KNOWN = (BOOL, *NUMBERS, BYTES)
_TAKEN: dict[Dtype, tuple[str, ...]] = {
    "bool": (BOOL,),
    "int64": ("INT64", *(name for name in NUMBERS if name != "INT64")),
    "float32": ("FP32", *(name for name in NUMBERS if name != "FP32")),
    "float64": ("FP64", *(name for name in NUMBERS if name != "FP64")),
    "string": (BYTES,),
    "datetime": (BYTES,),
}


class Terms(NamedTuple):
    """What the tensors must fit; made once, as a wide signature is long to look through."""

    signature: Signature
    ignores_extra: bool
    max_rows: int
    names: tuple[str, ...]
    takes_matrix: bool
    has_whole: bool
    """Whether an input is one of whole numbers."""

    @classmethod
    def of(cls, signature: Signature, *, ignores_extra: bool, max_rows: int) -> "Terms":
        """The terms of one model under the settings in force."""
        return cls(
            signature,
            ignores_extra,
            max_rows,
            names=tuple(column.name for column in signature.inputs),
            takes_matrix=takes_matrix(signature),
            has_whole=any(column.dtype == "int64" for column in signature.inputs),
        )


def read(envelope: Envelope, terms: Terms) -> Decoded:
    """Check every tensor, then every value; nothing is made of a shape before it fits. Raises `Problem`."""
    matrix = _matrix(envelope, terms)
    table = _of_columns(envelope.heads, terms) if matrix is None else _of_matrix(matrix, envelope.heads, terms)
    columns, unseen, missing = to_arrays(table, terms.signature)
    return Decoded(columns, table.locate, unseen, missing)


def _matrix(envelope: Envelope, terms: Terms) -> Head | None:
    """The tensor of all columns: the one that is called so, or by the convention `np` the only one."""
    if not terms.takes_matrix:
        return None
    heads = envelope.heads
    if len(heads) == 1 and "np" in (envelope.content_type, heads[0].content_type):
        return heads[0]
    named = next((head for head in heads if head.name == MATRIX), None)
    is_column = len(heads) > 1 and MATRIX in terms.names
    return None if is_column else named


def _of_matrix(head: Head, heads: Sequence[Head], terms: Terms) -> Table:
    others = [other for other in heads if other is not head]
    if others and not terms.ignores_extra:
        raise problems.extra_input(f"{others[0].at}.name", [MATRIX], "another name")
    _check_datatype(head, _TAKEN["float64"])
    rows, width = _matrix_shape(head, terms.names)
    _check_rows(head, rows, terms)
    tensor = v2_tensors.read(head)
    return Table(rows, _split(tensor.values, width, terms), _in_matrix(head, tensor, terms.names))


def _matrix_shape(head: Head, names: Sequence[str]) -> tuple[int, int]:
    width = len(names)
    if len(head.shape) == 1 and width == 1:
        return head.shape[0], width
    if len(head.shape) != 2:
        got = problems.counted(len(head.shape), "dimension")
        raise wrong_tensor(f"{head.at}.shape", f"[rows, {width}]", got)
    if head.shape[1] != width:
        expected = f"{width}, a number for each input: {listed(map(quoted, names))}"
        raise wrong_tensor(f"{head.at}.shape[1]", expected, "another number")
    return head.shape[0], width


def _split(values: Values, width: int, terms: Terms) -> Any:
    """Columns of the flat values: views, as long as they are numbers."""
    if isinstance(values, list):
        return [values[index::width] for index in range(width)]
    matrix = values.reshape(-1, width).T
    # Beyond 2**53 not every whole number is a float: what an integer input gets is not made one.
    return matrix if terms.has_whole else matrix.astype(np.float64, copy=False)


def _in_matrix(head: Head, tensor: Tensor, names: Sequence[str]) -> Locate:
    width = len(names)

    def locate(row: int, name: str | None) -> str:
        if name is not None:
            return tensor.place(row * width + names.index(name))
        if head.content is not None:
            return f"{head.at}, row {row} of its binary data"
        is_nested = type(head.data[0]) is list
        return f"{head.at}.data[{row}]" if is_nested else f"{head.at}.data[{row * width}:{(row + 1) * width}]"

    return locate


def _of_columns(heads: Sequence[Head], terms: Terms) -> Table:
    found = _by_name(heads, terms)
    rows = _column_rows(found[0])
    _check_rows(found[0], rows, terms)
    for head, column in zip(found, terms.signature.inputs, strict=True):
        _check_datatype(head, _TAKEN[column.dtype])
        if _column_rows(head) != rows:
            raise wrong_tensor(f"{head.at}.shape[0]", f"{rows}, as in {found[0].at}", "another number")
    tensors = [v2_tensors.read(head) for head in found]
    return Table(rows, _joined([one.values for one in tensors], terms), _in_columns(tensors, terms.names))


def _by_name(heads: Sequence[Head], terms: Terms) -> list[Head]:
    """The tensor of every input, in the signature's order."""
    names = terms.names
    found: dict[str, Head] = {}
    for head in heads:
        if head.name in found:
            raise problems.duplicate_input(f"{head.at}.name")
        found[head.name] = head
    extra = next((head for head in heads if head.name not in names), None)
    if extra is not None and not terms.ignores_extra:
        known = [MATRIX, *names] if terms.takes_matrix else names
        raise problems.extra_input(f"{extra.at}.name", known, "another name")
    if missing := [name for name in names if name not in found]:
        raise problems.missing_input("$.inputs", missing)
    return [found[name] for name in names]


def _column_rows(head: Head) -> int:
    if len(head.shape) not in (1, 2) or head.shape[1:] not in ((), (1,)):
        raise wrong_tensor(f"{head.at}.shape", "[rows] or [rows, 1], as each tensor is one input", "another shape")
    return head.shape[0]


def _joined(values: Sequence[Values], terms: Terms) -> Any:
    """One array of all columns where all of them are numbers, else lists that are checked one by one."""
    if not terms.has_whole and all(isinstance(one, np.ndarray) for one in values):
        return np.array(values, dtype=np.float64)
    return [with_nulls(one) if isinstance(one, np.ndarray) else one for one in values]


def _in_columns(tensors: Sequence[Tensor], names: Sequence[str]) -> Locate:
    places: dict[str, Callable[[int], str]] = {name: tensor.place for name, tensor in zip(names, tensors, strict=True)}
    return lambda row, name: f"$.inputs[*], row {row}" if name is None else places[name](row)


def _check_datatype(head: Head, taken: Sequence[str]) -> None:
    if head.datatype not in taken:
        others = f" (or {listed(taken[1:])})" if len(taken) > 1 else ""
        got = head.datatype if head.datatype in _KNOWN else "another string"
        raise wrong_tensor(f"{head.at}.datatype", f"{taken[0]}{others}", got)


def _check_rows(head: Head, rows: int, terms: Terms) -> None:
    if rows == 0:
        raise problems.no_rows(f"{head.at}.shape[0]")
    if rows > terms.max_rows:
        raise problems.too_many_rows(terms.max_rows)

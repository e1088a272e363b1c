"""Reads a body that is a file of a library's: Parquet, where the model's environment has pyarrow, and numpy's `.npy`.

Bounded before anything is made of it: rows and bytes stand in a file's own description, and a text that repeats in
Parquet is kept once. Nothing is unpickled.
"""

import io
import math
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from modelcast_runtime import problems
from modelcast_runtime.payload_csv import BEYOND_FLOAT
from modelcast_runtime.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

_NUMPY_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_PLAIN_KINDS = "biufU"


def reads_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def parquet(body: bytes, names: Collection[str], *, max_rows: int, max_bytes: int) -> dict[str, list[Any]]:
    """The columns of these names that a Parquet file has; what is missing is None. Raises `Problem`."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(pa.BufferReader(body))
        fields = [field for field in file.schema_arrow if field.name in names]
        _check_size(file.metadata, max_rows, max_bytes)
        _check_kinds(fields)
        texts = [field.name for field in fields if _is_text(field.type)]
        file = ParquetFile(pa.BufferReader(body), read_dictionary=texts)
        table = file.read(columns=[field.name for field in fields], use_threads=False)
        return {field.name: plain(_listed(table.column(field.name))) for field in fields}
    except Problem:
        raise
    except Exception:  # noqa: BLE001 - whatever pyarrow raises on bytes that are no Parquet
        raise problems.not_a_file("Parquet") from None


def _check_size(footer: Any, max_rows: int, max_bytes: int) -> None:
    if footer.num_rows > max_rows:
        raise problems.too_many_rows(max_rows)
    if sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups)) > max_bytes:
        raise problems.body_too_large(max_bytes)


def _check_kinds(fields: "Sequence[pa.Field]") -> None:
    """Lists, decimals and bytes of one length are of no use, and could be large where their file is small."""
    import pyarrow as pa

    for field in fields:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        primitive = pa.types.is_primitive(kind) or pa.types.is_null(kind)
        if not (primitive or _is_text(kind)) or pa.types.is_decimal(kind):
            at = f"${problems.member(field.name)}"
            raise problems.wrong_type(at, "numbers, texts, booleans or times", "another type of Parquet's")


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind))


def _listed(column: "pa.ChunkedArray") -> list[Any]:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return [value for chunk in column.chunks for value in _looked_up(chunk)]
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    values: list[Any] = column.to_pylist()
    return values


def _looked_up(chunk: "pa.DictionaryArray") -> list[Any]:
    """Each text once, however often it is meant."""
    known = chunk.dictionary.to_pylist()
    return [None if index is None else known[index] for index in chunk.indices.to_pylist()]


def numpy_array(body: bytes, max_rows: int) -> list[Any]:
    """The rows of an array of one or two dimensions in `.npy` as lists; NaN is None. Raises `Problem`."""
    stream = io.BytesIO(body)
    try:
        shape, is_fortran, dtype = _NUMPY_HEADERS[np.lib.format.read_magic(stream)](stream)
        rest = memoryview(body)[stream.tell() :]
        if dtype.kind not in _PLAIN_KINDS or len(shape) not in (1, 2) or math.prod(shape) * dtype.itemsize != len(rest):
            raise ValueError
        if shape[0] > max_rows:
            raise problems.too_many_rows(max_rows)
        rows = np.frombuffer(rest, dtype).reshape(shape, order="F" if is_fortran else "C").tolist()
    except Problem:
        raise
    except Exception:  # noqa: BLE001 - numpy parses the header as Python, and raises what that raises
        raise problems.not_a_file("NumPy .npy") from None
    return [plain(row) for row in rows] if len(shape) > 1 else plain(rows)


def plain(values: list[Any]) -> list[Any]:
    """None for NaN, and for what is infinite a number that no column takes."""
    if all(type(value) is not float or math.isfinite(value) for value in values):
        return values
    return [_plain(value) if type(value) is float else value for value in values]


def _plain(value: float) -> float | None:
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else BEYOND_FLOAT

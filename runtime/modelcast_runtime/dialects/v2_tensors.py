"""The values of one tensor: from JSON or from bytes to flat values in row-major order, and back.

Numbers become a numpy array of the tensor's own datatype, so that JSON and binary mean the same (0.1 in FP32 is not
0.1 in FP64); texts, booleans and whole numbers with nulls among them stay a list.
"""

import base64
import binascii
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np

from modelcast_runtime import problems
from modelcast_runtime.dialects.v2_problems import wrong_bytes, wrong_tensor
from modelcast_runtime.dialects.v2_request import Head
from modelcast_runtime.problems import counted, describe

Values = np.ndarray | list[Any]

BYTES = "BYTES"
BOOL = "BOOL"
# Little-endian, as the protocol has it, whatever the machine.
NUMBERS: dict[str, np.dtype[Any]] = {
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_LENGTH = 4
"""Bytes of the number in front of each element of BYTES: how long it is."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor's values in row-major order, and the place of each in the request."""

    values: Values
    place: Callable[[int], str]


def read(head: Head) -> Tensor:
    """Check and convert the values of a tensor whose datatype is known and whose shape is 1 or 2 small numbers.

    Raises `Problem`.
    """
    tensor = _in_json(head) if head.content is None else _in_binary(head, head.content)
    if isinstance(tensor.values, np.ndarray):
        _check_finite(tensor.values, head.datatype, tensor.place)
    elif head.content_type == "base64" and head.datatype == BYTES:
        return Tensor(_from_base64(tensor), tensor.place)
    return tensor


def _in_json(head: Head) -> Tensor:
    at, size = f"{head.at}.data", math.prod(head.shape)
    data = head.data
    if type(data) is not list:
        raise wrong_tensor(at, "a list of values", describe(data))
    if len(head.shape) == 2 and data and type(data[0]) is list:
        rows, width = head.shape
        _check_nested(data, rows, width, at)
        return _checked(list(chain.from_iterable(data)), head, lambda i: f"{at}[{i // width}][{i % width}]")
    if len(data) != size:
        raise wrong_tensor(at, f"as many values as the shape says, {size}", f"list of {counted(len(data), 'value')}")
    return _checked(data, head, lambda i: f"{at}[{i}]")


def _check_nested(data: list[Any], rows: int, width: int, at: str) -> None:
    if len(data) != rows:
        raise wrong_tensor(at, f"as many rows as the shape says, {rows}", f"list of {counted(len(data), 'value')}")
    expected = f"a list of as many values as the shape says, {width}"
    for row, values in enumerate(data):
        if type(values) is not list or len(values) != width:
            raise wrong_tensor(f"{at}[{row}]", expected, describe(values))


def _checked(data: list[Any], head: Head, place: Callable[[int], str]) -> Tensor:
    dtype = NUMBERS.get(head.datatype)
    if dtype is None:
        return Tensor(data, place)  # texts and booleans are checked with the column that they are for
    return Tensor((_floats if dtype.kind == "f" else _whole)(data, dtype, place), place)


def _floats(data: list[Any], dtype: np.dtype[Any], place: Callable[[int], str]) -> np.ndarray:
    if not set(map(type, data)) <= {int, float, NoneType}:
        at = next(index for index, value in enumerate(data) if type(value) not in (int, float, NoneType))
        raise problems.wrong_type(place(at), "a number", describe(data[at]))
    with np.errstate(over="ignore"):
        # A null becomes NaN: whether one may be missing is the column's business.
        return np.array(data, dtype=np.float64).astype(dtype, copy=False)


def _whole(data: list[Any], dtype: np.dtype[Any], place: Callable[[int], str]) -> Values:
    """An array, or a list where nulls are among them: 41.0 is whole, and numpy has no missing integer."""
    kinds = set(map(type, data))
    if kinds <= {int} and _fit(data, dtype):
        return np.array(data, dtype=dtype)
    bounds = np.iinfo(dtype)
    for index, value in enumerate(data):
        if type(value) not in (int, float, NoneType):
            raise problems.wrong_type(place(index), "a whole number", describe(value))
        if type(value) is float and not value.is_integer():
            raise problems.wrong_type(place(index), "a whole number", "number with a fraction")
        if value is not None and not bounds.min <= value <= bounds.max:
            expected = f"a whole number from {bounds.min} to {bounds.max}"
            raise problems.out_of_range(place(index), expected, "a value outside")
    if NoneType in kinds:
        return [value if value is None else int(value) for value in data]
    return np.array(list(map(int, data)), dtype=dtype)


def _fit(data: list[int], dtype: np.dtype[Any]) -> bool:
    bounds = np.iinfo(dtype)
    return bool(bounds.min <= min(data) and max(data) <= bounds.max)


def _check_finite(values: np.ndarray, datatype: str, place: Callable[[int], str]) -> None:
    if values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
        at = place(int(infinite.argmax()))
        raise problems.out_of_range(at, f"a number of {datatype.removeprefix('FP')} bits", "a value outside")


def _in_binary(head: Head, content: memoryview) -> Tensor:
    def place(index: int) -> str:
        return f"{head.at}, value {index} of its binary data"

    size = math.prod(head.shape)
    if head.datatype == BYTES:
        return Tensor(_texts(content, size, f"{head.at}, its binary data", place), place)
    dtype = NUMBERS.get(head.datatype, np.dtype(np.uint8))
    if len(content) != size * dtype.itemsize:
        expected = f"{size * dtype.itemsize}, the bytes of the shape in {head.datatype}"
        raise wrong_bytes(f"{head.at}.parameters.binary_data_size", expected, f"{len(content)}")
    # A copy: the bytes stand at any address and cannot be written, which not every model bears.
    values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
    return Tensor(_booleans(values, place) if head.datatype == BOOL else values, place)


def _booleans(values: np.ndarray, place: Callable[[int], str]) -> list[bool]:
    if (wrong := values > 1).any():
        raise wrong_bytes(place(int(wrong.argmax())), "the byte 0 or 1", "another byte")
    return list(values.astype(bool).tolist())


def _texts(content: memoryview, size: int, at: str, place: Callable[[int], str]) -> list[str]:
    """Each element behind its own length."""
    texts, start = [], 0
    for index in range(size):
        first = start + _LENGTH
        end = first + int.from_bytes(content[start:first], "little")
        if end > len(content) or first > len(content):
            raise wrong_bytes(place(index), "a length of 4 bytes and as many bytes", "fewer bytes")
        try:
            texts.append(str(content[first:end], "utf-8"))
        except UnicodeDecodeError:
            raise wrong_bytes(place(index), "text in UTF-8", "other bytes") from None
        start = end
    if start != len(content):
        raise wrong_bytes(at, f"as many values as the shape says, {size}", "more bytes")
    return texts


def _from_base64(tensor: Tensor) -> list[Any]:
    """The texts under `content_type: base64`; what is no text is left to the column's own check."""
    decoded: list[Any] = []
    for index, value in enumerate(tensor.values):
        try:
            decoded.append(base64.b64decode(value, validate=True).decode() if type(value) is str else value)
        except (binascii.Error, ValueError):
            raise problems.wrong_type(tensor.place(index), "base64 of a text in UTF-8", "another string") from None
    return decoded


def to_binary(values: np.ndarray, datatype: str) -> bytes:
    """The bytes of values of that datatype, in row-major order; texts as an array of strings."""
    if datatype == BYTES:
        return b"".join(_with_lengths(values.ravel().tolist()))
    if datatype != BOOL and sys.byteorder == "big":
        values = values.astype(NUMBERS[datatype])
    return values.tobytes()


def _with_lengths(texts: Iterable[str]) -> Iterable[bytes]:
    for text in texts:
        content = text.encode()
        yield len(content).to_bytes(_LENGTH, "little")
        yield content

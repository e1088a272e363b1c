"""The datatypes of tensors: what an element is in JSON, and what it is in bytes."""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Datatype:
    """One datatype: `code` is struct's letter, none where an element's size varies."""

    code: str | None
    kind: type[bool] | type[int] | type[float] | type[str]

    def holds(self, value: object) -> bool:
        """Whether a JSON element may stand under this datatype; null is how JSON writes a NaN."""
        if self.kind is float:
            return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
        return type(value) is self.kind

    def pack(self, values: Sequence[Any]) -> bytes:
        """Elements of JSON as bytes, little-endian, null as NaN; `struct.error` where one does not fit."""
        if self.code is None:
            texts = [value.encode() for value in values]
            return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
        numbers = [math.nan if value is None else value for value in values]
        return struct.pack(f"<{len(numbers)}{self.code}", *numbers)

    def unpack(self, packed: bytes) -> tuple[Any, ...]:
        """The elements as JSON has them; `ValueError` where the bytes are no whole number of elements."""
        if self.code is None:
            return tuple(_texts(packed))
        size = struct.calcsize(f"<{self.code}")
        if len(packed) % size:
            raise ValueError(f"{len(packed)} bytes are no whole number of elements of {size}")
        numbers = struct.unpack(f"<{len(packed) // size}{self.code}", packed)
        return tuple(None if number != number else number for number in numbers)  # noqa: PLR0124 - NaN alone differs


def _texts(packed: bytes) -> Sequence[str]:
    texts, at = [], 0
    while at < len(packed):
        end = at + _LENGTH.size
        if end > len(packed):
            raise ValueError("the bytes end in the middle of a length")
        (length,) = _LENGTH.unpack(packed[at:end])
        if end + length > len(packed):
            raise ValueError("an element is longer than the bytes that are left")
        texts.append(packed[end : end + length].decode(errors="replace"))
        at = end + length
    return texts


DATATYPES = {
    "BOOL": Datatype(code="?", kind=bool),
    "UINT8": Datatype(code="B", kind=int),
    "UINT16": Datatype(code="H", kind=int),
    "UINT32": Datatype(code="I", kind=int),
    "UINT64": Datatype(code="Q", kind=int),
    "INT8": Datatype(code="b", kind=int),
    "INT16": Datatype(code="h", kind=int),
    "INT32": Datatype(code="i", kind=int),
    "INT64": Datatype(code="q", kind=int),
    "FP16": Datatype(code="e", kind=float),
    "FP32": Datatype(code="f", kind=float),
    "FP64": Datatype(code="d", kind=float),
    "BYTES": Datatype(code=None, kind=str),
}
NAMED = DATATYPES.keys() | {"BF16"}
"""What metadata may name: the specification's prose has BF16, its table has not."""


def is_number(datatype: str) -> bool:
    """Whether elements of this datatype are numbers."""
    return datatype in DATATYPES and DATATYPES[datatype].kind in (int, float)


def flat(data: Any) -> list[Any]:
    """Nested or flat elements in row-major order."""
    elements, pending = [], [data]
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(reversed(part))
        else:
            elements.append(part)
    return elements


def nested(data: Sequence[Any], shape: Sequence[int]) -> list[Any]:
    """Flat elements as lists in lists of this shape, of which no dimension is 0."""
    if len(shape) <= 1:
        return list(data)
    step = math.prod(shape[1:])
    return [nested(data[at : at + step], shape[1:]) for at in range(0, len(data), step)]

"""The arrays that joblib writes raw into a pickle: how many bytes lie there, told from stubs alone."""

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .stubs import Made, Role

_HAS_OBJECT = 0x01
"""numpy's NPY_ITEM_HASOBJECT, in a dtype's flags."""
_SIZE, _FLAGS = 5, 7
"""Where a dtype's state tuple (versions 3 and 4) holds its item size and its flags."""


@dataclass(frozen=True, slots=True)
class RawArray:
    """What follows a wrapper in the file: `size` raw bytes, or a nested pickle."""

    size: int
    is_padded: bool
    is_pickled: bool


def raw_array(state: object) -> RawArray:
    """What the state of a `NumpyArrayWrapper` announces; raises UnpicklingError where it is no such state."""
    if not isinstance(state, Mapping):
        raise _no_array("its state is missing")
    shape = state.get("shape")
    if type(shape) is not tuple or not all(type(length) is int and length >= 0 for length in shape):
        raise _no_array("its shape is no tuple of lengths")
    item = _item_size(state.get("dtype"))
    if item == "object":
        return RawArray(size=0, is_padded=False, is_pickled=True)
    padded = state.get("numpy_array_alignment_bytes") is not None
    return RawArray(size=math.prod(shape) * item, is_padded=padded, is_pickled=False)


def _item_size(dtype: object) -> int | Literal["object"]:
    if not isinstance(dtype, Made) or dtype.role not in (Role.DTYPE, Role.STRING_DTYPE):
        raise _no_array("its dtype is none of numpy's")
    if dtype.role is Role.STRING_DTYPE:
        return "object"
    state = dtype.state if type(dtype.state) is tuple else ()
    flags = state[_FLAGS] if len(state) > _FLAGS else 0
    if type(flags) is int and flags & _HAS_OBJECT:
        return "object"
    size = state[_SIZE] if len(state) > _SIZE else -1
    if type(size) is int and size >= 0:
        return size
    return _named_size(dtype.args[0] if dtype.args else None)


def _named_size(code: object) -> int | Literal["object"]:
    """The size in a type code such as `f8`: a kind and its bytes."""
    if type(code) is not str or not code[1:].isdecimal():
        raise _no_array("its dtype has no size")
    if code[0] == "O":
        return "object"
    return int(code[1:]) * (4 if code[0] == "U" else 1)


def _no_array(reason: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"an array cannot be read: {reason}")

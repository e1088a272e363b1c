"""The arrays that joblib writes raw into a pickle: how many bytes lie there, told from stubs alone."""

import math
from dataclasses import dataclass

from .dtypes import Dtype, dtype_of, no_array, read_shape
from .stubs import Global, Made

_ATTRIBUTES = {"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"}
"""What a wrapper has; any other would shadow a method that a load calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawArray:
    """What follows a wrapper in the file: `size` raw bytes, or a nested pickle."""

    kind: Global
    dtype: Dtype
    shape: tuple[int, ...]
    order: str
    size: int
    is_padded: bool

    @property
    def is_pickled(self) -> bool:
        """Whether its items are objects."""
        return self.dtype.has_object


def raw_array(wrapper: Made, state: object) -> RawArray:
    """What the state of a `NumpyArrayWrapper` announces; raises UnpicklingError where it is no such state."""
    if type(state) is not dict or wrapper.args:
        raise no_array("its state is missing")
    shape = read_shape(state.get("shape"))
    dtype = dtype_of(state.get("dtype"))
    kind, order = state.get("subclass"), state.get("order")
    if state.keys() - _ATTRIBUTES or type(kind) is not Global or order not in ("C", "F"):
        raise no_array("its wrapper is none of joblib's")
    alignment = state.get("numpy_array_alignment_bytes")
    if alignment not in (None, 8, 16, 32, 64) or type(alignment) not in (int, type(None)):
        raise no_array("its wrapper is none of joblib's")
    size = math.prod(shape) * dtype.itemsize
    return RawArray(kind=kind, dtype=dtype, shape=shape, order=order, size=size, is_padded=alignment is not None)

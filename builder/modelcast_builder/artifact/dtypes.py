"""numpy's dtypes as a pickle describes them: checked as strictly as what reads raw memory by them has to be."""

import math
import pickle
from dataclasses import dataclass
from typing import Any

ALIGNED, OBJECT, OBJECTS_INSIDE = 0x80, 0x3F, 0x1B
"""numpy's flags: of a struct with C's alignment, of `object`, of a struct that holds objects."""
HARMLESS = ALIGNED | 0x18
"""Flags that a dtype without objects may have."""
_SIZES = {
    "b": {1},
    "i": {1, 2, 4, 8},
    "u": {1, 2, 4, 8},
    "f": {2, 4, 8, 12, 16},
    "c": {8, 16, 24, 32},
    "O": {4, 8},
    "M": {8},
    "m": {8},
}
MOST_ITEM = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtype:
    """What a dtype would be; `code` as in numpy (`f8`, `U3`, `V12`), `order` one of `<`, `>`, `|`, `=`."""

    code: str
    order: str
    itemsize: int
    has_object: bool
    fields: tuple[tuple[str, "Dtype", int], ...] = ()
    """Of a struct: name, dtype, offset in bytes."""
    base: "Dtype | None" = None
    """Of a subarray: the dtype of its items."""
    shape: tuple[int, ...] = ()
    """Of a subarray."""


STRINGS = Dtype(code="T", order="|", itemsize=16, has_object=True)
"""numpy's variable-length strings, whose arrays are pickled as objects."""


def read_dtype(args: tuple[object, ...], state: object, record: bool) -> Dtype:
    """The dtype that `numpy.dtype(*args)` is after its BUILD; raises UnpicklingError where a load could differ.

    `record`: whether its first argument is the class `numpy.record`, which tells no size.
    """
    if type(state) is not tuple or len(state) not in (8, 9) or state[0] not in (3, 4) or len(args) != 3:
        raise no_dtype("its state is none of numpy's")
    if args[1] not in (False, 0) or args[2] not in (True, 1):
        raise no_dtype("it would be shared with numpy's own")
    _, order, sub, names, fields, size, alignment, flags = state[:8]
    if order not in ("<", ">", "|", "=") or type(size) is not int or type(alignment) is not int:
        raise no_dtype("its byte order or its size is none of numpy's")
    code = "V" if record else args[0]
    if type(code) is not str or type(flags) is not int:
        raise no_dtype("its type code or its flags are none of numpy's")
    if sub is not None or names is not None or fields is not None:
        read = _struct(code, record, order, sub, names, fields, size)
    else:
        read = _simple(code, order, size, record)
    _check_flags(read, flags)
    _check_unit(read, state[8] if len(state) == 9 else None)
    return read


def read_shape(shape: object) -> tuple[int, ...]:
    """A tuple of lengths; raises UnpicklingError for anything else."""
    if type(shape) is not tuple or len(shape) > 64 or not all(type(n) is int and n >= 0 for n in shape):
        raise no_array("its shape is no tuple of lengths")
    return shape


def no_dtype(reason: str) -> pickle.UnpicklingError:
    """The refusal of a dtype."""
    return pickle.UnpicklingError(f"it holds a dtype that numpy would not write: {reason}")


def no_array(reason: str) -> pickle.UnpicklingError:
    """The refusal of an array."""
    return pickle.UnpicklingError(f"an array cannot be read: {reason}")


def _simple(code: str, order: str, size: int, record: bool) -> Dtype:
    kind, digits = code[:1], code[1:]
    if kind == "U" or kind in ("S", "V"):
        each = 4 if kind == "U" else 1
        told = size if record else int(digits) * each if digits.isdecimal() and digits.isascii() else -1
        if not 0 <= size <= MOST_ITEM or told != size:
            raise no_dtype("its size is not what its type code says")
        return Dtype(code=code, order=order, itemsize=size, has_object=False)
    if not (digits.isdecimal() and digits.isascii()) or int(digits[:3]) not in _SIZES.get(kind, ()) or size != -1:
        raise no_dtype("its type code is none of numpy's")
    return Dtype(code=code, order=order, itemsize=int(digits), has_object=kind == "O")


def _struct(code: str, record: bool, order: str, sub: Any, names: Any, fields: Any, size: int) -> Dtype:  # noqa: PLR0913, PLR0917 - numpy's own seven
    if code[:1] != "V" or (not record and code[1:] != str(size)) or not 0 <= size <= MOST_ITEM:
        raise no_dtype("its size is not what its type code says")
    if sub is not None:
        if names is not None or fields is not None or type(sub) is not tuple or len(sub) != 2:
            raise no_dtype("its subarray is none of numpy's")
        base, shape = dtype_of(sub[0]), read_shape(sub[1] if type(sub[1]) is tuple else (sub[1],))
        if base.itemsize * math.prod(shape) != size:
            raise no_dtype("its subarray is not as long as it says")
        return Dtype(code=code, order=order, itemsize=size, has_object=base.has_object, base=base, shape=shape)
    if type(names) is not tuple or not isinstance(fields, dict) or not all(type(name) is str for name in names):
        raise no_dtype("its fields are none of numpy's")
    read = tuple((name, *_field(fields.get(name), size)) for name in names)
    for other in fields.keys() - set(names):  # titles name the same fields once more
        _field(fields[other], size)
    objects = any(dtype.has_object for _, dtype, _ in read)
    return Dtype(code=code, order=order, itemsize=size, has_object=objects, fields=read)


def _field(field: Any, size: int) -> tuple[Dtype, int]:
    if type(field) is not tuple or len(field) not in (2, 3) or type(field[1]) is not int:
        raise no_dtype("its fields are none of numpy's")
    dtype, offset = dtype_of(field[0]), field[1]
    if offset < 0 or offset + dtype.itemsize > size:
        raise no_dtype("a field of it lies outside of it")
    return dtype, offset


def dtype_of(made: object) -> Dtype:
    """The dtype that a stub stands for; raises UnpicklingError where it is none, or not yet whole."""
    found = getattr(made, "state", None)
    if not isinstance(found, Dtype):
        raise no_array("its dtype is none of numpy's")
    return found


def _check_unit(dtype: Dtype, told: object) -> None:
    """A time has a unit, without which numpy's load ends the process; nothing else has one."""
    if dtype.code[0] not in "mM":
        is_right = told is None or type(told) is dict
    else:
        unit = told[1] if type(told) is tuple and len(told) == 2 and type(told[0]) in (dict, type(None)) else None
        is_right = (
            type(unit) is tuple
            and len(unit) == 4
            and type(unit[0]) in (bytes, str)
            and all(type(number) is int and number > 0 for number in unit[1:])
        )
    if not is_right:
        raise no_dtype("its unit of time is none of numpy's")


def _check_flags(dtype: Dtype, flags: int) -> None:
    """A dtype of objects that says it has none would make a load read addresses from the file."""
    if dtype.has_object:
        wanted = OBJECT if dtype.code[0] == "O" else OBJECTS_INSIDE
        is_right = flags & wanted == wanted and not flags & ~(OBJECT | ALIGNED)
    else:
        is_right = not flags & ~HARMLESS
    if not is_right:
        raise no_dtype("its flags do not say what it holds")

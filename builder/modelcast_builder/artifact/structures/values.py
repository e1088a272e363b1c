"""What the checks ask of the inert values that a replay keeps: nothing here imports, makes or calls what they name."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelcast_builder.artifact.compression import INFLATED_A_BYTE, Span, inflates
from modelcast_builder.artifact.dtypes import Dtype
from modelcast_builder.artifact.stubs import Array, Global, Made, Role

from .damage import Damaged

Numbers = NDArray[Any]
Name = tuple[str, str]
Read = Callable[[Path, Iterable[Span]], Iterable[tuple[Span, bytes]]]
BYTES = ("builtins", "bytearray")
MOST_BROUGHT = 64 * 1024**2
"""Bytes that the arrays of a small file's structures may inflate to."""


@contextmanager
def brought(path: Path, made: Iterable[Made], read: Read) -> Iterator[None]:
    """Put the bytes that lie in the file at `path` into what these objects hold, for as long as they are looked at."""
    seen: set[int] = set()
    places = [place for value in made for place in _places(value, seen)]
    spans = {span for span, _ in places}
    if sum(span.size for span in spans) > MOST_BROUGHT + INFLATED_A_BYTE * path.stat().st_size:
        raise inflates(MOST_BROUGHT)
    contents = dict(read(path, spans))
    for span, put in places:
        put(contents[span])
    try:
        yield
    finally:
        for span, put in places:
            put(span)


def _places(value: object, seen: set[int]) -> Iterator[tuple[Span, Callable[[Any], None]]]:
    """Where spans stand in an object and in all below it, once each."""
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, Made):
            yield from _places_in(part)
            waiting += [part.state, part.args, getattr(part, "data", None)]
        elif isinstance(part, dict):
            yield from ((kept, partial(part.__setitem__, key)) for key, kept in part.items() if isinstance(kept, Span))
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)


def _places_in(made: Made) -> Iterator[tuple[Span, Callable[[Any], None]]]:
    if isinstance(made, Array) and isinstance(made.data, Span):
        yield made.data, partial(setattr, made, "data")
    if name_of(made) == BYTES and made.args and isinstance(made.args[0], Span):
        yield made.args[0], lambda content: setattr(made, "args", (content,))


def name_of(value: object) -> Name | None:
    """Module and name of an object's class, also where `newObj` of scikit-learn's compiled modules makes it."""
    if not isinstance(value, Made) or value.kind is None:
        return None
    kind: object = value.kind
    if value.kind.name == "newObj" and value.args:
        kind = value.args[0]
    return (kind.module, kind.name) if isinstance(kind, Global) else None


def module_of(value: object) -> str:
    """The module of an object's class."""
    return (name_of(value) or ("", ""))[0]


def arguments(value: object) -> tuple[object, ...]:
    """What an object was made of."""
    return value.args if isinstance(value, Made) else ()


def state_of(value: object) -> tuple[object, ...]:
    """The state of an object that reads a tuple; empty where it was given none."""
    state = value.state if isinstance(value, Made) else None
    return state if type(state) is tuple else ()


def fields(value: object) -> Mapping[str, object]:
    """The attributes of an object, or the entries of a dictionary, by their names."""
    found = value.attributes if isinstance(value, Made) else value
    return {key: kept for key, kept in found.items() if type(key) is str} if isinstance(found, dict) else {}


def items(value: object) -> Sequence[object]:
    """What a list, a tuple or an array of objects holds."""
    if isinstance(value, Array):
        value = value.data
    return value if isinstance(value, list | tuple) else ()


def whole(value: object) -> int | None:
    """An integer of Python or of numpy; None where it is none."""
    if type(value) is int:
        return value
    if isinstance(value, Made) and value.role is Role.SCALAR and len(value.args) == 2:
        dtype = value.args[0].state if isinstance(value.args[0], Made) else None
        content = value.args[1].encode("latin1") if type(value.args[1]) is str else value.args[1]
        if isinstance(dtype, Dtype) and type(content) is bytes and dtype.code[0] in "iu":
            return int(np.frombuffer(content, _dtype(dtype))[0])
    return None


def integer(state: Mapping[str, object], name: str) -> int:
    """The integer of this name; raises `Damaged` where there is none."""
    value = whole(state.get(name))
    if value is None:
        raise Damaged(f"has a {name} that is no whole number")
    return value


def whole_numbers(value: object) -> tuple[int, ...]:
    """An integer, or those that an array or a sequence holds; empty where there are others in it."""
    one = whole(value)
    if one is not None:
        return (one,)
    if isinstance(value, Array) and isinstance(value.data, bytes):
        held = number_array(value)
        return tuple(held.ravel().tolist()) if held.dtype.kind in "iu" else ()
    found = [whole(item) for item in items(value)]
    return tuple(number for number in found if number is not None) if None not in found else ()


def numbers(state: Mapping[str, object], name: str) -> Numbers:
    """The array of this name, without objects; raises `Damaged` where there is none."""
    return number_array(state.get(name), name)


def number_array(value: object, name: str = "array") -> Numbers:
    """An array without objects, as a view of its bytes; raises `Damaged` where it is none."""
    if not isinstance(value, Array) or value.dtype is None or not isinstance(value.data, bytes):
        raise Damaged(f"has no {name}")
    flat = np.frombuffer(value.data, _dtype(value.dtype))
    return flat.reshape(value.shape, order="F" if value.order == "F" else "C")


def shape_of(value: object) -> tuple[int, ...]:
    """The shape of an array, also of one of objects; empty where it is none."""
    return value.shape if isinstance(value, Array) else ()


def column(records: Numbers, name: str) -> NDArray[np.int64]:
    """A field of integers of an array of records; raises `Damaged` where there is none."""
    held: Mapping[str, Any] = records.dtype.fields or {}
    if name not in held or held[name][0].kind not in "iub":
        raise Damaged(f"has nodes without {name}")
    return records[name].astype(np.int64)


def content_of(value: object) -> bytes:
    """The bytes of `bytes` or of a `bytearray`; raises `Damaged` where it is neither."""
    while isinstance(value, Made) and name_of(value) == BYTES and value.args:
        value = value.args[0]
    if type(value) is str:
        return value.encode("latin1")
    if type(value) is not bytes:
        raise Damaged("has no bytes of a model")
    return value


def _dtype(dtype: Dtype) -> np.dtype[Any]:
    if dtype.base is not None:
        return np.dtype((_dtype(dtype.base), dtype.shape))
    if not dtype.fields:
        return np.dtype(f"{dtype.order}{dtype.code}")
    names, formats, offsets = zip(*dtype.fields, strict=True)
    kinds = [_dtype(kind) for kind in formats]
    return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": dtype.itemsize})

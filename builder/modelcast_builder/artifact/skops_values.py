"""The objects of a skops file as the inert values that a pickle's replay gives: one set of checks reads both."""

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from modelcast_builder.artifact.compression import Span, bound_for
from modelcast_builder.artifact.dtypes import Dtype
from modelcast_builder.artifact.stubs import Array, Global, Items, Made

_SHAPES: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@dataclass(frozen=True, slots=True)
class Member(Span):
    """Bytes that stay in a member of the zip, from an offset on."""

    name: str = ""


def read_members(path: Path, members: Iterable[Span]) -> Iterator[tuple[Span, bytes]]:
    """The bytes of each member."""
    with zipfile.ZipFile(path) as archive:
        for member in members:
            if isinstance(member, Member):
                yield member, archive.read(member.name)[member.offset :]


def objects(path: Path, schema: dict[str, Any]) -> list[Made]:
    """Every object that a load of this schema would make; raises what `skops.CORRUPT` names.

    Arrays are described by their headers alone, and sparse matrices, whose arrays share a zip of their own, read whole.
    """
    with zipfile.ZipFile(path) as archive:
        reader = _Reader(archive, bound_for(path.stat().st_size))
        reader.value(schema)
        return reader.made


class _Reader:
    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive = archive
        self._most = most
        self._known: dict[int, tuple[dict[str, Any], Any]] = {}
        self.made: list[Made] = []

    def value(self, node: Any) -> Any:
        """What a node stands for; one of a known `__id__` is the object that was made for the first."""
        if type(node) is list:
            return self._items(node)
        if type(node) is not dict:
            return node
        if "__loader__" not in node:
            return {key: self.value(part) for key, part in node.items()}
        number = node.get("__id__")
        known = self._known.get(number) if type(number) is int else None
        if known is not None:
            if node["__loader__"] != "CachedNode" and not self._is_same(node, known[0]):
                raise ValueError("it has two objects of one number")
            return known[1]
        load = _LOADERS.get(str(node["__loader__"]))
        found = self._object(node) if load is None else load(self, node)
        if type(number) is int:
            self._known[number] = (node, found)
        return found

    def _is_same(self, one: Any, other: Any) -> bool:
        """Whether two nodes load alike: an object that is written twice names other files, of the same content."""
        if type(one) is dict and type(other) is dict:
            names = (one.keys() | other.keys()) - {"__id__"}
            return all(name in one and name in other and self._is_alike(name, one[name], other[name]) for name in names)
        if type(one) is list and type(other) is list:
            return len(one) == len(other) and all(map(self._is_same, one, other))
        return bool(one == other)

    def _is_alike(self, name: str, one: Any, other: Any) -> bool:
        if name == "file" and one != other:
            return self._archive.read(str(one)) == self._archive.read(str(other))
        return self._is_same(one, other)

    def _items(self, nodes: list[Any]) -> Items:
        items = Items()
        items.take([self.value(node) for node in nodes])
        return items

    def _object(self, node: dict[str, Any]) -> Made:
        """An object by its class, made of `__reduce__`'s arguments where there are some."""
        made = Made(Global(str(node.get("__module__")), str(node.get("__class__"))))
        self.made.append(made)
        if type(node.get("__id__")) is int:
            self._known[node["__id__"]] = (node, made)
        reduced = node.get("__reduce__")
        arguments = self.value(reduced.get("args")) if type(reduced) is dict else None
        made.args = arguments if type(arguments) is tuple else ()
        made.state = self.value(node.get("content"))
        return made

    def _named(self, node: dict[str, Any]) -> Global:
        """A class, a function or a method, which are named; what they are bound to is made."""
        for part in node.values():
            self.value(part)
        return Global(str(node.get("__module__")), str(node.get("__class__")))

    def _mapping(self, node: dict[str, Any]) -> Any:
        return self.value(node.get("content"))

    def _tuple(self, node: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(self._items(list(node.get("content") or ())))

    def _json(self, node: dict[str, Any]) -> Any:
        return json.loads(str(node.get("content")))

    def _bytes(self, node: dict[str, Any]) -> Member:
        name = str(node.get("file"))
        return Member(0, self._archive.getinfo(name).file_size, name)

    def _array(self, node: dict[str, Any]) -> Any:
        if node.get("type") == "json":
            array = Array(Global("numpy", "ndarray"))
            shape = self.value(node.get("shape"))
            array.shape = tuple(length for length in shape if type(length) is int) if type(shape) is tuple else ()
            array.data = _flat(self.value(node.get("content")), len(array.shape))
            return array
        name = str(node.get("file"))
        with self._archive.open(name) as file:
            array = _described(file, self._archive.getinfo(name).file_size)
        if array.shape or array.dtype is None or array.dtype.code[0] not in "iu" or not isinstance(array.data, Span):
            array.data = Member(array.data.offset, array.data.size, name) if isinstance(array.data, Span) else b""
            return array
        kind = np.dtype(f"{array.dtype.order}{array.dtype.code}")
        return int(np.frombuffer(self._archive.read(name)[array.data.offset :], kind)[0])

    def _matrix(self, node: dict[str, Any]) -> Made:
        with zipfile.ZipFile(io.BytesIO(self._archive.read(str(node.get("file"))))) as inner:
            if sum(member.file_size for member in inner.infolist()) > self._most:
                raise ValueError("it holds a matrix that is too large for its size")
            parts: dict[str, Array] = {}
            for name in inner.namelist():
                content = inner.read(name)
                array = _described(io.BytesIO(content), len(content))
                array.data = content[array.data.offset :] if isinstance(array.data, Span) else b""
                parts[name.removesuffix(".npy")] = array
        told = parts.pop("format").data if "format" in parts else b""
        kind = told.replace(b"\0", b"").decode("ascii", "replace") if isinstance(told, bytes) else ""
        shape = parts.pop("shape").data if "shape" in parts else b""
        made = Made(Global(f"scipy.sparse._{kind}", f"{kind}_matrix"))
        lengths = tuple(np.frombuffer(shape, np.int64).tolist()) if isinstance(shape, bytes) else ()
        made.state = {**parts, "_shape": lengths}
        self.made.append(made)
        return made


_LOADERS: dict[str, Callable[[_Reader, dict[str, Any]], Any]] = {
    **dict.fromkeys(("DictNode", "OrderedDictNode", "DefaultDictNode", "ListNode"), _Reader._mapping),  # noqa: SLF001
    **dict.fromkeys(("TypeNode", "FunctionNode", "MethodNode", "OperatorFuncNode"), _Reader._named),  # noqa: SLF001
    "TupleNode": _Reader._tuple,  # noqa: SLF001
    "JsonNode": _Reader._json,  # noqa: SLF001
    "BytesNode": _Reader._bytes,  # noqa: SLF001
    "BytearrayNode": _Reader._bytes,  # noqa: SLF001
    "NdArrayNode": _Reader._array,  # noqa: SLF001
    "SparseMatrixNode": _Reader._matrix,  # noqa: SLF001
}


def _flat(value: Any, depth: int) -> Items:
    """The items of nested lists, this many of them around each other, in C's order."""
    for _ in range(depth - 1):
        inner = Items()
        inner.take([item for part in value if isinstance(part, list) for item in part])
        value = inner
    return value if isinstance(value, Items) else Items()


def _described(file: IO[bytes], size: int) -> Array:
    """An array by the header of its `.npy`, whose data begins where the header ends; raises ValueError."""
    version: tuple[int, int] = np.lib.format.read_magic(file)
    if version not in _SHAPES:
        raise ValueError("it holds an array of an unknown version")
    shape, is_fortran, dtype = _SHAPES[version](file)
    if dtype.hasobject:
        raise ValueError("it holds an array of objects, which is a pickle")
    offset = file.tell()
    if not all(length >= 0 for length in shape) or math.prod(shape) * dtype.itemsize != size - offset:
        raise ValueError("it holds an array that is not as long as it says")
    array = Array(Global("numpy", "ndarray"))
    array.shape, array.order, array.dtype = shape, "F" if is_fortran else "C", _told(dtype)
    array.data = Span(offset, size - offset)
    return array


def _told(dtype: np.dtype[Any]) -> Dtype:
    fields = tuple((name, _told(kind[0]), int(kind[1])) for name, kind in (dtype.fields or {}).items())
    order, code = dtype.str[0], dtype.str[1:]
    return Dtype(code=code, order=order, itemsize=dtype.itemsize, has_object=dtype.hasobject, fields=fields)

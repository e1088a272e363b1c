"""UBJSON as XGBoost writes it, read within bounds: nothing is allocated that the bytes do not hold."""

import struct
from typing import Any

import numpy as np

from .damage import Damaged, Unreadable, need

MOST_DEEP = 64
_INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}
_NUMBERS = _INTEGERS | {b"d": ">f", b"D": ">d"}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False, b"N": None}


def parse(content: bytes) -> Any:
    """The one value that `content` holds, its typed arrays as numpy's; raises `Damaged`."""
    reader = _Reader(content)
    value = reader.value(reader.take(1), 0)
    need(reader.at == len(content), "goes on after its end")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, size: int) -> bytes:
        taken = self.content[self.at : self.at + size]
        if not 0 <= size == len(taken):
            raise Unreadable("ends too early")
        self.at += size
        return taken

    def value(self, kind: bytes, depth: int) -> Any:
        need(depth < MOST_DEEP, f"is nested deeper than {MOST_DEEP} levels")
        if kind in _NUMBERS:
            form = _NUMBERS[kind]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if kind == b"S":
            return self.text()
        if kind == b"{":
            return self.mapping(depth + 1)
        if kind == b"[":
            return self.array(depth + 1)
        if kind == b"C":
            return self.take(1).decode("latin1")
        need(kind in _CONSTANTS, "holds a value of no known kind")
        return _CONSTANTS[kind]

    def length(self) -> int:
        kind = self.take(1)
        if kind not in _INTEGERS:
            raise Damaged("has a length that is none")
        return int(self.value(kind, 0))

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8", "replace")

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.content[self.at : self.at + 1] != b"}":
            name = self.text()
            need(name not in found, "says one thing twice")
            found[name] = self.value(self.take(1), depth)
        self.at += 1
        return found

    def array(self, depth: int) -> Any:
        mark = self.content[self.at : self.at + 1]
        if mark == b"$":
            self.at += 1
            form = _NUMBERS.get(self.take(1))
            if form is None or self.take(1) != b"#":
                raise Damaged("has a list of no known kind")
            size = struct.calcsize(form)
            return np.frombuffer(self.take(self.length() * size), dtype=np.dtype(form))
        if mark == b"#":
            self.at += 1
            count = self.length()
            need(0 <= count <= len(self.content), "has a list longer than itself")
            return [self.value(self.take(1), depth) for _ in range(count)]
        found = []
        while (kind := self.take(1)) != b"]":
            found.append(self.value(kind, depth))
        return found

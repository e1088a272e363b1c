"""ONNX files, read as the protocol buffers that they are, within bounds: they are to hold a model, and nothing else.

A file may name others, which a reader then opens (`external_data`: /etc/passwd, or what a link leads to), and operators
of a domain of its own, which a reader looks for in libraries that are loaded.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from .damage import Damaged, Unreadable, need

MOST_BYTES = 2 * 1024**3
MOST_DEEP = 32
MOST_FIELDS = 20_000_000
DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml", b"ai.onnx.training", b"ai.onnx.preview.training")
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_BELOW: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "operators", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 9: "operators", 11: "attribute"},
    "operators": {},
    "tensor": {},
}
"""Message -> its fields that are messages themselves, as onnx.proto numbers them."""
_DOMAIN = {"operators": 1, "node": 7, "function": 10}
_EXTERNAL, _LOCATION = 13, 14


def check_file(path: Path) -> None:
    """Check the file at `path`; raises `Damaged`."""
    need(path.stat().st_size <= MOST_BYTES, "is larger than 2 GiB, which no ONNX file can be")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        waiting = [("model", 0, len(content), 0)]
        left = MOST_FIELDS
        while waiting:
            kind, at, end, depth = waiting.pop()
            need(depth < MOST_DEEP, f"has graphs in graphs, more than {MOST_DEEP} deep")
            for number, begin, stop in _fields(content, at, end):
                left -= 1
                need(left > 0, f"has more than {MOST_FIELDS} parts")
                if begin != stop:
                    _check_field(kind, number, bytes(content[begin : min(stop, begin + 256)]))
                if number in _BELOW[kind]:
                    waiting.append((_BELOW[kind][number], begin, stop, depth + 1))


def _check_field(kind: str, number: int, value: bytes) -> None:
    if kind == "tensor" and (number == _EXTERNAL or (number == _LOCATION and value != b"\0")):
        raise Damaged("makes a reader open another file (external_data)")
    if _DOMAIN.get(kind) == number and value not in DOMAINS:
        raise Damaged(f"needs operators of another domain ({value.decode('ascii', 'backslashreplace')[:60]})")


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field of a message."""
    while at < end:
        key, at = _varint(content, at, end)
        begin, kind = at, key & 7
        if kind == _VARINT:
            _, at = _varint(content, at, end)
        elif kind == _BYTES:
            size, begin = _varint(content, at, end)
            at = begin + size
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        else:
            raise Unreadable("is no protocol buffer")
        if at > end:
            raise Unreadable("ends too early")
        yield key >> 3, begin, at


def _varint(content: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for place in range(at, min(end, at + 10)):
        value |= (content[place] & 0x7F) << (7 * (place - at))
        if content[place] < 0x80:
            return value, place + 1
    raise Unreadable("ends too early")

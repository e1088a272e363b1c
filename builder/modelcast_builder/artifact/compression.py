"""Artifacts as byte streams: decompressed by their first bytes as joblib does it, within fixed bounds."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_INFLATED = 4 * 1024**3
"""Bytes that a compressed artifact may inflate to."""
MOST_AT_ONCE = 1024**3
"""Bytes of the longest single value: a hostile length must not become an allocation."""
CHUNK = 1024**2


class UnreadableError(Exception):
    """A format that the build does not read: what it is, and the line that writes one that it does."""

    def __init__(self, problem: str, fix: str) -> None:
        """Keep both halves for the `BuildError` that names the file."""
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix


class Stream:
    """Reads as the unpickler wants it, but never allocates what the file merely claims to hold."""

    def __init__(self, file: io.BufferedReader) -> None:
        """Read from `file`, which is at its beginning."""
        self.next: Callable[[int], bytes] = file.read  # unbounded: for an opcode's one byte
        self.readline: Callable[[], bytes] = file.readline

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; raises EOFError where there are fewer."""
        if size > MOST_AT_ONCE:
            msg = f"one value claims {size} bytes"
            raise ValueError(msg)
        data = self.next(size) if size <= CHUNK else b"".join(_chunks(self.next, size))
        if len(data) < size:
            raise EOFError
        return data

    def skip(self, size: int) -> None:
        """Pass over exactly `size` bytes; raises EOFError where there are fewer."""
        if sum(map(len, _chunks(self.next, size))) < size:
            raise EOFError


def _chunks(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """`size` bytes in pieces, fewer where the file ends."""
    while size and (part := read(min(size, CHUNK))):
        yield part
        size -= len(part)


class _Capped(io.RawIOBase):
    """Counts what comes out of a decompressor and stops at the bound."""

    def __init__(self, source: io.RawIOBase | io.BufferedIOBase) -> None:
        self._source = source
        self._left = MOST_INFLATED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._source.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            msg = f"it inflates to more than {MOST_INFLATED // 1024**3} GiB"
            raise ValueError(msg)
        return count


class _Inflate(io.RawIOBase):
    """A zlib stream as a file: the one of joblib's compressors that the standard library has no file for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._zlib = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        while not self._zlib.eof:
            source = self._zlib.unconsumed_tail or self._file.read(CHUNK)
            data = self._zlib.decompress(source, len(view))
            view[: len(data)] = data
            if data:
                return len(data)
            if not source:
                raise EOFError
        return 0


_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], io.RawIOBase | io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ", lzma.LZMAFile),
    (b"\x5d\x00", lzma.LZMAFile),
    (b"x\x01", _Inflate),
    (b"x\x5e", _Inflate),
    (b"x\x9c", _Inflate),
    (b"x\xda", _Inflate),
)
_REFUSED = {
    b"\x04\x22\x4d\x18": "is compressed with lz4, which the build does not read",
    b"ZF0x": "was written by joblib 0.9 or older, in a format that is not read any more",
}


def open_stream(file: io.BufferedReader) -> Stream:
    """The artifact's bytes, decompressed where its first bytes say so; raises UnreadableError for what is not read."""
    head = file.read(6)
    file.seek(0)
    for magic, problem in _REFUSED.items():
        if head.startswith(magic):
            raise UnreadableError(problem, "Write it with joblib.dump(model, path, compress=3)")
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            return Stream(io.BufferedReader(_Capped(opener(file)), CHUNK))
    return Stream(file)

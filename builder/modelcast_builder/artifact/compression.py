"""Artifacts as byte streams: decompressed by their first bytes as joblib does it, within fixed bounds."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_INFLATED = 4 * 1024**3
"""Bytes that a compressed artifact may inflate to."""
FEWEST_INFLATED, INFLATED_A_BYTE = 256 * 1024**2, 20
"""Bytes that a small file may inflate to (zeros shrink a thousandfold), and those that each of its bytes adds."""
MOST_AT_ONCE = 1024**3
"""Bytes of the longest single value: a hostile length must not become an allocation."""
MOST_FOR_XZ = 100 * 1024**2
"""Bytes that xz may take to decompress: its highest level asks for 65 MB."""
CHUNK = 1024**2
BEHIND = "it goes on behind its end"


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that were passed over: where they lie in the (inflated) stream; `read_spans` reads them."""

    offset: int
    size: int


class UnreadableError(Exception):
    """A format that the build does not read: what it is, and the line that writes one that it does."""

    def __init__(self, problem: str, fix: str) -> None:
        """Keep both halves for the `BuildError` that names the file."""
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix


class Stream:
    """Reads as the unpickler wants it, but never allocates what the file merely claims to hold."""

    def __init__(self, file: io.BufferedReader, most: int, excess: Exception) -> None:
        """Read from `file`, which is at its beginning and may hold `most` bytes; `excess` says that one claims more."""
        self.next: Callable[[int], bytes] = file.read  # unbounded: for an opcode's one byte
        self.readline: Callable[[], bytes] = file.readline
        self.tell: Callable[[], int] = file.tell
        self._most = most
        self._excess = excess

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; raises EOFError where there are fewer."""
        if size > MOST_AT_ONCE:
            msg = f"one value claims {size} bytes"
            raise ValueError(msg)
        if size > CHUNK:
            self._check(size)
        data = self.next(size) if size <= CHUNK else b"".join(_chunks(self.next, size))
        if len(data) < size:
            raise EOFError
        return data

    def read_some(self) -> bytes:
        """One byte, or none where the file ends."""
        return self.next(1)

    def skip(self, size: int) -> None:
        """Pass over exactly `size` bytes; raises EOFError where there are fewer."""
        self._check(size)
        if sum(map(len, _chunks(self.next, size))) < size:
            raise EOFError

    def _check(self, size: int) -> None:
        """Refuse what the file cannot hold, before it is looked for."""
        if size > self._most - self.tell():
            raise self._excess


def _chunks(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """`size` bytes in pieces, fewer where the file ends."""
    while size and (part := read(min(size, CHUNK))):
        yield part
        size -= len(part)


class _Capped(io.RawIOBase):
    """Counts what comes out of a decompressor and stops at the bound."""

    def __init__(self, source: io.RawIOBase | io.BufferedIOBase, most: int) -> None:
        self._source = source
        self._most = most
        self._count = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._count

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self._source.readinto(buffer) or 0
        self._count += count
        if self._count > self._most:
            raise inflates(self._most)
        return count


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflate(io.RawIOBase):
    """One compressed stream as a file. What follows its end is refused: readers differ about it."""

    def __init__(self, file: BinaryIO, decompressor: _Decompressor) -> None:
        self._file = file
        self._inflate = decompressor

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view, inflate = memoryview(buffer), self._inflate
        while not inflate.eof:
            source = self._source()
            data = inflate.decompress(source, len(view))
            view[: len(data)] = data
            if data:
                return len(data)
            if not source and not inflate.eof:
                raise EOFError
        if inflate.unused_data or self._file.read(1):
            raise ValueError(BEHIND)
        return 0

    def _source(self) -> bytes:
        """What is to be inflated next: zlib hands back what it did not take, the others keep it."""
        if isinstance(self._inflate, bz2.BZ2Decompressor | lzma.LZMADecompressor):
            return self._file.read(CHUNK) if self._inflate.needs_input else b""
        tail: bytes = getattr(self._inflate, "unconsumed_tail", b"")
        return tail or self._file.read(CHUNK)


def _zlib(wbits: int = zlib.MAX_WBITS) -> _Decompressor:
    return cast("_Decompressor", zlib.decompressobj(wbits))


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=MOST_FOR_XZ)


_DECOMPRESSORS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", lambda: _zlib(zlib.MAX_WBITS + 16)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ", _xz),
    (b"\x5d\x00", _xz),
    *((b"x" + level, _zlib) for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")),
)
_REFUSED = {
    b"\x04\x22\x4d\x18": "is compressed with lz4, which the build does not read",
    b"ZF0x": "was written by joblib 0.9 or older, in a format that is not read any more",
}


def open_stream(file: io.BufferedReader) -> Stream:
    """The artifact's bytes, decompressed where its first bytes say so; raises UnreadableError for what is not read."""
    head = file.read(6)
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    for magic, problem in _REFUSED.items():
        if head.startswith(magic):
            raise UnreadableError(problem, "Write it with joblib.dump(model, path, compress=3)")
    for magic, decompressor in _DECOMPRESSORS:
        if head.startswith(magic):
            most = bound_for(size)
            return Stream(io.BufferedReader(_Capped(_Inflate(file, decompressor()), most), CHUNK), most, inflates(most))
    return Stream(file, size, EOFError())


def bound_for(size: int) -> int:
    """Bytes that a file of `size` bytes may inflate to."""
    return min(MOST_INFLATED, FEWEST_INFLATED + INFLATED_A_BYTE * size)


def inflates(most: int) -> ValueError:
    """The refusal of a bomb, or of what looks like one."""
    return ValueError(f"it inflates to more than {most // 1024**2} MiB, too much for its size")


def read_spans(path: Path, spans: Iterable[Span]) -> Iterator[tuple[Span, bytes]]:
    """The bytes of each span, by their places in the file: one pass over it, whatever compressed it."""
    with path.open("rb") as file:
        stream = open_stream(file)
        for span in sorted(set(spans), key=lambda span: (span.offset, span.size)):
            gap = span.offset - stream.tell()
            if gap < 0:  # they overlap: what one array holds, a longer one holds too
                raise ValueError(BEHIND)
            stream.skip(gap)
            yield span, stream.read(span.size)

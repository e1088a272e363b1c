"""Reads a request's body to the byte: the size limit holds for what is sent and for what it inflates to."""

import zlib
from collections.abc import Awaitable, Callable
from typing import Any

from modelcast_runtime import problems

Receive = Callable[[], Awaitable[dict[str, Any]]]

# zlib's window bits: 32 + 15 tells gzip and zlib apart by itself; -15 is the bare deflate that some clients send.
_GZIP_OR_ZLIB = 47
_BARE_DEFLATE = -15

# zlib copies what follows a member: small pieces keep that small, and nobody needs so many members.
_PIECE = 65_536
_MOST_MEMBERS = 1_000


class ClientGone(Exception):
    """The client went away, or was too slow and has been answered, before its body was complete."""


async def read(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The body, inflated; raises `Problem` 413, 415 or 400, and `ClientGone`."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise problems.body_too_large(limit)
    _inflater(headers)  # what cannot be inflated is not read first
    message = await _message(receive)
    body = message.get("body", b"")
    if message.get("more_body"):
        body = await _rest(receive, body, limit)
    return inflated(body, headers, limit)


def inflated(body: bytes, headers: dict[bytes, bytes], limit: int) -> bytes:
    """A body that is here already, inflated (the same object where nothing is to be done); raises `Problem`."""
    if len(body) > limit:
        raise problems.body_too_large(limit)
    return _inflater(headers)(body, limit)


async def discard(receive: Receive) -> None:
    """Take what a refused client still sends, until the worker's body deadline.

    Closing on unread bytes would reset the connection, and the answer would be lost.
    """
    try:
        while (await _message(receive)).get("more_body"):
            pass
    except ClientGone:
        return


async def _message(receive: Receive) -> dict[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


async def _rest(receive: Receive, first: bytes, limit: int) -> bytes:
    parts, size, more = [first], len(first), True
    while more and size <= limit:
        message = await _message(receive)
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _inflater(headers: dict[bytes, bytes]) -> Callable[[bytes, int], bytes]:
    try:
        return _ENCODINGS[headers.get(b"content-encoding", b"").strip().lower()]
    except KeyError:
        raise problems.unsupported_encoding() from None


def _as_it_is(body: bytes, limit: int) -> bytes:  # noqa: ARG001 - the limit was held while reading
    return body


def _gunzip(body: bytes, limit: int) -> bytes:
    return _inflate(body, limit, _GZIP_OR_ZLIB)


def _deflate(body: bytes, limit: int) -> bytes:
    # HTTP's `deflate` is zlib's format; the low nibble 8 of its first byte tells it from the bare stream.
    is_zlib = len(body) > 1 and body[0] & 0x0F == zlib.DEFLATED and int.from_bytes(body[:2]) % 31 == 0
    return _inflate(body, limit, _GZIP_OR_ZLIB if is_zlib else _BARE_DEFLATE)


_ENCODINGS = {b"identity": _as_it_is, b"": _as_it_is, b"gzip": _gunzip, b"x-gzip": _gunzip, b"deflate": _deflate}


def _inflate(body: bytes, limit: int, window: int) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    stream, members = zlib.decompressobj(window), 1
    for start in range(0, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        while piece:
            if stream.eof:  # a gzip body may be several members in a row
                stream, members = zlib.decompressobj(window), members + 1
            parts.append(_decompress(stream, piece, room))
            room -= len(parts[-1])
            if room <= 0:
                raise problems.body_too_large(limit)
            if members > _MOST_MEMBERS:
                raise problems.corrupt_encoding()
            piece = stream.unused_data
    if body and not stream.eof:
        raise problems.corrupt_encoding()
    return b"".join(parts)


def _decompress(stream: "zlib._Decompress", piece: bytes, room: int) -> bytes:
    try:
        return stream.decompress(piece, room)
    except zlib.error:
        raise problems.corrupt_encoding() from None

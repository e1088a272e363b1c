"""The body to the byte: what is sent and what it inflates to stay within the limit, whatever the client does."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelcast_runtime import body
from modelcast_runtime.problems import Problem

LIMIT = 100


def messages(*parts: bytes, ends: bool = True) -> Iterator[dict[str, Any]]:
    for index, part in enumerate(parts):
        yield {"type": "http.request", "body": part, "more_body": not ends or index < len(parts) - 1}
    yield {"type": "http.disconnect"}


def read(*parts: bytes, limit: int = LIMIT, length: int | None = None, encoding: bytes | None = None) -> bytes:
    stream = messages(*parts)

    async def receive() -> dict[str, Any]:
        return next(stream)

    headers = {b"content-length": b"%d" % length} if length is not None else {}
    headers |= {b"content-encoding": encoding} if encoding is not None else {}
    return asyncio.run(body.read(receive, headers, limit))


def refused(*parts: bytes, **terms: Any) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        read(*parts, **terms)
    return caught.value.status, caught.value.detail


TOO_LARGE = (
    413,
    "A request may have at most 100 bytes (MODELCAST_LIMITS_BODY_BYTES, after inflation). Send less in one request.",
)
CORRUPT = (
    400,
    "The body is not what its Content-Encoding says, or not complete. Send it again, or without compression.",
)
UNKNOWN = (
    415,
    "Expected the Content-Encoding gzip or deflate, got another. Send one of these, or no Content-Encoding at all.",
)


def bare(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(content) + stream.flush()


def two_members(content: bytes) -> bytes:
    return gzip.compress(content[:7]) + gzip.compress(content[7:])


COMPRESSED = [
    (b"gzip", gzip.compress),
    (b"x-gzip", gzip.compress),
    (b"GZIP", gzip.compress),
    (b" gzip ", gzip.compress),
    (b"gzip", two_members),
    (b"deflate", zlib.compress),
    (b"deflate", bare),
]


def test_a_body_of_just_the_limit_is_read_and_one_byte_more_is_not() -> None:
    assert read(b"x" * 100, length=100) == b"x" * 100
    assert refused(b"x" * 101, length=101) == TOO_LARGE


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("nothing is read")

    with pytest.raises(Problem):
        asyncio.run(body.read(receive, {b"content-length": b"101"}, LIMIT))


@pytest.mark.parametrize("parts", [(b"x" * 60, b"x" * 40), (b"x" * 100, b""), (b"", b"x" * 100), (b"x",) * 100])
def test_a_chunked_body_of_just_the_limit_is_read(parts: tuple[bytes, ...]) -> None:
    assert read(*parts) == b"x" * 100


@pytest.mark.parametrize("parts", [(b"x" * 60, b"x" * 41), (b"x" * 101, b""), (b"x" * 101,), (b"x",) * 101])
def test_a_chunked_body_of_one_byte_more_is_refused(parts: tuple[bytes, ...]) -> None:
    assert refused(*parts) == TOO_LARGE


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large() -> None:
    taken = []

    async def receive() -> dict[str, Any]:
        taken.append(1)
        return {"type": "http.request", "body": b"x" * 30, "more_body": True}

    with pytest.raises(Problem):
        asyncio.run(body.read(receive, {}, LIMIT))
    assert len(taken) == 4


@pytest.mark.parametrize("encoding", [None, b"", b"identity"])
def test_a_body_without_encoding_is_as_it_is(encoding: bytes | None) -> None:
    assert read(b"\x1f\x8b no gzip", encoding=encoding) == b"\x1f\x8b no gzip"


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSED)
def test_a_compressed_body_is_inflated(encoding: bytes, compress: Any) -> None:
    assert read(compress(b"some rows, some rows"), encoding=encoding) == b"some rows, some rows"


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSED)
def test_the_limit_holds_after_inflation_to_the_byte(encoding: bytes, compress: Any) -> None:
    assert read(compress(b"x" * 100), encoding=encoding) == b"x" * 100
    assert refused(compress(b"x" * 101), encoding=encoding) == TOO_LARGE


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSED)
def test_a_truncated_body_is_refused_at_every_length(encoding: bytes, compress: Any) -> None:
    content = compress(b"some rows, some other rows")
    whole_members = {0, len(gzip.compress(b"some ro"))} if compress is two_members else {0}
    for length in set(range(len(content))) - whole_members:
        assert refused(content[:length], encoding=encoding) == CORRUPT, length


@pytest.mark.parametrize(("encoding", "compress"), COMPRESSED[:6])
def test_a_flipped_byte_at_the_end_is_seen_by_the_checksum(encoding: bytes, compress: Any) -> None:
    content = bytearray(compress(b"some rows"))
    content[-5 if b"g" in encoding.lower() else -1] ^= 1
    assert refused(bytes(content), encoding=encoding) == CORRUPT


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_what_is_not_compressed_at_all_is_refused(encoding: bytes) -> None:
    assert refused(b'{"instances": []}', encoding=encoding) == CORRUPT


def test_rubbish_after_a_member_is_refused() -> None:
    assert refused(gzip.compress(b"rows") + b"rubbish", encoding=b"gzip") == CORRUPT


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_an_empty_body_is_empty_in_every_encoding(encoding: bytes) -> None:
    assert read(b"", encoding=encoding) == b""


@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"compress", b"gzip, gzip", b"deflate,gzip", b"\xff", b"gz"])
def test_another_encoding_is_refused_with_those_that_are_read(encoding: bytes) -> None:
    assert refused(b"rows", encoding=encoding) == UNKNOWN
    with pytest.raises(Problem) as caught:
        read(b"rows", encoding=encoding)
    assert caught.value.headers == (("Accept-Encoding", "gzip, deflate"),)


def bomb(inflated: int, wbits: int) -> bytes:
    stream = zlib.compressobj(9, wbits=wbits)
    zeros = bytes(1 << 20)
    return b"".join(stream.compress(zeros) for _ in range(inflated >> 20)) + stream.flush()


@pytest.mark.parametrize(("encoding", "wbits"), [(b"gzip", 31), (b"deflate", 15), (b"deflate", -15)])
def test_a_bomb_is_refused_before_it_is_inflated(encoding: bytes, wbits: int) -> None:
    content, limit = bomb(64 << 20, wbits), 1 << 20
    assert len(content) < limit
    tracemalloc.start()
    status, _ = refused(content, encoding=encoding, limit=limit)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 413
    assert most < 4 * limit


@pytest.mark.parametrize(
    ("encoding", "member"),
    [(b"gzip", gzip.compress(b"", mtime=0)), (b"deflate", zlib.compress(b"")), (b"deflate", bare(b""))],
)
def test_millions_of_empty_members_are_refused_after_the_first(
    encoding: bytes, member: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_members: list[int] = []
    stream = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", lambda window: read_members.append(window) or stream(window))
    limit = 16 << 20
    assert refused(member * (limit // len(member)), encoding=encoding, limit=limit) == CORRUPT
    assert len(read_members) <= 1001


def test_as_many_members_as_real_tools_make_are_read() -> None:
    # bgzip: one member for 64 KiB
    content = b"".join(gzip.compress(b"%d," % index) for index in range(1000))
    assert read(content, encoding=b"gzip", limit=1 << 20) == b"".join(b"%d," % index for index in range(1000))


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=200_000), min_size=1, max_size=3), st.integers(1, 5))
def test_members_and_chunks_of_any_size_are_put_together(contents: list[bytes], chunks: int) -> None:
    whole = b"".join(map(gzip.compress, contents))
    size = max(1, -(-len(whole) // chunks))
    parts = [whole[start : start + size] for start in range(0, len(whole), size)]
    assert read(*parts, encoding=b"gzip", limit=1 << 20) == b"".join(contents)


@given(st.binary(max_size=300), st.sampled_from([b"gzip", b"deflate"]))
def test_no_bytes_break_the_inflation(content: bytes, encoding: bytes) -> None:
    try:
        assert len(read(content, encoding=encoding)) <= LIMIT
    except Problem as problem:
        assert problem.status in (400, 413)


@pytest.mark.parametrize("parts", [(), (b"some",)])
def test_a_client_that_went_away_is_no_problem_of_ours(parts: tuple[bytes, ...]) -> None:
    stream = messages(*parts, ends=False)

    async def receive() -> dict[str, Any]:
        return next(stream)

    with pytest.raises(body.ClientGone):
        asyncio.run(body.read(receive, {}, LIMIT))


@pytest.mark.parametrize("ends", [True, False])
def test_discarding_takes_all_that_is_left(ends: bool) -> None:
    stream = messages(b"a", b"b", b"c", ends=ends)

    async def receive() -> dict[str, Any]:
        return next(stream)

    asyncio.run(body.discard(receive))
    assert len(list(stream)) == (1 if ends else 0)

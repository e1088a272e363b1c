"""One connection, in this process and over real sockets: deadlines, problem documents, closing without loss."""

import asyncio
import contextlib
import io
import json
import logging
import os
import re
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from a2wsgi import WSGIMiddleware
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from modelcast_runtime import request_id
from modelcast_runtime.access_log import LoggedProtocol
from modelcast_runtime.connection import ScoringProtocol
from modelcast_runtime.contract import Limits
from modelcast_runtime.direct import DirectProtocol
from modelcast_runtime.worker import Draining, ScoringWorker, Startup, refuse_handshakes

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
HEADER_S = 0.3
BODY_S = 0.3
WITHIN_S = 60
"""A hang is a failure; whatever takes time, takes more of it on a machine with other work."""
NOT_HTTP = {
    "type": "urn:modelcast:problem:not-http",
    "title": "Not HTTP",
    "status": 400,
    "detail": "This is not HTTP/1.1 as RFC 9112 has it. Look at the request line, the header fields and the framing.",
    "at": None,
    "expected": "HTTP/1.1",
    "got": "something else",
}


async def respond(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def counting(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers how many bytes the body had; /early answers before it reads, /stream begins to, /boom fails."""
    if scope["path"] == "/boom":
        message = "secret of the application"
        raise RuntimeError(message)
    if scope["path"] == "/early":
        await respond(send, 413, b"too much")
        return
    if scope["path"] == "/stream":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope["state"]["seen"].append("disconnect")
            return
        size += len(message["body"])
        if not message["more_body"]:
            break
    await respond(send, 200, b"%d" % size)


class Running:
    """A listening worker without the process: the protocol needs no more of it than this."""

    def __init__(self, app: App, limits: Limits, keep_alive_s: int) -> None:
        cfg = Config()
        cfg.set("limit_request_fields", 64)
        cfg.set("keepalive", keep_alive_s)
        cfg.set("loglevel", "critical")
        self.codes: list[int] = []
        self.seen: list[str] = []
        self.worker = SimpleNamespace(
            cfg=cfg,
            log=Logger(cfg),
            asgi=app,
            limits=limits,
            loop=asyncio.get_running_loop(),
            connections=set(),
            observe=self.codes.append,
            is_closing=False,
            direct={},
            alive=True,
            nr=0,
            nr_conns=0,
            max_requests=10**9,
            state={"seen": self.seen},
            duty=SimpleNamespace(name="spam", version="sha256:3f2a"),
        )
        self.port = 0

    @contextlib.asynccontextmanager
    async def dial(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A client's connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def talk(self, data: bytes) -> bytes:
        """Send, then read until the server closes; fails where it does not, or resets."""
        async with self.dial() as (reader, writer):
            writer.write(data)
            return await asyncio.wait_for(reader.read(), WITHIN_S)


@contextlib.asynccontextmanager
async def running(
    app: App = counting,
    protocol: type[ScoringProtocol] = DirectProtocol,
    *,
    body_s: float = BODY_S,
    keep_alive_s: int = 1,
) -> AsyncIterator[Running]:
    service = Running(app, Limits(header_s=HEADER_S, body_s=body_s), keep_alive_s)
    server = await service.worker.loop.create_server(lambda: protocol(service.worker), "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        while service.worker.connections:
            for connection in tuple(service.worker.connections):
                connection.transport.abort()
            await asyncio.sleep(0)
        logging.getLogger("gunicorn.error").handlers.clear()


def answers(data: bytes) -> list[bytes]:
    """What came over the wire, cut before each status line (a problem's text speaks of HTTP/1.1 too)."""
    return re.split(rb"(?=HTTP/1\.1 \d{3} )", data)[1:]


def problem(answer: bytes) -> dict[str, Any]:
    """The last answer on the wire, which must be a problem that closes the connection."""
    head, _, body = answers(answer)[-1].partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert re.fullmatch("[0-9a-f]{32}", fields.pop("X-Request-Id"))
    assert fields == {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    document: dict[str, Any] = json.loads(body)
    assert set(document) == {"type", "title", "status", "detail", "at", "expected", "got"}
    assert head.split()[1] == str(document["status"]).encode()
    return document


GARBAGE = {
    "no request": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "lower-case method": b"get / HTTP/1.1\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "NUL in a field": b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunked": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "length that int() refuses": b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "chunk size": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
    "garbage after a request": b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\naSECRET\r\n\r\n",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_not_http_is_a_400_that_closes_and_quotes_nothing(data: bytes) -> None:
    async def play() -> None:
        async with running() as service:
            answer = await service.talk(data)
            assert problem(answer) == NOT_HTTP
            assert b"SECRET" not in answer
            assert service.codes == [400]

    asyncio.run(play())


@pytest.mark.parametrize(
    ("data", "status", "detail"),
    [
        (
            b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n",
            414,
            "A request line may have at most 4094 bytes. Send what is in the query in the body.",
        ),
        (
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n",
            431,
            "A header may have at most 64 fields of at most 8190 bytes. Send fewer fields, or shorter ones.",
        ),
        (
            b"GET / HTTP/1.1\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
            431,
            "A header may have at most 64 fields of at most 8190 bytes. Send fewer fields, or shorter ones.",
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: SECRET, chunked\r\n\r\n",
            501,
            "The only transfer coding known here is chunked. Send the body in it, or with Content-Length.",
        ),
        (b"GET /boom HTTP/1.1\r\n\r\n", 500, "The service failed on this request. Its log has the reason."),
        (
            b"GET / HTTP/1.1\r\nHo",
            408,
            "The header did not come within 0.3 seconds (MODELCAST_LIMITS_HEADER_S). Send it in one go.",
        ),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nSECRET",
            408,
            "The body did not come within 0.3 seconds (MODELCAST_LIMITS_BODY_S). Send it faster, or less.",
        ),
        (
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nSECRET\r\n",
            408,
            "The body did not come within 0.3 seconds (MODELCAST_LIMITS_BODY_S). Send it faster, or less.",
        ),
    ],
)
def test_every_other_refusal_of_the_connection_is_a_problem_and_counted_once(
    data: bytes, status: int, detail: str
) -> None:
    async def play() -> None:
        async with running() as service:
            answer = await service.talk(data)
            assert (problem(answer)["status"], problem(answer)["detail"]) == (status, detail)
            assert len(answers(answer)) == 1
            assert b"SECRET" not in answer
            assert service.codes == [status]

    asyncio.run(play())


def test_a_late_body_is_a_disconnect_for_the_application() -> None:
    async def play() -> None:
        async with running() as service:
            await service.talk(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
            assert service.seen == ["disconnect"]

    asyncio.run(play())


def test_a_body_that_trickles_is_not_given_more_time() -> None:
    async def play() -> None:
        async with running() as service, service.dial() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(900):  # 60 times BODY_S, at the least
                writer.write(b"a")
                await asyncio.sleep(0.02)
                if service.codes:
                    break
            else:
                pytest.fail("each byte gave it more time")
            assert problem(await asyncio.wait_for(reader.read(), WITHIN_S))["status"] == 408

    asyncio.run(play())


def test_a_connection_that_never_speaks_is_closed_without_a_word_and_not_counted() -> None:
    async def play() -> None:
        async with running(keep_alive_s=2 * WITHIN_S) as service:
            assert await service.talk(b"") == b""
            assert service.codes == []

    asyncio.run(play())


def test_a_kept_alive_connection_times_the_next_header_from_its_first_byte() -> None:
    async def play() -> None:
        async with running(keep_alive_s=2 * WITHIN_S) as service, service.dial() as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
            assert (await reader.readuntil(b"\r\n\r\n3")).startswith(b"HTTP/1.1 200 OK")
            await asyncio.sleep(HEADER_S * 2)  # idle, which is not slow
            writer.write(b"GET / HT")
            assert problem(await asyncio.wait_for(reader.read(), WITHIN_S))["status"] == 408

    asyncio.run(play())


def test_an_idle_kept_alive_connection_is_closed_without_a_word() -> None:
    async def play() -> None:
        async with running() as service:
            answer = await service.talk(b"GET / HTTP/1.1\r\n\r\n")
            assert len(answers(answer)) == 1
            assert answer.endswith(b"\r\n\r\n0")

    asyncio.run(play())


def test_pipelined_requests_are_answered_in_order_and_a_half_one_at_the_end_is_late() -> None:
    async def play() -> None:
        async with running() as service:
            one, two = (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (n, b"x" * n) for n in (1, 2))
            answer = await service.talk(one + two + b"GET / HT")
            bodies = [part.partition(b"\r\n\r\n")[2] for part in answers(answer)[:2]]
            assert bodies == [b"1", b"2"]
            assert problem(answer)["status"] == 408

    asyncio.run(play())


def test_an_answer_before_the_body_is_read_reaches_a_client_that_still_sends() -> None:
    async def play() -> None:
        async with running(body_s=WITHIN_S) as service, service.dial() as (reader, writer):
            writer.write(b"POST /early HTTP/1.1\r\nContent-Length: 8000000\r\n\r\n")
            for _ in range(80):
                writer.write(b"a" * 100_000)
                await writer.drain()
                await asyncio.sleep(0.001)
            assert (await asyncio.wait_for(reader.read(), WITHIN_S)).endswith(b"\r\n\r\ntoo much")

    asyncio.run(play())


def test_a_late_body_after_an_answer_gets_no_second_answer() -> None:
    async def play() -> None:
        async with running() as service:
            answer = await service.talk(b"POST /early HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc")
            assert len(answers(answer)) == 1
            assert service.codes == []

    asyncio.run(play())


@pytest.mark.parametrize("rest", [b"SECRET\r\n", b"5\r\nabc"], ids=["garbage", "late"])
def test_what_goes_wrong_in_the_middle_of_an_answer_is_not_written_into_it(rest: bytes) -> None:
    async def play() -> None:
        async with running() as service, service.dial() as (reader, writer):
            writer.write(b"POST /stream HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n5\r\nbegun\r\n")
            writer.write(rest)
            assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""
            assert service.seen == ["disconnect"]

    asyncio.run(play())


def test_time_in_which_the_application_does_not_read_is_not_the_clients() -> None:
    async def slow(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await asyncio.sleep(1.5)  # more than 256 KiB wait meanwhile, so the connection is not read
        await counting(scope, receive, send)

    async def play() -> None:
        async with running(slow, body_s=1) as service:
            head = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 600000\r\n\r\n"
            answer = await service.talk(head + b"a" * 600_000)
            assert answer.endswith(b"\r\n\r\n600000")

    asyncio.run(play())


def test_a_connection_upgrade_is_ignored() -> None:
    async def play() -> None:
        async with running() as service:
            upgrade = b"Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n"
            assert (await service.talk(b"GET / HTTP/1.1\r\n" + upgrade + b"\r\n")).startswith(b"HTTP/1.1 200 OK")

    asyncio.run(play())


def test_an_error_on_head_has_no_body() -> None:
    async def play() -> None:
        async with running() as service:
            answer = await service.talk(b"HEAD /boom HTTP/1.1\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert answer.endswith(b"Connection: close\r\n\r\n")

    asyncio.run(play())


def test_while_closing_every_answer_says_so_and_only_idle_connections_are_closed() -> None:
    async def play() -> None:
        async with (
            running() as service,
            service.dial() as (idle, idle_writer),
            service.dial() as (fresh, fresh_writer),
        ):
            idle_writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await idle.readuntil(b"\r\n\r\n0")
            service.worker.is_closing = True
            idle_writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert b"Connection: close\r\n" in await asyncio.wait_for(idle.read(), WITHIN_S)
            for connection in tuple(service.worker.connections):
                connection.close_if_idle()
            fresh_writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert b"Connection: close\r\n" in await asyncio.wait_for(fresh.read(), WITHIN_S)

    asyncio.run(play())


def test_an_idle_connection_is_closed_when_asked() -> None:
    async def play() -> None:
        async with running(keep_alive_s=2 * WITHIN_S) as service, service.dial() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n0")
            for connection in tuple(service.worker.connections):
                connection.close_if_idle()
            assert await asyncio.wait_for(reader.read(), WITHIN_S) == b""

    asyncio.run(play())


def test_a_connection_with_a_request_in_the_kernel_is_not_idle() -> None:
    async def play() -> None:
        async with running() as service, service.dial() as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n0")
            await asyncio.sleep(0)
            os.write(writer.get_extra_info("socket").fileno(), b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            for connection in tuple(service.worker.connections):  # before the event loop has seen it
                connection.close_if_idle()
            assert (await asyncio.wait_for(reader.read(), WITHIN_S)).startswith(b"HTTP/1.1 200 OK")

    asyncio.run(play())


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\n",
            b"HEAD * HTTP/1.0\r\n",
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Expect: 100-continue\r\n",
            b"Connection: keep-alive\r\n",
            b"\r\n",
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"abc",
        ]
    )
    | st.binary(max_size=20),
    max_size=10,
)


@hypothesis_settings(max_examples=60)
@given(st.lists(FRAGMENTS, min_size=1, max_size=8))
def test_whatever_comes_there_is_no_server_error_and_no_answer_too_many(conversations: list[list[bytes]]) -> None:
    async def play() -> None:
        async with running() as service:
            for fragments in conversations:
                async with service.dial() as (reader, writer):
                    writer.write(b"".join(fragments))
                    writer.write_eof()
                    answer = await asyncio.wait_for(reader.read(), WITHIN_S)
                    statuses = [int(part[9:12]) for part in answers(answer)]
                    assert set(statuses) <= {100, 200, 400, 408, 414, 431, 501}
                    assert all(status < 400 for status in statuses[:-1])
            assert not any(code >= 500 and code != 501 for code in service.codes)

    asyncio.run(play())


PLAIN = re.compile(rb"[A-Za-z0-9._~:;,=@+/-]{1,128}")
FIELDS = {b"content-length", b"content-type", b"server", b"date", b"connection", b"x-request-id"}


def identities(data: bytes) -> list[bytes]:
    """The one id of each answer, none of which may have another field than these."""
    found = []
    for answer in answers(data):
        fields = [line.partition(b": ") for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
        assert {name.lower() for name, _, _ in fields} <= FIELDS
        (one,) = (value for name, _, value in fields if name == b"X-Request-Id")
        found.append(one)
    return found


def asked(value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nConnection: close\r\nX-Request-Id: " + value + b"\r\n\r\n"


@pytest.mark.parametrize(
    "value", [b"1", b"4bf92f35-77b3-4da6-a3ce-929d0e0e4736", b"Root=1-6789;Self=a+b/c,~d.e_f:g@h==", b"a" * 128]
)
def test_the_callers_id_comes_back(value: bytes) -> None:
    async def play() -> None:
        async with running() as service:
            for data in (asked(value), asked(b" " + value + b"\t"), asked(value).replace(b"GET /", b"GET /boom")):
                assert identities(await service.talk(data)) == [value]
            late = asked(value).replace(b"Connection: close", b"Content-Length: 5")
            assert identities(await service.talk(late)) == [value]

    asyncio.run(play())


@pytest.mark.parametrize("value", [b"", b"a b", b"a" * 129, b"\xc3\xa9", b"<a>", b'"', b"a\tb", b"%0d%0a", b"a\\n"])
def test_an_id_that_is_not_plain_is_not_repeated(value: bytes) -> None:
    async def play() -> None:
        async with running() as service:
            made = identities(await service.talk(asked(value))) + identities(await service.talk(asked(value)))
            assert all(re.fullmatch(b"[0-9a-f]{32}", one) for one in made)
            assert len(set(made)) == 2

    asyncio.run(play())


@hypothesis_settings(max_examples=100)
@given(st.lists(st.binary(max_size=200) | st.from_regex(PLAIN, fullmatch=True), min_size=1, max_size=5))
def test_whatever_id_comes_there_is_no_server_error_and_nothing_of_it_but_a_plain_one_goes_back(
    values: list[bytes],
) -> None:
    async def play() -> None:
        async with running() as service:
            for value in values:
                answer = await service.talk(asked(value))
                made = identities(answer)
                assert made
                assert all(PLAIN.fullmatch(one) for one in made)
                assert made[:1] == [value] if PLAIN.fullmatch(value) else value not in made
                assert {int(part[9:12]) for part in answers(answer)} <= {200, 400, 408}

    asyncio.run(play())


def test_a_page_on_its_thread_knows_the_id_of_its_request() -> None:
    def page(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [request_id.CURRENT.get().encode()]

    async def play() -> None:
        async with running(cast(App, WSGIMiddleware(cast(Any, page)))) as service:
            assert b"my-id" in (await service.talk(asked(b"my-id"))).partition(b"\r\n\r\n")[2]
        assert request_id.CURRENT.get() == ""

    asyncio.run(play())


LINE = {
    "level": "info", "logger": "modelcast.access", "method": "POST", "path": "/", "status": 200, "rows": None,
    "protocol": "other", "model": "spam", "version": "sha256:3f2a", "trace_id": None, "prediction_id": None,
}  # fmt: skip
LOGGED = {
    "a request": (b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", {}),
    "a query": (b"GET /a%20b?name=SECRET HTTP/1.1\r\n\r\n", {"method": "GET", "path": "/a b"}),
    "a long path": (b"GET /" + b"%0a" * 300 + b" HTTP/1.1\r\n\r\n", {"method": "GET", "path": "/" + "\n" * 255}),
    "a trace": (
        b"GET / HTTP/1.1\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
        {"method": "GET", "trace_id": "0af7651916cd43dd8448eb211c80319c"},
    ),
    "no trace": (b"GET / HTTP/1.1\r\ntraceparent: SECRET\r\n\r\n", {"method": "GET"}),
    "an answer without a body": (b"HEAD / HTTP/1.1\r\n\r\n", {"method": "HEAD"}),
    "a failure": (b"GET /boom HTTP/1.1\r\n\r\n", {"level": "error", "method": "GET", "path": "/boom", "status": 500}),
    "a late body": (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nSECRET", {"status": 408}),
    "a late header": (b"GET / HTTP/1.1\r\nHo", {"method": None, "path": None, "status": 408}),
    "garbage": (b"SECRET\r\n\r\n", {"method": None, "path": None, "status": 400}),
}  # fmt: skip


@pytest.mark.parametrize("case", LOGGED)
def test_a_request_is_one_line_and_nothing_of_the_callers_is_in_it(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data, expected = LOGGED[case]

    async def play() -> bytes:
        async with running(protocol=LoggedProtocol) as service:
            return await service.talk(data)

    answer = asyncio.run(play())
    (one,) = identities(answer)
    written = capsys.readouterr().err
    assert "SECRET" not in written
    (line,) = map(json.loads, written.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    seconds = line.pop("seconds")
    assert (seconds is None) == (expected.get("method", "POST") is None)
    assert line.pop("request_id") == one.decode()
    assert line.pop("bytes") == len(answers(answer)[0].partition(b"\r\n\r\n")[2])
    assert line == {**LINE, **expected}


def test_a_client_that_left_before_its_answer_is_499(capsys: pytest.CaptureFixture[str]) -> None:
    async def play() -> None:
        done = asyncio.Event()

        async def patient(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await counting(scope, receive, send)
            done.set()

        async with running(patient, LoggedProtocol) as service:
            async with service.dial() as (_, writer):
                writer.write(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
                await writer.drain()
            await asyncio.wait_for(done.wait(), WITHIN_S)

    asyncio.run(play())
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["status"], line["bytes"]) == (499, 0)


def test_a_log_that_nobody_reads_fails_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    async def play() -> None:
        async with running(protocol=LoggedProtocol) as service:
            assert identities(await service.talk(asked(b"a"))) == [b"a"]

    monkeypatch.setattr("sys.stderr", Gone())
    asyncio.run(play())


def test_draining_is_seen_by_a_process_forked_before() -> None:
    draining = Draining()
    assert not draining.is_set()
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(told, 1)
        os._exit(7 if draining.is_set() and draining.linger_s == 2.5 else 1)
    draining.set(2.5)
    os.write(tell, b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    os.close(told)
    os.close(tell)


def test_the_last_of_the_first_workers_is_told_once_and_the_first_refusal_is_kept() -> None:
    startup = Startup(3)
    assert [startup.is_last() for _ in range(5)] == [False, False, True, False, False]
    assert startup.refusal() is None
    startup.refuse("golden row 3 does not reproduce")
    startup.refuse("golden row 4 does not reproduce")
    assert startup.refusal() == "golden row 3 does not reproduce"


def test_a_listener_that_refuses_handshakes_keeps_what_it_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as late:
        before = socket.create_connection(listener.getsockname())
        refuse_handshakes(listener)
        late.settimeout(0.2)
        with pytest.raises(TimeoutError):
            late.connect(listener.getsockname())
        accepted, _ = listener.accept()
        before.sendall(b"still here")
        assert accepted.recv(100) == b"still here"
        before.close()
        accepted.close()


def test_a_worker_that_is_slow_to_start_tells_the_master_that_it_lives() -> None:
    beats = threading.Event()
    worker = object.__new__(ScoringWorker)
    worker.notify = beats.set
    worker.draining, worker.slot = Draining(), 0
    worker.store = SimpleNamespace(use=lambda _slot: None)
    worker.duty = SimpleNamespace(make_app=lambda _worker: "app" if beats.wait(30) else None, refusals=())
    worker.load_wsgi()
    assert worker.asgi == "app"
    assert "starting" not in {thread.name for thread in threading.enumerate()}

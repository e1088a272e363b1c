"""A scoring request that is answered from where it was read, over real sockets: what a client sees is the same."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from modelcast_runtime import direct
from modelcast_runtime.asgi import Response
from modelcast_runtime.dialects import Request
from modelcast_runtime.direct import Take

from tests.conftest import MakeClient
from tests.runtime.test_worker import Running, answers, problem, running

BODY = b"[[1, 2]]"
POST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"
CLOSE = b"POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"


def post(body: bytes = BODY, form: bytes = POST) -> bytes:
    return form % (len(body), body)


class Answering:
    """Takes `/predict`: keeps what it got; `later` says how many turns it waits with the answer."""

    def __init__(self, later: int = 0) -> None:
        self.taken: list[Request] = []
        self.waiting: list[Callable[[], None]] = []
        self._later = later

    def __call__(self, request: Request, reply: Callable[[Response], None]) -> None:
        self.taken.append(request)
        body = b"%d of %s" % (len(self.taken), request.body)
        answer = Response(status=200, headers=((b"content-type", b"text/plain"),), body=body)
        if self._later:
            self.waiting.append(lambda: reply(answer))
        else:
            reply(answer)


@contextlib.asynccontextmanager
async def taking(take: Take, *, keep_alive_s: int = 1) -> AsyncIterator[Running]:
    async with running(keep_alive_s=keep_alive_s) as service:
        service.worker.direct = {"/predict": take}
        yield service


async def until(condition: Callable[[], Any]) -> None:
    """Turn by turn: what is waited for happens in this very loop."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


async def some(reader: asyncio.StreamReader, count: int = 1) -> list[bytes]:
    """So many answers of the wire, whole."""
    data = b""
    while len(re.findall(rb"\r\n\r\n\d+ of ", data)) < count or not data.endswith(b"]"):
        piece = await asyncio.wait_for(reader.read(65536), 60)
        assert piece, data
        data += piece
    return answers(data)


def test_the_answer_has_every_header_and_the_connection_goes_on() -> None:
    async def play() -> None:
        take = Answering()
        async with taking(take) as service, service.dial() as (reader, writer):
            for count in (1, 2, 3):
                writer.write(post())
                (answer,) = await some(reader)
                head, _, body = answer.partition(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
                assert body == b"%d of [[1, 2]]" % count
                assert fields.keys() == {b"content-type", b"content-length", b"Server", b"Date", b"X-Request-Id"}
                assert fields[b"content-length"] == b"%d" % len(body)
            assert service.worker.nr == 3
        assert take.taken[0].headers == {b"host": b"a", b"content-length": b"8"}

    asyncio.run(play())


def test_query_and_the_callers_own_id_are_handed_on() -> None:
    async def play() -> None:
        take = Answering()
        async with taking(take) as service, service.dial() as (reader, writer):
            writer.write(
                b"POST /predict?proba=true&x=%C3%A4 HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\nContent-Length: 2\r\n\r\n[]"
            )
            (answer,) = await some(reader)
            assert b"\r\nX-Request-Id: mine\r\n" in answer
            assert take.taken[0].query == b"proba=true&x=%C3%A4"

    asyncio.run(play())


@pytest.mark.parametrize("later", [0, 1])
def test_pipelined_requests_are_answered_in_order(later: int) -> None:
    async def play() -> None:
        take = Answering(later)
        async with taking(take) as service, service.dial() as (reader, writer):
            writer.write(post())
            await until(lambda: take.taken)
            writer.write(
                post(b"[2]")
                + post(b"[3]")
                + b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            connection = await _connected(service)
            await until(lambda: not later or connection._callback_parser.remaining())
            for reply in take.waiting:
                reply()
            told = answers(await asyncio.wait_for(reader.read(), 60))
            bodies = [one.partition(b"\r\n\r\n")[2] for one in told]
            assert bodies == [b"1 of [[1, 2]]", b"3", b"3", b"0"]

    asyncio.run(play())


def test_a_body_in_pieces_goes_through_the_application() -> None:
    async def play() -> None:
        take = Answering()
        async with taking(take) as service, service.dial() as (reader, writer):
            whole = post(form=CLOSE)
            writer.write(whole[:-3])
            connection = await _connected(service)
            await until(lambda: connection._body_receiver)
            writer.write(whole[-3:])
            (answer,) = answers(await asyncio.wait_for(reader.read(), 60))
            assert answer.endswith(b"\r\n\r\n8")
            assert take.taken == []

    asyncio.run(play())


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /predict HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]",
        b"POST /elsewhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]",
        b"PUT /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]",
        post(b"[" + b"1" * 70_000 + b"]", CLOSE),
    ],
    ids=["expect", "another path", "another method", "large"],
)
def test_everything_else_goes_through_the_application(sent: bytes) -> None:
    async def play() -> None:
        take = Answering()
        async with taking(take) as service:
            size = sent.partition(b"\r\n\r\n")[2]
            assert answers(await service.talk(sent))[-1].endswith(b"\r\n\r\n%d" % len(size))
        assert take.taken == []

    asyncio.run(play())


def test_who_asks_to_close_is_answered_and_closed() -> None:
    async def play() -> None:
        async with taking(Answering()) as service:
            (answer,) = answers(await service.talk(post(form=CLOSE)))
            assert b"\r\nConnection: close\r\n" in answer
            assert answer.endswith(b"1 of [[1, 2]]")
            answer = await service.talk(post().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
            assert answer.endswith(b"2 of [[1, 2]]")

    asyncio.run(play())


def test_a_worker_that_leaves_answers_what_it_took_and_closes() -> None:
    async def play() -> None:
        take = Answering(later=1)
        async with taking(take) as service, service.dial() as (reader, writer):
            writer.write(post())
            await until(lambda: take.taken)
            service.worker.is_closing = True
            (connection,) = service.worker.connections
            connection.close_if_idle()
            take.waiting[0]()
            (answer,) = answers(await asyncio.wait_for(reader.read(), 60))
            assert b"\r\nConnection: close\r\n" in answer

    asyncio.run(play())


def test_the_last_request_of_a_worker_is_answered() -> None:
    async def play() -> None:
        async with taking(Answering()) as service:
            service.worker.max_requests = 1
            (answer,) = answers(await service.talk(post()))
            assert b"\r\nConnection: close\r\n" in answer
            assert not service.worker.alive

    asyncio.run(play())


def test_an_answer_for_a_client_that_is_gone_is_dropped() -> None:
    async def play() -> None:
        take = Answering(later=1)
        async with taking(take) as service:
            async with service.dial() as (_, writer):
                writer.write(post())
                await until(lambda: take.taken)
                writer.transport.abort()
            await until(lambda: not service.worker.connections)
            take.waiting[0]()
            assert service.worker.nr == 0

    asyncio.run(play())


def test_a_connection_on_which_nothing_comes_any_more_is_closed_and_not_while_the_model_is_asked() -> None:
    async def play() -> None:
        take = Answering(later=1)
        async with taking(take, keep_alive_s=60) as service, service.dial() as (reader, writer):
            connection = await _connected(service)
            writer.write(post())
            await until(lambda: take.taken)
            connection._idle_since -= 100
            connection._keepalive_timeout()
            assert not connection._closed
            take.waiting[0]()
            await some(reader)
            connection._keepalive_timeout()  # too early: only just answered
            assert not connection._closed
            assert connection._keepalive_handle is not None
            connection._idle_since -= 100
            connection._keepalive_timeout()
            assert await asyncio.wait_for(reader.read(), 60) == b""

    asyncio.run(play())


async def _connected(service: Running) -> Any:
    await until(lambda: service.worker.connections)
    return next(iter(service.worker.connections))


def test_a_header_that_would_begin_another_is_a_500() -> None:
    def take(request: Request, reply: Callable[[Response], None]) -> None:
        reply(Response(status=200, headers=((b"model-version", b"a\r\nSet-Cookie: b"),), body=b"secret"))

    async def play() -> None:
        async with taking(take) as service:
            assert problem(await service.talk(post()))["status"] == 500

    asyncio.run(play())


def test_a_head_that_is_known_again_means_the_same_and_another_does_not() -> None:
    async def play() -> None:
        take = Answering()
        async with taking(take) as service, service.dial() as (reader, writer):
            identities = []
            for body in (b"[1]", b"[2]", b"[34]", b"[5]", b"[67]"):
                writer.write(post(body))
                (answer,) = await some(reader)
                assert answer.endswith(b"of " + body)
                identities.append(re.findall(rb"X-Request-Id: (\S+)", answer)[0])
            assert len(set(identities)) == 5
            (connection,) = service.worker.connections
            assert len(connection._heads) == 2
            for length in range(direct.MOST_HEADS):
                writer.write(post(b"[" + b"1" * 100 + b"1" * length * 1000 + b"]"))
                await some(reader)
            assert len(connection._heads) <= direct.MOST_HEADS
            writer.write(post(b"[1]")[:-1])  # a known head, and a body that is not here yet
            await until(lambda: connection._body_receiver)
            writer.write(b"]")
            assert (await asyncio.wait_for(reader.read(65536), 60)).endswith(b"\r\n\r\n3")

    asyncio.run(play())


def test_what_comes_behind_a_known_head_waits_for_its_answer() -> None:
    async def play() -> None:
        take = Answering(later=1)
        async with taking(take) as service, service.dial() as (reader, writer):
            writer.write(post())
            await until(lambda: take.waiting)
            take.waiting.pop()()
            await some(reader)
            connection = await _connected(service)
            writer.write(post())
            await until(lambda: take.waiting)
            assert not connection._callback_parser.is_complete  # it was not parsed
            writer.write(post(b"[2]"))
            await until(lambda: connection._behind)
            assert len(take.taken) == 2
            take.waiting.pop()()
            await until(lambda: take.waiting)
            take.waiting.pop()()
            assert [one.rpartition(b"\r\n\r\n")[2] for one in await some(reader, 2)] == [b"2 of [[1, 2]]", b"3 of [2]"]
            assert not connection._reading_paused

    asyncio.run(play())


def test_a_hook_of_gunicorns_own_sees_every_request() -> None:
    async def play() -> None:
        take, seen = Answering(), []
        async with taking(take) as service:
            service.worker.cfg.set("pre_request", lambda _, request: seen.append(request.path))
            assert answers(await service.talk(post(form=CLOSE)))[0].endswith(b"\r\n\r\n8")
        assert (take.taken, seen) == ([], ["/predict"])

    asyncio.run(play())


def test_both_ways_of_a_real_lane_answer_alike(make_client: MakeClient) -> None:
    client = make_client("compiled")
    bodies = [b"[[1, 2]]", b"[[1, null]]", b"{", b'{"instances": [[3, 4], [5, 6]]}', b"[[1, 1e300]]", b"", b"[[1]]"]
    queries = [b"", b"proba=true", b"proba=9"]

    async def ask(request: Request) -> Response:
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        client.app.direct["/predict"](request, answered.set_result)
        return await answered

    def without_id(body: bytes) -> Any:
        return {key: value for key, value in json.loads(body).items() if key != "prediction_id"}

    for query in queries:
        for body in bodies:
            ours = asyncio.run(ask(Request({}, query, body)))
            theirs = client("POST", f"/predict?{query.decode()}", body)
            assert (ours.status, without_id(ours.body)) == (theirs.status, without_id(theirs.body))
    seen = client("GET", "/metrics").body.decode()
    assert 'modelcast_requests_total{code="200",protocol="predict"} 8.0' in seen
    assert "modelcast_in_flight 1.0" in seen  # that of this page itself


def test_what_a_direct_request_fails_on_is_a_logged_500(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client("own")

    async def ask() -> Response:
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        client.app.direct["/predict"](Request({}, b"", b"[[0, 1], [0, -2626.5]]"), answered.set_result)
        return await answered

    answer = asyncio.run(ask())
    assert answer.status == 500
    assert b"2626" not in answer.body
    assert "RuntimeError: not with others" in caplog.text

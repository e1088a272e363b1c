"""The scoring lane: read, decode, score, observe, encode; one flat path from bytes to bytes for every protocol."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from time import perf_counter

from modelcast_runtime import answer, body, problems
from modelcast_runtime.asgi import Receive, Response, Scope, Send, respond
from modelcast_runtime.dialects import Asked, Dialect, Request
from modelcast_runtime.observe import Observer
from modelcast_runtime.problems import Problem
from modelcast_runtime.request_id import CURRENT
from modelcast_runtime.scope import PROTOCOL, ROWS
from modelcast_runtime.scoring import Failed, Outcome, Scoring
from modelcast_runtime.settings import Settings

_log = logging.getLogger("modelcast")


class BaseLane(ABC):
    """What the lanes share: each request is answered or refused, and counted."""

    def __init__(self, dialect: Dialect, observer: Observer, settings: Settings) -> None:
        """One lane a dialect."""
        self._dialect = dialect
        self._observer = observer
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: an answer or a problem, counted before it is sent."""
        started = perf_counter()
        self._observer.started()
        scope[PROTOCOL] = self._dialect.name
        response = Response(status=499, headers=(), body=b"")  # nobody is left to read an answer
        try:
            response = await self._answer(scope, receive)
        except body.ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the boundary
            response = self._refusal(error)
        finally:
            self._observer.finished(self._dialect.name, response.status, perf_counter() - started)
        await respond(send, response)
        if response.status == problems.CONTENT_TOO_LARGE:
            await body.discard(receive)

    def _refusal(self, error: Exception) -> Response:
        """A problem in the dialect's form; anything else is a logged 500."""
        if isinstance(error, Problem):
            return self._dialect.refuse(error)
        _log.error("a request could not be answered", exc_info=error)
        return self._dialect.refuse(problems.internal_error())

    @abstractmethod
    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        """The answer; raises `Problem` and `ClientGone`."""


class Lane(BaseLane):
    """Answers one dialect's POSTs for one bundle in one worker."""

    def __init__(self, dialect: Dialect, scoring: Scoring, observer: Observer, settings: Settings) -> None:
        """All lanes of a worker share the `scoring`."""
        super().__init__(dialect, observer, settings)
        self._scoring = scoring

    def take(self, request: Request, reply: Callable[[Response], None]) -> None:
        """Answer a request that is whole (its body as it was sent), without a coroutine.

        `reply` is called once, in here where the request is refused unread, else later. Raises nothing.
        """
        started = perf_counter()
        self._observer.started()
        identity = CURRENT.get()
        asked: Asked

        def end(response: Response) -> None:
            self._observer.finished(self._dialect.name, response.status, perf_counter() - started)
            reply(response)

        def submit(reading: asyncio.Future[Asked]) -> None:
            nonlocal asked
            try:
                asked = reading.result()
            except Exception as error:  # noqa: BLE001 - the boundary
                end(self._refusal(error))
                return
            self._scoring.submit(asked.rows, asked.wanted, done)

        def done(outcome: Outcome) -> None:
            CURRENT.set(identity)  # of those that share a call, this one is now spoken of in the log
            try:
                response = self._written(outcome, asked)
            except Exception as error:  # noqa: BLE001 - the boundary
                response = self._refusal(error)
            end(response)

        try:
            self._dialect.glance(request.headers, request.query)
            content = body.inflated(request.body, request.headers, self._settings.limits.body_bytes)
            whole = request if content is request.body else request._replace(body=content)
            if self._is_slow(whole):
                self._read_beside(whole).add_done_callback(submit)
                return
            asked = self._dialect.read(whole)
        except Exception as error:  # noqa: BLE001 - the boundary
            end(self._refusal(error))
            return
        self._scoring.submit(asked.rows, asked.wanted, done)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        query = scope["query_string"]
        self._dialect.glance(headers, query)
        content = await body.read(receive, headers, self._settings.limits.body_bytes)
        asked = await self._read(Request(headers, query, content))
        scope[ROWS] = asked.rows.columns.rows
        return self._written(await self._scoring.score(asked.rows, asked.wanted), asked)

    async def _read(self, request: Request) -> Asked:
        return await self._read_beside(request) if self._is_slow(request) else self._dialect.read(request)

    def _is_slow(self, request: Request) -> bool:
        return self._dialect.is_slow(request.headers, len(request.body))

    def _read_beside(self, request: Request) -> asyncio.Future[Asked]:
        return asyncio.get_running_loop().run_in_executor(self._scoring.threads, self._dialect.read, request)

    def _written(self, outcome: Outcome, asked: Asked) -> Response:
        if isinstance(outcome, Failed):
            raise outcome.problem(asked.rows) from outcome.error
        return self._dialect.write(outcome, asked, answer.new_prediction_id())

"""Sends scoring POSTs to their lanes and everything else to the pages; the ASGI words used by both."""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from modelcast_runtime.observe import Observer
from modelcast_runtime.problems import CONTENT_TYPE, Problem

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Response(NamedTuple):
    """A whole answer; `content-length` is added when it is sent."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @classmethod
    def of(cls, problem: Problem) -> "Response":
        """The problem as it goes over the wire."""
        return cls.refusing(problem, problem.to_bytes(), CONTENT_TYPE)

    @classmethod
    def refusing(cls, problem: Problem, body: bytes, content_type: str) -> "Response":
        """The problem's status and headers around the words of another protocol."""
        extra = tuple((name.lower().encode(), value.encode()) for name, value in problem.headers)
        return cls(status=problem.status, headers=((b"content-type", content_type.encode()), *extra), body=body)


async def respond(send: Send, response: Response) -> None:
    """Send a whole answer in two messages."""
    headers = [*response.headers, (b"content-length", b"%d" % len(response.body))]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


class Router:
    """One dictionary look-up: a POST to a lane's path is scored, the rest are pages."""

    def __init__(self, lanes: Mapping[str, Application], pages: Application, observer: Observer) -> None:
        """`lanes` maps a path to the lane that answers POST on it."""
        self._lanes = lanes
        self.direct: Mapping[str, Any] = {path: lane.take for path, lane in lanes.items() if hasattr(lane, "take")}
        """What answers a whole request to a lane's path without this: `direct.Take`."""
        self._pages = pages
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "POST" and scope["path"] in self._lanes:
            await self._lanes[scope["path"]](scope, receive, send)
        else:
            await self._page(scope, receive, send)

    def refused(self, status: int) -> None:
        """Count a request that the worker refused before it could become one (garbage, or a client too slow)."""
        self._observer.started()
        self._observer.finished("other", status, 0.0)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the page here: the pages run on threads, and a worker's counters have one writer."""
        started = perf_counter()
        self._observer.started()
        status, is_counted = 500, False

        def count() -> None:
            nonlocal is_counted
            if not is_counted:
                is_counted = True
                self._observer.finished("other", status, perf_counter() - started)

        async def counted(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                count()
            await send(message)

        try:
            await self._pages(scope, receive, counted)
        finally:
            count()  # a page that never came to its end is counted too: nothing stays in flight

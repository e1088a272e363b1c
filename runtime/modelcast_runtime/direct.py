"""A connection that answers a whole scoring request from where it was read.

gunicorn's way takes two tasks, two futures and four turns of the event loop for a request, longer than a compiled model
takes to answer it. Here a request whose body came with its head goes to its lane at once, and the answer from there to
the socket. Everything else (a body in pieces, a large one, an `Expect`, pipelined requests, gunicorn's own hooks and
log) goes gunicorn's way to the same lanes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gunicorn.asgi.protocol import (  # type: ignore[import-untyped]
    _CACHED_SERVER_HEADER,
    _get_cached_date_header,
    _get_cached_status_line,
)

from modelcast_runtime import request_id
from modelcast_runtime.asgi import Response
from modelcast_runtime.connection import ScoringProtocol
from modelcast_runtime.dialects import Request

LARGEST = 65_536
"""A body up to this size is decoded at once; a larger one is left to the application, which may use a thread."""
MOST_HEADS = 16
"""So many heads of a connection are known again: a client's differ in the length of the body, if at all."""

Take = Callable[[Request, Callable[[Response], None]], None]
"""What answers a whole request: it calls back once, at once or later, and raises nothing."""
_END_OF_HEAD = b"\r\n\r\n"
_NAMED = request_id.HEADER.encode()


@dataclass(frozen=True, slots=True)
class _Head:
    """A head that was parsed and allowed on this connection: the same bytes mean the same."""

    request: Any
    headers: dict[bytes, bytes]
    query: bytes
    take: Take


class DirectProtocol(ScoringProtocol):
    """Sends to `worker.direct`, by path, what it can; a connection without that is a `ScoringProtocol`."""

    _request_ready: Any
    _current_request: Any
    _body_receiver: Any
    _keepalive_handle: Any

    def __init__(self, worker: Any) -> None:
        """`worker.direct` is used too."""
        super().__init__(worker)
        is_watched = self._pre_request or self._post_request or self.log.access_log_enabled
        self._direct: Mapping[str, Take] = {} if is_watched else worker.direct
        self._held: Take | None = None
        self._is_taken = False
        """Whether the request that came last is being answered from here."""
        self._is_between = True
        """Whether nothing of a next request has come: what comes now begins with a head."""
        self._heads: dict[bytes, _Head] = {}
        self._parsed: _Head | None = None
        self._behind = b""
        self._idle_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Know a head again before it is parsed: nearly all requests of a connection have the same."""
        if not self._is_between or self._closed:
            self._continued(data)
            return
        self._is_between, self._parsed = False, None
        end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        head = self._heads.get(data[:end])
        if head is not None and len(data) - end == head.request.content_length:
            self._current_request, self._answered, self._identified = head.request, None, (None, "")
            self._take(head, data[end:])
            return
        super().data_received(data)
        self._remember(data[:end])

    def _remember(self, head: bytes) -> None:
        if self._parsed is not None and not self._parsed.request.chunked:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            self._heads[head] = self._parsed

    def _continued(self, data: bytes) -> None:
        if self._is_taken and not self._callback_parser.is_complete:
            # A client that does not wait for its answer; the parser has not seen what is being answered.
            self._behind += data
            self._pause_reading()
        else:
            super().data_received(data)

    def _on_headers_complete(self) -> bool:
        """Hold back what may be answered from here until it is known whether its body has come too."""
        if not self._direct or self._callback_parser.method != b"POST":
            return bool(super()._on_headers_complete())
        ready, self._request_ready = self._request_ready, None  # else gunicorn's loop is woken now
        try:
            skips_body = bool(super()._on_headers_complete())
        finally:
            self._request_ready = ready
        request = self._current_request
        self._held = None if request._expect_100_continue else self._direct.get(request.path)
        if self._held is None and self._h2c_upgrade_settings is None:
            ready.set()
        return skips_body

    def _feed_callback_parser(self, data: bytes) -> bool:
        goes_on = super()._feed_callback_parser(data)
        take, self._held = self._held, None
        if take is None or not goes_on:
            return goes_on
        parser, receiver, request = self._callback_parser, self._body_receiver, self._current_request
        if parser.is_complete and receiver.buffered <= LARGEST and not parser.remaining():
            head = self._parsed = _Head(request, dict(request.headers_bytes), request.query.encode("latin-1"), take)
            self._take(head, b"".join(receiver._chunks))
        else:
            self._request_ready.set()
            self._expect(self._missing())
        return goes_on

    def _take(self, head: _Head, body: bytes) -> None:
        self._is_taken = True
        request_id.CURRENT.set(self._identity(head.request))
        head.take(Request(head.headers.copy(), head.query, body), self._reply)

    def _reply(self, response: Response) -> None:
        """Answer what was taken, then turn to what the client has sent since, as gunicorn's loop does."""
        self._is_taken = False
        if self._closed:
            return
        worker = self.worker
        is_last = self._will_close(self._current_request, False)
        if not self._send(response, is_last):
            self._send_error_response(500, "")
            is_last = True
        worker.nr += 1
        if worker.nr >= worker.max_requests:
            worker.alive = False
        if is_last:
            self._close_transport()
            return
        self._current_request = self._body_receiver = None
        self._idle_since = worker.loop.time()
        if self._keepalive_handle is None:
            self._arm_keepalive_timer()
        self._next()

    def _next(self) -> None:
        rest, self._behind = self._behind, b""
        if self._callback_parser.is_complete:
            rest = self._callback_parser.remaining()
            self._callback_parser.reset()
        self._is_between = not rest
        self._resume_reading()
        if rest:
            self._feed_callback_parser(rest)

    def _send(self, response: Response, is_last: bool) -> bool:
        """False where a header's value would begin another header, as gunicorn checks it too."""
        request, body, count = self._current_request, response.body, len(response.headers)
        named = b"".join([b"%b: %b\r\n" % header for header in response.headers])
        if named.count(b"\r") != count or named.count(b"\n") != count:
            return False
        self._answered = request
        self._safe_write(
            b"%b%bcontent-length: %d\r\n%b: %b\r\n%b%b%b\r\n%b"
            % (
                _get_cached_status_line(request.version, response.status),
                named,
                len(body),
                _NAMED,
                self._identity(request).encode(),
                _CACHED_SERVER_HEADER,
                _get_cached_date_header(),
                b"Connection: close\r\n" if is_last else b"",
                body,
            )
        )
        return True

    def _arm_keepalive_timer(self) -> None:
        self._idle_since = self.worker.loop.time()
        super()._arm_keepalive_timer()

    def _keepalive_timeout(self) -> None:
        """One timer for many requests: it asks how long nothing has come, rather than being set anew by each."""
        self._keepalive_handle = None
        if self._owed or self._is_taken:  # the header has begun, and has its own deadline; or the model is asked
            return
        rest = self._idle_since + self._keepalive - self.worker.loop.time()
        if rest > 0:
            self._keepalive_handle = self._call_later(rest, self._keepalive_timeout)
        else:
            super()._keepalive_timeout()

    def close_if_idle(self) -> None:
        """Not while the model is asked."""
        if not self._is_taken:
            super().close_if_idle()

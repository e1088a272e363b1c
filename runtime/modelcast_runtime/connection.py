"""One client's connection: gunicorn's protocol with deadlines, problem documents, and closing that loses no answer.

Invariant: a request is answered at most once, and no byte that a client sent comes back in an answer.
"""

import select
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Literal

from gunicorn.asgi.protocol import ASGIProtocol  # type: ignore[import-untyped]

from modelcast_runtime import problems, request_id
from modelcast_runtime.problems import Problem

LINGER_S = 1.0
"""How long a closed connection is still read without anything coming."""
READ_BYTES = 65_536
"""How much is read at once. asyncio's own 256 KiB are so large a piece of memory that the kernel is asked for it, and
for its zeroed pages, at every read, however little comes: 60 us instead of 5, most of what a small request costs."""


class ScoringProtocol(ASGIProtocol):  # type: ignore[misc]
    """gunicorn's protocol, with an end to every wait and errors of our own.

    What stock gunicorn 27 leaves open (all measured): a header or a body that never ends is never closed; errors
    are text that quotes the request; closing on unread bytes resets the connection, and the answer is lost.
    """

    _closed: bool

    def __init__(self, worker: Any) -> None:
        """`worker` is a `ScoringWorker`: its limits, `observe`, `connections` and `is_closing` are used here."""
        super().__init__(worker)
        self._limits = worker.limits
        self._owed: Literal["", "header", "body"] = ""
        self._deadline: Any = None
        self._is_silent = True
        self._answered: Any = None
        self._identified: tuple[Any, str] = (None, "")
        self._has_discarded = False

    def connection_made(self, transport: Any) -> None:
        """A connection is a promise of a header."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):
            transport.max_size = READ_BYTES
        self.worker.connections.add(self)
        self._expect("header")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline with the connection."""
        self._expect("")
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, or nothing once closed: then what still comes is only taken off the wire."""
        if self._closed:
            self._has_discarded = True
        else:
            self._is_silent = False
            super().data_received(data)

    def _feed_callback_parser(self, data: bytes) -> bool:
        try:
            goes_on: bool = super()._feed_callback_parser(data)
        except ValueError:
            # Not one of gunicorn's parse errors: a Content-Length of 5,000 digits is more than int() takes.
            self._send_error_response(400, "")
            self._close_transport()
            return False
        if goes_on:
            self._expect(self._missing())
        return goes_on

    def _missing(self) -> Literal["", "header", "body"]:
        if self._callback_parser.is_complete:
            return ""
        return "body" if self._request_ready.is_set() else "header"

    def _expect(self, owed: Literal["", "header", "body"]) -> None:
        """Time what the client still owes, from when it began to owe it; a request that came whole costs no timer."""
        if owed == self._owed:
            return
        self._owed = owed
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if owed == "header":
            self._deadline = self._call_later(self._limits.header_s, self._header_overdue)
        elif owed == "body":
            self._deadline = self._call_later(self._limits.body_s, self._body_overdue)

    def _call_later(self, seconds: float, callback: Callable[..., None], *args: object) -> object:
        return self.worker.loop.call_later(seconds, callback, *args)

    def _header_overdue(self) -> None:
        if not self._is_silent:  # nobody asked anything: a browser's spare connection, a balancer's probe
            self._send_error_response(408, "")
        self._close_transport()

    def _body_overdue(self) -> None:
        if self._reading_paused:  # it is the application that does not take what has come
            self._deadline = self._call_later(self._limits.body_s, self._body_overdue)
        elif self._has_answered():
            self._body_receiver.signal_disconnect()  # what is being sent goes on; there is just nothing more to read
        else:
            self._send_error_response(408, "")
            self._close_transport()

    def _keepalive_timeout(self) -> None:
        if not self._owed:  # else the header has begun, and has its own deadline
            super()._keepalive_timeout()

    def _has_answered(self) -> bool:
        return self._answered is not None and self._answered is self._current_request

    def _identity(self, request: Any) -> str:
        """The id of a request: whatever answers it or fails on it asks for the same one."""
        if request is None:
            return request_id.new()
        if self._identified[0] is not request:
            self._identified = (request, request_id.of(request.headers_bytes))
        return self._identified[1]

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> dict[str, Any]:
        request_id.CURRENT.set(self._identity(request))  # this runs in the request's own task
        scope: dict[str, Any] = super()._build_http_scope(request, sockname, peername)
        return scope

    def _send_response_start(self, status: int, headers: Any, request: Any, close: bool = False) -> None:
        self._answered = request
        named = (request_id.HEADER, self._identity(request))
        super()._send_response_start(status, [*headers, named], request, close)

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        """Answer with a fixed problem: gunicorn's `message` can quote the request, so it goes nowhere."""
        if self._closed or self._has_answered():
            return
        receiver = self._body_receiver
        if status == HTTPStatus.INTERNAL_SERVER_ERROR and receiver is not None and receiver._body_wait_expired:
            status = HTTPStatus.REQUEST_TIMEOUT  # the application gave up on a body that did not come
        body, request = self._problem(status).to_bytes(), self._current_request
        identity = self._identity(request)
        head = (
            f"HTTP/1.1 {status:d} {HTTPStatus(status).phrase}\r\nContent-Type: {problems.CONTENT_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\n{request_id.HEADER}: {identity}\r\nConnection: close\r\n\r\n"
        )
        sent = b"" if request and request.method == "HEAD" else body
        self._answered = request
        self._refused(int(status), len(sent), identity)
        self._safe_write(head.encode("latin-1") + sent)

    def _refused(self, status: int, size: int, identity: str) -> None:
        """Tell that the connection itself answered, with this status and a body of `size` bytes."""
        self.worker.observe(status)

    def _problem(self, status: int) -> Problem:
        cfg = self.cfg
        if status == HTTPStatus.REQUEST_TIMEOUT:
            return (
                problems.too_slow(self._limits.body_s)
                if self._current_request
                else header_too_slow(self._limits.header_s)
            )
        if status == HTTPStatus.REQUEST_URI_TOO_LONG:
            return request_line_too_long(cfg.limit_request_line)
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            return header_too_large(cfg.limit_request_fields, cfg.limit_request_field_size)
        return FIXED.get(status, FIXED[HTTPStatus.BAD_REQUEST])

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        return bool(self.worker.is_closing or super()._will_close(request, response_requires_close))

    def _is_websocket_upgrade(self, request: Any) -> bool:
        return False

    def close_if_idle(self) -> None:
        """Close a kept-alive connection on which nothing has come since its last answer."""
        is_idle = self._awaiting_request and not self._owed and not self._finishing_calls
        if is_idle and not _is_readable(self.transport):
            self._close_transport()

    def _close_transport(self) -> None:
        """Say that nothing more will be sent, and go on reading for a while.

        Closing a socket with unread bytes makes the kernel reset the connection: the client would lose the answer
        that refuses its body, and see a failure where it was told why (RFC 9112 section 9.6).
        """
        if self._closed or self.transport is None:
            return
        self._resume_reading()
        self._closed = True
        self._expect("")
        if self._body_receiver is not None:
            self._body_receiver.signal_disconnect()
        self._request_ready.set()  # the connection's own loop waits here for a next request
        try:
            self.transport.write_eof()
        except OSError:  # the client is gone already
            self.transport.abort()
        else:
            until = self.worker.loop.time() + self._limits.body_s
            self._call_later(LINGER_S, self._linger, self.transport.get_write_buffer_size(), until)

    def _linger(self, unsent: int, until: float) -> None:
        if self._conn_lost_handled:
            return
        left = self.transport.get_write_buffer_size()
        is_read = left < unsent
        is_sending = self._has_discarded and self.worker.loop.time() < until
        if is_read or is_sending:
            self._has_discarded = False
            self._call_later(LINGER_S, self._linger, left, until)
        else:
            self.transport.abort()


def _is_readable(transport: Any) -> bool:
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))


def header_too_slow(seconds: float) -> Problem:
    """408: the header did not come in time."""
    detail = f"The header did not come within {seconds:g} seconds (MODELCAST_LIMITS_HEADER_S). Send it in one go."
    return Problem(status=408, title="Too slow", detail=detail)


def request_line_too_long(limit: int) -> Problem:
    """414: more bytes in the first line than the service reads."""
    detail = f"A request line may have at most {limit} bytes. Send what is in the query in the body."
    return Problem(
        status=414, title="Request line too long", detail=detail, expected=f"at most {limit} bytes", got="more"
    )


def header_too_large(fields: int, size: int) -> Problem:
    """431: more header fields, or longer ones, than the service reads."""
    expected = f"at most {fields} fields of at most {size} bytes"
    detail = f"A header may have {expected}. Send fewer fields, or shorter ones."
    return Problem(status=431, title="Header too large", detail=detail, expected=expected, got="more")


FIXED = {
    400: Problem(
        status=400,
        title="Not HTTP",
        detail="This is not HTTP/1.1 as RFC 9112 has it. Look at the request line, the header fields and the framing.",
        expected="HTTP/1.1",
        got="something else",
    ),
    500: Problem(
        status=500,
        title="Internal error",
        detail="The service failed on this request. Its log has the reason.",
    ),
    501: Problem(
        status=501,
        title="Unknown transfer coding",
        detail="The only transfer coding known here is chunked. Send the body in it, or with Content-Length.",
        expected="chunked",
        got="another transfer coding",
    ),
}

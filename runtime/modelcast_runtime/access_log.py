"""The access log: one JSON line a request on stderr, where it was asked for; no other connection pays for it.

Invariant: of what the caller sent it holds the method, the path, and ids of a closed set of characters; never the
query, a header or a value.
"""

import contextlib
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from modelcast_runtime import log_lines
from modelcast_runtime.connection import ScoringProtocol
from modelcast_runtime.scope import PROTOCOL, ROWS

_LONGEST = 256
_NOBODY_LEFT = 499
_SERVER_ERROR = 500
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(slots=True)
class _Exchange:
    """What became of one request."""

    request: Any
    identity: str
    scope: dict[str, Any] = field(default_factory=dict)
    status: int = _NOBODY_LEFT
    sent: int = 0
    prediction_id: str | None = None


class LoggedProtocol(ScoringProtocol):
    """A connection that writes its line when a request is done with, answered or not."""

    _exchange: _Exchange | None = None

    async def _handle_http_request(self, request: Any, sockname: Any, peername: Any, complete: Any = None) -> Any:
        began = time.perf_counter()
        exchange = self._exchange = _Exchange(request, self._identity(request))
        try:
            return await super()._handle_http_request(request, sockname, peername, complete)
        finally:
            self._write(exchange, round(time.perf_counter() - began, 6))

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> dict[str, Any]:
        scope = super()._build_http_scope(request, sockname, peername)
        if self._exchange is not None:
            self._exchange.scope = scope
        return scope

    def _send_response_start(self, status: int, headers: Any, request: Any, close: bool = False) -> None:
        if self._exchange is not None:
            self._exchange.status = status
            self._exchange.prediction_id = _prediction_id(headers)
        super()._send_response_start(status, headers, request, close)

    def _send_body(self, body: bytes, chunked: bool = False, last: bool = False, size: int | None = None) -> None:
        if self._exchange is not None:
            self._exchange.sent += len(body)
        super()._send_body(body, chunked, last, size)

    def _refused(self, status: int, size: int, identity: str) -> None:
        super()._refused(status, size, identity)
        request, exchange = self._current_request, self._exchange
        if exchange is not None and exchange.request is request:
            exchange.status, exchange.sent = status, size
        else:  # the application was never asked
            self._write(_Exchange(request, identity, status=status, sent=size), None)

    def _write(self, exchange: _Exchange, seconds: float | None) -> None:
        request, scope = exchange.request, exchange.scope
        said = {
            "time": log_lines.moment(time.time()),
            "level": "error" if exchange.status >= _SERVER_ERROR else "info",
            "logger": "modelcast.access",
            "method": request and request.method[:_LONGEST],
            "path": request and request.path[:_LONGEST],
            "status": exchange.status,
            "seconds": seconds,
            "bytes": exchange.sent,
            "rows": scope.get(ROWS),
            "protocol": scope.get(PROTOCOL, "other"),
            "model": self.worker.duty.name,
            "version": self.worker.duty.version,
            "request_id": exchange.identity,
            "trace_id": _trace_id(scope.get("headers", ())),
            "prediction_id": exchange.prediction_id,
        }
        with contextlib.suppress(OSError):  # whoever read the log is gone: no reason to fail a request
            sys.stderr.write(f"{log_lines.line(said)}\n")
            sys.stderr.flush()


def _prediction_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    return next((value.decode() for name, value in headers if name == b"prediction-id"), None)


def _trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Of W3C Trace Context, where a proxy or a client takes part in it."""
    found = next((_TRACE.fullmatch(value) for name, value in headers if name == b"traceparent"), None)
    return found[1].decode() if found else None

"""The id under which a request is found again in the logs: the caller's own where it is a plain one, else a new one."""

import re
from collections.abc import Iterable
from contextvars import ContextVar

from modelcast_runtime.entropy import random_bytes

HEADER = "X-Request-Id"
CURRENT: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task, or this thread of a page, answers; empty outside of one."""

_NAME = HEADER.lower().encode()
# What proxies and tracers make: hexadecimal, UUIDs, base64, ARNs. Nothing that could end a header or a line.
_PLAIN = re.compile(rb"[A-Za-z0-9._~:;,=@+/-]{1,128}")


def of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The id of the request with these headers (names in lower case); a second header of that name is not read."""
    for name, value in headers:
        if name == _NAME:
            return value.decode("ascii") if _PLAIN.fullmatch(value) else new()
    return new()


def new() -> str:
    """32 hexadecimal digits, random: what W3C Trace Context calls a trace-id."""
    return random_bytes().hex()

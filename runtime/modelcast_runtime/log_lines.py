"""What the service says on stderr: gunicorn's lines and our own in one form, each with the request that it is about."""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from modelcast_runtime import request_id

if TYPE_CHECKING:
    from gunicorn.config import Config  # type: ignore[import-untyped]


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Lines(logging.Formatter):
    """Shows where a request failed, and nothing of the request."""

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 - logging's name
        """The traceback; of a request's, the exceptions' types alone: what they say may quote the caller's values."""
        error = ei[1]
        return super().formatException(ei) if error is None or not request_id.CURRENT.get() else wordless(error)


class PlainLines(_Lines):
    """gunicorn's form, to be read by people."""

    def __init__(self) -> None:
        """`[2026-01-01 00:00:00 +0000] [42] [ERROR] request 4bf9...: what happened`."""
        super().__init__(Logger.error_fmt, Logger.datefmt)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line without its traceback."""
        identity = request_id.CURRENT.get()
        if identity:
            record.message = f"request {identity}: {record.message}"
        return super().formatMessage(record)


class JsonLines(_Lines):
    """One JSON object a line, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole line."""
        said = {
            "time": moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.CURRENT.get() or None,
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return line(said)


class PlainLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger, which the service shares."""

    lines: type[logging.Formatter] = PlainLines

    def setup(self, cfg: "Config") -> None:
        """Called by gunicorn, again at each reload; what `--log-config` says stays."""
        super().setup(cfg)
        handlers = [handler for handler in self.error_log.handlers if getattr(handler, "_gunicorn", False)]
        for handler in handlers:
            handler.setFormatter(self.lines())
        ours = logging.getLogger("modelcast")
        ours.setLevel(self.loglevel)
        ours.handlers[:], ours.propagate = handlers, not handlers


class JsonLogger(PlainLogger):
    """The same, as JSON."""

    lines = JsonLines


def wordless(error: BaseException) -> str:
    """The traceback of an error and of those that it came of, the oldest first, without what they say."""
    shown: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        places = "".join(traceback.format_tb(cause.__traceback__))
        shown.insert(0, f"Traceback (most recent call last):\n{places}{_name(type(cause))}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\n\nThat led to another exception:\n\n".join(shown)


def _name(kind: type[BaseException]) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def moment(seconds: float) -> str:
    """Seconds since 1970 as `2026-01-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line(said: Mapping[str, object]) -> str:
    """One line of ASCII, whatever the texts hold."""
    return json.dumps(said, separators=(",", ":"))

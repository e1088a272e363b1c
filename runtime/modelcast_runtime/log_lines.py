"""What the service says on stderr: gunicorn's lines and our own in one form, each with the request that it is about."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from modelcast_runtime import request_id

if TYPE_CHECKING:
    from gunicorn.config import Config  # type: ignore[import-untyped]


class PlainLines(logging.Formatter):
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


class JsonLines(logging.Formatter):
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


def moment(seconds: float) -> str:
    """Seconds since 1970 as `2026-01-01T00:00:00.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def line(said: Mapping[str, object]) -> str:
    """One line of ASCII, whatever the texts hold."""
    return json.dumps(said, separators=(",", ":"))

"""One address, one service after another: the next is ready before the one before it leaves, so no request is lost.

This process holds the listener and hands it on as gunicorn hands it to its own successor. A service that leaves such a
listener finishes what it accepted; what waits in the queue is for the next.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from types import TracebackType
from typing import Self

from modelcast_runtime.listening import listen


class Succession:
    """The services of one address; they are stopped when the block ends, and what they still do is finished."""

    def __init__(self, host: str, port: int, variables: Mapping[str, str]) -> None:
        """Listen at once, with nobody there to accept; raises `CannotListenError`."""
        self._listener = listen(host, port)
        self.port = int(self._listener.getsockname()[1])
        handed = {"GUNICORN_FD": str(self._listener.fileno()), "GUNICORN_PID": str(os.getpid())}
        # What own code prints passes through here: it must not wait in a buffer.
        self._variables = {**variables, **handed, "PYTHONUNBUFFERED": "1"}
        self._serving: subprocess.Popen[bytes] | None = None
        self._started: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        """Nothing serves yet."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop them all as SIGTERM does, which after a terminal's Ctrl-C changes nothing, and wait for them."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        self._listener.close()
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        for process in self._started:
            process.wait()

    def follow(self, command: Sequence[str], ready: str) -> int | None:
        """Start the next service; the one before it leaves when a line begins with `ready`.

        The exit code of a service that ended before it was ready: the one before it then stays.
        """
        process = subprocess.Popen(
            command, env=self._variables, stdout=subprocess.PIPE, pass_fds=[self._listener.fileno()]
        )
        self._started = [*(other for other in self._started if other.poll() is None), process]
        said = process.stdout or ()
        if not _passed_on(said, until=ready.encode()):
            return process.wait()
        Thread(target=_passed_on, args=(said,), daemon=True).start()
        if self._serving is not None:
            self._serving.terminate()
        self._serving = process
        return None

    def ended(self) -> int | None:
        """The exit code of the service, where it ended by itself."""
        return None if self._serving is None else self._serving.poll()


def _passed_on(lines: Iterable[bytes], *, until: bytes | None = None) -> bool:
    """Write what a service says to stdout; whether one of its lines began with `until`."""
    for line in lines:
        with suppress(OSError):  # whoever started the command may not read on
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        if until is not None and line.startswith(until):
            return True
    return False

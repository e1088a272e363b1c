"""The master process: gunicorn's configuration and arbiter, with what a scoring service needs of them.

Import it late: importing gunicorn's configuration reads the environment (see `service.serve`).
"""

import gc
import os
import shlex
import signal
import sys
from typing import Any, NoReturn

from gunicorn import sock as gunicorn_sock  # type: ignore[import-untyped]
from gunicorn.app.base import Application as GunicornApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.errors import HaltServer  # type: ignore[import-untyped]
from gunicorn.util import is_ipv6  # type: ignore[import-untyped]

from modelcast_runtime.ending import explain
from modelcast_runtime.listening import BACKLOG, cannot_listen
from modelcast_runtime.log_lines import JsonLogger, PlainLogger
from modelcast_runtime.settings import Settings, stop_seconds
from modelcast_runtime.worker import Duty, ScoringWorker

KEEPALIVE_S = 75
"""Longer than proxies keep an idle connection (60 s is a usual one), so that they close first and never in the middle
of a request. Stopping does not wait for it: idle connections are closed when the linger ends."""

LOST_STARTS = 5
"""How many workers in a row may end before they serve, while none serves, or as many as there are where that is more:
one may be bad luck, and a few of many may be what did not fit beside the others."""

REFUSED = 1
OUR_BUG = 70


def slots_for(workers: int) -> int:
    """A reload starts all new workers before the old ones leave; one more for one that is being replaced."""
    return 2 * workers + 1


def refuse(reason: str) -> int:
    """Say why there is no service, in the form of all commands; the exit code."""
    explain("serve", reason)
    return REFUSED


class Service(GunicornApplication):  # type: ignore[misc]
    """gunicorn's configuration: our defaults, then GUNICORN_CMD_ARGS over them."""

    duty: Duty

    def __init__(self, settings: Settings) -> None:
        """Read the configuration; no file in the working directory is one: that may be the model's own source."""
        self._settings = settings
        super().__init__(usage="GUNICORN_CMD_ARGS='--keep-alive 30 ...'", prog="GUNICORN_CMD_ARGS")

    def load_config(self) -> None:
        """Called by gunicorn, again at each reload."""
        parser = self.cfg.parser()
        words = self.cfg.get_cmd_args_from_env()
        # S2I and `docker run --env-file` keep the quotes around a value: it then comes as one word.
        is_quoted = len(words) == 1 and os.environ["GUNICORN_CMD_ARGS"].lstrip().startswith(("'", '"'))
        given = parser.parse_args(shlex.split(words[0]) if is_quoted else words)
        for name, value in _defaults(self._settings).items():
            self.cfg.set(name, value)
        if given.config:
            self.load_config_from_file(given.config)
        for name, value in vars(given).items():
            if value is not None and name != "args":
                self.cfg.set(name, value)
        self.cfg.set("worker_class", ScoringWorker)

    def load(self) -> None:
        """Nothing is loaded in the master: each worker makes its own application."""


def _defaults(settings: Settings) -> dict[str, object]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": [f"{host}:{settings.port}"],
        "backlog": BACKLOG,
        "workers": settings.workers,
        "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,
        "control_socket_disable": True,  # else a file in $HOME, and a second way in
        "graceful_timeout": stop_seconds(settings.limits),
        "timeout": 30,
        "keepalive": KEEPALIVE_S,
        "loglevel": "warning",
        "logger_class": JsonLogger if settings.log_access == "json" else PlainLogger,
        "errorlog": "-",
        "limit_request_line": 4094,
        "limit_request_fields": 64,
        "preload_app": False,
        "asgi_lifespan": "off",
        # What was tested, whatever else the model's environment holds.
        "asgi_loop": "asyncio",
        "http_parser": "python",
    }


class Master(Arbiter):  # type: ignore[misc]
    """Keeps the workers alive; every way to stop it but SIGQUIT and a second Ctrl-C finishes what is in flight."""

    def __init__(self, service: Service) -> None:
        """Nothing listens yet."""
        self._linger_s = 0.0
        self._is_stopping = False
        self._serving: set[int] = set()
        self._told_to_end: set[int] = set()
        self._lost_starts = 0
        self._slots = slots_for(service.cfg.workers)
        super().__init__(service)

    def start(self) -> None:
        """Listen at once or say why not (gunicorn tries for five seconds), then make what is loaded so far immortal."""
        is_given = self.cfg.reuse_port or self.app.duty.is_handed_over
        if not is_given and all(isinstance(address, tuple) for address in self.cfg.address):
            self.LISTENERS = [self._listen(address) for address in self.cfg.address]
        super().start()
        gc.collect()
        gc.freeze()  # a collection in a worker would write to, and so copy, every page that holds the model

    def _listen(self, address: tuple[str, int]) -> Any:
        kind = gunicorn_sock.TCP6Socket if is_ipv6(address[0]) else gunicorn_sock.TCPSocket
        try:
            return kind(address, self.cfg, self.log)
        except OSError as error:
            raise cannot_listen(*address, error) from error

    def spawn_worker(self) -> Any:
        """No more workers than there are slots: raised by hand (SIGTTIN), or left over by reloads in a row."""
        if len(self.WORKERS) < self._slots:
            return super().spawn_worker()
        self.log.warning("%d workers are the most there can be", len(self.WORKERS))
        return None

    def kill_worker(self, pid: int, sig: int) -> None:
        """Whoever is told to end before it serves (by a reload that comes early) is not lost."""
        if sig in (signal.SIGTERM, signal.SIGQUIT):
            self._told_to_end.add(pid)
        super().kill_worker(pid, sig)

    def reap_workers(self) -> None:
        """Give back the slots of the workers that are gone, however they went; end where none comes to serve."""
        before = dict(self.WORKERS)
        try:
            super().reap_workers()
        finally:
            for pid in before.keys() - self.WORKERS.keys():
                self.app.duty.store.release(before[pid].slot)
        refusal = None if self._is_stopping else self.app.duty.startup.refusal()
        if refusal is None and not self._is_stopping:
            refusal = self._given_up(before.keys() - self.WORKERS.keys())
        if refusal is not None:
            raise HaltServer(refusal, REFUSED)

    def _given_up(self, gone: set[int]) -> str | None:
        """Why no more workers are started: gunicorn would replace for ever what crashes before it serves."""
        came = self.app.duty.startup.served()
        self._serving |= came
        lost = len(gone - self._serving - self._told_to_end)
        self._serving -= gone
        self._told_to_end -= gone
        self._lost_starts = lost + (0 if came else self._lost_starts)
        if self._serving or self._lost_starts < max(LOST_STARTS, self.num_workers):
            return None
        return (
            f"{self._lost_starts} workers in a row ended before they served; how, is in the lines above. "
            "Give the service more memory or fewer workers (WEB_CONCURRENCY), "
            "or build the model with other versions of its libraries"
        )

    def handle_term(self) -> NoReturn:
        """Stop, but accept for a while: who routes requests here learns it from readiness only."""
        self._linger_s = self.app.duty.limits.drain_s
        raise StopIteration

    def handle_int(self) -> NoReturn:
        """Stop as for SIGTERM, at once: nobody routes requests to a terminal."""
        raise StopIteration

    def stop(self, graceful: bool = True) -> None:
        """Tell all workers, through memory and with a signal, and wait for them."""
        if not self._is_stopping:
            self._is_stopping = True
            self.app.duty.draining.set(self._linger_s)
        super().stop(graceful)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> NoReturn:
        """End the process; a worker that could not serve ends it with its reason."""
        if exit_status == REFUSED:
            self.stop()
            sys.exit(refuse(str(reason)))
        super().halt(reason, OUR_BUG if exit_status else 0)
        raise AssertionError

"""A worker process: it loads the application after the fork, serves it, and leaves without losing a request."""

import array
import asyncio
import contextlib
import gc
import mmap
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gunicorn.workers.gasgi import ASGIWorker  # type: ignore[import-untyped]

from modelcast_runtime.access_log import LoggedProtocol
from modelcast_runtime.connection import ScoringProtocol
from modelcast_runtime.contract import Limits
from modelcast_runtime.direct import DirectProtocol, Take

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]

RETIRE_S = 0.25
"""How long a worker that leaves alone still accepts: as long as the word may take that the whole service stops."""
ADOPT_S = 0.05
"""What the event loop accepted right before it stopped listening becomes a connection of ours some turns later."""
HANDSHAKE_S = 0.1
"""How long a handshake that has begun may take until its connection is in the listener's queue."""

GARBAGE = 10_000
"""Objects between two searches for cycles, where Python has 700: else each large body, a list a row, begins some."""


class Slots(Protocol):
    """What is used here of the store that all workers share."""

    def claim(self) -> int:
        """Take a slot, in the master."""

    def release(self, slot: int) -> None:
        """Give it back, in the master."""

    def use(self, slot: int) -> None:
        """Write to it from now on, in the worker."""


class Draining:
    """Whether the service is being stopped: one shared page, so that all workers are not ready from the same moment."""

    def __init__(self) -> None:
        """Made before the fork; an anonymous mapping needs no file."""
        self._page = mmap.mmap(-1, 16)

    def set(self, linger_s: float) -> None:
        """From now on; connections are accepted for `linger_s` seconds more."""
        struct.pack_into("d", self._page, 8, linger_s)
        self._page[0] = 1

    def is_set(self) -> bool:
        """Whether the service is being stopped."""
        return self._page[0] == 1

    @property
    def linger_s(self) -> float:
        """The seconds given to `set`."""
        return float(struct.unpack_from("d", self._page, 8)[0])


class Startup:
    """The pipes through which workers say how their start went."""

    def __init__(self, workers: int) -> None:
        """One turn a worker is laid out; whoever takes the last one knows that all of them accept."""
        self._turns, turns = os.pipe()
        self._refusals, self._refuse = os.pipe()
        self._served, self._serve = os.pipe()
        for end in (self._turns, self._refusals, self._served):
            os.set_blocking(end, False)
        os.write(turns, b"." * (workers - 1) + b"!")

    def is_last(self) -> bool:
        """Take a turn; True once in the life of the service."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._turns, 1) == b"!"
        return False

    def serves(self, pid: int) -> None:
        """Tell the master that this worker accepts."""
        os.write(self._serve, struct.pack("=i", pid))

    def served(self) -> set[int]:
        """The workers that came to accept since this was last asked."""
        with contextlib.suppress(BlockingIOError):
            return {pid for (pid,) in struct.iter_unpack("=i", os.read(self._served, 65536))}
        return set()

    def refuse(self, reason: str) -> None:
        """Tell the master why this worker cannot serve."""
        os.write(self._refuse, reason.encode()[:4000] + b"\0")

    def refusal(self) -> str | None:
        """The first reason that a worker gave."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._refusals, 65536).partition(b"\0")[0].decode(errors="replace")
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """What the service gives each worker; made before the fork."""

    name: str
    version: str
    limits: Limits
    logs_access: bool
    store: Slots
    make_app: Callable[["ScoringWorker"], Application]
    refusals: tuple[type[Exception], ...]
    draining: Draining
    startup: Startup
    is_handed_over: bool
    """Whether the listener is another process's too: what waits in its queue, somebody else takes."""


class ScoringWorker(ASGIWorker):  # type: ignore[misc]
    """`make_app` gets this object, uses `slot`, `store` and `draining`, and may set `observe` and `direct`."""

    def __init__(self, *args: object) -> None:
        """Runs in the master, right before the fork."""
        super().__init__(*args)
        duty: Duty = self.app.duty
        self.duty = duty
        self.limits = duty.limits
        self.draining = duty.draining
        self.store = duty.store
        self.slot = duty.store.claim()
        self.observe: Callable[[int], None] = lambda _code: None
        self.direct: Mapping[str, Take] = {}
        self.connections: set[ScoringProtocol] = set()
        self.is_closing = False
        self._stopping = asyncio.Event()

    def init_signals(self) -> None:
        """Until it serves there is nothing to finish. Ctrl-C reaches the whole group: the master translates it."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGWINCH):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, lambda *_: os._exit(0))

    def load_wsgi(self) -> None:
        """Make the application, after the fork; what the operator can mend goes to the master, in one line."""
        if self.draining.is_set():
            sys.exit(0)
        self.store.use(self.slot)
        gc.set_threshold(GARBAGE)
        try:
            with self._beating():
                self.asgi = self.duty.make_app(self)
        except self.duty.refusals as reason:
            self.duty.startup.refuse(str(reason))
            sys.exit(0)  # any other code would make gunicorn log lines of its own

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Tell the master meanwhile that this worker lives: own code may take minutes to import."""
        is_over = threading.Event()

        def beat() -> None:
            while not is_over.wait(1.0):
                self.notify()

        heart = threading.Thread(target=beat, name="starting", daemon=True)
        heart.start()
        try:
            yield
        finally:
            is_over.set()
            heart.join()

    async def _serve(self) -> None:
        self.loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        self.loop.add_signal_handler(signal.SIGQUIT, self._quit)
        self.loop.add_signal_handler(signal.SIGUSR1, self.handle_usr1_signal)
        self.loop.add_signal_handler(signal.SIGABRT, self.handle_abort_signal)
        for listener in self.sockets:
            server = await self.loop.create_server(
                self._connect, sock=listener.sock, ssl=self._get_ssl_context(), backlog=self.cfg.backlog
            )
            self.servers.append(server)
        heart = self.loop.create_task(self._beat())
        self.duty.startup.serves(os.getpid())
        self._announce()
        await self._stopping.wait()
        await self._leave()
        heart.cancel()

    def _connect(self) -> ScoringProtocol:
        return LoggedProtocol(self) if self.duty.logs_access else DirectProtocol(self)

    def _quit(self) -> None:
        self._quick_shutdown = True
        self._stopping.set()

    async def _beat(self) -> None:
        """Tell the master that the event loop turns; leave where it is gone, or where `max_requests` is reached."""
        while True:
            self.notify()
            if self.ppid != os.getppid() or self.draining.is_set() or not self.alive:
                self._stopping.set()
            await asyncio.sleep(1.0)

    def _announce(self) -> None:
        if self.duty.startup.is_last():
            line = f"serving {self.duty.name} {self.duty.version} at {self._url()}\n"
            with contextlib.suppress(OSError):  # whoever started the service may not read on
                sys.stdout.write(line)
                sys.stdout.flush()

    def _url(self) -> str:
        address = self.cfg.address[0]
        if not isinstance(address, tuple):
            return str(self.sockets[0])
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return f"{'https' if self.cfg.is_ssl else 'http'}://{host}:{self.sockets[0].getsockname()[1]}"

    async def _leave(self) -> None:
        """From the signal to the exit: linger, stop listening, finish; a listener that is shared is left at once."""
        until = self.loop.time() + self.cfg.graceful_timeout - 1  # the master kills at graceful_timeout
        self.is_closing = True
        if self.duty.is_handed_over:
            await self._close_listeners()
            await self._linger(until)
        else:
            await self._linger(until)
            await self._stop_listening()
        while self.connections and self.loop.time() < until and not self._quick_shutdown:
            for connection in tuple(self.connections):
                connection.close_if_idle()
            await asyncio.sleep(0.02)
        if self.connections:
            self._quick_shutdown = True
            self.log.warning("%d connections were cut off", len(self.connections))

    async def _linger(self, until: float) -> None:
        """Accept for as long as clients may not have heard: every answer closes its connection meanwhile."""
        began = self.loop.time()
        while not self._quick_shutdown:
            linger_s = self.draining.linger_s if self.draining.is_set() else RETIRE_S
            rest = min(began + linger_s, until) - self.loop.time()
            if rest <= 0:
                break
            await asyncio.sleep(min(rest, 0.05))

    async def _stop_listening(self) -> None:
        """Closing a listener resets what waits in its queue: refuse what is new, take what waits, then close."""
        if self.draining.is_set() and not self._quick_shutdown:
            for listener in self.sockets:
                refuse_handshakes(listener.sock)
            await asyncio.sleep(HANDSHAKE_S)
            for listener in self.sockets:
                await self._accept_waiting(listener.sock)
        await self._close_listeners()

    async def _close_listeners(self) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(ADOPT_S)

    async def _accept_waiting(self, listener: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                accepted, _ = listener.accept()
                accepted.setblocking(False)
                await self.loop.connect_accepted_socket(self._connect, accepted, ssl=self._get_ssl_context())


_SO_ATTACH_FILTER = 26
# Classic BPF over a segment's flags (byte 13): SYN without ACK is dropped, everything else is kept.
_DROP_SYN = b"".join(
    struct.pack("HBBI", *step)
    for step in ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
)


def refuse_handshakes(listener: socket.socket) -> None:
    """Let no new handshake begin, so that the queue can be emptied for good.

    The client's kernel tries again after a second and is then refused. Where this is not Linux or not TCP, a
    connection that is made between the last accept and the close is reset, as with every other server.
    """
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    program = array.array("B", _DROP_SYN)
    address, size = program.buffer_info()
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", size // 8, address))

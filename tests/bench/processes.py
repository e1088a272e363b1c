"""A server as processes: started on its core, asked until it is right, looked at from outside, and ended."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelcast_runtime.settings import THREAD_ENV

from tests.bench.servers.base import Command, Unavailable
from tests.bench.wires import Answer, Request

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _CORES[0], _CORES[-1]
READY_S = 240
"""Four workers that import scikit-learn on one core of a busy machine were seen to take over two minutes."""
STOP_S = 15
_PAUSE_S = 0.01
_PORTS = 4
"""A server may take some beside its own, counted up from there."""
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Running:
    """A server's first process, and where it is asked."""

    process: subprocess.Popen[bytes]
    port: int
    began: float
    log: Path

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, request: Request, *, within_s: float = 60) -> Answer:
        """One request on a connection of its own; raises `OSError` and `http.client.HTTPException`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=within_s)
        with contextlib.closing(connection):
            connection.request("POST", request.path, request.body, dict(request.headers))
            got = connection.getresponse()
            return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())

    def ready(self, request: Request) -> float:
        """Seconds from the process to the first good answer; raises `Unavailable`."""
        told = "nothing answers"
        while time.monotonic() - self.began < READY_S:
            try:
                answer = self.ask(request)
                if answer.status == 200:
                    return time.monotonic() - self.began
                told = f"{answer.status} {answer.body[:300].decode(errors='replace')}"
            except (OSError, http.client.HTTPException) as error:
                told = str(error) or type(error).__name__
            if self.process.poll() is not None:
                raise Unavailable(f"it ended with exit code {self.process.returncode}: {self._last_line()}")
            time.sleep(_PAUSE_S)
        raise Unavailable(f"no good answer within {READY_S} s: {told}")

    def pids(self) -> list[int]:
        """Every process of the server: its session, and the children of those."""
        parents: dict[int, int] = {}
        found = set()
        for path in _PROC.glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                pid = int(path.parent.name)
                parents[pid] = int(fields[1])
                if int(fields[3]) == self.process.pid:
                    found.add(pid)
        while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
            found |= more
        return sorted(found)

    def pss_mb(self) -> float:
        """Memory of all its processes, each shared page counted once in sum."""
        return sum(_pss_kb(pid) for pid in self.pids()) / 1024

    def has_mapped(self, part: str) -> bool:
        """Whether a file with this in its path is mapped into one of its processes."""
        return any(part in _read(_PROC / str(pid) / "maps") for pid in self.pids())

    def end(self) -> None:
        """Politely, then for good."""
        known = self.pids()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)
        while left := [pid for pid in {*known, *self.pids()} if _lives(pid)]:
            for pid in left:  # some are started while the others are told
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE_S)
        self.process.wait()

    def _last_line(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@contextmanager
def running(command: Command, port: int, log: Path) -> Iterator[Running]:
    """The server on the core that is the servers', until the block ends; its output goes to `log`."""
    variables = {**os.environ, **THREAD_ENV, **command.variables}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command.arguments],
            env=variables, cwd=command.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
        server = Running(process, port, began, log)
        try:
            yield server
        finally:
            server.end()


def free_port() -> int:
    """One with the next few free too."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as found:
            port: int = found.getsockname()[1]
        if all(_is_free(port + n) for n in range(_PORTS)):
            return port
    raise Unavailable("no free ports in a row")


def _is_free(port: int) -> bool:
    with contextlib.suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def _pss_kb(pid: int) -> int:
    lines = _read(_PROC / str(pid) / "smaps_rollup").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _lives(pid: int) -> bool:
    """Whether it is there, and not only waited for."""
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return bool(fields) and fields[0] != "Z"


def _read(path: Path) -> str:
    """What stands there; nothing of a process that has just ended."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

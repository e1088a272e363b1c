"""The service as its operator has it: real processes, real sockets, real signals."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import modelcast_runtime
import pytest
from modelcast_runtime.listening import listen

# A caller of `serve` with a tiny application: /readyz as the real one has it, the rest says who answered.
SCRIPT = """
import asyncio, json, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace

told = json.loads(sys.argv[1])

from modelcast_runtime.contract import Limits
from modelcast_runtime.service import serve
from modelcast_runtime.settings import Settings
from modelcast_runtime.store import Layout, Series, Store

class Refused(Exception):
    pass

def make_app(worker):
    if told.get("fault") == "refuse":
        raise Refused("golden row 3 does not reproduce")
    if told.get("fault") == "bug":
        raise ValueError("a bug")
    if told.get("fault") == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if told.get("fault") == "crowd":  # the first five go down; the others are ready when those are replaced
        if worker.age <= 5:
            os.kill(os.getpid(), signal.SIGKILL)
        Path(f"started-{worker.age}").touch()
        while len([age for age in range(9, 14) if Path(f"started-{age}").exists()]) < 5:
            time.sleep(0.01)
    if told.get("fault") == "wait":
        Path(f"started-{worker.age}").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    count = lambda code: worker.store.row.__iadd__(1)
    worker.observe = count

    async def app(scope, receive, send):
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        if scope["path"] == "/bug":
            raise ValueError("a bug")
        if scope["path"] == "/slow":
            Path("reached").touch()
            while not Path("go").exists():
                await asyncio.sleep(0.01)
        is_late = scope["path"] == "/readyz" and worker.draining.is_set()
        seen = {"pid": os.getpid(), "slot": worker.slot, "size": size, "errors": int(worker.store.total()[0])}
        body = json.dumps(seen).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 503 if is_late else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app

settings = Settings(
    host=told.get("host", "127.0.0.1"),
    port=told.get("port", 0),
    workers=told["workers"],
    limits=Limits(header_s=told.get("header_s", 5), body_s=5, drain_s=told.get("drain_s", 0.6)),
    extra_inputs="refuse",
    metrics_prefix="",
    log_access=told.get("log_access", "off"),
    log_predictions=0.0,
    log_values=False,
    invocations="mlflow",
    vertex_health="",
    vertex_predict="",
    batch_concurrency=None,
    batch_strategy="MULTI_RECORD",
    batch_payload_mb=None,
)
layout = Layout.of([Series(name="errors", kind="counter", help="refused connections")])
bundle = SimpleNamespace(manifest=SimpleNamespace(name="spam", version="sha256:3f2a"))
code = serve(
    bundle,
    settings,
    make_app=make_app,
    make_store=lambda slots: Store.create(layout, slots),
    refusals=(Refused,),
)
print("only the master comes back", file=sys.stderr)
sys.exit(code)
"""
BACK = "only the master comes back\n"
WITHIN_S = 60
"""A hang is a failure; whatever takes time, takes more of it on a machine with other work."""


@dataclass
class Service:
    """The running command."""

    process: subprocess.Popen[str]
    line: str = ""
    port: int = 0
    rest: tuple[str, str] = field(default=("", ""))

    def end(self, number: int, within: float = WITHIN_S) -> int:
        """Send a signal to the master and wait for the exit code."""
        self.process.send_signal(number)
        return self.wait(within)

    def wait(self, within: float = WITHIN_S) -> int:
        self.rest = self.process.communicate(timeout=within)
        return self.process.returncode

    def ask(self, path: str = "/") -> dict[str, Any]:
        """One request on a connection of its own."""
        return dict(json.loads(exchange(self.port, b"GET %s HTTP/1.1\r\nConnection: close\r\n\r\n" % path.encode())[1]))

    def pids(self) -> set[int]:
        """The workers."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return {int(pid) for pid in listed.split()}


def exchange(port: int, request: bytes) -> tuple[int, bytes]:
    """Send, read until the server closes: the status and the body."""
    with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as client:
        client.sendall(request)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


Start = Callable[..., Service]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the script; what is still running at the end of the test is killed, workers first."""
    script = tmp_path / "command.py"
    script.write_text(SCRIPT)
    services: list[Service] = []
    root = str(Path(modelcast_runtime.__file__).parent.parent)

    def begin(
        *,
        workers: int = 1,
        env: dict[str, str] | None = None,
        wrap: tuple[str, ...] = (),
        handed: socket.socket | None = None,
        **told: object,
    ) -> Service:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": root, **(env or {})}
        if handed is not None and not wrap:
            variables |= {"GUNICORN_FD": str(handed.fileno()), "GUNICORN_PID": str(os.getpid())}
        process = subprocess.Popen(
            [*wrap, sys.executable, str(script), json.dumps({"workers": workers, **told})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=variables,
            pass_fds=[] if handed is None else [handed.fileno()],
            start_new_session=True,
        )
        service = Service(process)
        services.append(service)
        return service

    yield begin
    for service in services:
        if service.process.poll() is None:
            os.killpg(service.process.pid, signal.SIGKILL)
        service.process.communicate()


def ready(service: Service) -> Service:
    """Wait for the line that says that it serves."""
    assert service.process.stdout is not None
    service.line = service.process.stdout.readline()
    found = re.search(r":(\d+)\n", service.line)
    assert found, service.process.communicate()[1]
    service.port = int(found[1])
    return service


def wait_for(service: Service, condition: Callable[[], bool]) -> None:
    """Until it holds, which must be while the service runs."""
    until = time.monotonic() + WITHIN_S
    while not condition():
        assert service.process.poll() is None, service.process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 4])
def test_one_line_says_that_all_workers_accept(start: Start, workers: int) -> None:
    service = ready(start(workers=workers))
    assert service.line == f"serving spam sha256:3f2a at http://127.0.0.1:{service.port}\n"
    assert len(service.pids()) == workers
    assert service.ask()["pid"] in service.pids()
    assert service.end(signal.SIGTERM) == 0
    assert service.rest == ("", BACK)


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0"), ("::1", r"\[::1\]"), ("localhost", "localhost")])
def test_the_line_shows_the_host_as_it_was_given(start: Start, host: str, shown: str) -> None:
    service = ready(start(host=host, drain_s=0))
    assert re.fullmatch(rf"serving spam sha256:3f2a at http://{shown}:\d+\n", service.line)
    assert service.end(signal.SIGINT) == 0


def test_a_taken_port_is_one_line_at_once(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = start(port=port)
        assert service.wait() == 1
    text = f"error: serve: port {port} on 127.0.0.1 is taken. Stop what listens there or choose another with --port\n"
    assert service.rest == ("", text + BACK)


def test_a_socket_that_another_process_was_given_is_not_ours(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = start(port=port, env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
        assert service.wait() == 1
    text = f"error: serve: port {port} on 127.0.0.1 is taken. Stop what listens there or choose another with --port\n"
    assert service.rest == ("", text + BACK)


def test_an_address_of_another_machine_is_one_line(start: Start) -> None:
    service = start(host="192.0.2.1")
    assert service.wait() == 1
    text = (
        "error: serve: this machine cannot listen on 192.0.2.1 (Cannot assign requested address). "
        "Choose one of its addresses with --host\n"
    )
    assert service.rest == ("", text + BACK)


def test_a_worker_that_cannot_serve_ends_the_service_with_its_reason_once(start: Start) -> None:
    service = start(workers=3, fault="refuse")
    assert service.wait() == 1
    assert service.rest == ("", "error: serve: golden row 3 does not reproduce\n" + BACK)


def test_a_bug_in_a_worker_ends_the_service_with_its_traceback(start: Start) -> None:
    service = start(fault="bug")
    assert service.wait() == 70
    assert "ValueError: a bug" in service.rest[1]


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_that_crash_before_they_serve_end_the_service_and_are_not_replaced_for_ever(
    start: Start, workers: int
) -> None:
    service = start(workers=workers, fault="crash")
    assert service.wait() == 1
    *lines, last, back = service.rest[1].splitlines(keepends=True)
    assert sum("was sent SIGSEGV!" in line for line in lines) >= 5
    assert re.fullmatch(
        r"error: serve: \d workers in a row ended before they served; how, is in the lines above\. Give the service more "
        r"memory or fewer workers \(WEB_CONCURRENCY\), or build the model with other versions of its libraries\n",
        last,
    )
    assert back == BACK


def test_five_of_eight_lost_at_once_are_replaced_where_the_others_come_to_serve(start: Start) -> None:
    service = ready(start(workers=8, fault="crowd", drain_s=0))
    assert len(service.pids()) == 8
    assert service.end(signal.SIGTERM) == 0
    assert service.rest[1].count("was sent SIGKILL! Perhaps out of memory?") == 5


def test_a_reload_before_the_workers_serve_loses_none(start: Start, tmp_path: Path) -> None:
    service = start(workers=6, fault="wait", drain_s=0)
    wait_for(service, lambda: all((tmp_path / f"started-{age}").exists() for age in range(1, 7)))
    before = service.pids()
    service.process.send_signal(signal.SIGHUP)
    wait_for(service, lambda: not service.pids() & before)
    (tmp_path / "go").touch()
    assert len(ready(service).pids()) == 6
    assert service.end(signal.SIGTERM) == 0
    assert service.rest == ("", BACK)


def test_workers_that_served_may_all_be_killed_again_and_again(start: Start) -> None:
    service = ready(start(workers=3, drain_s=0))
    for _ in range(3):
        before = service.pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        assert service.ask()["pid"] not in before
        wait_for(service, lambda: len(service.pids()) == 3 and not service.pids() & before)  # noqa: B023 - called here
    assert service.end(signal.SIGTERM) == 0


def is_draining(service: Service) -> bool:
    """Whether a load balancer hears that no request is to come any more."""
    try:
        return exchange(service.port, b"GET /readyz HTTP/1.1\r\nConnection: close\r\n\r\n")[0] == 503
    except ConnectionRefusedError:
        return True


def test_readiness_turns_at_once_and_every_answer_then_closes_its_connection(start: Start) -> None:
    service = ready(start(workers=2, drain_s=30))
    assert not is_draining(service)
    service.process.send_signal(signal.SIGTERM)
    wait_for(service, lambda: is_draining(service))
    statuses = [
        exchange(service.port, b"GET /readyz HTTP/1.1\r\n\r\n")[0] for _ in range(6)
    ]  # the server closes, unasked
    assert statuses == [503] * 6
    assert service.end(signal.SIGQUIT) == 0


@dataclass
class Load:
    """What 32 clients saw."""

    answered: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)
    much: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is load."""

    async def keep_alive(self, port: int) -> None:
        """Ask again and again on one connection, open another where the answer says that this one closes."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                self.refused += 1
                return
            with contextlib.closing(writer):
                while await self.is_kept(reader, writer, b""):
                    pass

    async def one_each(self, port: int) -> None:
        """Open a connection for each request."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                self.refused += 1
                return
            with contextlib.closing(writer):
                await self.is_kept(reader, writer, b"Connection: close\r\n")

    async def is_kept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fields: bytes) -> bool:
        """One request; whether the connection may be used again."""
        try:
            writer.write(b"POST /predict HTTP/1.1\r\nContent-Length: 3\r\n" + fields + b"\r\nabc")
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length
            await reader.readexactly(int(length[1]))
        except (OSError, asyncio.IncompleteReadError) as error:
            self.failures.append(repr(error))
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            self.failures.append(head.decode())
        self.answered += 1
        if self.answered > 100:
            self.much.set()
        return b"connection: close" not in head.lower()


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGTERM), (2, signal.SIGTERM), (2, signal.SIGINT)])
def test_stopping_under_load_loses_no_request(start: Start, workers: int, number: signal.Signals) -> None:
    service = ready(start(workers=workers, drain_s=1))
    load = Load()

    async def play() -> None:
        clients = [load.keep_alive(service.port) for _ in range(16)] + [load.one_each(service.port) for _ in range(16)]
        tasks = [asyncio.create_task(client) for client in clients]
        await load.much.wait()
        service.process.send_signal(number)
        await asyncio.gather(*tasks)

    async def in_time() -> None:
        await asyncio.wait_for(play(), WITHIN_S)

    asyncio.run(in_time())
    assert load.failures == []
    assert load.refused == 32
    assert service.wait() == 0
    assert service.rest == ("", BACK)


@contextlib.contextmanager
def in_flight(service: Service, folder: Path) -> Iterator[socket.socket]:
    """A connection whose request has reached the application, which answers when there is a file `go`."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=WITHIN_S) as busy:
        busy.sendall(b"GET /slow HTTP/1.1\r\n\r\n")
        wait_for(service, (folder / "reached").exists)
        yield busy


def test_a_request_in_flight_is_finished_and_an_idle_connection_does_not_hold_the_service(
    start: Start, tmp_path: Path
) -> None:
    service = ready(start(drain_s=0))
    with socket.create_connection(("127.0.0.1", service.port), timeout=WITHIN_S) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(65536)
        with in_flight(service, tmp_path) as busy:
            service.process.send_signal(signal.SIGTERM)
            wait_for(service, lambda: is_draining(service))
            (tmp_path / "go").touch()
            answer = b"".join(iter(lambda: busy.recv(65536), b""))
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\nConnection: close\r\n" in answer
        assert idle.recv(65536) == b""
        assert service.wait() == 0


def test_ctrl_c_reaches_the_whole_group_and_still_finishes_what_is_in_flight(start: Start, tmp_path: Path) -> None:
    service = ready(start(workers=2, drain_s=300))
    with in_flight(service, tmp_path) as busy:
        os.killpg(service.process.pid, signal.SIGINT)
        wait_for(service, lambda: is_draining(service))
        (tmp_path / "go").touch()
        assert b"".join(iter(lambda: busy.recv(65536), b"")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert service.wait() == 0


def test_sigterm_to_the_whole_group_lingers_as_sigterm_to_the_master_does(start: Start) -> None:
    service = ready(start(workers=2, drain_s=300))
    workers = service.pids()
    os.killpg(service.process.pid, signal.SIGTERM)
    wait_for(service, lambda: is_draining(service))
    assert {service.ask()["size"] for _ in range(20)} == {0}
    assert service.pids() == workers
    assert service.end(signal.SIGQUIT) == 0


@pytest.mark.parametrize("way", ["gunicorn", "systemd"])
def test_a_service_on_a_handed_listener_leaves_it_to_the_next(start: Start, way: str) -> None:
    """Every request is answered, none waits for the kernel to send its handshake again, and soon by the next alone."""
    with listen("127.0.0.1", 0) as handed:
        port = handed.getsockname()[1]
        as_systemd = ("bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{handed.fileno()}', "bash")
        given: dict[str, Any] = {"gunicorn": {}, "systemd": {"wrap": as_systemd}}[way]
        first = ready(start(handed=handed, port=port, drain_s=30, **given))
        assert first.line == f"serving spam sha256:3f2a at http://127.0.0.1:{port}\n"
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as idle:
            second = ready(start(handed=handed, port=port, drain_s=0))
            first.process.send_signal(signal.SIGTERM)
            theirs = second.pids()
            in_a_row, until = 0, time.monotonic() + WITHIN_S
            while in_a_row < 30:
                in_a_row = in_a_row + 1 if second.ask()["pid"] in theirs else 0
                assert time.monotonic() < until, "the first one still accepts"
            idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = b"".join(iter(lambda: idle.recv(65536), b""))
            assert b"\r\nConnection: close\r\n" in answer
        assert second.end(signal.SIGTERM) == 0
        assert first.process.poll() is None, "it lingers for the connections that it has"
        assert first.end(signal.SIGQUIT) == 0
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S):
            pass  # the handshake is done by the listener that is left


def test_sigquit_ends_at_once(start: Start, tmp_path: Path) -> None:
    service = ready(start(workers=2, drain_s=300))
    with in_flight(service, tmp_path):  # and is never answered
        assert service.end(signal.SIGQUIT) == 0


def test_a_killed_worker_is_replaced_in_its_slot_and_its_counts_stay(start: Start) -> None:
    service = ready(start(drain_s=0))
    assert exchange(service.port, b"GARBAGE\r\n\r\n")[0] == 400
    before = service.ask()
    assert before["errors"] == 1
    os.kill(before["pid"], signal.SIGKILL)
    after = service.ask()  # waits in the listener's queue until the new worker accepts
    assert after["pid"] != before["pid"]
    assert (after["slot"], after["errors"]) == (before["slot"], 1)
    assert service.end(signal.SIGTERM) == 0
    assert "Perhaps out of memory?" in service.rest[1]


def test_a_reload_replaces_all_workers_in_other_slots_and_the_service_stays_ready(start: Start) -> None:
    service = ready(start(workers=2, drain_s=0))
    before = service.pids()
    service.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + WITHIN_S
    while service.pids() & before and time.monotonic() < until:
        assert service.ask("/readyz")["slot"] in range(5)
    assert not service.pids() & before
    assert service.end(signal.SIGTERM) == 0
    assert service.rest == ("", BACK)


def test_a_half_header_holds_nothing_and_is_counted(start: Start) -> None:
    service = ready(start(header_s=2, drain_s=0))
    halves = [socket.create_connection(("127.0.0.1", service.port), timeout=WITHIN_S) for _ in range(50)]
    for half in halves:
        half.sendall(b"GET / HTTP/1.1\r\nHo")
    assert service.ask()["errors"] == 0
    for half in halves:
        with half:
            assert b"".join(iter(lambda sock=half: sock.recv(65536), b"")).startswith(b"HTTP/1.1 408 ")  # type: ignore[misc]
    assert service.ask()["errors"] == 50
    assert service.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("quote", ["", '"'], ids=["plain", "with S2I's quotes"])
def test_gunicorn_cmd_args_go_over_our_defaults_but_not_the_worker(start: Start, quote: str) -> None:
    args = f"{quote}--workers 2 --worker-class sync --limit-request-line 100 --bind 127.0.0.1:0{quote}"
    service = ready(start(env={"GUNICORN_CMD_ARGS": args}, host="192.0.2.1", drain_s=0))
    assert service.line.startswith("serving spam sha256:3f2a at http://127.0.0.1:")
    assert len(service.pids()) == 2
    assert exchange(service.port, b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 100))[0] == 414
    assert service.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("args", "logged"),
    [
        pytest.param("""--access-logformat='%(s)s --no-such-flag'""", "", id="one word"),
        pytest.param("""--access-logfile=- '--access-logformat=%(s)s %(m)s'""", "200 GET\n", id="two words"),
        pytest.param("""'--access-logfile=- --access-logformat="%(s)s %(m)s"'""", "200 GET\n", id="with S2I's quotes"),
    ],
)
def test_a_word_of_gunicorn_cmd_args_may_hold_spaces(start: Start, args: str, logged: str) -> None:
    service = ready(start(env={"GUNICORN_CMD_ARGS": args}, drain_s=0))
    service.ask()
    assert service.end(signal.SIGTERM) == 0
    assert service.rest == (logged, BACK)


def test_a_wrong_word_in_gunicorn_cmd_args_is_wrong_usage(start: Start) -> None:
    service = start(env={"GUNICORN_CMD_ARGS": "--no-such-flag"})
    assert service.wait() == 2
    assert service.rest[1].splitlines()[:2] == [
        "usage: GUNICORN_CMD_ARGS='--keep-alive 30 ...'",
        "GUNICORN_CMD_ARGS: error: unrecognized arguments: --no-such-flag",
    ]


@pytest.mark.parametrize("text", ["", '"2"', "two"])
def test_gunicorns_own_reading_of_the_environment_is_not_in_the_way(start: Start, text: str) -> None:
    service = ready(start(env={"WEB_CONCURRENCY": text}, drain_s=0))
    assert len(service.pids()) == 1
    assert service.end(signal.SIGTERM) == 0


def test_workers_leave_when_their_master_is_gone(start: Start) -> None:
    service = ready(start(workers=2))
    assert service.end(signal.SIGKILL) == -signal.SIGKILL  # waits until nobody holds its stderr
    with pytest.raises(ConnectionRefusedError):
        service.ask()


def test_it_writes_no_file_and_reads_no_configuration_beside_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("raise SystemExit('read')\n")
    service = ready(start(env={"HOME": str(tmp_path)}, drain_s=0))
    assert service.end(signal.SIGTERM) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["command.py", "gunicorn.conf.py"]


def test_as_pid_1_it_stops_when_told(start: Start) -> None:
    wrap = ("unshare", "--pid", "--fork", "--kill-child")
    if subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode != 0:
        assert "CI" not in os.environ, "unshare --pid fails here: CI runs as root"
        pytest.skip("this user may not make a PID namespace")
    service = ready(start(wrap=wrap, workers=2, drain_s=0))
    (master,) = service.pids()
    assert f"NSpid:\t{master}\t1\n" in Path(f"/proc/{master}/status").read_text()
    os.kill(master, signal.SIGTERM)
    assert service.wait() == 0


def test_no_machine_learning_library_is_loaded() -> None:
    code = "import sys, modelcast_runtime.service; print(sorted({'sklearn', 'pandas', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

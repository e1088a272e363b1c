"""SIGTERM to the container under load: what was begun is answered, the exit code is 0, whatever shell is in between."""

import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.commands import until
from tests.e2e.conftest import SAMPLES, Start
from tests.e2e.engine import HARDENED, Service, config_of
from tests.e2e.table import read_table

RUN = "/usr/libexec/s2i/run"
GRACE_S = 30
"""Kubernetes' own default."""

WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "as built": ((), ()),
    "sh": ((), ("/bin/sh", "-c", RUN)),
    "bash": ((), ("/bin/bash", "-c", RUN)),
    "dash": ((), ("/bin/dash", "-c", RUN)),
    "entrypoint under dash": (
        ("--entrypoint", "/bin/dash"),
        ("/usr/local/bin/container-entrypoint", "/bin/dash", "-c", RUN),
    ),
    "entrypoint overridden": (("--entrypoint", "/bin/sh"), ("-c", RUN)),
    "serve": ((), ("serve",)),
}


def test_both_of_s2i_s_forms_of_the_command_are_tried(breast_cancer: str, penguins: str) -> None:
    assert config_of(breast_cancer)["Cmd"] == [RUN]
    assert config_of(penguins)["Cmd"] == ["/bin/sh", "-c", RUN]


@pytest.mark.parametrize("way", WAYS)
def test_sigterm_under_load_drains_and_exits_0(penguins: str, start: Start, way: str) -> None:
    options, command = WAYS[way]
    stops_cleanly(start(penguins, *HARDENED, "--env", "WEB_CONCURRENCY=4", *options, command=command))


def test_sigterm_under_load_drains_and_exits_0_without_a_shell(breast_cancer: str, start: Start) -> None:
    service = start(breast_cancer, *HARDENED, "--env", "WEB_CONCURRENCY=4")
    assert service.terminate(GRACE_S) == 0


def stops_cleanly(service: Service) -> None:
    """Clients press on, one is in the middle of its request; nobody who was let in goes unanswered."""
    row = read_table(SAMPLES / "penguins" / "data" / "penguins.csv", without=("species", "year")).instances[:1]
    body = json.dumps({"instances": row}).encode()
    codes: list[int] = []
    stop = threading.Event()
    clients = [threading.Thread(target=press, args=(service, body, codes, stop)) for _ in range(4)]
    for client in clients:
        client.start()
    begun = HalfSent(service, body)
    until(lambda: codes)
    finisher = threading.Timer(0.5, begun.finish)
    finisher.start()
    code = service.terminate(GRACE_S)
    stop.set()
    for thread in (*clients, finisher):
        thread.join()
    assert code == 0, service.log()
    assert begun.status == b"HTTP/1.1 200 OK", service.log()
    assert set(codes) == {200}


def press(service: Service, body: bytes, codes: list[int], stop: threading.Event) -> None:
    """One request after the other on connections of their own; a refused connection is no answer."""
    while not stop.is_set():
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            codes.append(httpx.post(f"{service.url}/predict", content=body, headers=headers, timeout=120).status_code)
        except httpx.TransportError:
            time.sleep(0.05)


class HalfSent:
    """A request whose second half is still to come."""

    def __init__(self, service: Service, body: bytes) -> None:
        address = urlsplit(service.url)
        self.status = b""
        self.rest = body[len(body) // 2 :]
        self.connection = socket.create_connection((address.hostname, address.port), timeout=120)
        head = ["POST /predict HTTP/1.1", f"Host: {address.netloc}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", "", ""]
        self.connection.sendall("\r\n".join(head).encode() + body[: len(body) // 2])

    def finish(self) -> None:
        """Send the rest and keep the status line that comes back."""
        with self.connection:
            self.connection.sendall(self.rest)
            self.status = self.connection.recv(4096).partition(b"\r\n")[0]

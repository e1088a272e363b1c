"""`modelcast serve --watch`: an edit becomes the next version, and nobody who asks meanwhile notices anything else."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.commands import Modelcast, Service, until
from tests.acceptance.files import write

EDITION = "def predict(body):\n    return {'edition': %s}\n"


class Client:
    """Asks in a loop until it is told to stop: every connection its own, and one that is kept."""

    def __init__(self, url: str) -> None:
        self.answers: list[int] = []
        self.failures: list[str] = []
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, is_kept)) for is_kept in (False, True)]
        for thread in self._threads:
            thread.start()

    def _ask(self, url: str, is_kept: bool) -> None:
        kept = httpx.Client()
        while not self._is_over.wait(0.01):
            try:
                ask = kept.post if is_kept else httpx.post
                answer = ask(f"{url}/predict", json={}, timeout=300)
                self.answers.append(answer.raise_for_status().json()["edition"])
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
        kept.close()

    def stop(self) -> None:
        """Wait for the last answers."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Own code that says which edition it is."""
    return write(tmp_path / "echo", {"prediction.py": EDITION % 1})


@pytest.fixture
def watched(modelcast: Modelcast, repo: Path) -> Iterator[Service]:
    """Served with --watch, by two workers; who keeps a connection has time to hear that it is closed."""
    with modelcast.serving(repo, "--watch", workers=2, MODELCAST_LIMITS_DRAIN_S="2") as service:
        yield service


def edition(service: Service) -> int:
    return int(service.ask(json={}).json()["edition"])


def test_edits_become_versions_and_no_request_is_lost(watched: Service, repo: Path) -> None:
    client = Client(watched.url)
    try:
        before, url = watched.version, watched.url
        write(repo, {"prediction.py": EDITION % 2})
        watched.wait_for_address()
        assert (watched.url, watched.version != before) == (url, True)
        assert edition(watched) == 2, "the line comes when nobody else accepts"
        until(lambda: 2 in client.answers)

        write(repo, {"prediction.py": "def predict(body:\n"})
        until(lambda: "serves on" in watched.logged())
        assert edition(watched) == 2

        write(repo, {"prediction.py": EDITION % 3})
        watched.wait_for_address()
        assert edition(watched) == 3

        # What was built before is served again without a build.
        write(repo, {"prediction.py": EDITION % 2})
        watched.wait_for_address()
        assert edition(watched) == 2
    finally:
        client.stop()
    assert client.failures == []
    assert set(client.answers) == {1, 2, 3}
    log = watched.logged()
    assert log.count("---> watch: prediction.py changed\n") == 4
    assert (
        "error: discover: prediction.py:1 is no Python that this version reads: '(' was never closed. Correct that line.\n"
        f"---> watch: echo {log.split('serves on')[0].split()[-1]} serves on\n"
    ) in log
    assert log.count("---> smoke: ") == 3
    assert watched.stop(signal.SIGTERM)[0] == 0


def test_what_is_no_source_and_what_changes_nothing_builds_nothing(watched: Service, repo: Path) -> None:
    write(repo, {"__pycache__/x.pyc": "", "bundle/manifest.json": '{"bundle_version": 1}'})
    os.utime(repo / "prediction.py")
    until(lambda: "serves on" in watched.logged())
    log = watched.logged()
    assert log.count("---> watch: ") == 2
    assert log.count("---> smoke: ") == 1
    assert "---> watch: prediction.py changed\n" in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_with_all_its_workers(watched: Service, repo: Path, number: int) -> None:
    """As Ctrl-C does it, which reaches the whole group, and while a build runs."""
    write(repo, {"prediction.py": EDITION % 2})
    until(lambda: "---> watch: " in watched.logged())
    assert watched.stop(number, group=True)[0] == 0
    assert "Traceback" not in watched.logged()
    until(lambda: not is_alive(watched.process.pid))


def is_alive(group: int) -> bool:
    """Whether a process of the group is left, which Linux may take a moment to end."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_port_that_is_taken_is_told(modelcast: Modelcast, watched: Service, repo: Path) -> None:
    port = watched.url.rpartition(":")[2]
    done = modelcast.run("serve", repo, "--watch", "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        f"error: serve: port {port} on 127.0.0.1 is taken. Stop what listens there or choose another with --port."
    )


@pytest.mark.parametrize("source", ["https://host.invalid/x.git", "bundle"])
def test_what_never_changes_cannot_be_watched(modelcast: Modelcast, tmp_path: Path, source: str) -> None:
    write(tmp_path, {"bundle/manifest.json": '{"bundle_version": 1}'})
    done = modelcast.run("serve", source, "--watch", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    line = "Error: --watch needs the folder of a repository: neither a bundle nor a URL changes."
    assert done.stderr.splitlines()[-1] == line

"""Debian's Prometheus, unpacked: its judge of rules, and a server that scrapes real replicas."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from modelcast_runtime import listening

from tests.e2e.conftest import tool

WITHIN_S = 240
"""A bound for a machine with other work, never a wait."""


def binary(name: str) -> Path:
    """`prometheus` or `promtool`."""
    return Path(tool("unpack.sh", "prometheus")) / "usr" / "bin" / name


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """One of its commands, with all that it says on stdout."""
    return subprocess.run(
        [binary("promtool"), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=WITHIN_S,
    )  # fmt: skip


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        """`url` is where its API is."""
        self._client = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        """Its connections."""
        self._client.close()

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def query(self, expr: str) -> list[tuple[Mapping[str, str], float]]:
        """The samples of an expression now; a wrong one is an AssertionError."""
        told = self._client.get("/api/v1/query", params={"query": expr}).json()
        assert told["status"] == "success", f"{expr}: {told}"
        return [(sample["metric"], float(sample["value"][1])) for sample in told["data"]["result"]]

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire: name, and the input or signal."""
        found = self.query('ALERTS{alertstate="firing"}')
        return {(of["alertname"], of.get("input", of.get("signal", ""))) for of, _ in found}


def until(is_so: Callable[[], Any], what: str) -> Any:
    """What `is_so` gives as soon as it is true."""
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if found := is_so():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {WITHIN_S} s")


@contextmanager
def scraping(folder: Path, job: str, targets: Sequence[str], rules: Any) -> Iterator[Prometheus]:
    """A server that scrapes `targets` every second and evaluates `rules`, until the block ends."""
    static = [{"targets": [target]} for target in targets]
    (folder / "rules.yml").write_text(yaml.safe_dump(rules, sort_keys=False))
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                "rule_files": ["rules.yml"],
                "scrape_configs": [{"job_name": job, "static_configs": static}],
            }
        )
    )
    with listening.listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command: list[str | Path] = [
        binary("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        # A rule that reads what was scraped must not see a sample that is minutes old as today's.
        "--query.lookback-delta=10s",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        until(lambda: server.is_ready() or process.poll() is not None, "Prometheus answers")
        assert process.poll() is None, (folder / "log").read_text()
        yield server
    finally:
        server.close()
        process.kill()
        process.wait()

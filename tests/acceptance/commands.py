"""modelcast's commands as a user types them, and the service that one of them becomes."""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
from modelcast_builder import environment
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample-models"
MODELCAST = Path(sys.executable).with_name("modelcast")
WITHIN_S = 600
"""No command may take longer, on a machine with other work: a hang is a failure and not a wait."""
START_S = 300
STARTED = dict(os.environ)
"""What was set before the first test: builds run in the background while other tests set variables of their own."""

# What whoever runs the tests has set for himself is not part of what is promised.
_PRIVATE = (
    "MODELCAST_",
    "S2I_",
    "OPENSHIFT_",
    "PIP_",
    "WEB_CONCURRENCY",
    "PORT",
    "AIP_",
    "GUNICORN",
    "OMP_",
    "NO_COLOR",
)


def near(told: Any, expected: Any) -> bool:
    """Whether an answer is scikit-learn's: labels equal, numbers within what is allowed to a compiled model.

    It adds up in another order, and XGBoost's own probabilities have 32 bits.
    """
    if isinstance(expected, dict):
        return told.keys() == expected.keys() and all(near(told[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(told) == len(expected) and all(map(near, told, expected))
    if isinstance(expected, float):
        return math.isclose(told, expected, rel_tol=1e-6, abs_tol=1e-6)
    return type(told) is type(expected) and bool(told == expected)


@dataclass(frozen=True, kw_only=True)
class Modelcast:
    """The command, with a cache of its own."""

    cache: Path
    command: Path = MODELCAST

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """A clean environment, and what a test adds."""
        clean = {name: value for name, value in STARTED.items() if not name.startswith(_PRIVATE)}
        return {**clean, "MODELCAST_CACHE": str(self.cache), **extra}

    def run(self, *arguments: str | Path, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        """One command to its end; `extra` is its environment."""
        return subprocess.run(
            [self.command, *arguments], cwd=cwd or ROOT, env=self.environment(extra), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=WITHIN_S,
        )  # fmt: skip

    def build(self, source: Path | str, out: Path, **extra: str) -> "Built":
        """`modelcast build --json` that must succeed."""
        # One thread: what a k-means learns is otherwise not the same to the last bit from run to run.
        done = self.run("build", str(source), "--out", out, "--json", cwd=None, **{"OMP_NUM_THREADS": "1", **extra})
        assert done.returncode == 0, f"{source} was not built:\n{done.stderr}"
        return Built(root=out, told=json.loads(done.stdout), log=done.stderr)

    def kept(self, name: str) -> list[Path]:
        """The bundles of this name that `modelcast serve` built."""
        # pathlib's `*` takes hidden folders too: what another build is writing right now.
        manifests = self.cache.glob("bundles/[!.]*/manifest.json")
        return [path.parent for path in manifests if json.loads(path.read_bytes())["name"] == name]

    def python_of(self, bundle: Path) -> Path:
        """The interpreter of the environment that a bundle is served from."""
        lock = environment.parse_lock((bundle / "environment.lock").read_text(encoding="utf-8"))
        return Path(environment.create(lock, cache=self.cache, uv=environment.use_uv(STARTED)).python)

    def python_with(self, *pins: str) -> Path:
        """The interpreter of an environment of these requirements, for what is made by hand."""
        uv, asked = environment.use_uv(STARTED), environment.Requirements(pins=pins)
        lock = environment.resolve(asked, {}, python=environment.base_python(), cache=self.cache, uv=uv)
        return Path(environment.create(lock, cache=self.cache, uv=uv).python)

    @contextmanager
    def serving(
        self, source: Path | str, *flags: str, workers: int, cwd: Path | None = None, **extra: str
    ) -> Iterator["Service"]:
        """`modelcast serve` on a free port, until the block ends."""
        command = [str(self.command), "serve", str(source), "--port", "0", "--workers", str(workers), *flags]
        variables = self.environment({"MODELCAST_LIMITS_DRAIN_S": "0", **extra})
        with tempfile.TemporaryFile("w+") as log:  # a pipe that nobody reads would block the service when it is full
            process = subprocess.Popen(
                command, cwd=cwd or ROOT, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip
            service = Service(process=process, log=log)
            try:
                service.wait_for_address()
                yield service
            finally:
                service.end()


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bundle, what `--json` told of it and what the log said."""

    root: Path
    told: dict[str, str]
    log: str

    @property
    def manifest(self) -> dict[str, Any]:
        """`manifest.json`."""
        return dict(json.loads((self.root / "manifest.json").read_bytes()))

    @property
    def lock(self) -> list[str]:
        """The lines of `environment.lock`."""
        return (self.root / "environment.lock").read_text(encoding="utf-8").splitlines()


@dataclass(kw_only=True)
class Service:
    """A running `modelcast serve`."""

    process: subprocess.Popen[str]
    log: IO[str]
    name: str = ""
    version: str = ""
    url: str = ""

    def wait_for_address(self) -> None:
        """Read the one line on stdout; a service that ended says why."""
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        if said[:1] != ["serving"]:
            raise AssertionError(f"the service did not start: {said}\n{''.join(self.stop(signal.SIGTERM)[1:])}")
        _, self.name, self.version, _, self.url = said

    def ask(self, path: str = "/predict", **request: Any) -> httpx.Response:
        """One request on a connection of its own: a POST where there is something to send."""
        has_body = bool(request.keys() & {"json", "content", "data"})
        return httpx.request("POST" if has_body else "GET", self.url + path, timeout=300, **request)

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of /metrics by name and labels."""
        families = text_string_to_metric_families(self.ask("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}

    def stop(self, number: int, *, group: bool = False) -> tuple[int, str, str]:
        """Signal the command and wait for its end: exit code, stdout, stderr."""
        self.tell(number, group=group)
        return self.wait()

    def tell(self, number: int, *, group: bool = False) -> None:
        """Signal the command or, as a terminal's Ctrl-C does, its process group."""
        if self.process.poll() is None:
            (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self) -> tuple[int, str, str]:
        """Its exit code, stdout and stderr."""
        out, _ = self.process.communicate(timeout=START_S)
        return self.process.returncode, out, self.logged()

    def logged(self) -> str:
        """What it has said on stderr so far."""
        return os.pread(self.log.fileno(), 1 << 24, 0).decode()

    def end(self) -> None:
        """Whatever happened, nothing stays behind."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        if not self.process.stdout or not self.process.stdout.closed:
            self.process.communicate(timeout=START_S)

    def workers(self) -> set[int]:
        """The workers' process ids."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return {int(pid) for pid in listed.split()}


def until(holds: Any, within_s: float = START_S) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it is still there, and is no zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False

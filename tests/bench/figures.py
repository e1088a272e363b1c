"""What a run finds out: frozen values, and the file that keeps them."""

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

Form = Literal["json", "binary"]


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked at once: rows in each request, by so many clients."""

    rows: int
    clients: int
    form: Form = "json"

    @property
    def title(self) -> str:
        """For people."""
        rows = "one row" if self.rows == 1 else f"{self.rows:,} rows"
        clients = "one client" if self.clients == 1 else f"{self.clients} clients"
        return f"{rows}, {clients}" + (", binary" if self.form == "binary" else "")


ALONE = Load(1, 1)
CROWD = Load(1, 16)
HUNDRED = Load(100, 4)
THOUSAND = Load(1000, 4)
THOUSAND_BINARY = Load(1000, 4, "binary")
LOADS = (ALONE, CROWD, HUNDRED, THOUSAND, Load(100, 4, "binary"), THOUSAND_BINARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What wrk counted of one load."""

    requests: int
    seconds: float
    failed: int
    """Requests without a good answer: refused, lost, or another status than 2xx and 3xx."""
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One load on one server with one model."""

    server: str
    model: str
    load: Load
    timing: Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """From the process to the first right answer, with one worker."""

    server: str
    model: str
    seconds: float
    has_sklearn: bool
    """Whether a library of scikit-learn is mapped into any of its processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """All processes of a server after every worker may have answered; `pss_mb` counts a shared page once."""

    server: str
    model: str
    workers: int
    pss_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """What could not be measured, and why; `load` is empty where the server did not even start."""

    server: str
    model: str
    load: str
    reason: str


Found = Figure | Start | Memory | Lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where and when, and how busy it was with other things before the run began."""

    cpu: str
    cores: int
    system: str
    python: str
    at: str
    load_average: float

    @classmethod
    def here(cls) -> "Machine":
        """This one, now."""
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
        return cls(
            cpu=models[0] if models else platform.machine(),
            cores=os.cpu_count() or 1,
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            load_average=round(os.getloadavg()[0], 1),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """One run."""

    machine: Machine
    seconds: float
    figures: tuple[Figure, ...] = ()
    starts: tuple[Start, ...] = ()
    memories: tuple[Memory, ...] = ()
    lacking: tuple[Lacking, ...] = ()

    def save(self, path: Path) -> None:
        """As JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "Results":
        """What `save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def timing(self, server: str, model: str, load: Load) -> Timing | None:
        """None where it was not measured."""
        found = (one for one in self.figures if (one.server, one.model, one.load) == (server, model, load))
        return next((one.timing for one in found), None)

"""The story of a run: for each model, each server is started, held to scikit-learn's answers, loaded and ended."""

import os
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tests.bench import environments, processes, wrk
from tests.bench.figures import ALONE, LOADS, Figure, Found, Lacking, Load, Machine, Memory, Results, Start
from tests.bench.models import Case, Model, prepare
from tests.bench.processes import Running, free_port, running
from tests.bench.servers.base import Launch, Place, Server, Unavailable
from tests.bench.tables import line
from tests.bench.wires import Request

WEIGHED = "forest"
"""The model that memory is measured with."""
WORKERS = 4
BODIES = 8
"""Different requests that take turns in one load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for."""

    servers: tuple[Server, ...]
    models: tuple[Model, ...]
    seconds: float
    warm_up: float


@dataclass(frozen=True, slots=True)
class Subject:
    """One server with one model."""

    server: Server
    case: Case

    def request(self, load: Load, number: int = 0) -> Request:
        """The load's request of this number: its rows follow those of the one before."""
        return self.server.wires[load.form].request(self.case, [self.case.rows[n] for n in self._chosen(load, number)])

    def wrong(self, load: Load, number: int, server: Running) -> str:
        """What is wrong with the answer to that request; empty where it is scikit-learn's."""
        answer = server.ask(self.request(load, number))
        if answer.status != 200:
            return f"{answer.status} {answer.body[:200].decode(errors='replace')}"
        if not self.server.is_scored:
            return ""
        try:
            labels = self.server.wires[load.form].labels(answer)
        except (ValueError, LookupError, TypeError, struct.error) as error:
            return f"an answer that is none: {error!r}"
        expected = [self.case.expected[n] for n in self._chosen(load, number)]
        differing = sum(a != b for a, b in zip(labels, expected, strict=False)) + abs(len(labels) - len(expected))
        return f"{differing} of {len(expected)} rows are not answered as scikit-learn does" if differing else ""

    def lacks(self, reason: str, load: Load | None = None) -> Lacking:
        """Why something could not be measured, in one line."""
        line = " ".join(reason.split())[:300]
        return Lacking(
            server=self.server.name, model=self.case.model.name, load=load.title if load else "", reason=line
        )

    def _chosen(self, load: Load, number: int) -> list[int]:
        return [(number * load.rows + n) % len(self.case.rows) for n in range(load.rows)]


def run(plan: Plan, tell: Callable[[str], None]) -> Results:
    """Measure what was asked for; `tell` hears of each step and finding at once. Ctrl-C keeps what was found."""
    machine, found = Machine.here(), list[Found]()
    try:
        for one in _found(plan, tell):
            tell(line(one))
            found.append(one)
    except KeyboardInterrupt:
        tell("interrupted: the rest is not measured")
    return Results(
        machine=machine,
        seconds=plan.seconds,
        figures=tuple(one for one in found if isinstance(one, Figure)),
        starts=tuple(one for one in found if isinstance(one, Start)),
        memories=tuple(one for one in found if isinstance(one, Memory)),
        lacking=tuple(one for one in found if isinstance(one, Lacking)),
    )


def _found(plan: Plan, tell: Callable[[str], None]) -> Iterator[Found]:
    cases = [prepare(model, environments.BUILD / "models") for model in plan.models]
    subjects = [Subject(server, case) for case in cases for server in plan.servers]
    launches: list[tuple[Subject, Launch]] = []
    for subject in subjects:
        # Everything is installed, converted and built before anything is timed.
        try:
            launches.append((subject, _prepared(subject)))
            tell(f"{subject.case.model.name}  {subject.server.name}  prepared")
        except (Unavailable, subprocess.CalledProcessError) as error:
            yield subject.lacks(_reason(error))
    os.sched_setaffinity(0, {processes.CLIENT_CORE})
    for subject, launch in launches:
        yield from _measured(subject, launch, plan)


def _prepared(subject: Subject) -> Launch:
    server, case = subject.server, subject.case
    python = environments.environment(server.environment) if server.environment else Path()
    folder = environments.BUILD / "servers" / case.model.name / server.name
    return server.prepare(Place(python=python, folder=folder), case)


def _measured(subject: Subject, launch: Launch, plan: Plan) -> Iterator[Found]:
    """One part that fails keeps no other from being measured."""
    parts = [_timed(subject, launch, plan)]
    if subject.case.model.name == WEIGHED and subject.server.is_scored:
        parts.insert(0, _weighed(subject, launch))
    for part in parts:
        try:
            yield from part
        except (Unavailable, OSError, HTTPException, subprocess.CalledProcessError, ValueError) as error:
            yield subject.lacks(_reason(error))


def _timed(subject: Subject, launch: Launch, plan: Plan) -> Iterator[Found]:
    """Its start, and each load."""
    with _started(subject, launch, workers=1) as server:
        seconds = server.ready(subject.request(ALONE))
        yield Start(
            server=subject.server.name,
            model=subject.case.model.name,
            seconds=seconds,
            has_sklearn=server.has_mapped("/sklearn/"),
        )
        for load in _loads(subject.server):
            yield _loaded(subject, server, load, plan)


def _weighed(subject: Subject, launch: Launch) -> Iterator[Found]:
    """Its memory with several workers, after two seconds of load: each of them has scored by then."""
    with _started(subject, launch, workers=WORKERS) as server:
        server.ready(subject.request(ALONE))
        wrk.run(server.url, _script(subject, ALONE), clients=16, seconds=2, core=processes.CLIENT_CORE)
        yield Memory(server=subject.server.name, model=subject.case.model.name, workers=WORKERS, pss_mb=server.pss_mb())


def _started(subject: Subject, launch: Launch, *, workers: int) -> AbstractContextManager[Running]:
    port = free_port()
    log = environments.BUILD / "logs" / f"{subject.server.name}-{subject.case.model.name}.log"
    return running(launch(port, workers), port, log)


def _loads(server: Server) -> Iterable[Load]:
    return [load for load in LOADS if load.form in server.wires and (server.loads is None or load in server.loads)]


def _loaded(subject: Subject, server: Running, load: Load, plan: Plan) -> Found:
    """One load, if every request of it is answered rightly."""
    try:
        wrong = next((said for n in range(BODIES) if (said := subject.wrong(load, n, server))), "")
        if wrong:
            return subject.lacks(wrong, load)
        script = _script(subject, load)
        _, timing = [
            wrk.run(server.url, script, clients=load.clients, seconds=seconds, core=processes.CLIENT_CORE)
            for seconds in (plan.warm_up, plan.seconds)
        ]
    except (OSError, HTTPException, subprocess.CalledProcessError, ValueError) as error:
        return subject.lacks(_reason(error), load)
    if timing.failed or not timing.requests:
        return subject.lacks(f"{timing.failed} requests failed, {timing.requests} were answered", load)
    return Figure(server=subject.server.name, model=subject.case.model.name, load=load, timing=timing)


def _script(subject: Subject, load: Load) -> Path:
    folder = environments.BUILD / "load"
    folder.mkdir(parents=True, exist_ok=True)
    return wrk.script([subject.request(load, number) for number in range(BODIES)], folder)


def _reason(error: Exception) -> str:
    """The last line of a command that failed, or what an error says."""
    said: Sequence[str] = ()
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or "").strip().splitlines()
    return said[-1] if said else str(error) or type(error).__name__

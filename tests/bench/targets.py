"""What the issue says must be reached: each a ratio of two figures of one run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.bench.figures import ALONE, CROWD, THOUSAND, THOUSAND_BINARY, Load, Results

Measure = Callable[[Results, str, str], float | None]
"""Of a server and a model; None where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`ours` measured, divided by `theirs`, against a bound."""

    what: str
    measure: Measure
    model: str
    bound: float
    is_least: bool = True
    ours: str = "modelcast"
    theirs: str
    their_measure: Measure | None = None
    """Where it is another one than ours."""

    def verdict(self, results: Results) -> "Verdict":
        """How a run stands to this."""
        ours = self.measure(results, self.ours, self.model)
        theirs = (self.their_measure or self.measure)(results, self.theirs, self.model)
        if ours is None or not theirs:
            return Verdict(self.what, self._wanted(), "not measured", "")
        ratio = ours / theirs
        is_met = ratio >= self.bound if self.is_least else ratio <= self.bound
        return Verdict(self.what, self._wanted(), f"{ratio:.3g} x", "yes" if is_met else "no")

    def _wanted(self) -> str:
        return f"{'>=' if self.is_least else '<='} {self.bound:g} x {self.theirs}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table: figure wanted, figure got, met or not."""

    what: str
    wanted: str
    got: str
    met: Literal["yes", "no", ""]


def _rate(load: Load) -> Measure:
    def measure(results: Results, server: str, model: str) -> float | None:
        timing = results.timing(server, model, load)
        return timing.rate if timing else None

    return measure


def _p50(load: Load) -> Measure:
    def measure(results: Results, server: str, model: str) -> float | None:
        timing = results.timing(server, model, load)
        return timing.p50_ms if timing else None

    return measure


def _start(results: Results, server: str, model: str) -> float | None:
    found = (one.seconds for one in results.starts if (one.server, one.model) == (server, model))
    return next(found, None)


def _memory(results: Results, server: str, model: str) -> float | None:
    found = (one.pss_mb for one in results.memories if (one.server, one.model) == (server, model))
    return next(found, None)


TARGETS = (
    Target(
        what="RandomForest(100), one row, 16 clients, requests/s",
        measure=_rate(CROWD), model="forest", bound=100, theirs="mlserver",
    ),
    Target(what="the same", measure=_rate(CROWD), model="forest", bound=3, theirs="fastapi"),
    Target(
        what="LogisticRegression, one row, 16 clients, requests/s",
        measure=_rate(CROWD), model="logistic", bound=15, theirs="mlserver",
    ),
    Target(what="the same", measure=_rate(CROWD), model="logistic", bound=3, theirs="fastapi"),
    Target(
        what="the lane against a bare echo, RandomForest, one row, 16 clients, requests/s",
        measure=_rate(CROWD), model="forest", bound=0.4, theirs="echo",
    ),
    Target(
        what="the lane against a bare echo, LogisticRegression, one row, 16 clients, requests/s",
        measure=_rate(CROWD), model="logistic", bound=0.4, theirs="echo",
    ),
    Target(
        what="the lane against an echo that takes its own short way, RandomForest, one row, 16 clients, requests/s",
        measure=_rate(CROWD), model="forest", bound=0.4, theirs="echo-direct",
    ),
    Target(
        what="p50 of RandomForest, one row, one client",
        measure=_p50(ALONE), model="forest", bound=0.4, is_least=False, theirs="fastapi",
    ),
    Target(
        what="p50 of LogisticRegression, one row, one client",
        measure=_p50(ALONE), model="logistic", bound=0.4, is_least=False, theirs="fastapi",
    ),
    Target(
        what="1000 rows x 30 as JSON, rows/s", measure=_rate(THOUSAND), model="forest", bound=10, theirs="mlserver"
    ),
    Target(
        what="1000 rows x 30, binary against our JSON, rows/s",
        measure=_rate(THOUSAND_BINARY), model="forest", bound=1.5, theirs="modelcast", their_measure=_rate(THOUSAND),
    ),
    Target(
        what="RandomForest that stays native, one row, 16 clients, requests/s",
        ours="modelcast-native", measure=_rate(CROWD), model="forest", bound=8, theirs="mlserver",
    ),
    Target(
        what="the same, one client",
        ours="modelcast-native", measure=_rate(ALONE), model="forest", bound=1, theirs="mlserver",
    ),
    Target(
        what="process start to the first right answer, compiled RandomForest",
        measure=_start, model="forest", bound=0.25, is_least=False, theirs="mlserver",
    ),
    Target(
        what="memory of 4 workers (PSS), compiled RandomForest",
        measure=_memory, model="forest", bound=1 / 3, is_least=False, theirs="mlserver",
    ),
)  # fmt: skip


def verdicts(results: Results) -> list[Verdict]:
    """How a run stands to everything that must be reached."""
    return [*(target.verdict(results) for target in TARGETS), _without_sklearn(results)]


def _without_sklearn(results: Results) -> Verdict:
    what, wanted = "scikit-learn in the service of the compiled RandomForest", "not imported"
    found = [one.has_sklearn for one in results.starts if (one.server, one.model) == ("modelcast", "forest")]
    if not found:
        return Verdict(what, wanted, "not measured", "")
    return Verdict(what, wanted, "imported", "no") if found[0] else Verdict(what, wanted, "not imported", "yes")

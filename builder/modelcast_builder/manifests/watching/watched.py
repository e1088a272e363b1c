"""What is watched of one model, and how PromQL names it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from modelcast_runtime import metrics
from modelcast_runtime.baseline import Baseline, Signal, SignalKind

WHERE = "namespace, job"
"""Whose numbers they are: replicas add up, and the same model in two namespaces does not."""
_REPLICA = "namespace, job, instance, pod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations as Prometheus writes them."""

    window: str = "1h"
    """Rows of so long are held against the baseline; part of the recorded names."""
    hold: str = "5m"
    """So long must an alert hold before anybody hears of it."""
    every: str = "1m"
    """Between two evaluations."""


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One version of a model, and its baseline."""

    job: str
    """The label `job` of its series: the model's name."""
    version: str
    baseline: Baseline
    timing: Timing = Timing()

    @cached_property
    def kinds(self) -> "tuple[Kind, ...]":
        """The kinds of signals that there are."""
        found = dict.fromkeys(signal.kind for signal in self.baseline.signals)
        return tuple(Kind(watched=self, kind=kind) for kind in found)

    def kind(self, kind: SignalKind) -> "Kind | None":
        """One of them."""
        return next((one for one in self.kinds if one.kind == kind), None)

    def name(self, what: str) -> str:
        """A recorded metric: `modelcast:WHAT:1h`."""
        return f"modelcast:{what}:{self.timing.window}"

    def recorded(self, what: str, *matchers: str) -> str:
        """The model's series of a recorded metric."""
        return self.exported(self.name(what), *matchers)

    def exported(self, metric: str, *matchers: str) -> str:
        """The model's series of a metric, of every replica."""
        every = ", ".join((equal("job", self.job), *matchers))
        return f"{metric}{{{every}}}"

    @property
    def info(self) -> str:
        """The one series that says which version a replica serves."""
        return self.exported(metrics.MODEL_INFO, equal("version", self.version))

    def increase(self, metric: str) -> str:
        """What replicas of this version counted within the window; one that is gone still did.

        In a rollout the old version's replicas count in bins of their own: they must not be held against this baseline.
        """
        window = self.timing.window
        return (
            f"increase({self.exported(metric)}[{window}])\n  and on ({_REPLICA}) last_over_time({self.info}[{window}])"
        )

    def now(self, metric: str) -> str:
        """A gauge of the replicas that serve this version."""
        return f"{self.exported(metric)}\n  and on ({_REPLICA}) {self.info}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """All signals of a kind: one expression serves them all, by the label that names the signal."""

    watched: Watched
    kind: SignalKind

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """Those of the baseline."""
        return tuple(signal for signal in self.watched.baseline.signals if signal.kind == self.kind)

    @cached_property
    def label(self) -> str | None:
        """`input`, `signal`, or none where the kind has one signal."""
        names = [name for name, _ in metrics.labels_of(self.signals[0], "")]
        return names[0] if len(names) > 1 else None

    @property
    def by(self) -> str:
        """The labels of one signal."""
        return WHERE if self.label is None else f"{WHERE}, {self.label}"

    def name(self, what: str) -> str:
        """A recorded metric: `modelcast:KIND_WHAT:1h`."""
        return self.watched.name(f"{self.kind}_{what}")

    def recorded(self, what: str, *matchers: str) -> str:
        """The series of a recorded metric, of all signals or of those that match."""
        return self.watched.recorded(f"{self.kind}_{what}", *matchers)

    def only(self, signals: Iterable[Signal]) -> tuple[str, ...]:
        """The matcher of some of the signals; none for all of them."""
        names = {signal.name for signal in signals}
        if self.label is None or len(names) == len(self.signals):
            return ()
        return (one_of(self.label, sorted(names)),)


def quoted(text: str) -> str:
    """A text in PromQL: its escapes are Go's, which has all of JSON's."""
    return json.dumps(text, ensure_ascii=False)


def equal(label: str, value: str) -> str:
    """The matcher of one value."""
    return f"{label}={quoted(value)}"


def one_of(label: str, values: Iterable[str]) -> str:
    """The matcher of these values, exactly."""
    return f"{label}=~{quoted('|'.join(map(re.escape, values)))}"


def chained(terms: Iterable[str]) -> str:
    """Series of several expressions whose labels differ."""
    return "\nor ".join(terms)

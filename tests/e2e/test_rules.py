"""The rules against numpy and scipy: random histograms of several replicas, by Prometheus' own judge."""

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_builder.manifests.watching import groups
from modelcast_builder.manifests.watching.watched import Timing, Watched
from modelcast_runtime import baseline as baselines
from modelcast_runtime import metrics
from modelcast_runtime.baseline import Baseline, Extra, Signal
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from tests.e2e.engine import ROOT
from tests.e2e.prometheus import promtool

NEAR = 1e-3
MINUTES = 60
JOB, VERSION = "any", "sha256:1"
EXTRAS: tuple[Extra, ...] = ("other", "missing")
Test = dict[str, Any]


def numbers(kind: Any, name: str, counts: Sequence[int], extras: Any = ()) -> Signal:
    edges = tuple(float(place) for place in range(len(counts) - len(extras) - 1))
    return Signal(kind=kind, name=name, edges=edges, extras=extras, counts=tuple(counts))


def drawn(generator: random.Random, bins: int, rows: int) -> list[int]:
    """Rows in bins of random sizes, some of them empty."""
    weights = [generator.choice((0.0, 0.2, 1.0, 3.0)) for _ in range(bins)]
    chosen = generator.choices(range(bins), weights if any(weights) else [1.0] * bins, k=rows)
    return [chosen.count(place) for place in range(bins)]


def signals_of(generator: random.Random, task: str) -> Iterator[Signal]:
    reference = generator.choice((300, 3_000))
    for place in range(8):
        extras = EXTRAS if place % 2 else ()
        bins = (1, 2, 10, 12)[place % 4]
        yield numbers("input", f"x{place} (mm)", drawn(generator, bins + len(extras), reference), extras)
    words = ("a", 'b "quoted"', "0", "c|d")
    yield Signal(
        kind="input", name="word", values=words, extras=EXTRAS, counts=tuple(drawn(generator, len(words) + 2, 900))
    )
    yield numbers("joint", "surprisal", drawn(generator, 10, reference))
    if task == "classifier":
        values = ("no", "yes", 'may "be"')
        yield Signal(kind="prediction", name="class", values=values, counts=tuple(drawn(generator, 3, reference)))
        yield numbers("score", "probability", drawn(generator, 4, reference))
    else:
        yield numbers("prediction", "prediction", drawn(generator, 5, reference))
    yield numbers("path", "surprisal", drawn(generator, 10, reference))
    yield numbers("path", "rare_rate", [reference - 3, 3])
    yield numbers("work", "comparisons", drawn(generator, 6, reference))


class Replica:
    """What one of several counts in an hour, as promtool reads it; some start anew in the middle of it."""

    def __init__(self, generator: random.Random, number: int, version: str = VERSION) -> None:
        """Its own random numbers come from `generator`."""
        self._generator = generator
        self._where = {"job": JOB, "namespace": "ml", "instance": f"10.0.0.{number}:8080", "pod": f"any-{number}"}
        self._is_restarted = generator.random() < 0.5
        self.series = [{"series": self._named(metrics.MODEL_INFO, version=version, name=JOB), "values": "1+0x60"}]

    def _named(self, metric: str, **labels: str) -> str:
        every = ", ".join(f"{key}={json.dumps(of)}" for key, of in (self._where | labels).items())
        return f"{metric}{{{every}}}"

    def counted(self, names: Sequence[tuple[str, dict[str, str]]], counts: Sequence[int], *, is_running: bool) -> None:
        """Counters, in their order, that grow by `counts`; cumulative where `is_running`."""
        before = [self._generator.randint(0, 50) for _ in counts]
        first = [self._generator.randint(0, count) if self._is_restarted else count for count in counts]
        rest = [count - one for count, one in zip(counts, first, strict=True)]
        if is_running:
            before, first, rest = (list(itertools.accumulate(of)) for of in (before, first, rest))
        for (name, labels), zero, one, other in zip(names, before, first, rest, strict=True):
            late = f"0+0x4 {other}+0x24" if self._is_restarted else f"{zero + one}+0x29"
            values = f"{zero}+0x10 {zero + one}+0x19 {late}"
            self.series.append({"series": self._named(name, **labels), "values": values})

    def watched(self, signal: Signal, counts: Sequence[int]) -> None:
        """The counters of a signal, and the baseline's shares."""
        if signal.kind != "prediction":
            metric, _ = metrics.WATCHED[signal.kind]
            labels = [dict(metrics.labels_of(signal, name)) for name in signal.bins]
            self.counted([(f"{metric}_total", of) for of in labels], counts, is_running=False)
            for of, share in zip(labels, baselines.shares(signal.counts), strict=True):
                self.series.append({"series": self._named(f"{metric}_expected_ratio", **of), "values": f"{share}+0x60"})
        elif signal.values:
            names = [(metrics.PREDICTIONS, {"class": str(value)}) for value in signal.values]
            self.counted(names, counts, is_running=False)
        else:
            bounds = [*map(metrics.bound_text, signal.edges), "+Inf"]
            names = [(f"{metrics.PREDICTION}_bucket", {"le": bound}) for bound in bounds]
            self.counted(names, counts, is_running=True)


def near(expr: str, labels: Mapping[str, str], value: float | None) -> Test:
    """That an expression is a value, or that it is not there."""
    found = [] if value is None else [{"labels": braced(labels), "value": 1}]
    return {"expr": f"abs({expr} - {value or 0!r}) < bool {NEAR}", "eval_time": f"{MINUTES}m", "exp_samples": found}


def braced(labels: Mapping[str, str]) -> str:
    every = ", ".join(f"{key}={json.dumps(of)}" for key, of in {"job": JOB, "namespace": "ml", **labels}.items())
    return f"{{{every}}}"


def distances(signal: Signal, counts: Sequence[int]) -> dict[str, float | None]:
    """In the words of scipy."""
    p, q = np.array(baselines.shares(signal.counts)), np.array(baselines.shares(counts))
    ordered = len(signal.edges) + 1
    told: dict[str, float | None] = {
        "psi": float(entropy(p, q) + entropy(q, p)),
        "js": float(jensenshannon(p, q, base=2)),
        "tvd": float(np.abs(p - q).sum() / 2),
        "ks": None if signal.values else float(np.abs(np.cumsum(q - p)[:ordered]).max()),
    }
    return told if sum(counts) else dict.fromkeys(told)


def scenario(seed: int, task: str, replicas: int, rows: int) -> tuple[Baseline, Test]:
    """A model, what its replicas count, and what must be told of it."""
    generator = random.Random(seed)
    signals = tuple(signals_of(generator, task))
    accuracies = (0.55, 0.7, 0.9, 0.99) if task == "classifier" else ()
    baseline = Baseline(source="any", rows=3_000, signals=signals, accuracies=accuracies)
    running = [Replica(generator, number) for number in range(replicas)]
    leaving = Replica(generator, 99, "sha256:2")
    totals: dict[tuple[str, str], list[int]] = {}
    for signal in signals:
        # The half of the signals is as in training.
        shape = signal.counts if generator.random() < 0.5 else drawn(generator, len(signal.counts), 300)
        each = [chosen(generator, shape, rows // replicas) for _ in running]
        totals[signal.kind, signal.name] = [sum(of) for of in zip(*each, strict=True)]
        for replica, counts in zip(running, each, strict=True):
            replica.watched(signal, counts)
            label = {"input": signal.name}
            if signal.kind == "input" and signal.extras:
                replica.counted([(metrics.INPUT_MISSING, label)], counts[-1:], is_running=False)
            if signal.name == "word":
                replica.counted([(metrics.INPUT_UNSEEN, label)], counts[-2:-1], is_running=False)
        leaving.watched(signal, drawn(generator, len(signal.counts), 5_000))
    for replica in running:
        replica.counted([(metrics.ROWS, {})], [rows // replicas], is_running=False)
    return baseline, {
        "interval": "1m",
        "input_series": [series for replica in (*running, leaving) for series in replica.series],
        "promql_expr_test": [*told(baseline, totals), *called(baseline, totals)],
    }


def chosen(generator: random.Random, shape: Sequence[int], rows: int) -> list[int]:
    picked = generator.choices(range(len(shape)), shape, k=rows)
    return [picked.count(place) for place in range(len(shape))]


def told(baseline: Baseline, totals: Mapping[tuple[str, str], Sequence[int]]) -> Iterator[Test]:
    """What the recording rules must say."""
    for signal in baseline.signals:
        counts = totals[signal.kind, signal.name]
        label = {"input": "input", "path": "signal", "work": "signal"}.get(signal.kind)
        labels = {label: signal.name} if label else {}
        matchers = braced(labels)
        for name, value in distances(signal, counts).items():
            yield near(f"modelcast:{signal.kind}_{name}:1h{matchers}", labels, value)
        rows = sum(counts)
        if signal.kind == "input" and signal.extras:
            yield near(f"modelcast:input_missing_ratio:1h{matchers}", labels, counts[-1] / rows if rows else None)
        if signal.name == "word":
            yield near(f"modelcast:input_unseen_ratio:1h{matchers}", labels, counts[-2] / rows if rows else None)
        if signal.name == "rare_rate":
            yield near(f"modelcast:path_rare_ratio:1h{matchers}", labels, counts[1] / rows if rows else None)
        if signal.kind == "score":
            right = float(np.dot(counts, baseline.accuracies))
            yield near(f"modelcast:accuracy_expected:1h{matchers}", labels, right / rows if rows else None)


def called(baseline: Baseline, totals: Mapping[tuple[str, str], Sequence[int]]) -> Iterator[Test]:
    """Which signals somebody is called for: those that `GET /drift` would call drifted, and no other."""
    drifted = []
    for signal in baseline.signals:
        counts = totals[signal.kind, signal.name]
        rows = sum(counts)
        limit = baselines.threshold(signal, rows, baseline.psi, len(baseline.signals))
        if rows >= baselines.FEWEST_ROWS and baselines.psi(signal.counts, counts) > limit:
            drifted.append((f"Modelcast{signal.kind.capitalize()}Drift", signal))
    found = []
    for alert, signal in drifted:
        label = {"input": "input", "path": "signal", "work": "signal"}.get(signal.kind)
        every = {"alertname": alert, **({label: signal.name} if label else {})}
        found.append(
            {"labels": "{" + ", ".join(f"{key}={json.dumps(of)}" for key, of in every.items()) + "}", "value": 1}
        )
    expr = 'count by (alertname, input, signal) (ALERTS{alertstate="firing", alertname=~".*Drift|ModelcastNotWatched"})'
    yield {"expr": expr, "eval_time": f"{MINUTES}m", "exp_samples": found}


# replicas, rows in the hour
HOURS = [(1, 5_000), (2, 3_000), (3, 1_200), (5, 20_000), (4, 900), (2, 0)]


@pytest.mark.parametrize("task", ["classifier", "regressor"])
def test_the_rules_tell_what_scipy_tells(task: str, tmp_path: Path) -> None:
    """Six hours of 15 signals; replicas start anew, one of another version leaves, bins and hours are empty."""
    for number, (replicas, rows) in enumerate(HOURS):
        baseline, test = scenario(number, task, replicas, rows)
        watched = Watched(job=JOB, version=VERSION, baseline=baseline, timing=Timing(every="10m"))
        (tmp_path / f"rules-{number}.yml").write_text(json.dumps({"groups": groups(watched)}))
        whole = {"rule_files": [f"rules-{number}.yml"], "evaluation_interval": "10m", "tests": [test]}
        (tmp_path / f"test-{number}.yml").write_text(json.dumps(whole))
    done = promtool("test", "rules", *sorted(tmp_path.glob("test-*.yml")))
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("SUCCESS") == len(HOURS)


def test_the_golden_rules_and_dashboards_are_promql(tmp_path: Path) -> None:
    golden = sorted((ROOT / "tests" / "builder" / "manifests").glob("*/expected"))
    asked = [
        target["expr"].replace("$__rate_interval", "5m")
        for folder in golden
        for panel in json.loads((folder / "dashboard.json").read_text())["panels"]
        for target in panel.get("targets", ())
    ]
    shown = [{"record": f"shown:{place}", "expr": expr} for place, expr in enumerate(asked)]
    (tmp_path / "shown.yml").write_text(json.dumps({"groups": [{"name": "shown", "rules": shown}]}))
    done = promtool("check", "rules", tmp_path / "shown.yml", *(folder / "rules.yml" for folder in golden))
    assert done.returncode == 0, done.stdout
    assert f"SUCCESS: {len(shown)} rules found" in done.stdout

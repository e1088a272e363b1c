"""`GET /drift`: every watched signal of this replica since its start, against the baseline that was sealed."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from modelcast_runtime import baseline as baselines
from modelcast_runtime import metrics
from modelcast_runtime.baseline import Baseline, Signal
from modelcast_runtime.contract import Manifest, label_text
from modelcast_runtime.store import Cells, Layout, Store

Observed = Callable[[Signal], Sequence[float]]
"""How many rows were seen in each bin of a signal."""


def report(baseline: Baseline | None, manifest: Manifest, observed: Observed, rows: int, since: str) -> dict[str, Any]:
    """The whole answer, as JSON has it; `since` is the moment of the first row that could be in it, in ISO 8601."""
    head = {"model": {"name": manifest.name, "version": manifest.version}, "rows": rows, "since": since}
    if baseline is None or not baseline.signals:
        return {**head, "signals": [], "reason": _reason(baseline, manifest)}
    signals = [_signal(one, observed(one), baseline) for one in baseline.signals]
    whole: dict[str, Any] = {**head, "signals": signals, "baseline": {"source": baseline.source, "rows": baseline.rows}}
    accuracy = _accuracy(baseline, observed)
    if accuracy is not None:
        whole["estimated_accuracy"] = accuracy
    return whole if not baseline.notes else {**whole, "notes": list(baseline.notes)}


def of_store(store: Store) -> Observed:
    """What all workers of this replica counted, read once."""
    totals, layout = store.total(), store.layout

    def observed(signal: Signal) -> Sequence[float]:
        return _cells(signal, layout, totals)

    return observed


def rows_of(store: Store) -> int:
    """Rows that this replica scored."""
    return int(store.total()[store.layout.start(metrics.ROWS)])


def _cells(signal: Signal, layout: Layout, totals: Cells) -> Sequence[float]:
    if signal.kind == "prediction":
        return _predictions(signal, layout, totals)
    name, _ = metrics.WATCHED[signal.kind]
    start = layout.start(f"{name}_total", metrics.labels_of(signal, signal.bins[0]))
    found: Sequence[float] = totals[start : start + len(signal.counts)].tolist()
    return found


def _predictions(signal: Signal, layout: Layout, totals: Cells) -> Sequence[float]:
    """Counted by metrics of their own, which are there without a baseline too."""
    if signal.values:
        labels = [(("class", label_text(value)),) for value in signal.values]
        return [float(totals[layout.start(metrics.PREDICTIONS, one)]) for one in labels]
    if (metrics.PREDICTION, ()) not in layout.spans:
        return [0.0] * len(signal.counts)
    start = layout.start(metrics.PREDICTION)
    found: Sequence[float] = totals[start : start + len(signal.counts)].tolist()
    return found


def _signal(signal: Signal, counts: Sequence[float], baseline: Baseline) -> dict[str, Any]:
    rows = sum(counts)
    distances: Mapping[str, float | None] = {
        name: round(distance(signal.counts, counts), 6) if rows else None
        for name, distance in (("psi", baselines.psi), ("js", baselines.js), ("tvd", baselines.tvd))
    }
    threshold = baselines.threshold(signal, rows, baseline.psi, len(baseline.signals)) if rows else baseline.psi
    psi = distances["psi"]
    return {
        "kind": signal.kind,
        "name": signal.name,
        "rows": int(rows),
        **distances,
        "threshold": round(threshold, 6),
        "drifted": psi is not None and rows >= baselines.FEWEST_ROWS and psi > threshold,
        "bins": list(_bins(signal)),
        "expected": [round(share, 6) for share in baselines.shares(signal.counts)],
        "observed": [round(count / rows, 6) if rows else 0.0 for count in counts],
    }


def _bins(signal: Signal) -> Iterator[str]:
    """What each bin holds, for people: `<= 5.1`, `5.1 to 7`, `> 7`, or the category."""
    if signal.values:
        yield from signal.bins
        return
    texts = [f"{edge:.6g}" for edge in signal.edges]
    if texts:
        yield f"<= {texts[0]}"
        yield from (f"{low} to {high}" for low, high in itertools.pairwise(texts))
        yield f"> {texts[-1]}"
    else:
        yield "any"
    yield from signal.extras


def _accuracy(baseline: Baseline, observed: Observed) -> float | None:
    """The share of right answers to expect, without labels: the mean of what each bin of scores promises.

    The estimate of CBPE (arXiv 2505.05295) on a histogram; right as far as the probabilities stay calibrated.
    """
    if not baseline.accuracies:
        return None
    signal = next(one for one in baseline.signals if one.kind == "score")
    counts = observed(signal)
    total = sum(counts)
    if not total:
        return None
    return round(sum(map(float.__mul__, map(float, counts), baseline.accuracies)) / total, 6)


def _reason(baseline: Baseline | None, manifest: Manifest) -> str:
    if not manifest.signature.takes_rows:
        return "own code takes any JSON object: there are no inputs to watch"
    if baseline is None:
        return "the bundle was sealed without a baseline: build it again"
    return "; ".join(baseline.notes) or "nothing is watched"

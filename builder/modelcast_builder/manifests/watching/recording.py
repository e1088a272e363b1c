"""What Prometheus computes of the counters: the distances of `modelcast_runtime.baseline`, over all replicas.

Each step is a metric of its own, so that the next one and every picture of it read what was computed.
"""

from collections import Counter
from collections.abc import Iterator
from statistics import NormalDist

from modelcast_runtime import metrics
from modelcast_runtime.baseline import SMOOTHING, Signal, chi_squared, shares
from modelcast_runtime.contract import label_text

from modelcast_builder.manifests.metadata import Object
from modelcast_builder.manifests.watching.watched import WHERE, Kind, Watched, chained, equal, one_of

_WINDOWS = 24 * 30
_MARGIN = 0.05
"""So many more missing values, or right answers less, are worth a call."""
_DIGITS = 9


def rules(watched: Watched) -> Iterator[Object]:
    """Every recording rule, each after those that it reads: a group is evaluated in this order."""
    yield _rule(watched.name("rows"), f"sum by ({WHERE}) ({watched.increase(metrics.ROWS)})")
    for kind in watched.kinds:
        yield from _bins(kind)
        yield from _distances(kind)
        yield _rule(kind.name("psi_limit"), _limit(kind))
    if (inputs := watched.kind("input")) is not None:
        yield from _missing(inputs)
    if (score := watched.kind("score")) is not None and watched.baseline.accuracies:
        yield from _accuracy(score)
    if (path := watched.kind("path")) is not None and any(one.name == "rare_rate" for one in path.signals):
        yield _rule(path.name("rare_ratio"), _rare(path))


def _bins(kind: Kind) -> Iterator[Object]:
    """Rows by bin, their shares and the baseline's, and the rows of a signal; all have the label `bin`."""
    yield from _counted(kind) if kind.kind in metrics.WATCHED else _predicted(kind)
    smoothed = f"({kind.recorded('bin_rows')} + {SMOOTHING})"
    total = f"sum by ({kind.by}) {smoothed}"
    yield _rule(kind.name("bin_observed_ratio"), f"{smoothed}\n  / on ({kind.by}) group_left () {total}")
    yield _rule(kind.name("rows"), f"sum by ({kind.by}) ({kind.recorded('bin_rows')})")


def _counted(kind: Kind) -> Iterator[Object]:
    watched, (metric, _) = kind.watched, metrics.WATCHED[kind.kind]
    yield _rule(kind.name("bin_rows"), f"sum by ({kind.by}, bin) ({watched.increase(f'{metric}_total')})")
    expected = watched.now(f"{metric}_expected_ratio")
    yield _rule(kind.name("bin_expected_ratio"), f"max by ({kind.by}, bin) ({expected})")


def _predicted(kind: Kind) -> Iterator[Object]:
    """Predictions have metrics of their own, without the baseline's shares: they are written here."""
    signal = kind.signals[0]
    if signal.values:
        counts: Counter[str] = Counter()
        for value, count in zip(signal.values, signal.counts, strict=True):
            counts[label_text(value)] += count
        increase = kind.watched.increase(metrics.PREDICTIONS)
        relabelled = f'label_replace({increase}, "bin", "$1", "class", "(.*)")'
        yield _rule(kind.name("bin_rows"), f"sum by ({kind.by}, bin) ({relabelled})")
    else:
        counts = Counter(dict(zip(signal.bins, signal.counts, strict=True)))
        cumulative = kind.watched.increase(f"{metrics.PREDICTION}_bucket")
        yield _rule(kind.name("bucket_rows"), f"sum by ({kind.by}, le) ({cumulative})")
        yield _rule(kind.name("bin_rows"), chained(_between(kind, signal)))
    # Times 0: the labels are those of the series that it is held against, in whatever namespace.
    terms = (
        f"{kind.recorded('bin_rows', equal('bin', name))} * 0 + {share:.{_DIGITS}g}"
        for name, share in zip(counts, shares(list(counts.values())), strict=True)
    )
    yield _rule(kind.name("bin_expected_ratio"), chained(terms))


def _between(kind: Kind, signal: Signal) -> Iterator[str]:
    """The rows of each bin, from the histogram's cumulative ones."""
    bounds = [*map(metrics.bound_text, signal.edges), "+Inf"]
    cumulative = [f"sum without (le) ({kind.recorded('bucket_rows', equal('le', bound))})" for bound in bounds]
    for place, upper in enumerate(cumulative):
        # Each series is extrapolated to the window's ends by itself: their difference may be a hair below 0.
        rows = f"clamp_min({upper} - {cumulative[place - 1]}, 0)" if place else upper
        yield f'label_replace({rows}, "bin", "{place}", "", "")'


def _distances(kind: Kind) -> Iterator[Object]:
    """Those of `modelcast_runtime.baseline`, of signals that had a row; KS where the bins have an order."""
    q, p = kind.recorded("bin_observed_ratio"), kind.recorded("bin_expected_ratio")
    seen = f"\nand on ({kind.by}) {kind.recorded('rows')} > 0"

    def total(term: str) -> str:
        return f"sum by ({kind.by}) ({term})"

    yield _rule(kind.name("psi"), total(f"({q} - {p})\n  * ln({q} / {p})") + seen)
    halves = "\n  + ".join(f"0.5 * {total(f'{one} * log2(2 * {one} / ({p} + {q}))')}" for one in (p, q))
    yield _rule(kind.name("js"), f"sqrt(clamp_min({halves}, 0)){seen}")
    yield _rule(kind.name("tvd"), f"0.5 * {total(f'abs({q} - {p})')}{seen}")
    if ordered := [signal for signal in kind.signals if not signal.values]:
        yield _rule(kind.name("ks"), f"max by ({kind.by}) ({chained(_steps(kind, ordered))}){seen}")


def _steps(kind: Kind, ordered: list[Signal]) -> Iterator[str]:
    """|F - G| at the upper end of each bin; `missing` and `other` are behind the last one."""
    most = max(len(signal.edges) + 1 for signal in ordered)
    these = kind.only(ordered)
    for place in range(most):
        up_to = one_of("bin", map(str, range(place + 1)))
        q, p = (kind.recorded(what, *these, up_to) for what in ("bin_observed_ratio", "bin_expected_ratio"))
        yield f'label_replace(abs(sum by ({kind.by}) ({q} - {p})), "up_to", "{place}", "", "")'


def _limit(kind: Kind) -> str:
    """`baseline.threshold`: signals of as many bins and reference rows share a term."""
    baseline = kind.watched.baseline
    alike: dict[tuple[int, int], list[Signal]] = {}
    for signal in kind.signals:
        alike.setdefault((max(len(signal.counts) - 1, 1), max(sum(signal.counts), 1)), []).append(signal)
    terms = []
    for (freedom, reference), signals in alike.items():
        quantile = chi_squared(_level(kind.watched), freedom)
        rows = kind.recorded("rows", *kind.only(signals))
        terms.append(f"clamp_min({quantile:.{_DIGITS}g} * (1 / ({rows} > 0) + 1 / {reference}), {baseline.psi:g})")
    return chained(terms)


def _level(watched: Watched) -> float:
    return 1 - 1 / (max(len(watched.baseline.signals), 1) * _WINDOWS)


def _deviations(watched: Watched) -> float:
    """What a share is by chance away from where it should be, once in a month of hours, in standard deviations."""
    return NormalDist().inv_cdf(_level(watched))


def _missing(inputs: Kind) -> Iterator[Object]:
    watched = inputs.watched
    rows = f"({watched.recorded('rows')} > 0)"
    for what, metric in (("missing", metrics.INPUT_MISSING), ("unseen", metrics.INPUT_UNSEEN)):
        counted = f"sum by ({inputs.by}) ({watched.increase(metric)})"
        yield _rule(inputs.name(f"{what}_ratio"), f"{counted}\n/ on ({WHERE}) group_left () {rows}")
    usual = f"sum by ({inputs.by}) ({inputs.recorded('bin_expected_ratio', equal('bin', 'missing'))})"
    reference = max(min(sum(signal.counts) for signal in inputs.signals), 1)
    chance = (
        f"{_deviations(watched):.{_DIGITS}g}\n  * sqrt({usual} * (1 - {usual})\n"
        f"  * (1 / ({inputs.recorded('rows')} > 0) + 1 / {reference}))"
    )
    yield _rule(inputs.name("missing_limit"), f"{usual}\n+ clamp_min({chance}, {_MARGIN})")


def _accuracy(score: Kind) -> Iterator[Object]:
    """CBPE on the histogram of scores (arXiv 2505.05295), and how low it may be by chance."""
    watched, signal = score.watched, score.signals[0]
    accuracies, total = watched.baseline.accuracies, max(sum(signal.counts), 1)
    terms = (
        f"{score.recorded('bin_rows', equal('bin', name))} * {accuracy:.{_DIGITS}g}"
        for name, accuracy in zip(signal.bins, accuracies, strict=True)
    )
    rows = f"({score.recorded('rows')} > 0)"
    yield _rule(watched.name("accuracy_expected"), f"sum by ({WHERE}) ({chained(terms)})\n/ {rows}")
    mean = sum(count * of for count, of in zip(signal.counts, accuracies, strict=True)) / total
    spread = sum(count * (of - mean) ** 2 for count, of in zip(signal.counts, accuracies, strict=True)) / total
    chance = f"{_deviations(watched) * spread**0.5:.{_DIGITS}g} * sqrt(1 / {rows} + 1 / {total})"
    limit = f"{mean:.{_DIGITS}g} - clamp_min({chance}, {_MARGIN})"
    yield _rule(watched.name("accuracy_limit"), limit)


def _rare(path: Kind) -> str:
    """The share of rows that end in a leaf which less than one in a thousand reference rows took: bin 1 of two."""
    this = equal("signal", "rare_rate")
    rare = f"sum by ({path.by}) ({path.recorded('bin_rows', this, equal('bin', '1'))})"
    return f"{rare}\n/ ({path.recorded('rows', this)} > 0)"


def _rule(record: str, expr: str) -> Object:
    return {"record": record, "expr": expr}

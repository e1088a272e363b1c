"""`baseline.json`: how the reference rows of the build fell into bins, and how far what is seen now is from that.

Every distance is between two lists of counts over the same bins, so that replicas add up: `drift` computes it here,
the recording rules of the manifests compute the very same in PromQL.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from modelcast_runtime.contract import Contract, Label, label_text

FILE: Final = "baseline.json"
PATHS: Final = "paths.npy"
"""A number a node of the model's trees, in float64: see `Leaves`."""
PATH_GRAPH: Final = "paths.onnx"
"""The compiled model's trees with those numbers in their leaves: output `total`, [rows, 1]."""
SMOOTHING: Final = 0.5
"""Rows added to every bin: a bin that is empty on one side must not make a distance infinite (Jeffreys' prior)."""

SignalKind = Literal["input", "joint", "prediction", "score", "path", "work"]
Extra = Literal["other", "missing"]


class Signal(Contract, frozen=True, kw_only=True):
    """One distribution that is watched: the bins, and how many reference rows were in each."""

    kind: SignalKind
    name: str
    """The input's name; `surprisal`, `class`, `probability`, `comparisons`, ..."""
    edges: tuple[float, ...] = ()
    """Of numbers: ascending; bin i holds what is greater than edge i - 1 and at most edge i, the last one the rest."""
    values: tuple[Label, ...] = ()
    """Of categories: the value of each bin."""
    low: float | None = None
    high: float | None = None
    """The range that was seen of an input's numbers; a number outside is in the bin `other`."""
    extras: tuple[Extra, ...] = ()
    """Bins behind those: `other` holds what was not seen (a category, a number out of range), `missing` nulls."""
    counts: tuple[int, ...]
    """Reference rows in each bin, the extras' last."""

    @property
    def bins(self) -> tuple[str, ...]:
        """The bins' names, as the metrics' label `bin` has them: a number's by position, a category's own."""
        if not self.values:
            return (*map(str, range(len(self.edges) + 1)), *self.extras)
        return (*_distinct(map(label_text, self.values), self.extras), *self.extras)


_LONGEST: Final = 64
"""Characters of a bin's name."""


def _distinct(texts: Iterable[str], taken: Iterable[str]) -> Iterator[str]:
    """Each text, cut where it is long, with its place where another bin has that name: `other` is a category too."""
    names = set(taken)
    for place, text in enumerate(texts):
        name = text[:_LONGEST]
        while name in names:
            name = f"{name} ({place})"
        names.add(name)
        yield name


class JointForest(Contract, frozen=True, kw_only=True):
    """Trees of random splits, one split a level, grown without labels on the reference rows.

    A row's leaf in a tree is the number whose bits say, level by level, whether its input is above the threshold.
    Its surprisal is the mean over the trees of -log2 of the leaf's share of the reference rows: how unusual the
    *combination* of its values is, whatever the single values are (the idea: isolation forests; leaf embeddings as a
    score of novelty, arXiv 2405.03060).
    """

    inputs: tuple[str, ...]
    """Names of input signals: numbers are read as they are, categories as the place of their bin."""
    otherwise: tuple[float, ...]
    """What stands for a missing value of each: the median, or the place behind the last category."""
    features: tuple[tuple[int, ...], ...]
    """A tree's splits, the lowest bit first: the position in `inputs`. All trees have as many, at most 8."""
    thresholds: tuple[tuple[float, ...], ...]
    surprisals: tuple[tuple[float, ...], ...]
    """A tree's leaves: -log2 of the share of the reference rows, `SMOOTHING` rows added to each leaf."""


class Leaves(Contract, frozen=True, kw_only=True):
    """How the sums over a model's trees are read: three whole numbers in one double, one above the other.

    A leaf's number is its surprisal (-log2 of its share of the reference rows) in parts of a bit, plus `comparison`
    for every comparison on the way to it, plus `rare` where less than one in a thousand rows ends in it. Whole
    numbers below 2**53 add up to the same sum in every order, so that the model and its graph tell the very same.
    """

    starts: tuple[int, ...]
    """Where each tree's nodes begin in the table (`paths.npy`, a number a node)."""
    bit: int
    """Parts of a bit."""
    comparison: float
    rare: float


class Branch(Contract, frozen=True, kw_only=True):
    """The path through a linear model: which two terms w (x - c) are the largest, and their signs.

    c is the mean of the reference rows, so that a term is what an input moves the answer by from the usual. The terms
    of a dense linear model are always as many: its work is constant.
    """

    inputs: tuple[str, ...]
    """Names of input signals."""
    weights: tuple[float, ...]
    """What one unit of each moves the answer by; of several classes the root of their mean square."""
    centers: tuple[float, ...]


class Baseline(Contract, frozen=True, kw_only=True):
    """Everything that is watched of one model."""

    source: str
    """Where the reference rows come from, as the report says it."""
    rows: int
    psi: float = 0.25
    """`drift.psi` of modelcast.yaml: from here a signal has drifted, unless so few rows say it by chance."""
    signals: tuple[Signal, ...] = ()
    joint: JointForest | None = None
    leaves: Leaves | None = None
    branch: Branch | None = None
    accuracies: tuple[float, ...] = ()
    """By bin of the signal `probability`: the share of right answers to expect there, for accuracy without labels."""
    is_accuracy_seen: bool = False
    """Whether those were counted on rows with answers; else they are what the probabilities themselves claim."""
    notes: tuple[str, ...] = ()
    """What is not watched, and why."""


def shares(counts: Sequence[float]) -> list[float]:
    """Counts as shares that are never 0: (n + 0.5) / (N + 0.5 B) for B bins."""
    total = sum(counts) + SMOOTHING * len(counts)
    return [(count + SMOOTHING) / total for count in counts]


def psi(expected: Sequence[float], observed: Sequence[float]) -> float:
    """The population stability index of two lists of counts: sum (q - p) ln(q / p), p and q as `shares`.

    The symmetric Kullback-Leibler divergence (Jeffreys), in nats; see arXiv 2307.11878 for what its thresholds mean.
    """
    return sum((q - p) * math.log(q / p) for p, q in zip(shares(expected), shares(observed), strict=True))


def js(expected: Sequence[float], observed: Sequence[float]) -> float:
    """The Jensen-Shannon distance, in bits: sqrt(sum p/2 log2(2p/(p+q)) + sum q/2 log2(2q/(p+q))), 0 to 1."""
    total = 0.0
    for p, q in zip(shares(expected), shares(observed), strict=True):
        total += 0.5 * p * math.log2(2 * p / (p + q)) + 0.5 * q * math.log2(2 * q / (p + q))
    return math.sqrt(max(total, 0.0))


def tvd(expected: Sequence[float], observed: Sequence[float]) -> float:
    """The total variation distance: half the sum of |p - q|, 0 to 1."""
    return 0.5 * sum(abs(p - q) for p, q in zip(shares(expected), shares(observed), strict=True))


FEWEST_ROWS: Final = 1000
"""Below this no signal has drifted: chance alone moves so few rows."""


def threshold(signal: Signal, rows: float, least: float, signals: int) -> float:
    """The PSI from which a signal has drifted: `least`, or what chance reaches once in a month of hours.

    Without drift PSI is about (1/N + 1/M) times a chi-squared variable of B - 1 degrees of freedom, for N rows seen,
    M reference rows and B bins; the quantile is shared by all `signals` of 24 * 30 windows.
    """
    if rows <= 0:
        return math.inf
    quantile = chi_squared(1 - 1 / (max(signals, 1) * 24 * 30), max(len(signal.counts) - 1, 1))
    return max(least, quantile * (1 / rows + 1 / max(sum(signal.counts), 1)))


def chi_squared(level: float, freedom: int) -> float:
    """The quantile of the chi-squared distribution, by Wilson and Hilferty's cube (1931): within 2 % from 9 degrees."""
    from statistics import NormalDist

    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + NormalDist().inv_cdf(level) * math.sqrt(part)) ** 3)

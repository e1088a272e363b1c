"""From scored rows to counts in the baseline's bins: whole columns at once, in whatever thread has the time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelcast_runtime.baseline import JointForest, Signal, SignalKind
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Signature

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Binned = npt.NDArray[np.intp]

Told = dict[tuple[SignalKind, str], npt.NDArray[Any]]
"""Kind and name of a signal -> its value, one a row."""


class Watch:
    """Counts rows in the bins of all signals; holds no state but the tables, so that every thread may ask it."""

    def __init__(self, signals: Sequence[Signal], joint: JointForest | None) -> None:
        """Makes the tables ready; the bins of `signals` lie one behind the other, `width` of them."""
        self._starts: dict[tuple[SignalKind, str], int] = {}
        self.width = 0
        for signal in signals:
            self._starts[signal.kind, signal.name] = self.width
            self.width += len(signal.counts)
        self._inputs = [(signal.name, binning(signal)) for signal in signals if signal.kind == "input"]
        self._joint = None if joint is None else Joint(joint)
        self._others = {(signal.kind, signal.name): binning(signal) for signal in signals if signal.kind != "input"}

    def counts(self, kind: SignalKind) -> bool:
        """Whether there is a signal of this kind."""
        return any(one == kind for one, _ in self._starts)

    def count(self, columns: Columns, told: Told) -> Counts:
        """The rows by bin; `told` are the other signals' values, one a row, where the scorer gave them."""
        counts = np.zeros(self.width, np.int64)
        for name, of in self._inputs:
            self._add(counts, ("input", name), of(columns.arrays[name]))
        if self._joint is not None:
            self._add(counts, ("joint", "surprisal"), self._others["joint", "surprisal"](self._joint(columns)))
        for key, values in told.items():
            if key in self._others:
                self._add(counts, key, self._others[key](values))
        return counts

    def _add(self, counts: Counts, key: tuple[SignalKind, str], bins: Binned) -> None:
        found = np.bincount(bins)
        start = self._starts[key]
        counts[start : start + len(found)] += found


def binning(signal: Signal) -> Callable[[npt.NDArray[Any]], Binned]:
    """What tells the bin of each value of a signal."""
    return _Categories(signal) if signal.values else _Edges(signal)


class _Edges:
    """Numbers, moments, or the lengths of free texts."""

    def __init__(self, signal: Signal) -> None:
        self._edges = np.array(signal.edges, np.float64)
        self._low = -np.inf if signal.low is None else signal.low
        self._high = np.inf if signal.high is None else signal.high
        width = len(signal.edges) + 1
        self._extras = {name: width + index for index, name in enumerate(signal.extras)}

    def __call__(self, values: npt.NDArray[Any]) -> Binned:
        numbers = as_numbers(values)
        bins = np.searchsorted(self._edges, numbers, side="left")
        if not self._extras:
            known: Binned = bins[numbers == numbers]  # noqa: PLR0124 - what is no number is in no bin
            return known
        outside = (numbers < self._low) | (numbers > self._high)
        if outside.any():
            bins[outside] = self._extras["other"]
        missing = numbers != numbers  # noqa: PLR0124
        if missing.any():
            bins[missing] = self._extras["missing"]
        return bins


class _Categories:
    """Values of a closed list."""

    def __init__(self, signal: Signal) -> None:
        self._places = {value: place for place, value in enumerate(signal.values)}
        width = len(signal.values)
        extras = {name: width + index for index, name in enumerate(signal.extras)}
        self._other, self._missing = extras.get("other", -1), extras.get("missing", -1)

    def __call__(self, values: npt.NDArray[Any]) -> Binned:
        places, other, missing = self._places, self._other, self._missing
        bins = np.fromiter(
            # A missing value is None, or NaN, which differs from itself.
            (missing if one is None or one != one else places.get(one, other) for one in values.tolist()),  # noqa: PLR0124
            np.intp,
            len(values),
        )
        return bins[bins >= 0]


def as_numbers(values: npt.NDArray[Any]) -> Numbers:
    """A column as float64, NaN for what is missing: moments in seconds, texts by their length in characters."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[ms]").astype(np.int64) / 1000.0
        return np.where(np.isnat(values), np.nan, seconds)
    return np.fromiter(map(_measure, values.tolist()), np.float64, len(values))


def _measure(value: object) -> float:
    if isinstance(value, str):
        return float(len(value))
    return float(value) if isinstance(value, bool | int | float) else float("nan")


class Joint:
    """The surprisal of rows in a `JointForest`: one comparison a split, the bits of a tree packed into its leaf."""

    def __init__(self, forest: JointForest) -> None:
        """A tree has at most 8 levels: its leaf is one byte."""
        trees, levels = len(forest.features), max(map(len, forest.features), default=0)
        features = np.zeros((trees, levels), np.intp)
        thresholds = np.full((trees, levels), np.inf)
        surprisals = np.zeros((trees, 1 << levels))
        for tree in range(trees):
            depth = len(forest.features[tree])
            features[tree, :depth], thresholds[tree, :depth] = forest.features[tree], forest.thresholds[tree]
            surprisals[tree, : 1 << depth] = forest.surprisals[tree]
        self._parts = [_PartOf(part.values, part.otherwise) for part in forest.parts]
        self._names = [part.name for part in forest.parts]
        self._shape = (trees, levels)
        self._features, self._thresholds = features.ravel(), thresholds.ravel()
        self._surprisals = surprisals.ravel()
        self._offsets = np.arange(trees) << levels

    def __call__(self, columns: Columns) -> Numbers:
        """One number a row, in bits."""
        return self.surprisal(self.matrix(columns.arrays, columns.rows))

    def matrix(self, arrays: Mapping[str, npt.NDArray[Any]], rows: int) -> Numbers:
        """The rows as the forest reads them: [parts, rows]."""
        matrix = np.empty((len(self._parts), rows))
        for index, (name, part) in enumerate(zip(self._names, self._parts, strict=True)):
            matrix[index] = part(arrays[name])
        return matrix

    def leaves(self, matrix: Numbers) -> npt.NDArray[np.uint8]:
        """[rows, trees]."""
        trees, levels = self._shape
        above = matrix[self._features] > self._thresholds[:, np.newaxis]
        packed = np.packbits(above.reshape(trees, levels, -1), axis=1, bitorder="little")
        return packed[:, 0, :].T

    def surprisal(self, matrix: Numbers) -> Numbers:
        """The mean over the trees, of rows as `matrix` gives them."""
        mean: Numbers = self._surprisals[self.leaves(matrix) + self._offsets].mean(axis=1)
        return mean


class _PartOf:
    def __init__(self, values: Sequence[Any], otherwise: float) -> None:
        self._places = {value: float(place) for place, value in enumerate(values)}
        self._otherwise = otherwise

    def __call__(self, values: npt.NDArray[Any]) -> Numbers:
        if self._places:
            places, otherwise = self._places, self._otherwise
            return np.fromiter((places.get(one, otherwise) for one in values.tolist()), np.float64, len(values))
        numbers = as_numbers(values)
        missing = numbers != numbers  # noqa: PLR0124
        return np.where(missing, self._otherwise, numbers) if missing.any() else numbers


def told_of(signature: Signature, scores: Scores) -> Told:
    """What an answer itself tells: the class or the number predicted, how sure the model is, how far a cluster is.

    `probability` is that of the second class where there are two, else the highest; of several outputs nothing.
    """
    told: Told = {}
    predictions, probabilities, distances = scores.predictions, scores.probabilities, scores.distances
    if predictions.ndim == 1 and signature.classes is not None:
        told["prediction", "class"] = predictions
    elif predictions.ndim == 1 and predictions.dtype.kind in "iuf":
        told["prediction", "prediction"] = predictions
    if probabilities is not None and probabilities.ndim == 2:
        is_binary = probabilities.shape[1] == 2
        told["score", "probability"] = probabilities[:, 1] if is_binary else probabilities.max(axis=1)
    if distances is not None:
        told["path", "cluster"] = predictions
        told["path", "distance"] = distances.min(axis=1)
    return told


def joined(parts: Sequence[Columns]) -> Columns:
    """Rows of several requests as one table."""
    first = parts[0]
    if len(parts) == 1:
        return first
    matrices = [part.matrix for part in parts if part.matrix is not None]
    if len(matrices) == len(parts):
        return Columns.of_matrix(tuple(first.arrays), np.concatenate(matrices))
    arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in first.arrays}
    return Columns(sum(part.rows for part in parts), arrays)

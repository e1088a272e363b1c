"""From scored rows to counts in the baseline's bins: all inputs of many rows at once, in any thread."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from modelcast_runtime.baseline import Branch, JointForest, Signal, SignalKind
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Label, Signature

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Told = dict[tuple[SignalKind, str], npt.NDArray[Any]]
"""Kind and name of a signal -> its value, one a row."""


class Watch:
    """Counts rows in the bins of all signals; holds no state but the tables, so that every thread may ask it."""

    def __init__(self, signals: Sequence[Signal], joint: JointForest | None, branch: Branch | None = None) -> None:
        """Makes the tables ready; the bins of `signals` lie one behind the other, `width` of them."""
        self._starts: dict[tuple[SignalKind, str], int] = {}
        self.width = 0
        for signal in signals:
            self._starts[signal.kind, signal.name] = self.width
            self.width += len(signal.counts)
        inputs = [signal for signal in signals if signal.kind == "input"]
        self._inputs = Inputs(inputs) if inputs else None
        self._joint = None if joint is None else Joint(joint, inputs)
        self._branch = None if branch is None else Branches(branch, inputs)
        others = [signal for signal in signals if signal.kind != "input"]
        self._others: dict[tuple[SignalKind, str], Binning] = {(one.kind, one.name): Binning([one]) for one in others}
        self._places = {(one.kind, one.name): _places(one) for one in others}

    def counts(self, kind: SignalKind) -> bool:
        """Whether there is a signal of this kind."""
        return any(one == kind for one, _ in self._starts)

    def count(self, columns: Columns, told: Told) -> Counts:
        """The rows by bin; `told` are the values of those signals that inputs alone do not tell, one a row."""
        counts = np.zeros(self.width, np.int64)
        if self._inputs is not None:
            matrix = self._inputs.matrix(columns)
            found = self._inputs.count(matrix)
            counts[: len(found)] += found
            if self._joint is not None:
                self._add(counts, ("joint", "surprisal"), self._joint.surprisal(matrix))
            if self._branch is not None:
                self._add(counts, ("path", "branch"), self._branch.taken(matrix))
        for key, values in told.items():
            if key in self._others:
                self._add(counts, key, values)
        return counts

    def _add(self, counts: Counts, key: tuple[SignalKind, str], values: npt.NDArray[Any]) -> None:
        numbers = self._places[key](values)
        # What is no number is in no bin of what the model tells.
        found = self._others[key].count(numbers[np.newaxis, numbers == numbers])  # noqa: PLR0124
        start = self._starts[key]
        counts[start : start + len(found)] += found


class Binning:
    """The bins of several signals, for numbers that stand in one matrix: [signals, rows]."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        """Edges are filled up with infinity, which nothing is above; a category's bin is its place."""
        edges = [_edges(signal) for signal in signals]
        most = max(map(len, edges), default=0)
        self._edges = np.array([each + [np.inf] * (most - len(each)) for each in edges], np.float64)[:, :, np.newaxis]
        widths = [len(signal.counts) for signal in signals]
        starts = np.cumsum([0, *widths])
        self._width = int(starts[-1])
        self._starts = starts[:-1, np.newaxis]
        own = np.array([len(each) + 1 for each in edges])
        self._extra = np.array([bool(signal.extras) for signal in signals])[:, np.newaxis]
        self._other = self._starts + own[:, np.newaxis]  # `other` is the first of the extras, `missing` the second
        self._low = np.array([_low(signal) for signal in signals])[:, np.newaxis]
        self._high = np.array([_high(signal) for signal in signals])[:, np.newaxis]

    def count(self, matrix: Numbers) -> Counts:
        """How many of each row of numbers are in each bin, signal by signal."""
        above = matrix[:, np.newaxis, :] > self._edges
        bins = above.sum(axis=1, dtype=np.uint8) + self._starts
        if self._extra.any():
            outside = (matrix < self._low) | (matrix > self._high)
            if outside.any():
                np.copyto(bins, self._other, where=outside)
            missing = matrix != matrix  # noqa: PLR0124
            if missing.any():
                np.copyto(bins, self._other + 1, where=missing)
        return np.bincount(bins.ravel(), minlength=self._width)


class Inputs(Binning):
    """The bins of the inputs, and how a request's columns become the matrix that is counted."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        """Reads the inputs that are watched, in the order of their signals."""
        super().__init__(signals)
        self._names = [signal.name for signal in signals]
        self._places = [_places(signal) for signal in signals]
        self._are_numbers = not any(signal.values for signal in signals)

    def matrix(self, columns: Columns) -> Numbers:
        """[inputs, rows]: numbers, the places of categories, NaN for what is missing."""
        if columns.matrix is not None and self._are_numbers:
            if self._names == list(columns.arrays):
                return np.ascontiguousarray(columns.matrix.T)
            index = {name: place for place, name in enumerate(columns.arrays)}
            return np.ascontiguousarray(columns.matrix.T[[index[name] for name in self._names]])
        matrix = np.empty((len(self._names), columns.rows))
        for row, (name, places) in enumerate(zip(self._names, self._places, strict=True)):
            matrix[row] = places(columns.arrays[name])
        return matrix


class Joint:
    """The surprisal of rows in a `JointForest`: one comparison a split, the bits of a tree are its leaf."""

    def __init__(self, forest: JointForest, inputs: Sequence[Signal]) -> None:
        """`inputs` are the rows of the matrix that it will be given."""
        index = {signal.name: place for place, signal in enumerate(inputs)}
        rows = np.array([index[name] for name in forest.inputs], np.intp)
        self._features = rows[np.array(forest.features, np.intp).T]
        self._thresholds = np.array(forest.thresholds, np.float64).T[:, :, np.newaxis]
        self._surprisals = np.array(forest.surprisals, np.float64).ravel()
        self._firsts = (np.arange(len(forest.features), dtype=np.intp) << len(self._features))[:, np.newaxis]
        self._otherwise = np.zeros((len(inputs), 1))
        self._otherwise[rows, 0] = forest.otherwise

    def leaves(self, matrix: Numbers) -> npt.NDArray[np.uint8]:
        """[trees, rows], of rows as `Inputs.matrix` gives them."""
        missing = matrix != matrix  # noqa: PLR0124
        if missing.any():
            matrix = np.where(missing, self._otherwise, matrix)
        leaves: npt.NDArray[np.uint8] = (matrix[self._features[0]] > self._thresholds[0]).view(np.uint8)
        for level in range(1, len(self._features)):
            above = (matrix[self._features[level]] > self._thresholds[level]).view(np.uint8)
            leaves |= above << np.uint8(level)
        return leaves

    def surprisal(self, matrix: Numbers) -> Numbers:
        """One number a row, in bits: the mean over the trees."""
        mean: Numbers = self._surprisals[self.leaves(matrix) + self._firsts].mean(axis=0)
        return mean


class Branches:
    """Which two terms of a linear model are the largest, such as `+bmi -age`: the larger index last."""

    def __init__(self, branch: Branch, inputs: Sequence[Signal]) -> None:
        """`inputs` are the rows of the matrix that it will be given."""
        index = {signal.name: place for place, signal in enumerate(inputs)}
        self._rows = np.array([index[name] for name in branch.inputs], np.intp)
        self._weights = np.array(branch.weights)[:, np.newaxis]
        self._centers = np.array(branch.centers)[:, np.newaxis]
        signed = [f"{sign}{name}" for name in branch.inputs for sign in "-+"]
        self._names = np.array([[f"{one} {other}" for other in signed] for one in signed], dtype=object)

    def taken(self, matrix: Numbers) -> npt.NDArray[Any]:
        """The name of each row's branch; a missing value moves nothing."""
        terms = np.nan_to_num((matrix[self._rows] - self._centers) * self._weights)
        largest = np.sort(np.argpartition(-np.abs(terms), 1, axis=0)[:2], axis=0)
        signs = np.take_along_axis(terms, largest, axis=0) >= 0
        first, second = largest * 2 + signs
        names: npt.NDArray[Any] = self._names[first, second]
        return names


def count(signal: Signal, values: npt.NDArray[Any]) -> Counts:
    """How many of these values are in each bin of one signal."""
    return Binning([signal]).count(_places(signal)(values)[np.newaxis])


def as_numbers(values: npt.NDArray[Any]) -> Numbers:
    """A column as float64, NaN for what is missing: moments in seconds, texts by their length in characters."""
    if values.dtype.kind in "fiub":
        return values.astype(np.float64, copy=False)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[ms]").astype(np.int64) / 1000.0
        return np.where(np.isnat(values), np.nan, seconds)
    return np.fromiter(map(_measure, values.tolist()), np.float64, len(values))


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


def _edges(signal: Signal) -> list[float]:
    """Between the places of categories, where it has some."""
    return [place + 0.5 for place in range(len(signal.values) - 1)] if signal.values else list(signal.edges)


def _low(signal: Signal) -> float:
    return -np.inf if signal.values or signal.low is None else signal.low


def _high(signal: Signal) -> float:
    if signal.values:
        return len(signal.values) - 0.5
    return np.inf if signal.high is None else signal.high


def _places(signal: Signal) -> Callable[[npt.NDArray[Any]], Numbers]:
    return _Places(signal.values) if signal.values else as_numbers


class _Places:
    """Categories as the places of their bins, what is not among them as the place behind the last, NaN for missing."""

    def __init__(self, values: Sequence[Label]) -> None:
        self._places: dict[Any, float] = {value: float(place) for place, value in enumerate(values)}
        self._other = float(len(values))

    def __call__(self, values: npt.NDArray[Any]) -> Numbers:
        places, other = self._places, self._other
        return np.fromiter(
            # A missing value is None, or NaN, which differs from itself.
            (np.nan if one is None or one != one else places.get(one, other) for one in values.tolist()),  # noqa: PLR0124
            np.float64,
            len(values),
        )


def _measure(value: object) -> float:
    if isinstance(value, str):
        return float(len(value))
    return float(value) if isinstance(value, bool | int | float) else float("nan")

"""Rows on both sides of what a model compares a number with, as near to it as numbers are."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.contract import Signature

from .cuts import Compared, See
from .grid import Grid, Part, columns, is_number, join

_BASE = 2_000
"""Ordinary rows that are sent through the trees, to know which node each of them comes by."""
_MOST = 3_000
"""Thresholds of one estimator that get rows of their own."""
_HALVINGS = 64
"""What it takes to come from any double to any other."""
_BISECTIONS = 36
_APART = (1e-9, 1e-6, 1e-3)
"""How far from a change along a line rows are put, as shares of it: nearer, sums in another order decide."""
_ASKED, _BETWEEN = 400, 150
"""Ordinary rows that are asked for their label, and lines between two of them."""
_REACHES = (1.0, 1e3, 1e9)
"""How far from a column's own values its other side is looked for, in ranges."""


@dataclass(frozen=True, slots=True)
class _Cuts:
    """Comparisons `see(row)[feature] <= threshold`, and an ordinary row that meets each of them."""

    feature: np.ndarray
    threshold: np.ndarray
    row: np.ndarray
    dtype: str

    def take(self, chosen: Any) -> "_Cuts":
        """Some of them."""
        return _Cuts(self.feature[chosen], self.threshold[chosen], self.row[chosen], self.dtype)

    def go_left(self, numbers: np.ndarray, which: np.ndarray) -> np.ndarray:
        """The side of one number for each of these cuts."""
        with np.errstate(over="ignore"):
            return np.asarray(numbers.astype(self.dtype) <= self.threshold[which])


class Straddling:
    """Makes them for one signature, around ordinary rows."""

    def __init__(self, signature: Signature, ordinary: Grid, generator: np.random.Generator) -> None:
        self._signature = signature
        self._generator = generator
        chosen = np.unique(np.linspace(0, len(ordinary) - 1, min(_BASE, len(ordinary))).astype(int))
        self._base = ordinary.take(chosen)
        self._numbers = [index for index, column in enumerate(signature.inputs) if is_number(column)]

    def rows(self, compared: Iterable[Compared]) -> Iterator[Part]:
        """A part for every estimator that compares; nothing where no number of the request reaches it."""
        if not self._numbers:
            return
        for one in compared:
            seen = self._look(one.see, self._base)
            if seen is not None:
                yield from self._around(one, seen)

    def _around(self, compared: Compared, seen: np.ndarray) -> Iterator[Part]:
        cuts = _met(compared, seen, self._generator)
        if len(cuts.feature) > _MOST:
            cuts = cuts.take(np.sort(self._generator.choice(len(cuts.feature), _MOST, replace=False)))
        drivers = self._drivers(compared.see, seen)
        many = drivers[:, cuts.feature].sum(axis=0)
        alone = np.flatnonzero(many == 1)
        if len(alone):
            yield self._along_columns(
                compared.see, cuts.take(alone), np.argmax(drivers[:, cuts.feature[alone]], axis=0)
            )
        mixed = np.flatnonzero(many > 1)
        if len(mixed):
            yield self._along_lines(compared.see, cuts.take(mixed[: _MOST // 4]), seen)

    def _look(self, see: See, grid: Grid) -> np.ndarray | None:
        """The numbers that the estimator gets; None where it gets others than numbers."""
        with np.errstate(all="ignore"):
            rows = see(columns(grid, self._signature))
        dense = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
        try:
            return dense.astype(np.float64)
        except (TypeError, ValueError):
            return None

    def _drivers(self, see: See, seen: np.ndarray) -> np.ndarray:
        """[column, feature]: whether the column of the request tells something of the feature."""
        few = np.arange(min(8, len(self._base)))
        rows = self._base.take(few)
        changed = []
        for index in self._numbers:
            arrays = list(rows.arrays)
            arrays[index] = self._elsewhere(index, arrays[index])
            changed.append(Grid(tuple(arrays)))
        looked = self._look(see, join(changed))
        drivers = np.zeros((len(self._signature.inputs), seen.shape[1]), dtype=bool)
        if looked is None:
            return drivers
        before = seen[few]
        for index, after in zip(self._numbers, np.split(looked, len(self._numbers)), strict=True):
            drivers[index] = ~((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=0)
        return drivers

    def _elsewhere(self, index: int, values: np.ndarray) -> np.ndarray:
        """Other numbers of the column than these."""
        low, high = self._span(index)
        span = high - low or 1.0
        return low + self._generator.uniform(-0.5, 1.5, len(values)) * span

    def _along_columns(self, see: See, cuts: _Cuts, moved: np.ndarray) -> Part:
        """In the one column that tells the feature (`moved`, for each cut), from one side to the other."""
        grid = self._base.take(cuts.row)

        def goes_left(values: np.ndarray, which: np.ndarray) -> np.ndarray:
            seen = self._look(see, _moved(grid.take(which), moved[which], values))
            assert seen is not None  # noqa: S101 - the same rows were looked at before
            return cuts.go_left(seen[np.arange(len(which)), cuts.feature[which]], which)

        found, low, high = _edges(goes_left, *self._sides(goes_left, moved))
        return self._beside(grid.take(found), moved[found], low, high)

    def _sides(self, goes_left: "_Side", moved: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which cuts have two sides along their column, and a number on each."""
        spans = {index: self._span(index) for index in self._numbers}
        low, high = (np.array([spans[index][end] for index in moved.tolist()]) for end in (0, 1))
        span = np.where(high > low, high - low, np.where(high != 0, np.abs(high), 1.0))
        every = np.arange(len(moved))
        left, right = np.full(len(moved), np.nan), np.full(len(moved), np.nan)
        for reach in (0.0, *_REACHES):
            for values in (low - reach * span, high + reach * span):
                is_left = goes_left(values, every)
                left = np.where(is_left & np.isnan(left), values, left)
                right = np.where(~is_left & np.isnan(right), values, right)
        found = np.flatnonzero(~np.isnan(left) & ~np.isnan(right))
        return found, left[found], right[found]

    def _span(self, index: int) -> tuple[float, float]:
        """The smallest and the largest number of a column's ordinary rows."""
        known = self._base.arrays[index]
        known = known[np.isfinite(known)]
        return (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)

    def _beside(self, grid: Grid, moved: np.ndarray, low: np.ndarray, high: np.ndarray) -> Part:
        short = low.astype(np.float32)
        infinity = np.float32(np.inf)
        beside = {
            "the last number below a threshold": low,
            "the first number above a threshold": high,
            "a threshold in 32 bits": short.astype(np.float64),
            "a threshold - 1 ulp of 32 bits": np.nextafter(short, -infinity).astype(np.float64),
            "a threshold + 1 ulp of 32 bits": np.nextafter(short, infinity).astype(np.float64),
        }
        names = [self._signature.inputs[index].name for index in moved.tolist()]
        kinds = [f"{name}: {kind}" for kind in beside for name in names]
        return Part(join([_moved(grid, moved, values) for values in beside.values()]), kinds)

    def _along_lines(self, see: See, cuts: _Cuts, seen: np.ndarray) -> Part:
        """From a row that meets the cut towards one of its other side, in all numbers at once."""
        towards = _others(cuts, seen)
        cuts, towards = cuts.take(towards >= 0), towards[towards >= 0]

        def goes_left(grid: Grid, which: np.ndarray) -> np.ndarray:
            rows = self._look(see, grid)
            assert rows is not None  # noqa: S101 - the same rows were looked at before
            return cuts.go_left(rows[np.arange(len(which)), cuts.feature[which]], which)

        line = _Line(self._base.take(cuts.row), self._base.take(towards), self._numbers)
        return line.beside(goes_left, "all numbers: close to a threshold behind them")

    def between_labels(self, predict: Callable[[Grid], np.ndarray]) -> Iterator[Part]:
        """Rows close to where the model's label changes, on lines between ordinary rows of different labels."""
        few = self._base.take(self._generator.permutation(len(self._base))[:_ASKED])
        labels = predict(few)
        pairs = [(one, other) for one in range(len(few)) for other in self._generator.integers(len(few), size=3)]
        pairs = [pair for pair in pairs if labels[pair[0]] != labels[pair[1]]][:_BETWEEN]
        if not pairs or not self._numbers:
            return
        ones, others = (np.array(ends) for ends in zip(*pairs, strict=True))
        line = _Line(few.take(ones), few.take(others), self._numbers)

        def is_as_one(grid: Grid, which: np.ndarray) -> np.ndarray:
            return np.asarray(predict(grid) == labels[ones[which]])

        yield line.beside(is_as_one, "all numbers: close to where the label changes")


@dataclass(frozen=True, slots=True)
class _Line:
    """From each row of one grid straight to the same row of the other, in these columns."""

    start: Grid
    end: Grid
    numbers: list[int]

    def at(self, share: np.ndarray, which: np.ndarray) -> Grid:
        """The rows that lie so far on the way."""
        arrays = [array[which] for array in self.start.arrays]
        for index in self.numbers:
            arrays[index] = arrays[index] + share * (self.end.arrays[index][which] - arrays[index])
        return Grid(tuple(arrays))

    def beside(self, is_here: Callable[[Grid, np.ndarray], np.ndarray], kind: str) -> Part:
        """Rows on both sides of where `is_here` changes between start and end, nearer and nearer to it."""
        every = np.arange(len(self.start))
        low, high = np.zeros(len(every)), np.ones(len(every))
        begins, ends = is_here(self.at(low, every), every), is_here(self.at(high, every), every)
        which = np.flatnonzero(begins != ends)
        low, high, begins = low[which], high[which], begins[which]
        for _ in range(_BISECTIONS if len(which) else 0):
            middle = (low + high) / 2
            is_before = is_here(self.at(middle, which), which) == begins
            low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
        parts = [self.at(low - apart, which) for apart in _APART] + [self.at(high + apart, which) for apart in _APART]
        return Part(join(parts), [kind] * sum(map(len, parts)))


_Side = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _moved(grid: Grid, columns_of_rows: np.ndarray, values: np.ndarray) -> Grid:
    """The grid with one number of each row replaced."""
    arrays = list(grid.arrays)
    for index in np.unique(columns_of_rows).tolist():
        rows = columns_of_rows == index
        arrays[index] = arrays[index].copy()
        arrays[index][rows] = values[rows]
    return Grid(tuple(arrays))


def _met(compared: Compared, seen: np.ndarray, generator: np.random.Generator) -> _Cuts:
    """Every node that compares, with a row that comes by (any row, where none does)."""
    features, thresholds, rows = [], [], []
    for tree in compared.trees:
        with np.errstate(over="ignore"):
            by = tree.passing(seen.astype(tree.dtype), generator)
        inner = tree.inner()
        features.append(tree.feature[inner])
        thresholds.append(tree.threshold[inner])
        rows.append(by[inner])
    feature, threshold, row = (np.concatenate(parts) for parts in (features, thresholds, rows))
    # A node that a row comes by counts by itself, also where another compares with the same number.
    which = np.stack([feature.astype(np.float64), threshold, row], axis=1)
    _, first = np.unique(which, axis=0, return_index=True)
    first = first[np.isfinite(threshold[first])]
    return _Cuts(feature[first], threshold[first], np.maximum(row[first], 0), compared.trees[0].dtype)


def _others(cuts: _Cuts, seen: np.ndarray) -> np.ndarray:
    """For every cut a row on the other side than its own, or -1."""
    others = np.full(len(cuts.row), -1)
    for index, (feature, threshold, row) in enumerate(zip(cuts.feature, cuts.threshold, cuts.row, strict=True)):
        is_left = seen[:, feature] <= threshold
        found = np.flatnonzero(is_left != is_left[row])
        others[index] = found[index % len(found)] if len(found) else -1
    return others


def _edges(
    goes_left: _Side, found: np.ndarray, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two neighbouring numbers for each, where the side changes between them: halved over the numbers themselves."""
    one, other = _ordinal(left), _ordinal(right)
    for _ in range(_HALVINGS):
        middle = (one >> 1) + (other >> 1) + (one & other & 1)
        is_open = np.flatnonzero((middle != one) & (middle != other))
        if not len(is_open):
            break
        is_left = goes_left(_number(middle[is_open]), found[is_open])
        one[is_open] = np.where(is_left, middle[is_open], one[is_open])
        other[is_open] = np.where(is_left, other[is_open], middle[is_open])
    return found, np.minimum(_number(one), _number(other)), np.maximum(_number(one), _number(other))


def _ordinal(numbers: np.ndarray) -> np.ndarray:
    """The place of each double among all of them: neighbours are 1 apart."""
    bits = numbers.astype(np.float64).view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _number(ordinals: np.ndarray) -> np.ndarray:
    bits = np.where(ordinals < 0, np.int64(-(2**63)) - ordinals, ordinals)
    return bits.view(np.float64)

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
        return _Cuts(self.feature[chosen], self.threshold[chosen], self.row[chosen], self.dtype)


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
        cuts = _met(compared, seen)
        if len(cuts.feature) > _MOST:
            cuts = cuts.take(np.sort(self._generator.choice(len(cuts.feature), _MOST, replace=False)))
        drivers = self._drivers(compared.see, seen)
        for index in self._numbers:
            alone = (drivers[index, cuts.feature]) & (drivers[:, cuts.feature].sum(axis=0) == 1)
            if alone.any():
                yield from self._along_column(compared.see, index, cuts.take(alone))
        mixed = drivers[:, cuts.feature].sum(axis=0) > 1
        if mixed.any():
            yield from self._along_lines(compared.see, cuts.take(mixed), seen)

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
        known = self._base.arrays[index]
        known = known[np.isfinite(known)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        span = high - low or 1.0
        return low + self._generator.uniform(-0.5, 1.5, len(values)) * span

    def _along_column(self, see: See, index: int, cuts: _Cuts) -> Iterator[Part]:
        grid = self._base.take(cuts.row)

        def goes_left(values: np.ndarray, which: np.ndarray) -> np.ndarray:
            arrays = [array[which] for array in grid.arrays]
            arrays[index] = values
            seen = self._look(see, Grid(tuple(arrays)))
            assert seen is not None  # noqa: S101 - the same rows were looked at before
            numbers = seen[np.arange(len(which)), cuts.feature[which]]
            with np.errstate(over="ignore"):
                return np.asarray(numbers.astype(cuts.dtype) <= cuts.threshold[which])

        found, low, high = _edges(goes_left, *self._sides(goes_left, index, grid))
        yield self._beside(index, grid.take(found), low, high)

    def _sides(self, goes_left: "_Side", index: int, grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which cuts have two sides along the column, and a number on each."""
        known = self._base.arrays[index]
        known = known[np.isfinite(known)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
        span = high - low or abs(high) or 1.0
        every = np.arange(len(grid))
        left, right = np.full(len(grid), np.nan), np.full(len(grid), np.nan)
        for reach in (0.0, *_REACHES):
            for value in (low - reach * span, high + reach * span):
                is_left = goes_left(np.full(len(grid), value), every)
                left = np.where(is_left & np.isnan(left), value, left)
                right = np.where(~is_left & np.isnan(right), value, right)
            if not (np.isnan(left) | np.isnan(right)).any():
                break
        found = np.flatnonzero(~np.isnan(left) & ~np.isnan(right))
        return found, left[found], right[found]

    def _beside(self, index: int, grid: Grid, low: np.ndarray, high: np.ndarray) -> Part:
        name = self._signature.inputs[index].name
        short = low.astype(np.float32)
        infinity = np.float32(np.inf)
        beside = {
            "the last number below a threshold": low,
            "the first number above a threshold": high,
            "a threshold in 32 bits": short.astype(np.float64),
            "a threshold - 1 ulp of 32 bits": np.nextafter(short, -infinity).astype(np.float64),
            "a threshold + 1 ulp of 32 bits": np.nextafter(short, infinity).astype(np.float64),
        }
        grids, kinds = [], []
        for kind, values in beside.items():
            arrays = list(grid.arrays)
            arrays[index] = values
            grids.append(Grid(tuple(arrays)))
            kinds += [f"{name}: {kind}"] * len(values)
        return Part(join(grids), kinds)

    def _along_lines(self, see: See, cuts: _Cuts, seen: np.ndarray) -> Iterator[Part]:
        """From a row that meets the cut towards one of its other side, in all numbers at once."""
        towards = _others(cuts, seen)
        cuts, towards = cuts.take(towards >= 0), towards[towards >= 0]
        start, end = self._base.take(cuts.row), self._base.take(towards)

        def at(share: np.ndarray, which: np.ndarray) -> Grid:
            arrays = [array[which] for array in start.arrays]
            for index in self._numbers:
                arrays[index] = arrays[index] + share * (end.arrays[index][which] - arrays[index])
            return Grid(tuple(arrays))

        def goes_left(share: np.ndarray, which: np.ndarray) -> np.ndarray:
            rows = self._look(see, at(share, which))
            assert rows is not None  # noqa: S101 - the same rows were looked at before
            numbers = rows[np.arange(len(which)), cuts.feature[which]]
            return np.asarray(numbers.astype(cuts.dtype) <= cuts.threshold[which])

        every = np.arange(len(cuts.row))
        nought, one = np.zeros(len(every)), np.ones(len(every))
        begins, ends = goes_left(nought, every), goes_left(one, every)
        found = np.flatnonzero(begins != ends)
        left, right = np.where(begins[found], 0.0, 1.0), np.where(begins[found], 1.0, 0.0)
        which, low, high = _edges(goes_left, found, left, right)
        kind = "all numbers: on both sides of a threshold behind them"
        yield Part(join([at(low, which), at(high, which)]), [kind] * (2 * len(which)))


_Side = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _met(compared: Compared, seen: np.ndarray) -> _Cuts:
    """Every threshold once, with a row that comes by a node of it (any row, where none does)."""
    features, thresholds, rows = [], [], []
    for tree in compared.trees:
        with np.errstate(over="ignore"):
            by = tree.passing(seen.astype(tree.dtype))
        inner = tree.inner()
        features.append(tree.feature[inner])
        thresholds.append(tree.threshold[inner])
        rows.append(by[inner])
    feature, threshold, row = (np.concatenate(parts) for parts in (features, thresholds, rows))
    # Those that a row comes by first: np.unique keeps the first of each.
    order = np.argsort(row < 0, kind="stable")
    feature, threshold, row = feature[order], threshold[order], row[order]
    _, first = np.unique(np.stack([feature.astype(np.float64), threshold], axis=1), axis=0, return_index=True)
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
    """Two neighbouring numbers for each, where the side changes between them; by halving, over the numbers themselves."""
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

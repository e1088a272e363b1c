"""Grows the joint forest: random splits on the reference rows, and how rare each leaf is among them."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from modelcast_runtime.baseline import SMOOTHING, JointForest, Part
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Column
from modelcast_runtime.watching import Joint, as_numbers

TREES = 50
LEVELS = 6
"""50 trees of 6 levels: correlations broken with all marginals kept give a PSI of 2.3 on five normals with r = 0.7 and
of 5.6 on breast cancer, no drift 0.003 and 0.05 (284 rows against 285); 4 and 8 levels were not better."""
_SEED = 20181011
_DIGITS = 12


def grow(columns: Sequence[Column], rows: Columns) -> JointForest | None:
    """The forest of these inputs; None where fewer than two of them vary: there is nothing joint."""
    parts = [part for part in (_part(column, rows.arrays[column.name]) for column in columns) if part is not None]
    varying = [part for part in parts if _varies(part, rows)]
    if len(varying) < 2:
        return None
    generator = np.random.default_rng(_SEED)
    bare = JointForest(parts=tuple(varying), features=(), thresholds=(), surprisals=())
    matrix = Joint(bare).matrix(rows.arrays, rows.rows)
    trees = [_tree(matrix, generator) for _ in range(TREES)]
    empty = ((0.0,) * (1 << LEVELS),) * TREES
    features, thresholds = zip(*trees, strict=True)
    forest = msgspec.structs.replace(bare, features=features, thresholds=thresholds, surprisals=empty)
    leaves = Joint(forest).leaves(matrix)
    counts = [np.bincount(leaves[:, tree], minlength=1 << LEVELS) for tree in range(TREES)]
    return msgspec.structs.replace(forest, surprisals=tuple(_surprisals(each, rows.rows) for each in counts))


def surprisals_left_out(forest: JointForest, rows: Columns) -> Any:
    """Each reference row as if it were not in its leaf: counted there it would surprise less than a new one."""
    ready = Joint(forest)
    leaves = ready.leaves(ready.matrix(rows.arrays, rows.rows))
    total = np.zeros(rows.rows)
    for tree in range(leaves.shape[1]):
        counts = np.bincount(leaves[:, tree], minlength=1 << LEVELS)
        total -= np.log2((counts[leaves[:, tree]] - 1 + SMOOTHING) / (rows.rows - 1 + SMOOTHING * (1 << LEVELS)))
    return total / leaves.shape[1]


def _part(column: Column, values: Any) -> Part | None:
    if column.categories is not None or column.dtype == "bool":
        known = tuple(column.categories) if column.categories is not None else (False, True)
        return Part(name=column.name, values=known, otherwise=float(len(known)))
    if column.dtype == "string":
        return None  # free text: its length alone would be a poor part of what goes together
    numbers = as_numbers(values)
    finite = numbers[np.isfinite(numbers)]
    return Part(name=column.name, otherwise=_rounded(np.median(finite))) if len(finite) else None


def _varies(part: Part, rows: Columns) -> bool:
    forest = JointForest(parts=(part,), features=(), thresholds=(), surprisals=())
    return len(np.unique(Joint(forest).matrix(rows.arrays, rows.rows))) > 1


def _tree(matrix: Any, generator: np.random.Generator) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """A split a level: an input at random, no one twice before all were taken, at a random one of its middle values."""
    order = [generator.permutation(len(matrix)) for _ in range(-(-LEVELS // len(matrix)))]
    features = np.concatenate(order)[:LEVELS].tolist()
    shares = generator.uniform(0.2, 0.8, LEVELS)
    thresholds = [
        _rounded(np.quantile(matrix[feature], share)) for feature, share in zip(features, shares, strict=True)
    ]
    return tuple(features), tuple(thresholds)


def _surprisals(counts: Any, rows: int) -> tuple[float, ...]:
    shares = (counts + SMOOTHING) / (rows + SMOOTHING * len(counts))
    return tuple(map(_rounded, -np.log2(shares)))


def _rounded(value: Any) -> float:
    return float(f"{value:.{_DIGITS}g}")

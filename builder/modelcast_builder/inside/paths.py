"""How rare each leaf of the model's trees is among the reference rows, and what the model tells of those."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.baseline import SMOOTHING, Leaves
from modelcast_runtime.formats import within

from . import trees

_RARE = 1e-3
_LARGEST = 2.0**52
_FINEST = 2**16
"""Parts of a bit of surprisal, where the trees are few enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """The table of a model's trees, and the reference rows' sums as if each were not among them."""

    leaves: Leaves
    table: Any
    """[nodes of all trees], float64."""
    totals: Any
    """[rows]; NaN for a row that no tree may be asked for."""


def measure(model: Any, rows: Any, unseen: Any = None) -> Paths | None:
    """Look where the reference rows end, given as the model takes them; None for a model without trees.

    `unseen` says which trees were not grown on which row, [rows, trees]: only those are asked for its sum.
    """
    last, front = within.parts_of(model)
    ask = within.leaf_ids(last)
    if ask is None:
        return None
    try:
        ids = ask(within.before_last(front, rows))
    except (TypeError, ValueError):  # histogram boosting takes categories too, and reads them in a way of its own
        return None
    lefts, depths = zip(*map(_shape, _children(last)), strict=True)
    leaves = _fields(depths, len(ids))
    if leaves is None:
        return None
    table, parts, squares = [], np.zeros((3, len(ids))), np.zeros((3, len(ids)))
    asked = np.ones(ids.shape) if unseen is None else unseen
    for tree, (left, depth) in enumerate(zip(lefts, depths, strict=True)):
        counts, many = np.bincount(ids[:, tree], minlength=len(depth)), int((left < 0).sum())
        table.append(np.where(left < 0, _numbers(counts, depth, len(ids), many, leaves), 0.0))
        # Among the others: counted in its own leaf a row would surprise less than a new one.
        surprisal, is_rare = _surprisal(counts - 1, len(ids) - 1, many, leaves)
        numbers = np.stack([surprisal, depth, is_rare])[:, ids[:, tree]] * asked[:, tree]
        parts, squares = parts + numbers, squares + numbers**2
    surprisal, compared, rare = _of_all(parts, squares, asked.sum(axis=1), len(lefts))
    totals = surprisal + compared * leaves.comparison + rare * leaves.rare
    return Paths(leaves=leaves, table=np.concatenate(table), totals=totals)


def _of_all(sums: Any, squares: Any, asked: Any, trees: int) -> Any:
    """Sums over some of the trees, `asked` of them a row, as sums over all: no wider, though fewer trees vary more."""
    if (asked == trees).all():
        return sums
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / asked
        within_row = np.maximum(squares / asked - means**2, 0.0)
    known = np.isfinite(means[0])
    middle = means[:, known].mean(axis=1, keepdims=True)
    spread = means[:, known].var(axis=1)
    excess = (within_row[:, known] * (1 / asked[known] - 1 / trees)).mean(axis=1)
    narrower = np.sqrt(np.maximum(spread - excess, 0.0) / np.where(spread, spread, 1.0))[:, np.newaxis]
    narrower[2] = 1.0  # whether a leaf is rare is no mean
    return np.round((middle + (means - middle) * narrower) * trees)


def _numbers(counts: Any, depth: Any, rows: int, many: int, leaves: Leaves) -> Any:
    surprisal, is_rare = _surprisal(counts, rows, many, leaves)
    return surprisal + depth * leaves.comparison + is_rare * leaves.rare


def _surprisal(counts: Any, rows: int, many: int, leaves: Leaves) -> tuple[Any, Any]:
    shares = (np.maximum(counts, 0) + SMOOTHING) / (rows + SMOOTHING * many)
    return np.round(-np.log2(shares) * leaves.bit), shares < _RARE


def _children(last: Any) -> Iterator[tuple[Any, Any]]:
    """Of each tree in the order in which leaves are told: the left and right child of every node, -1 for a leaf."""
    if hasattr(last, "_predictors"):
        for nodes in (predictor.nodes for stage in last._predictors for predictor in stage):  # noqa: SLF001
            is_leaf = nodes["is_leaf"].astype(bool)
            yield tuple(np.where(is_leaf, -1, nodes[side].astype(np.intp)) for side in ("left", "right"))  # type: ignore[misc]
        return
    for member in [last] if hasattr(last, "tree_") else trees.members_of(last):
        yield member.tree_.children_left, member.tree_.children_right


def _shape(children: tuple[Any, Any]) -> tuple[Any, Any]:
    """The left children of a tree, and how many comparisons lead to each node."""
    left, right = children
    depth, level, at = np.zeros(len(left)), 0, np.zeros(1, np.intp)
    while len(at):
        depth[at] = level
        inner = at[left[at] >= 0]
        at, level = np.concatenate([left[inner], right[inner]]), level + 1
    return left, depth


def _fields(depths: Sequence[Any], rows: int) -> Leaves | None:
    """As fine as fits into a double's 52 bits; None for so many deep trees that nothing would be left."""
    count, most_nodes = len(depths), max(map(len, depths))
    most_bits = count * (math.log2(2 * rows + most_nodes) + 1)
    most_compared = sum(float(depth.max()) for depth in depths)
    bit = _FINEST
    while bit:
        comparison = _power_above(most_bits * bit)
        rare = comparison * _power_above(most_compared)
        if rare * (count + 1) < _LARGEST:
            starts = np.cumsum([0, *map(len, depths)])[:-1].tolist()
            return Leaves(starts=tuple(starts), bit=bit, comparison=comparison, rare=rare)
        bit //= 2
    return None


def _power_above(number: float) -> float:
    return float(2.0 ** math.ceil(math.log2(number + 2)))

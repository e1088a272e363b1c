"""What a scikit-learn model tells of rows beyond its answer: the leaves that they end in, distances, non-zeros.

Used by the build, which measures the reference rows with it, and by the service of a native model: the same values.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from modelcast_runtime.baseline import Leaves
from modelcast_runtime.watching import Told

Ids = npt.NDArray[np.intp]


def parts_of(model: Any) -> tuple[Any, list[Any]]:
    """The estimator that answers, and the steps before it; a search's best one is what it found."""
    model = getattr(model, "best_estimator_", model)
    steps = [step for _, step in getattr(model, "steps", [("model", model)])]
    steps = [step for step in steps if step is not None and not isinstance(step, str)]
    *front, last = steps
    return getattr(last, "best_estimator_", last), front


def before_last(front: list[Any], rows: Any) -> Any:
    """The rows as the estimator that answers is given them."""
    for step in front:
        rows = step.transform(rows)
    return rows


def leaf_ids(last: Any) -> Callable[[Any], Ids] | None:
    """What tells the leaf of each row in each tree, [rows, trees], as the trees' own node numbers."""
    if hasattr(last, "_predictors"):
        return _histogram_ids(last)
    if hasattr(last, "apply") and (hasattr(last, "tree_") or _has_trees(last)):
        return lambda rows: np.asarray(last.apply(rows), dtype=np.intp).reshape(rows.shape[0], -1)
    return None


def _has_trees(last: Any) -> bool:
    members = getattr(last, "estimators_", None)
    return members is not None and all(hasattr(member, "tree_") for member in np.ravel(np.asarray(members, object)))


def _histogram_ids(last: Any) -> Callable[[Any], Ids] | None:
    nodes = [predictor.nodes for stage in last._predictors for predictor in stage]  # noqa: SLF001 - nothing else has them
    if any(each["is_categorical"].any() for each in nodes):
        return None
    tables = [_Nodes(each) for each in nodes]

    def ids(rows: Any) -> Ids:
        numbers = np.asarray(rows, dtype=np.float64)
        return np.stack([table.leaves(numbers) for table in tables], axis=1)

    return ids


class _Nodes:
    """One tree of histogram boosting."""

    def __init__(self, nodes: npt.NDArray[Any]) -> None:
        self._left, self._right = nodes["left"].astype(np.intp), nodes["right"].astype(np.intp)
        self._feature, self._threshold = nodes["feature_idx"].astype(np.intp), nodes["num_threshold"]
        self._missing_left = nodes["missing_go_to_left"].astype(bool)
        self._is_leaf = nodes["is_leaf"].astype(bool)

    def leaves(self, rows: npt.NDArray[np.float64]) -> Ids:
        at = np.zeros(len(rows), np.intp)
        moving = np.flatnonzero(~self._is_leaf[at])
        while len(moving):
            node = at[moving]
            values = rows[moving, self._feature[node]]
            left = np.where(np.isnan(values), self._missing_left[node], values <= self._threshold[node])
            at[moving] = np.where(left, self._left[node], self._right[node])
            moving = moving[~self._is_leaf[at[moving]]]
        return at


def watcher(model: Any, leaves: Leaves | None, table: npt.NDArray[np.float64] | None) -> Callable[[Any], Told]:
    """What tells these signals of rows, given as the model itself takes them."""
    last, front = parts_of(model)
    asked = list(_asked(last, leaves, table))

    def watch(rows: Any) -> Told:
        if not asked:
            return {}
        given = before_last(front, rows)
        return {key: values for ask in asked for key, values in ask(given).items()}

    return watch


def _asked(last: Any, leaves: Leaves | None, table: npt.NDArray[np.float64] | None) -> Iterator[Callable[[Any], Told]]:
    ids = leaf_ids(last)
    if ids is not None and leaves is not None and table is not None:
        starts = np.array(leaves.starts, np.intp)
        yield lambda rows: leaves_told(leaves, table[starts + ids(rows)].sum(axis=1))
    elif hasattr(last, "kneighbors") and hasattr(last, "n_neighbors"):
        yield lambda rows: {("path", "distance"): last.kneighbors(rows)[0][:, -1]}
    yield _nonzeros


def _nonzeros(rows: Any) -> Told:
    """Of sparse rows: so many multiplications a score takes."""
    return {("work", "nonzeros"): np.diff(rows.tocsr().indptr).astype(np.float64)} if hasattr(rows, "tocsr") else {}


def leaves_told(leaves: Leaves, totals: npt.NDArray[np.float64]) -> Told:
    """The signals in the sums of the table's numbers over a row's leaves; exact, in whatever order they were added."""
    totals = totals.reshape(-1)
    rare = np.floor(totals / leaves.rare)
    rest = totals - rare * leaves.rare
    comparisons = np.floor(rest / leaves.comparison)
    surprisal = (rest - comparisons * leaves.comparison) / (leaves.bit * len(leaves.starts))
    return {
        ("path", "surprisal"): surprisal,
        ("path", "rare_rate"): (rare > 0).astype(np.float64),
        ("work", "comparisons"): comparisons,
    }

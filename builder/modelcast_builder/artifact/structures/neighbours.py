"""The trees of neighbours (k-d and ball), their metrics, and the estimators that look rows up in them."""

from collections.abc import Mapping

import numpy as np

from .damage import need
from .values import (
    column,
    integer,
    items,
    module_of,
    name_of,
    number_array,
    numbers,
    shape_of,
    state_of,
    whole,
)

METRICS = ("sklearn.metrics._dist_metrics", "sklearn.neighbors._dist_metrics")
_PARTS = 13
"""Values in the state of a tree, `BinaryTree.__getstate__`."""
_BOUNDS = {"KDTree": 2, "BallTree": 1}


def check_tree(tree: object) -> None:
    """Check a `KDTree` or `BallTree`, which were given all of their arrays at once. Raises `Damaged`."""
    state = state_of(tree)
    need(len(state) == _PARTS, "has no points")
    points, order, nodes, bounds = (number_array(part) for part in state[:4])
    need(points.ndim == 2 and points.size, "has no points")
    rows, features = points.shape
    levels, count = whole(state[5]) or 0, whole(state[6]) or 0
    need((whole(state[4]) or 0) >= 1, "has leaves without points")
    need(0 < levels < 60 and count == 2**levels - 1 and nodes.shape == (count,), "counts other nodes than it has")
    name = name_of(tree)
    first = next((size for kind, size in _BOUNDS.items() if name and name[1].startswith(kind)), 0)
    need(bounds.shape == (first, count, features), "has bounds of other nodes or features")
    need(order.shape == (rows,) and order.dtype.kind in "iu", "has another order than points")
    need(((order >= 0) & (order < rows)).all(), "has a point that lies outside")
    start, end, leaf = (column(nodes, part) for part in ("idx_start", "idx_end", "is_leaf"))
    need(((start >= 0) & (start <= end) & (end <= rows)).all(), "has a node whose points lie outside")
    need((leaf[count // 2 :] != 0).all(), "has a node whose child lies outside")
    need(state[12] is None or shape_of(state[12]) == (rows,), "has weights of other points")
    check_metric(state[11], features)


def check_metric(metric: object, features: int | None = None) -> None:
    """Check a `DistanceMetric`: p, a vector and a matrix, which some read as long as a row. Raises `Damaged`."""
    need(module_of(metric) in METRICS, "has no distance")
    state = state_of(metric)
    need(len(state) >= 3, "has a distance without its parts")
    vector, matrix = number_array(state[1]), number_array(state[2])
    kind = (name_of(metric) or ("", ""))[1].rstrip("0123456789").removesuffix("Distance")
    size = len(vector) if vector.ndim == 1 else -1
    need(vector.ndim == 1 and matrix.ndim == 2, "has a distance without its parts")
    if features is None:
        need(kind != "Mahalanobis" or matrix.shape[0] == matrix.shape[1], "has a distance of other features")
        return
    fits = {
        "SEuclidean": size == features,
        "Minkowski": size in (0, features),
        "WMinkowski": size == features,
        "Mahalanobis": matrix.shape == (features, features),
        "Haversine": features == 2,
    }
    need(fits.get(kind, True), "has a distance of other features")


def check_lookup(state: Mapping[str, object]) -> None:
    """Check an estimator that keeps its training rows (`_fit_X`) and their targets (`_y`). Raises `Damaged`."""
    rows = shape_of(state.get("_fit_X"))
    if not rows:
        return
    need(len(rows) == 2 and rows[0] == integer(state, "n_samples_fit_"), "keeps other rows than it counts")
    precomputed = state.get("metric") == "precomputed"
    need(precomputed or rows[1] == whole(state.get("n_features_in_")), "keeps rows of other features")
    tree = state.get("_tree")
    if name_of(tree) is not None:
        parts = state_of(tree)
        need(parts and shape_of(parts[0]) == rows, "looks up other rows than it keeps")
    if "_y" in state:
        need(shape_of(state["_y"])[:1] == rows[:1], "has targets of other rows")
        if "classes_" in state:  # a regressor's are never read as places
            _check_labels(numbers(state, "_y").reshape(rows[0], -1), state["classes_"])


def _check_labels(targets: np.ndarray, classes: object) -> None:
    """Check that the labels are places among the classes: one array of them, or a list of one an output."""
    held = items(classes)
    lists = held if held and all(len(shape_of(one)) == 1 for one in held) else [classes]
    need(targets.shape[1] == len(lists), "has targets of other outputs than classes")
    for labels, known in zip(targets.T, lists, strict=True):
        need(((labels >= 0) & (labels < shape_of(known)[0])).all(), "has a target that is none of its classes")

"""Decision trees of every library in one form, and which rows come by which node."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_TRIES = 8
"""How many other rows are looked at for a node whose first one tells nothing."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes as arrays: a row goes left where its number, cast to `dtype`, is at most the threshold; a leaf has -1."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray
    """[nodes, numbers]: what a leaf answers."""
    dtype: Literal["float32", "float64"]

    def inner(self) -> np.ndarray:
        """The nodes that compare."""
        return np.flatnonzero(self.left >= 0)

    def passing(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """For every node the index of a row that comes by, or -1; `rows` are of `dtype`.

        If there is any, it is one whose answer depends on the node: where both ways end in equal leaves, a wrong
        threshold shows nothing.
        """
        chosen = self._by(rows, np.arange(len(rows)))
        tells = self._tells(rows, chosen)
        for _ in range(_TRIES):
            if tells.all():
                break
            other = self._by(rows, generator.permutation(len(rows)))
            better = ~tells & self._tells(rows, other)
            chosen, tells = np.where(better, other, chosen), tells | better
        return chosen

    def _by(self, rows: np.ndarray, order: np.ndarray) -> np.ndarray:
        """For every node the last row, in this order, that comes by."""
        by = np.full(len(self.left), -1)
        at, who = np.zeros(len(rows), dtype=np.intp), order
        while len(who):
            by[at] = who
            goes_on = self.left[at] >= 0
            at, who = self._next(rows, at[goes_on], who[goes_on]), who[goes_on]
        return by

    def _next(self, rows: np.ndarray, at: np.ndarray, who: np.ndarray) -> np.ndarray:
        is_left = rows[who, self.feature[at]] <= self.threshold[at]
        return np.asarray(np.where(is_left, self.left[at], self.right[at]))

    def _tells(self, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """For every node whether its row would be answered otherwise on the other side; a leaf has no sides."""
        tells = np.ones(len(self.left), dtype=bool)
        nodes = np.flatnonzero((self.left >= 0) & (chosen >= 0))
        ends = []
        for children, reach in ((self.left, -np.inf), (self.right, np.inf)):
            moved = rows[chosen[nodes]].copy()
            threshold = self.threshold[nodes].astype(self.dtype)
            moved[np.arange(len(nodes)), self.feature[nodes]] = np.nextafter(threshold, reach, dtype=self.dtype)
            ends.append(self._leaves(moved, children[nodes]))
        tells[nodes] = (self.values[ends[0]] != self.values[ends[1]]).any(axis=1)
        return tells

    def _leaves(self, rows: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Where each row ends that starts at its node."""
        at = start.copy()
        while len(inner := np.flatnonzero(self.left[at] >= 0)):
            at[inner] = self._next(rows, at[inner], inner)
        return at


def trees_of(estimator: Any) -> Iterator[Tree]:
    """The trees that look at the estimator's own rows; none where it is made of other estimators."""
    if hasattr(estimator, "tree_"):
        yield _of_sklearn(estimator.tree_)
    elif hasattr(estimator, "_predictors"):
        yield from (_of_histogram(tree) for stage in estimator._predictors for tree in stage)  # noqa: SLF001
    elif hasattr(estimator, "get_booster"):
        yield from _of_xgboost(estimator.get_booster())
    elif hasattr(estimator, "booster_"):
        yield from (_of_lightgbm(tree["tree_structure"]) for tree in estimator.booster_.dump_model()["tree_info"])
    elif hasattr(estimator, "estimators_"):
        yield from _of_forest(estimator)
    elif hasattr(estimator, "bin_edges_"):
        yield from _stumps(estimator.bin_edges_)
    elif type(estimator).__name__ == "Binarizer":
        yield from _stumps([[estimator.threshold]] * estimator.n_features_in_)


def members_of(ensemble: Any) -> list[Any]:
    """The estimators that an ensemble fitted, in a row; none of a Voting's that were dropped."""
    found = getattr(ensemble, "estimators_", ())
    return list(found.ravel()) if isinstance(found, np.ndarray) else list(found)


def _of_sklearn(tree: Any, features: Any = None) -> Tree:
    feature = np.maximum(tree.feature, 0)
    feature = feature if features is None else np.asarray(features)[feature]
    values = tree.value.reshape(len(feature), -1)
    return Tree(feature, tree.threshold, tree.children_left, tree.children_right, values, "float32")


def _of_forest(forest: Any) -> Iterator[Tree]:
    members = members_of(forest)
    if not all(hasattr(member, "tree_") for member in members):
        return
    chosen = getattr(forest, "estimators_features_", None)
    for index, member in enumerate(members):
        yield _of_sklearn(member.tree_, None if chosen is None else chosen[index])


def _of_histogram(predictor: Any) -> Tree:
    nodes = predictor.nodes
    left = np.where(nodes["is_leaf"], -1, nodes["left"].astype(np.intp))
    # A category is no number: such a node is passed, and nothing is put beside its threshold.
    threshold = np.where(nodes["is_categorical"], np.nan, nodes["num_threshold"])
    feature, right = nodes["feature_idx"].astype(np.intp), nodes["right"].astype(np.intp)
    return Tree(feature, threshold, left, right, nodes["value"].reshape(-1, 1), "float64")


def _stumps(edges: Any) -> Iterator[Tree]:
    for feature, of_feature in enumerate(edges):
        for edge in np.asarray(of_feature, dtype=np.float64):
            yield _of_nodes(
                [(feature, float(edge), 1, 2, 0.0), (0, 0.0, -1, -1, 0.0), (0, 0.0, -1, -1, 1.0)], "float64"
            )


_Node = tuple[int, float, int, int, float]


def _of_nodes(nodes: list[_Node], dtype: Literal["float32", "float64"]) -> Tree:
    feature, threshold, left, right, values = (np.array(part) for part in zip(*nodes, strict=True))
    return Tree(feature.astype(np.intp), threshold.astype(np.float64), left, right, values.reshape(-1, 1), dtype)


def _of_xgboost(booster: Any) -> Iterator[Tree]:
    import json

    names = booster.feature_names
    for text in booster.get_dump(dump_format="json"):
        nodes: dict[int, _Node] = {}
        _add_xgboost(json.loads(text), names, nodes)
        yield _of_nodes([nodes[index] for index in sorted(nodes)], "float32")


def _add_xgboost(node: dict[str, Any], names: list[str] | None, nodes: dict[int, _Node]) -> None:
    """A row goes left where it is less than the threshold: at most the number before it."""
    if "leaf" in node:
        nodes[node["nodeid"]] = (0, 0.0, -1, -1, node["leaf"])
        return
    split = node["split"]
    feature = names.index(split) if names else int(split[1:])
    condition = node["split_condition"]
    before = np.nan if isinstance(condition, list) else np.nextafter(np.float32(condition), np.float32(-np.inf))
    nodes[node["nodeid"]] = (feature, float(before), node["yes"], node["no"], 0.0)
    for child in node["children"]:
        _add_xgboost(child, names, nodes)


def _of_lightgbm(root: dict[str, Any]) -> Tree:
    nodes: list[_Node] = []
    _add_lightgbm(root, nodes)
    return _of_nodes(nodes, "float64")


def _add_lightgbm(node: dict[str, Any], nodes: list[_Node]) -> int:
    own = len(nodes)
    nodes.append((0, 0.0, -1, -1, float(node.get("leaf_value", 0.0))))
    if "split_index" in node:
        threshold = float(node["threshold"]) if node["decision_type"] == "<=" else np.nan
        left, right = (_add_lightgbm(node[side], nodes) for side in ("left_child", "right_child"))
        nodes[own] = (node["split_feature"], threshold, left, right, 0.0)
    return own

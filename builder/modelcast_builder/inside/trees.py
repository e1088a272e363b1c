"""Decision trees of every library in one form, and which rows come by which node."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes as arrays: a row goes left where its number, cast to `dtype`, is at most the threshold; a leaf has -1."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    dtype: Literal["float32", "float64"]

    def inner(self) -> np.ndarray:
        """The nodes that compare."""
        return np.flatnonzero(self.left >= 0)

    def passing(self, rows: np.ndarray) -> np.ndarray:
        """For every node the index of one row that comes by, or -1; `rows` are of `dtype`."""
        by = np.full(len(self.left), -1)
        at, who = np.zeros(len(rows), dtype=np.intp), np.arange(len(rows))
        while len(who):
            by[at] = who
            goes_on = self.left[at] >= 0
            at, who = at[goes_on], who[goes_on]
            is_left = rows[who, self.feature[at]] <= self.threshold[at]
            at = np.where(is_left, self.left[at], self.right[at])
        return by


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
    return Tree(feature, tree.threshold, tree.children_left, tree.children_right, "float32")


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
    return Tree(nodes["feature_idx"].astype(np.intp), threshold, left, nodes["right"].astype(np.intp), "float64")


def _stumps(edges: Any) -> Iterator[Tree]:
    for feature, of_feature in enumerate(edges):
        for edge in np.asarray(of_feature, dtype=np.float64):
            yield _of_nodes([(feature, float(edge), 1, 2), (0, 0.0, -1, -1), (0, 0.0, -1, -1)], "float64")


_Node = tuple[int, float, int, int]


def _of_nodes(nodes: list[_Node], dtype: Literal["float32", "float64"]) -> Tree:
    feature, threshold, left, right = (np.array(part) for part in zip(*nodes, strict=True))
    return Tree(feature.astype(np.intp), threshold.astype(np.float64), left, right, dtype)


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
        nodes[node["nodeid"]] = (0, 0.0, -1, -1)
        return
    split = node["split"]
    feature = names.index(split) if names else int(split[1:])
    condition = node["split_condition"]
    before = np.nan if isinstance(condition, list) else np.nextafter(np.float32(condition), np.float32(-np.inf))
    nodes[node["nodeid"]] = (feature, float(before), node["yes"], node["no"])
    for child in node["children"]:
        _add_xgboost(child, names, nodes)


def _of_lightgbm(root: dict[str, Any]) -> Tree:
    nodes: list[_Node] = []
    _add_lightgbm(root, nodes)
    return _of_nodes(nodes, "float64")


def _add_lightgbm(node: dict[str, Any], nodes: list[_Node]) -> int:
    own = len(nodes)
    nodes.append((0, 0.0, -1, -1))
    if "split_index" in node:
        threshold = float(node["threshold"]) if node["decision_type"] == "<=" else np.nan
        left, right = (_add_lightgbm(node[side], nodes) for side in ("left_child", "right_child"))
        nodes[own] = (node["split_feature"], threshold, left, right)
    return own

"""XGBoost's models, JSON or UBJSON: the trees, the groups that they add to, and the features that they ask for."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from . import ubjson
from .damage import Damaged, Unreadable, need
from .nodes import Indexes, check_paths

MOST_FEATURES = 10_000_000
MOST_CATEGORY = 2**24
"""Categories are floats: no larger one can be told from its neighbour."""


def check_booster(content: bytes) -> None:
    """Check a saved model, or a pickled `Booster`, which holds its training's settings too. Raises `Damaged`."""
    saved = _parsed(content)
    model = _mapping(saved.get("Model", saved))
    learner = _mapping(model.get("learner"))
    sizes = _mapping(learner.get("learner_model_param"))
    features = _number(sizes, "num_feature")
    groups = max(1, _number(sizes, "num_class"), int(sizes.get("num_target", 1)))
    need(0 <= features <= MOST_FEATURES and groups <= MOST_FEATURES, "has more features or classes than a model has")
    booster = _mapping(learner.get("gradient_booster"))
    if booster.get("name") == "gblinear":
        weights = _list(_mapping(booster.get("model")), "weights")
        need(len(weights) == (features + 1) * groups, "has weights of other features")
        return
    if booster.get("name") == "dart":
        trees = _check_trees(_mapping(_mapping(booster.get("gbtree")).get("model")), features, groups)
        need(len(_list(booster, "weight_drop")) == trees, "has weights of other trees")
        return
    need(booster.get("name") == "gbtree", "has a booster of no known kind")
    _check_trees(_mapping(booster.get("model")), features, groups)


def _parsed(content: bytes) -> Mapping[str, Any]:
    try:
        is_text = content[1:2] in b'"\n\r\t '
        return _mapping(json.loads(content) if is_text else ubjson.parse(content))
    except (ValueError, RecursionError) as error:
        raise Unreadable("is no model that can be read") from error


def _check_trees(model: Mapping[str, Any], features: int, groups: int) -> int:
    trees = model.get("trees")
    need(isinstance(trees, list), "has no trees")
    count = len(trees or ())
    need(_number(_mapping(model.get("gbtree_model_param")), "num_trees") == count, "counts other trees than it has")
    info = _list(model, "tree_info")
    need(len(info) == count and ((info >= 0) & (info < groups)).all(), "has a tree of a class outside")
    if "iteration_indptr" in model:
        steps = _list(model, "iteration_indptr")
        need(len(steps) and steps[0] == 0 and steps[-1] == count, "has iterations of other trees")
        need((steps[1:] >= steps[:-1]).all(), "has iterations of other trees")
    for at, tree in enumerate(trees or ()):
        try:
            _check_tree(_mapping(tree), features)
        except Damaged as damage:
            raise Damaged(f"has a tree ({at}) that {damage}") from None
    return count


def _check_tree(tree: Mapping[str, Any], features: int) -> None:
    sizes = _mapping(tree.get("tree_param"))
    count = _number(sizes, "num_nodes")
    need(count >= 1, "has no nodes")
    names = ("left_children", "right_children", "split_indices", "default_left", "split_conditions", "parents")
    left, right, asked, *others = (_list(tree, name) for name in names)
    need(all(len(kept) == count for kept in (left, right, asked, *others)), "counts other nodes than it has")
    inner = left != -1
    _check_values(tree, right[~inner], count, max(1, _number(sizes, "size_leaf_vector")))
    check_paths(np.concatenate((left[inner], right[inner])), count)
    need(((asked[inner] >= 0) & (asked[inner] < features)).all(), "has a node that asks for a feature outside")
    _check_categories(tree, count)


def _check_values(tree: Mapping[str, Any], leaves: Indexes, count: int, size: int) -> None:
    """Check what the leaves hold; where that is vectors, XGBoost 3.2 and newer find them by the leaf's right child."""
    need(len(_list(tree, "base_weights")) == count * size, "has values of other nodes")
    if size > 1 and "leaf_weights" in tree:
        weights = _list(tree, "leaf_weights")
        need(((leaves >= 0) & (leaves < len(weights) // size)).all(), "has a leaf whose values lie outside")
    else:
        need((leaves == -1).all(), "has a node with one child")


def _check_categories(tree: Mapping[str, Any], count: int) -> None:
    if "categories" not in tree:
        return
    nodes, starts, sizes, categories = (
        _list(tree, name) for name in ("categories_nodes", "categories_segments", "categories_sizes", "categories")
    )
    need(len(nodes) == len(starts) == len(sizes), "has sets of categories of other nodes")
    need(((nodes >= 0) & (nodes < count)).all(), "has sets of categories of other nodes")
    held = (starts >= 0) & (sizes >= 0) & (starts <= len(categories)) & (sizes <= len(categories) - starts)
    need(held.all(), "has a set of categories that lies outside")
    need(((categories >= 0) & (categories < MOST_CATEGORY)).all(), "has a category that no number can be")


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable("is no model that can be read")
    return value


def _number(sizes: Mapping[str, Any], name: str) -> int:
    """A size, which XGBoost writes as a text."""
    value = sizes.get(name, "0")
    if not (isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 12):
        raise Damaged(f"has a {name} that is no number")
    return int(value)


def _list(kept: Mapping[str, Any], name: str) -> Indexes:
    value = kept.get(name)
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "f" else value.astype(np.int64)
    try:
        held = np.array(value)
    except (ValueError, OverflowError):
        held = np.array(None)
    if held.ndim != 1 or (held.size and held.dtype.kind not in "iufb"):
        raise Damaged(f"has no {name}")
    return held if held.size else held.astype(np.int64)

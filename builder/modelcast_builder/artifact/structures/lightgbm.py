"""LightGBM's models, a text of `name=value` lines: the trees, their children and the features that they ask for."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .damage import Damaged, Unreadable, need
from .nodes import check_paths

MOST_FEATURES = 10_000_000
_TREE = re.compile(r"^Tree=(\d{1,9})$", re.MULTILINE)
_END = re.compile(r"^end of trees$", re.MULTILINE)
_CATEGORICAL, _LINEAR = 1, "1"


def check_model(text: str) -> None:
    """Check a saved model, or the text in a pickled `Booster`. Raises `Damaged`."""
    end = _END.search(text)
    if end is None or not text.startswith("tree\n"):
        raise Unreadable("is no model that can be read")
    begins = [match.start() for match in _TREE.finditer(text, 0, end.start())]
    head = _lines(text[: begins[0] if begins else end.start()])
    features = _number(head, "max_feature_idx") + 1
    need(features <= MOST_FEATURES, "has more features than a model has")
    for name in ("feature_names", "feature_infos"):
        need(len(head.get(name, "").split()) == features, f"has other {name} than features")
    need(_number(head, "num_class") >= 1, "has no class")
    columns = _number(head, "num_tree_per_iteration")
    need(columns >= 1 and len(begins) % columns == 0, "has other trees than its classes need")
    trees = [text[at:to] for at, to in zip(begins, [*begins[1:], end.start()], strict=True)]
    if "tree_sizes" in head:  # which are trusted as the places where trees begin
        sizes = [len(tree.encode()) for tree in trees]
        need(_numbers(head, "tree_sizes", np.int64).tolist() == sizes, "has trees that begin elsewhere than it says")
    for at, tree in enumerate(trees):
        try:
            _check_tree(_lines(tree), features)
        except Damaged as damage:
            raise Damaged(f"has a tree ({at}) that {damage}") from None


def _check_tree(tree: Mapping[str, str], features: int) -> None:
    leaves = _number(tree, "num_leaves")
    need(leaves >= 1 and len(_numbers(tree, "leaf_value", np.float64)) == leaves, "counts other leaves than it has")
    count = leaves - 1
    if count:
        left, right, asked, kinds = (
            _numbers(tree, name, np.int64) for name in ("left_child", "right_child", "split_feature", "decision_type")
        )
        splits = _numbers(tree, "threshold", np.float64)
        need(all(len(kept) == count for kept in (left, right, asked, kinds, splits)), "counts other nodes than it has")
        children = np.concatenate((left, right))
        # Leaves are told by their complement: as places behind the nodes they are children like the others.
        check_paths(np.where(children < 0, count + ~children, children), count + leaves)
        need((children < count).all(), "has a node whose child lies outside")
        need(((asked >= 0) & (asked < features)).all(), "has a node that asks for a feature outside")
        _check_categories(tree, splits[kinds & _CATEGORICAL != 0])
    if tree.get("is_linear", "0") == _LINEAR:
        _check_leaves(tree, leaves, features)


def _check_categories(tree: Mapping[str, str], places: NDArray[np.float64]) -> None:
    sets = _number(tree, "num_cat")
    if not sets:
        need(not len(places), "has a node that asks for a set of categories outside")
        return
    bounds, words = _numbers(tree, "cat_boundaries", np.int64), _numbers(tree, "cat_threshold", np.int64)
    need(len(bounds) == sets + 1 and bounds[0] == 0, "has sets of categories that lie outside")
    need((bounds[1:] >= bounds[:-1]).all() and bounds[-1] <= len(words), "has a set of categories that lies outside")
    need(((places >= 0) & (places < sets)).all(), "has a node that asks for a set of categories outside")


def _check_leaves(tree: Mapping[str, str], leaves: int, features: int) -> None:
    """Check the regressions in the leaves of a linear tree."""
    counts, asked = _numbers(tree, "num_features", np.int64), _numbers(tree, "leaf_features", np.int64)
    need(len(counts) == leaves and (counts >= 0).all(), "has regressions of other leaves")
    need(len(_numbers(tree, "leaf_const", np.float64)) == leaves, "has regressions of other leaves")
    need(len(asked) == counts.sum() == len(_numbers(tree, "leaf_coeff", np.float64)), "has regressions of other leaves")
    need(((asked >= 0) & (asked < features)).all(), "has a leaf that asks for a feature outside")


def _lines(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, is_one, value = line.partition("=")
        need(not is_one or name not in found, f"says {name[:40]} twice")
        if is_one:
            found[name] = value
    return found


def _number(lines: Mapping[str, str], name: str) -> int:
    value = lines.get(name, "")
    if not (value.isdecimal() and value.isascii() and len(value) < 12):
        raise Damaged(f"has a {name} that is no number")
    return int(value)


def _numbers(lines: Mapping[str, str], name: str, kind: type[np.generic]) -> NDArray[Any]:
    try:
        return np.array(lines.get(name, "").split(), dtype=kind)
    except (ValueError, OverflowError):
        raise Damaged(f"has a {name} that holds no numbers") from None

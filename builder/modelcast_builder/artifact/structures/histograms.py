"""Histogram gradient boosting: its trees, and what the predictor is handed with each row."""

from collections.abc import Mapping

from .damage import need
from .nodes import check_children
from .values import column, fields, integer, items, name_of, numbers

PREDICTOR = ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor")
_WORDS = 8
"""32-bit words of a set of categories."""


def check_predictor(predictor: object) -> None:
    """Check a `TreePredictor`, its nodes and its sets of categories. Raises `Damaged`."""
    state = fields(predictor)
    nodes = numbers(state, "nodes")
    need(nodes.ndim == 1 and len(nodes), "has no nodes")
    sets = [numbers(state, name) for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets")]
    need(all(kept.ndim == 2 and kept.shape[1] == _WORDS for kept in sets), "has sets of categories of another size")
    left, right, leaf = (column(nodes, name) for name in ("left", "right", "is_leaf"))
    inner = leaf == 0
    check_children(left, right, inner)
    need((column(nodes, "feature_idx")[inner] >= 0).all(), "has a node that asks for a feature outside")
    asked = column(nodes, "bitset_idx")[inner & (column(nodes, "is_categorical") != 0)]
    need((asked < min(map(len, sets))).all(), "has a node that asks for a set of categories outside")


def check_boosting(state: Mapping[str, object]) -> None:
    """Check a `HistGradientBoosting*` against its trees. Raises `Damaged`."""
    features = integer(state, "n_features_in_")
    mapper = fields(state.get("_bin_mapper"))
    is_categorical = numbers(mapper, "is_categorical_")
    need(len(items(mapper.get("bin_thresholds_"))) == features, "has bins of other features than its own")
    need(is_categorical.shape == (features,), "has bins of other features than its own")
    columns = integer(state, "n_trees_per_iteration_")
    for stage in items(state["_predictors"]):
        trees = items(stage)
        need(len(trees) == columns, "has a stage of other trees than its classes need")
        for tree in trees:
            need(name_of(tree) == PREDICTOR, "has a stage without a tree")
            nodes = numbers(fields(tree), "nodes")
            inner = column(nodes, "is_leaf") == 0
            used = column(nodes, "feature_idx")[inner]
            need(((used >= 0) & (used < features)).all(), "has a node that asks for a feature outside")
            of_sets = column(nodes, "is_categorical")[inner] != 0
            need((is_categorical[used[of_sets]] != 0).all(), "has a node of categories for a feature that has none")
    _check_order(state.get("_preprocessor"), features)


def _check_order(preprocessor: object, features: int) -> None:
    """Check that every feature still arrives: the categorical ones are put first before a tree sees the row."""
    if name_of(preprocessor) is None:
        return
    taken = 0
    for part in items(fields(preprocessor).get("transformers_")):
        named = items(part)
        if named and named[0] == "remainder":  # what is left over, if anything, is missed below
            continue
        need(len(named) == 3 and name_of(named[1]) is not None, "drops features before its trees")
        chosen = numbers({"columns": named[2]}, "columns")
        need(chosen.dtype.kind == "b" and chosen.shape == (features,), "drops features before its trees")
        encoded = fields(named[1]).get("categories_")
        need(encoded is None or len(items(encoded)) == chosen.sum(), "drops features before its trees")
        taken += int(chosen.sum())
    need(taken == features, "drops features before its trees")

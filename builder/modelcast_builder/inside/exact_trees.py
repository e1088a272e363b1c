"""Converters of our own for scikit-learn's trees: the same arithmetic in 64 bits, where skl2onnx has 32.

A tree of scikit-learn's sees its inputs rounded to 32 bits and compares them with thresholds of 64; the histogram
gradient boosting compares 64 bits. Both add up leaves of 64.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import forests
from .forests import Graph, Tree

CLASSIFIERS = (
    *("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"),
    *("GradientBoostingClassifier", "HistGradientBoostingClassifier"),
)
REGRESSORS = (
    *("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor"),
    *("GradientBoostingRegressor", "HistGradientBoostingRegressor"),
)


class CannotConvert(Exception):
    """What stands in the way, in words that follow the class's name."""


def register() -> None:
    """Put them in the place of skl2onnx' own."""
    from skl2onnx.common._registration import register_converter

    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    for name in CLASSIFIERS:
        register_converter(f"Sklearn{name}", _classifier, overwrite=True, options={**options, "raw_scores": [False]})
    for name in REGRESSORS:
        register_converter(f"Sklearn{name}", _regressor, overwrite=True)
    register_converter("SklearnIsolationForest", _isolation_forest, overwrite=True, options={"score_samples": [False]})


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    if isinstance(model.classes_, list):
        raise CannotConvert("answers several targets at once")
    probabilities = _PROBABILITIES[_kind(model)](graph, _rows(graph, operator), model)
    graph.give(forests.label(graph, probabilities, model.classes_), operator.outputs[0])
    graph.give(_as_asked(graph, probabilities, operator, operator.outputs[1]), operator.outputs[1])


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    number = _NUMBERS[_kind(model)](graph, _rows(graph, operator), model)
    graph.give(_as_asked(graph, number, operator, operator.outputs[0]), operator.outputs[0])


def _rows(graph: Graph, operator: Any) -> str:
    return graph.cast(operator.inputs[0].full_name, "DOUBLE")


def _as_asked(graph: Graph, value: str, operator: Any, output: Any) -> str:
    """Numbers as precise as the operator's inputs: the steps behind it expect that."""
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    output.set_type((DoubleTensorType if is_double else FloatTensorType)(output.type.shape))
    return value if is_double else graph.cast(value, "FLOAT")


def _kind(model: Any) -> str:
    name = type(model).__name__
    if name.startswith("HistGradientBoosting"):
        return "histogram"
    return "boosting" if name.startswith("GradientBoosting") else "forest"


def _members(model: Any) -> list[Any]:
    """The trees of a forest, or the one tree."""
    return [each.tree_ for each in getattr(model, "estimators_", [model])]


def trees_of(model: Any) -> Iterator[Tree]:
    """The trees, whatever is in their leaves, in the order of `modelcast_runtime.formats.within.leaf_ids`."""
    if hasattr(model, "_predictors"):
        yield from (_histogram_tree(one.nodes) for stage in model._predictors for one in stage)  # noqa: SLF001
        return
    members = np.ravel(np.asarray(getattr(model, "estimators_", [model]), dtype=object))
    yield from (_tree(member.tree_, member.tree_.value[:, 0, :1]) for member in members)


def _tree(tree: Any, values: np.ndarray) -> Tree:
    """A `sklearn.tree._tree.Tree` with these leaves."""
    names = tree.__getstate__()["nodes"].dtype.names
    missing = tree.__getstate__()["nodes"]["missing_go_to_left"] if "missing_go_to_left" in names else None
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        values=values,
        missing_left=missing,
    )


def _forest_probabilities(graph: Graph, rows: str, model: Any) -> str:
    trees = [_tree(tree, _shares(tree.value[:, 0, :])) for tree in _members(model)]
    return _mean(graph, forests.summed(graph, graph.rounded(rows), trees), len(trees))


def _shares(values: np.ndarray) -> np.ndarray:
    """Older versions count rows in a leaf, newer ones hold shares."""
    totals = values.sum(axis=1, keepdims=True)
    return values if np.allclose(totals, 1.0) else values / np.where(totals == 0, 1.0, totals)


def _forest_numbers(graph: Graph, rows: str, model: Any) -> str:
    trees = [_tree(tree, tree.value[:, :, 0]) for tree in _members(model)]
    return _mean(graph, forests.summed(graph, graph.rounded(rows), trees), len(trees))


def _mean(graph: Graph, total: str, count: int) -> str:
    return total if count == 1 else graph.node("Div", total, graph.constant(np.float64(count)))


def _with_complement(graph: Graph, second: str) -> str:
    first = graph.node("Sub", graph.constant(np.float64(1.0)), second)
    return graph.node("Concat", first, second, axis=1)


def _boosting_raw(graph: Graph, rows: str, model: Any) -> str:
    stages, columns = model.estimators_.shape
    trees = [model.estimators_[stage, column].tree_ for stage in range(stages) for column in range(columns)]
    scaled = [_tree(tree, tree.value[:, :, 0] * model.learning_rate) for tree in trees]
    start = _start(model, columns)
    raw = forests.by_target(graph, graph.rounded(rows), scaled, list(range(columns)) * stages)
    return graph.node("Add", raw, graph.constant(start))


def _start(model: Any, columns: int) -> np.ndarray:
    """What the boosting begins with, one row: the same for all rows unless an own estimator says it."""
    if isinstance(model.init_, str) or type(model.init_).__name__ in ("DummyClassifier", "DummyRegressor"):
        nothing = np.zeros((1, model.n_features_in_), dtype=np.float32)
        return np.asarray(model._raw_predict_init(nothing), dtype=np.float64).reshape(1, columns)  # noqa: SLF001
    raise CannotConvert(f"begins with a model of its own ({type(model.init_).__name__})")


def _boosting_probabilities(graph: Graph, rows: str, model: Any) -> str:
    raw = _boosting_raw(graph, rows, model)
    if model.loss == "exponential":
        raw = graph.node("Mul", raw, graph.constant(np.float64(2.0)))
    return _linked(graph, raw, len(model.classes_))


def _linked(graph: Graph, raw: str, classes: int) -> str:
    if classes > 2:
        return graph.node("Softmax", raw, axis=1)
    return _with_complement(graph, graph.node("Sigmoid", raw))


def _histogram_raw(graph: Graph, rows: str, model: Any) -> str:
    stages = model._predictors  # noqa: SLF001 - nothing else has the trees
    if any(predictor.raw_left_cat_bitsets.size for stage in stages for predictor in stage):
        raise CannotConvert("splits on categories")
    trees = [_histogram_tree(predictor.nodes) for stage in stages for predictor in stage]
    columns = len(stages[0]) if stages else 1
    start = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, -1)  # noqa: SLF001
    raw = forests.by_target(graph, rows, trees, list(range(columns)) * len(stages))
    return graph.node("Add", raw, graph.constant(start))


def _histogram_tree(nodes: np.ndarray) -> Tree:
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        values=nodes["value"].reshape(-1, 1),
        missing_left=nodes["missing_go_to_left"],
    )


def _histogram_probabilities(graph: Graph, rows: str, model: Any) -> str:
    return _linked(graph, _histogram_raw(graph, rows, model), len(model.classes_))


_EXPONENTIAL = ("poisson", "gamma")


def _histogram_numbers(graph: Graph, rows: str, model: Any) -> str:
    raw = _histogram_raw(graph, rows, model)
    return graph.node("Exp", raw) if model.loss in _EXPONENTIAL else raw


_Convert = Callable[[Graph, str, Any], str]
_PROBABILITIES: dict[str, _Convert] = {
    "forest": _forest_probabilities,
    "boosting": _boosting_probabilities,
    "histogram": _histogram_probabilities,
}
_NUMBERS: dict[str, _Convert] = {
    "forest": _forest_numbers,
    "boosting": _boosting_raw,
    "histogram": _histogram_numbers,
}


def _isolation_forest(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    rows = graph.rounded(_rows(graph, operator))
    depths = forests.summed(graph, rows, list(_isolated(model)))
    expected = len(model.estimators_) * _path_length(np.array([model._max_samples]))  # noqa: SLF001
    share = graph.node("Div", depths, graph.constant(-np.float64(expected[0])))
    score = graph.node("Neg", graph.node("Pow", graph.constant(np.float64(2.0)), share))
    decision = graph.node("Sub", score, graph.constant(np.float64(model.offset_)))
    is_out = graph.node("Less", decision, graph.constant(np.float64(0.0)))
    inside, outside = graph.constant(np.int64(1)), graph.constant(np.int64(-1))
    graph.give(graph.node("Where", is_out, outside, inside), operator.outputs[0])
    graph.give(_as_asked(graph, decision, operator, operator.outputs[1]), operator.outputs[1])


def _isolated(model: Any) -> Iterator[Tree]:
    """Leaves hold the depth of a row that ends there, and what the rows that are left in it would add."""
    for each, features in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = each.tree_
        depths = _depths(tree.children_left, tree.children_right) + _path_length(tree.n_node_samples)
        made = _tree(tree, depths.reshape(-1, 1))
        chosen = np.asarray(features)[np.maximum(made.feature, 0)]
        yield Tree(left=made.left, right=made.right, feature=chosen, threshold=made.threshold, values=made.values)


def _depths(left: Sequence[int], right: Sequence[int]) -> np.ndarray:
    depths = np.zeros(len(left))
    for node, (one, other) in enumerate(zip(left, right, strict=True)):  # children stand behind their parent
        if one >= 0:
            depths[[one, other]] = depths[node] + 1
    return depths


def _path_length(samples: np.ndarray) -> np.ndarray:
    """scikit-learn's own estimate of how much deeper so many rows would have gone."""
    from sklearn.ensemble import _iforest

    return np.asarray(_iforest._average_path_length(samples), dtype=np.float64)  # noqa: SLF001

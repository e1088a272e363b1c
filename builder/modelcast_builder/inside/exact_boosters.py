"""Converters of our own for XGBoost and LightGBM: their trees as they compare, in 32 and in 64 bits, added up in 64.

XGBoost rounds its inputs to 32 bits and goes left below a threshold; LightGBM compares 64 bits and goes left at most at
one. Both say for every node where a missing value goes.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import forests
from .exact_trees import CannotConvert, _as_asked, _linked, _rows
from .forests import Graph, Tree


def register() -> None:
    """Tell skl2onnx of those that the model's own environment has loaded."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes

    classes, numbers = (
        shapes.calculate_linear_classifier_output_shapes,
        shapes.calculate_linear_regressor_output_shapes,
    )
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    for library, prefix, raw in (("xgboost", "XGB", _raw_of_xgboost), ("lightgbm", "LGBM", _raw_of_lightgbm)):
        module = sys.modules.get(library)
        if module is None:
            continue
        update_registered_converter(
            getattr(module, f"{prefix}Classifier"),
            f"Modelcast{prefix}Classifier",
            classes,
            _classifier(raw),
            overwrite=True,
            options=options,
        )
        update_registered_converter(
            getattr(module, f"{prefix}Regressor"),
            f"Modelcast{prefix}Regressor",
            numbers,
            _regressor(raw),
            overwrite=True,
        )


_Raw = Callable[[Graph, str, Any], tuple[str, str]]
"""Adds the trees up, and tells the objective: what is behind the sum."""
_Converter = Callable[[Any, Any, Any], None]
_PLAIN = {"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror", "reg:quantileerror", "reg:linear"} | {
    "regression", "regression_l1", "huber", "fair", "quantile", "mape",
}  # fmt: skip
_EXPONENTIAL = {"count:poisson", "reg:gamma", "reg:tweedie", "poisson", "gamma", "tweedie"}
_LOGISTIC = {"binary:logistic", "binary"}
_SOFTMAX = {"multi:softprob", "multiclass"}


def _classifier(raw: _Raw) -> _Converter:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        model, graph = operator.raw_operator, Graph(scope, container)
        total, objective = raw(graph, _rows(graph, operator), model)
        if objective not in _LOGISTIC | _SOFTMAX:
            raise CannotConvert(f"has the objective {objective}")
        probabilities = _linked(graph, total, len(model.classes_))
        graph.give(forests.label(graph, probabilities, model.classes_), operator.outputs[0])
        graph.give(_as_asked(graph, probabilities, operator, operator.outputs[1]), operator.outputs[1])

    return convert


def _regressor(raw: _Raw) -> _Converter:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        model, graph = operator.raw_operator, Graph(scope, container)
        total, objective = raw(graph, _rows(graph, operator), model)
        if objective not in _PLAIN | _EXPONENTIAL:
            raise CannotConvert(f"has the objective {objective}")
        number = graph.node("Exp", total) if objective in _EXPONENTIAL else total
        graph.give(_as_asked(graph, number, operator, operator.outputs[0]), operator.outputs[0])

    return convert


def _raw_of_xgboost(graph: Graph, rows: str, model: Any) -> tuple[str, str]:
    if not np.isnan(model.missing):
        raise CannotConvert(f"takes {model.missing} for missing")
    learner = json.loads(model.get_booster().save_raw("json"))["learner"]
    booster, objective = learner["gradient_booster"], str(learner["objective"]["name"])
    if booster["name"] != "gbtree":
        raise CannotConvert(f"is made of {booster['name']}")
    said = learner["learner_model_param"]
    columns = max(1, int(said["num_class"]), int(said.get("num_target", 1)))
    parallel = int(booster["model"]["gbtree_model_param"]["num_parallel_tree"])
    chosen = _best(model, booster["model"])
    trees = [_tree_of_xgboost(tree) for tree in booster["model"]["trees"][:chosen]]
    start = np.broadcast_to(np.atleast_1d(json.loads(said["base_score"])).astype(np.float64), (columns,))
    if objective in _LOGISTIC:
        start = np.log(start / (1 - start))
    elif objective in _EXPONENTIAL:
        start = np.log(start)
    if columns > 1 and parallel > 1:
        raise CannotConvert("grows several trees a class in each round")
    leaves = forests.by_target(graph, graph.rounded(rows), trees, range(chosen))
    return _added_in_32_bits(graph, leaves, start), objective


def _added_in_32_bits(graph: Graph, leaves: str, start: np.ndarray) -> str:
    """One tree after the other on top of the start, each sum rounded: hundreds of trees are 1e-6 off otherwise."""
    by_round = graph.node("Reshape", graph.cast(leaves, "FLOAT"), graph.constant(np.array([0, -1, len(start)])))
    sums = graph.node("CumSum", _after(graph, by_round, start), graph.constant(np.int64(1)))
    return graph.cast(graph.node("Gather", sums, graph.constant(np.int64(-1)), axis=1), "DOUBLE")


def _after(graph: Graph, by_round: str, start: np.ndarray) -> str:
    """The leaves with the start before them: [rows, 1 + rounds, columns]."""
    rows = graph.node("Slice", graph.node("Shape", by_round), *(graph.constant(np.array([at])) for at in (0, 1)))
    shape = graph.node("Concat", rows, graph.constant(np.array([1, len(start)])), axis=0)
    row = graph.constant(start.astype(np.float32).reshape(1, 1, -1))
    return graph.node("Concat", graph.node("Expand", row, shape), by_round, axis=1)


def _best(model: Any, trees: dict[str, Any]) -> int:
    """How many of the trees predict: those up to the best round, where training was stopped early."""
    count = len(trees["trees"])
    try:
        best = int(model.best_iteration) + 1
    except AttributeError:
        return count
    return int(trees["iteration_indptr"][best])


def _tree_of_xgboost(tree: dict[str, Any]) -> Tree:
    if any(tree["split_type"]):
        raise CannotConvert("splits on categories")
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise CannotConvert("has several numbers in a leaf")
    left, conditions = np.array(tree["left_children"]), np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        left=left,
        right=np.array(tree["right_children"]),
        feature=np.array(tree["split_indices"]),
        threshold=conditions.astype(np.float64),
        values=np.where(left < 0, conditions, 0).astype(np.float64).reshape(-1, 1),
        missing_left=np.array(tree["default_left"], dtype=bool),
        mode=forests.LESS,
    )


def _raw_of_lightgbm(graph: Graph, rows: str, model: Any) -> tuple[str, str]:
    said = model.booster_.dump_model()
    objective, *settings = str(said.get("objective", "custom")).split()
    columns = int(said["num_tree_per_iteration"])
    trees = [_tree_of_lightgbm(tree["tree_structure"]) for tree in said["tree_info"]]
    targets = [index % columns for index in range(len(trees))]
    total = forests.by_target(graph, rows, trees, targets)
    if said.get("average_output"):
        total = graph.node("Div", total, graph.constant(np.float64(len(trees) / columns)))
    if "sqrt" in settings:
        raise CannotConvert("is fitted on square roots")
    slope = next((float(one.partition(":")[2]) for one in settings if one.startswith("sigmoid:")), 1.0)
    return (total if slope == 1 else graph.node("Mul", total, graph.constant(np.float64(slope)))), objective


def _tree_of_lightgbm(root: dict[str, Any]) -> Tree:
    nodes: list[tuple[int, int, int, float, float, bool]] = []

    def add(node: dict[str, Any]) -> int:
        own = len(nodes)
        nodes.append((-1, -1, 0, 0.0, float(node.get("leaf_value", 0.0)), False))
        if "split_index" in node:
            threshold, missing_left = _split(node)
            left, right = add(node["left_child"]), add(node["right_child"])
            nodes[own] = (left, right, int(node["split_feature"]), threshold, 0.0, missing_left)
        return own

    add(root)
    left, right, feature, threshold, values, missing_left = (np.array(part) for part in zip(*nodes, strict=True))
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        values=values.reshape(-1, 1),
        missing_left=missing_left,
    )


def _split(node: dict[str, Any]) -> tuple[float, bool]:
    """The threshold, and whether a missing value goes left: where none was seen in training, it counts as 0."""
    if node["decision_type"] != "<=":
        raise CannotConvert("splits on categories")
    threshold = float(node["threshold"])
    if node["missing_type"] == "Zero":
        raise CannotConvert("takes zero for missing")
    return threshold, bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0

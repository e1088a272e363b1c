"""Converters of our own for what answers by the side of a boundary: support vectors and lines, in 64 bits.

ONNX Runtime computes support vectors in 32 bits: rows near the boundary are put on the other side.
"""

from collections.abc import Callable
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from . import forests
from .exact_trees import CannotConvert, _as_asked, _rows
from .forests import Graph


def register() -> None:
    """Put them in the place of skl2onnx' own."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common import shape_calculator as shapes
    from skl2onnx.common._registration import register_converter
    from sklearn import linear_model, svm

    classes, numbers = (
        shapes.calculate_linear_classifier_output_shapes,
        shapes.calculate_linear_regressor_output_shapes,
    )
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    options["raw_scores"] = [True, False]
    lines = (svm.LinearSVC, linear_model.RidgeClassifier, linear_model.RidgeClassifierCV)
    for kinds, convert in ((lines, _line), ((svm.SVC, svm.NuSVC), _vectors)):
        for kind in kinds:
            update_registered_converter(
                kind, f"Modelcast{kind.__name__}", classes, convert, overwrite=True, options=options
            )
    for kind in (svm.SVR, svm.NuSVR):
        update_registered_converter(kind, f"Modelcast{kind.__name__}", numbers, _regression, overwrite=True)
    register_converter("SklearnOneClassSVM", _one_class, overwrite=True)


def _line(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    coefficients = np.atleast_2d(model.coef_).astype(np.float64)
    products = graph.node("MatMul", _rows(graph, operator), graph.constant(coefficients.T))
    scores = graph.node("Add", products, graph.constant(np.reshape(model.intercept_, (1, -1)).astype(np.float64)))
    if coefficients.shape[0] == 1:
        scores = graph.node("Concat", graph.node("Neg", scores), scores, axis=1)
    _give(graph, scores, model, operator)


def _vectors(scope: Any, operator: Any, container: Any) -> None:
    """Each pair of classes votes, and the first with the most votes is the label."""
    model, graph = operator.raw_operator, Graph(scope, container)
    if model.probability is True:  # newer versions have a word where nobody asked for them
        raise CannotConvert("has probabilities that a fit of its own gives")
    if model.break_ties:
        raise CannotConvert("breaks ties by its confidence")
    ends = np.cumsum([0, *model.n_support_])
    of = [slice(start, end) for start, end in pairwise(ends)]
    pairs = list(combinations(range(len(of)), 2))
    weights = np.zeros((ends[-1], len(pairs)))
    for_one, for_other = np.zeros((len(pairs), len(of))), np.zeros((len(pairs), len(of)))
    for at, (one, other) in enumerate(pairs):
        weights[of[one], at] = model._dual_coef_[other - 1, of[one]]
        weights[of[other], at] = model._dual_coef_[one, of[other]]
        for_one[at, one] = for_other[at, other] = 1
    decisions = _decisions(graph, _rows(graph, operator), model, weights)
    is_one = graph.cast(graph.node("Greater", decisions, graph.constant(np.float64(0))), "DOUBLE")
    is_other = graph.node("Sub", graph.constant(np.float64(1)), is_one)
    votes = [
        graph.node("MatMul", is_one, graph.constant(for_one)),
        graph.node("MatMul", is_other, graph.constant(for_other)),
    ]
    _give(graph, graph.node("Add", *votes), model, operator)


def _regression(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    number = _decisions(graph, _rows(graph, operator), model, _weights(model))
    graph.give(_as_asked(graph, number, operator, operator.outputs[0]), operator.outputs[0])


def _one_class(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    decision = _decisions(graph, _rows(graph, operator), model, _weights(model))
    is_inside = graph.node("Greater", decision, graph.constant(np.float64(0)))
    label = graph.node("Where", is_inside, graph.constant(np.int64(1)), graph.constant(np.int64(-1)))
    graph.give(label, operator.outputs[0])
    graph.give(_as_asked(graph, decision, operator, operator.outputs[1]), operator.outputs[1])


def _give(graph: Graph, scores: str, model: Any, operator: Any) -> None:
    graph.give(forests.label(graph, scores, model.classes_), operator.outputs[0])
    graph.give(_as_asked(graph, scores, operator, operator.outputs[1]), operator.outputs[1])


def _weights(model: Any) -> np.ndarray:
    return np.asarray(model._dual_coef_, dtype=np.float64).T


def _decisions(graph: Graph, rows: str, model: Any, weights: np.ndarray) -> str:
    if getattr(model, "_sparse", False):
        raise CannotConvert("was fitted on sparse rows")
    if model.kernel not in _KERNELS:
        raise CannotConvert(f"has the kernel {model.kernel}")
    products = graph.node("MatMul", rows, graph.constant(np.asarray(model.support_vectors_, dtype=np.float64).T))
    likeness = _KERNELS[model.kernel](graph, rows, products, model)
    return graph.node(
        "Add",
        graph.node("MatMul", likeness, graph.constant(weights)),
        graph.constant(model._intercept_.reshape(1, -1)),
    )


def _radial(graph: Graph, rows: str, products: str, model: Any) -> str:
    own = graph.node("ReduceSumSquare", rows, graph.constant(np.array([1])), keepdims=1)
    theirs = graph.constant((model.support_vectors_**2).sum(axis=1).reshape(1, -1))
    twice = graph.node("Mul", products, graph.constant(np.float64(2)))
    squares = graph.node("Sub", graph.node("Add", own, theirs), twice)
    # So far away that its square overflows: infinitely far from all, and not infinite less infinite.
    squares = graph.node("Where", graph.node("IsInf", own), graph.constant(np.float64(np.inf)), squares)
    squares = graph.node("Max", squares, graph.constant(np.float64(0)))
    return graph.node("Exp", graph.node("Mul", squares, graph.constant(-np.float64(model._gamma))))  # noqa: SLF001


def _shifted(graph: Graph, products: str, model: Any) -> str:
    scaled = graph.node("Mul", products, graph.constant(np.float64(model._gamma)))  # noqa: SLF001
    return graph.node("Add", scaled, graph.constant(np.float64(model.coef0)))


def _polynomial(graph: Graph, _: str, products: str, model: Any) -> str:
    return graph.node("Pow", _shifted(graph, products, model), graph.constant(np.float64(model.degree)))


def _sigmoid(graph: Graph, _: str, products: str, model: Any) -> str:
    return graph.node("Tanh", _shifted(graph, products, model))


def _linear(_: Graph, __: str, products: str, ___: Any) -> str:
    return products


_KERNELS: dict[Any, Callable[[Graph, str, str, Any], str]] = {
    "rbf": _radial,
    "poly": _polynomial,
    "sigmoid": _sigmoid,
    "linear": _linear,
}

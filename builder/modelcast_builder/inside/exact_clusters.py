"""A converter of our own for k-means: the cluster by scikit-learn's own arithmetic, far from all centres too.

scikit-learn compares |c|² - 2xc, without the |x|² that all centres share: where a row is so far away that every
distance is the same number, it still knows the nearest. skl2onnx compares the distances.
"""

from typing import Any

import numpy as np

from .exact_trees import _as_asked, _rows
from .forests import Graph


def register() -> None:
    """Put it in the place of skl2onnx' own."""
    from skl2onnx.common._registration import register_converter

    for name in ("SklearnKMeans", "SklearnMiniBatchKMeans"):
        register_converter(name, _k_means, overwrite=True)


def _k_means(scope: Any, operator: Any, container: Any) -> None:
    model, graph = operator.raw_operator, Graph(scope, container)
    rows, centres = _rows(graph, operator), np.asarray(model.cluster_centers_, dtype=np.float64)
    norms = (centres**2).sum(axis=1).reshape(1, -1)
    products = graph.node("MatMul", rows, graph.constant(-2 * centres.T))
    nearness = graph.node("Add", products, graph.constant(norms))
    graph.give(graph.node("ArgMin", nearness, axis=1, keepdims=0), operator.outputs[0])
    length = graph.node("ReduceSumSquare", rows, graph.constant(np.array([1])), keepdims=1)
    squares = graph.node("Max", graph.node("Add", nearness, length), graph.constant(np.float64(0)))
    graph.give(_as_asked(graph, graph.node("Sqrt", squares), operator, operator.outputs[1]), operator.outputs[1])

"""The compiled model's trees as a graph of their own, whose leaves hold what the service watches: `paths.onnx`.

It takes what the model's graph takes and shares its steps up to the trees, so that a row ends in the same leaves.
"""

from functools import cache
from typing import Any

import numpy as np
from modelcast_runtime.formats.onnx import TOTAL

from . import exact_trees, forests, graphs, guards
from .forests import Graph, Tree


@cache
def _watched() -> type:
    """A step in the place of the estimator that answers."""
    from sklearn.base import BaseEstimator

    class WatchedTrees(BaseEstimator):  # type: ignore[misc]
        def __init__(self, last: Any = None, numbers: Any = None) -> None:
            self.last = last
            self.numbers = numbers

        def predict(self, rows: Any) -> Any:
            """Only the graph answers."""
            raise NotImplementedError

    return WatchedTrees


def in_place_of_last(pipeline: Any, table: Any) -> Any | None:
    """The pipeline with its trees watched; None where they are of a library whose leaves nobody told."""
    from skl2onnx import update_registered_converter
    from sklearn.pipeline import Pipeline

    *front, (name, last) = pipeline.steps
    if not hasattr(last, "_predictors") and not hasattr(last, "tree_") and not hasattr(last, "estimators_"):
        return None
    update_registered_converter(_watched(), "ModelcastWatchedTrees", _shape, _convert, overwrite=True)
    return Pipeline([*front, (name, _watched()(last, table))])


def finish(proto: Any) -> bytes:
    """The graph's bytes: one output, `total`, double, [rows, 1]."""
    from onnx import TensorProto, helper

    graph = proto.graph
    guards.close(graph)
    total = graph.output[0].name
    graph.node.append(helper.make_node("Identity", [total], [TOTAL], name=TOTAL))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(TOTAL, TensorProto.DOUBLE, [None, 1]))
    return graphs.bytes_of(proto)


def _shape(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].set_type(DoubleTensorType([None, 1]))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    step, graph = operator.raw_operator, Graph(scope, container)
    rows = graph.cast(operator.inputs[0].full_name, "DOUBLE")
    bare = list(exact_trees.trees_of(step.last))
    starts = np.cumsum([0, *(len(tree.left) for tree in bare)])
    numbers = [step.numbers[start : start + len(tree.left)] for start, tree in zip(starts, bare, strict=False)]
    watched = [_with(tree, values) for tree, values in zip(bare, numbers, strict=True)]
    seen = rows if hasattr(step.last, "_predictors") else graph.rounded(rows)
    graph.give(forests.summed(graph, seen, watched), operator.outputs[0])


def _with(tree: Tree, values: Any) -> Tree:
    return Tree(
        left=tree.left,
        right=tree.right,
        feature=tree.feature,
        threshold=tree.threshold,
        values=np.asarray(values, dtype=np.float64).reshape(-1, 1),
        missing_left=tree.missing_left,
        mode=tree.mode,
    )

"""Converters of our own for the steps in front of a model that skl2onnx has in 32 bits only, or not at all."""

from typing import Any

import numpy as np
from modelcast_runtime.formats.onnx import MISSING

from .exact_trees import CannotConvert
from .forests import Graph


def register() -> None:
    """Put them in the place of skl2onnx' own."""
    from skl2onnx.common._registration import register_converter

    register_converter("SklearnSimpleImputer", _imputer, overwrite=True)


def _imputer(scope: Any, operator: Any, container: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model, graph, given = operator.raw_operator, Graph(scope, container), operator.inputs[0]
    if model.add_indicator:
        raise CannotConvert("SimpleImputer adds columns that say what was missing")
    filling = np.asarray(model.statistics_).reshape(1, -1)
    if any(one is None or one != one for one in filling.ravel().tolist()):  # noqa: PLR0124
        raise CannotConvert("SimpleImputer drops a column that was all missing")
    rows = given.full_name
    if isinstance(given.type, StringTensorType):
        is_missing = graph.node("Equal", rows, graph.constant(np.array([_text(model.missing_values)])))
        filled = graph.node("Where", is_missing, graph.constant(filling.astype(str)), rows)
    else:
        if isinstance(given.type, Int64TensorType):
            rows = graph.cast(rows, "FLOAT")
        kind = np.float64 if "Double" in type(given.type).__name__ else np.float32
        value = model.missing_values
        is_missing = (
            graph.node("IsNaN", rows)
            if value is None or value != value  # noqa: PLR0124
            else graph.node("Equal", rows, graph.constant(kind(value)))
        )
        filled = graph.node("Where", is_missing, graph.constant(filling.astype(kind)), rows)
    graph.give(filled, operator.outputs[0])


def _text(missing: Any) -> str:
    return missing if isinstance(missing, str) else MISSING

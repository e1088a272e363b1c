"""The ways in which a model may be compiled, the most precise first; the proof chooses among them."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from modelcast_runtime.contract import Column, Compilation, Signature, Task, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.formats.onnx import MISSING, OnnxScorer
from modelcast_runtime.formats.text import TextScorer

from . import (
    encoders,
    exact_boosters,
    exact_clusters,
    exact_margins,
    exact_steps,
    exact_trees,
    graphs,
    guards,
    path_graph,
)
from .text_models import is_text_model, parameters

Precision = Literal["float64", "float32"]
Backend = Literal["onnxruntime", "numpy"]
_NUMBERS = ("float64", "float32", "int64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way; `make` gives the file, or raises whatever the converter raises."""

    precision: Precision
    make: Callable[[], bytes]
    make_paths: Callable[[Any], bytes | None] = lambda _: None
    """The graph of the paths through the model's trees, given the numbers of their nodes; None where it has none."""
    backend: Backend = "onnxruntime"

    def open(self, content: bytes, signature: Signature, compilation: Compilation) -> Scorer:
        """What scores the file; raises what it raises for one that it does not take."""
        if self.backend == "numpy":
            return TextScorer(content, signature)
        return OnnxScorer(content, signature, compilation)


def without_converter(model: Any, signature: Signature) -> Iterator[Candidate]:
    """The ways that need no package beside the model's own."""
    if signature.layout == "text" and is_text_model(model):
        yield Candidate(precision="float64", make=partial(parameters, model), backend="numpy")


def of(model: Any, signature: Signature, task: Task) -> Iterator[Candidate]:
    """The ways to a graph, in the order in which they are to be tried."""
    for converters in (exact_trees, exact_boosters, exact_clusters, exact_margins, exact_steps, guards):
        converters.register()
    ready = prepared(model)
    layouts = [] if _mixed(signature) else [graphs.matrix_of]
    layouts += [graphs.columns_of] if _mixed(signature) or hasattr(ready.steps[0][1], "transformers_") else []
    for precision in ("float64", "float32"):
        for layout in layouts:
            yield _candidate(ready, signature, task, layout(signature), precision)


def _candidate(model: Any, signature: Signature, task: Task, names: list[str], precision: Precision) -> Candidate:
    def make() -> bytes:
        _check_known(model)
        types = list(zip(names, _types(signature, names, precision), strict=True))
        return graphs.finish(_converted(copy.deepcopy(model), types), signature, _given(task))

    def make_paths(table: Any) -> bytes | None:
        watched = path_graph.in_place_of_last(copy.deepcopy(model), table)
        if watched is None:
            return None
        types = list(zip(names, _types(signature, names, precision), strict=True))
        return path_graph.finish(_converted(watched, types))

    return Candidate(precision=precision, make=make, make_paths=make_paths)


def prepared(model: Any) -> Any:
    """A copy that the converter takes, as a pipeline: guarded, and its columns by their place."""
    ready = copy.deepcopy(encoders.fitted(model))
    return _pipeline(_ready(ready))


def _pipeline(step: Any) -> Any:
    """The step as a pipeline that looks at what comes into each of its steps."""
    from sklearn.pipeline import Pipeline

    steps = getattr(step, "steps", [("model", step)])
    kept = [(name, each) for name, each in steps if each is not None and not isinstance(each, str)]
    return Pipeline(guards.guarded(kept))


def _ready(step: Any) -> Any:
    """The step, changed in place, with what is inside of it."""
    step = encoders.fitted(step)
    if hasattr(step, "steps"):
        step.steps = [(name, _inner(each)) for name, each in step.steps]
    if hasattr(step, "transformers_"):
        step.transformers_ = [
            (name, _guarded_inner(each), _places(columns, step)) for name, each, columns in step.transformers_
        ]
    if hasattr(step, "transformer_list"):
        step.transformer_list = [(name, _inner(each)) for name, each in step.transformer_list]
    if hasattr(step, "flatten_transform"):
        step.flatten_transform = False
    if hasattr(step, "categories_") and isinstance(step.categories_, list):
        step.categories_ = [_without_missing(known) for known in step.categories_]
    return step


def _inner(step: Any) -> Any:
    return step if step is None or isinstance(step, str) else _ready(step)


def _guarded_inner(step: Any) -> Any:
    return step if step is None or isinstance(step, str) else _pipeline(_ready(step))


def _without_missing(known: Any) -> Any:
    """Categories with the text that stands for a missing one."""
    if known.dtype.kind != "O":
        return known
    return np.array([MISSING if one is None or one != one else one for one in known], dtype=object)  # noqa: PLR0124


def _check_known(step: Any) -> None:
    """Raise `CannotConvert` for the first step that nobody has a converter for: the converter's own words are dark."""
    from skl2onnx._supported_operators import sklearn_operator_name_map

    inner = [each for _, each in (*getattr(step, "steps", ()), *getattr(step, "transformer_list", ()))]
    inner += [each for _, each, _ in getattr(step, "transformers_", ())]
    for each in inner:
        if each is not None and not isinstance(each, str):
            _check_known(each)
    if not inner and type(step) not in sklearn_operator_name_map:
        raise exact_trees.CannotConvert(f"{type(step).__name__} has no converter to ONNX")


def _places(columns: Any, part: Any) -> Any:
    """Columns that are chosen by name, by their place."""
    names = [str(name) for name in getattr(part, "feature_names_in_", ())]
    if isinstance(columns, str):
        return [names.index(columns)]
    if isinstance(columns, list | tuple) or hasattr(columns, "tolist"):
        return [names.index(one) if isinstance(one, str) else one for one in columns]
    return columns


def _mixed(signature: Signature) -> bool:
    return any(column.dtype not in _NUMBERS for column in signature.inputs)


def _types(signature: Signature, names: list[str], precision: Precision) -> list[Any]:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    number = DoubleTensorType if precision == "float64" else FloatTensorType
    if len(names) != len(signature.inputs) or names == graphs.matrix_of(signature):
        return [number([None, len(signature.inputs)])]
    return [_type(column, number) for column in signature.inputs]


def _type(column: Column, number: Any) -> Any:
    from skl2onnx.common.data_types import BooleanTensorType, Int64TensorType, StringTensorType

    kinds = {"string": StringTensorType, "bool": BooleanTensorType, "int64": Int64TensorType}
    if column.dtype == "datetime":
        raise exact_trees.CannotConvert(f"the input {column.name} is a date, which ONNX does not know")
    has_gaps = column.nullable and column.dtype == "int64"  # such a column comes as floats
    return number([None, 1]) if has_gaps else kinds.get(column.dtype, number)([None, 1])


def _converted(model: Any, types: list[tuple[str, Any]]) -> Any:
    """The converter's graph: probabilities as one tensor and not as a list of dictionaries."""
    from skl2onnx import convert_sklearn

    versions = {"": graphs.OPSET, "ai.onnx.ml": 3}
    try:
        return convert_sklearn(model, graphs.NAME, types, options={id(model): {"zipmap": False}}, target_opset=versions)
    except NameError:  # the one for what gives no probabilities has no such option
        return convert_sklearn(model, graphs.NAME, types, target_opset=versions)


def _given(task: Task) -> tuple[Wanted | None, ...]:
    """What the converter's outputs are, in their order."""
    if task == "clusterer":
        return ("predict", "distances")
    return ("predict", "predict_proba")

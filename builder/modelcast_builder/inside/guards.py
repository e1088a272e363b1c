"""What the model refuses, its graph must refuse: numbers that scikit-learn takes for infinite, in front of any step.

An ONNX operator answers for whatever comes. So a guard stands before every step of a pipeline that raises for such
numbers; each is found by asking the step. What the guards see becomes the graph's output `refused`.
"""

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import numpy as np
from modelcast_runtime.formats.onnx import REFUSED

Kind = Literal["finite", "finite_single", "bounded", "bounded_single"]
"""What a step takes: finite numbers, of 64 or 32 bits; or numbers that may be missing, but not infinite."""
_MARK = "modelcast_guard_"
_BEYOND_32 = 1e39


@cache
def _guard() -> type:
    """A step that changes nothing; what it sees is looked at when the graph is finished."""
    from sklearn.base import BaseEstimator, TransformerMixin

    class Guard(TransformerMixin, BaseEstimator):  # type: ignore[misc]
        def __init__(self, kind: Kind = "finite") -> None:
            self.kind = kind

    return Guard


def register() -> None:
    """Tell skl2onnx of the step."""
    from skl2onnx import update_registered_converter

    update_registered_converter(_guard(), "ModelcastGuard", _shape, _convert, overwrite=True)


def guarded(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The steps of a pipeline, each behind the guard that it needs."""
    return [part for name, step in steps for part in (*_before(name, step), (name, step))]


def _before(name: str, step: Any) -> Iterator[tuple[str, Any]]:
    kind = _kind(step)
    if kind is not None:
        yield f"{name}_guard", _guard()(kind)


def _kind(step: Any) -> Kind | None:
    """What the step refuses; None where it takes all numbers, or no array of numbers."""
    width = getattr(step, "n_features_in_", None)
    ask = getattr(step, "predict", None) or getattr(step, "transform", None)
    if width is None or ask is None or hasattr(step, "transformers_") or not _answers(ask, 0.0, width):
        return None
    if _answers(ask, np.inf, width):
        return None
    takes_missing, takes_large = _answers(ask, np.nan, width), _answers(ask, _BEYOND_32, width)
    kinds: dict[tuple[bool, bool], Kind] = {
        (False, True): "finite", (False, False): "finite_single",
        (True, True): "bounded", (True, False): "bounded_single",
    }  # fmt: skip
    return kinds[takes_missing, takes_large]


def _answers(ask: Any, number: float, width: int) -> bool:
    row = np.zeros((1, width))
    row[0, 0] = number
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            ask(row)
    except Exception:  # noqa: BLE001 - whatever it raises: it does not take this number
        return False
    return True


def _shape(operator: Any) -> None:
    operator.outputs[0].set_type(operator.inputs[0].type)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    # Not Identity: skl2onnx takes those out. Two dimensions stay as they are.
    container.add_node(
        "Flatten",
        [operator.inputs[0].full_name],
        [operator.outputs[0].full_name],
        name=scope.get_unique_operator_name(f"{_MARK}{operator.raw_operator.kind}"),
        axis=1,
    )


def close(graph: Any) -> Any | None:
    """Add the output `refused` (bool, [rows, cells looked at]) for all guards of a graph; nothing where it has none."""
    from onnx import TensorProto, helper

    seen = [node for node in graph.node if node.name.startswith(_MARK)]
    found = [_looked_at(graph, node, number) for number, node in enumerate(seen)]
    if not found:
        return None
    together = {"op_type": "Identity"} if len(found) == 1 else {"op_type": "Concat", "axis": 1}
    graph.node.append(helper.make_node(inputs=found, outputs=[REFUSED], name=REFUSED, **together))
    return helper.make_tensor_value_info(REFUSED, TensorProto.BOOL, [None, None])


def _looked_at(graph: Any, guard: Any, number: int) -> str:
    """Cell by cell: whoever asks wants to know of any, and a step that gathers them costs a lone row as much again."""
    from onnx import TensorProto, helper

    kind = guard.name.removeprefix(_MARK)
    value = guard.input[0]
    guard.op_type = "Identity"
    del guard.attribute[:]

    def add(operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{REFUSED}_{number}_{operator.lower()}"
        graph.node.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    value = add("Cast", value, to=TensorProto.FLOAT) if "single" in kind else value
    # Infinite less infinite is no number.
    return add("IsNaN", add("Sub", value, value)) if kind.startswith("finite") else add("IsInf", value)

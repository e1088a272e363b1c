"""Cases that a correct server scores."""

import math
from typing import Any

from modelcast_builder.conformance.answers import (
    NotApplicableError,
    Scored,
    ViolationError,
    is_refusal,
    refused,
    same,
    scored,
)
from modelcast_builder.conformance.client import Answer
from modelcast_builder.conformance.datatypes import is_number, nested
from modelcast_builder.conformance.requests import with_parameters
from modelcast_builder.conformance.subject import Subject


def valid(subject: Subject) -> str:
    """The valid request; where it is refused, most other cases have nothing to begin with."""
    if subject.request is None:
        subject.valid()
    given = scored(subject.infer({**(subject.request or {}), "id": "42"}), subject.model)
    if given.document.get("id") != "42":
        raise ViolationError(f"{given}, but the id is not echoed")
    return str(given)


def no_id(subject: Subject) -> str:
    """KServe's own client takes no answer without one."""
    given = scored(subject.infer(subject.valid()), subject.model)
    made = given.document.get("id")
    if not isinstance(made, str) or not made:
        raise ViolationError(f"{given}, but no id")
    return str(given)


def nested_data(subject: Subject) -> str:
    """`data` as rows."""
    request = subject.valid()
    if all(len(tensor["shape"]) == 1 for tensor in request["inputs"]):
        raise NotApplicableError("its inputs have one dimension")
    for tensor in request["inputs"]:
        tensor["data"] = nested(tensor["data"], tensor["shape"])
    return as_before(subject, subject.infer(request))


def integers_under_floats(subject: Subject) -> str:
    """JSON does not tell 1 from 1.0."""
    request, tensor = subject.floating()
    tensor["data"] = [value if value is None else math.floor(value) for value in tensor["data"]]
    return str(scored(subject.infer(request), subject.model))


def half_precision(subject: Subject) -> str:
    """A server may take it or not."""
    request, tensor = subject.floating()
    tensor["datatype"] = "FP16"
    answer = subject.infer(request)
    return refused(answer) if answer.status == 400 else str(scored(answer, subject.model))


def no_rows(subject: Subject) -> str:
    """A server may answer no rows with no rows, or refuse them."""
    request = subject.valid()
    for tensor in request["inputs"]:
        tensor["shape"][0], tensor["data"] = 0, []
    answer = subject.infer(request)
    if answer.status == 400:
        return refused(answer)
    given = scored(answer, subject.model)
    if any(output.values for output in given.outputs):
        raise ViolationError(f"{given}, though no rows were asked")
    return str(given)


def unknown_keys(subject: Subject) -> str:
    """KServe's client always sends `model_name`."""
    request = subject.valid(model_name=subject.model, not_of_the_protocol=1)
    return as_before(subject, subject.infer(request))


def probabilities_alone(subject: Subject) -> str:
    """Exactly the outputs that were named; metadata say which there are, or else the answer does."""
    name, request = "predict_proba", subject.valid(outputs=[{"name": "predict_proba"}])
    offered = {output.get("name") for output in subject.metadata.get("outputs") or () if isinstance(output, dict)}
    if offered and name not in offered:
        raise NotApplicableError(f"the model offers no {name}")
    answer = subject.infer(request)
    if not offered and is_refusal(answer):
        raise NotApplicableError(f"the model offers no {name}")
    given = scored(answer, subject.model)
    if [output.name for output in given.outputs] != [name]:
        raise ViolationError(f"{given}, though {name} was named")
    return str(given)


def no_content_type(subject: Subject) -> str:
    """As tritonclient asks."""
    return as_before(subject, subject.infer(subject.valid(), headers={}))


def columns(subject: Subject) -> str:
    """MLServer's convention: each tensor is a column of a frame, named by its name."""
    request = subject.valid()
    tensors = request["inputs"]
    shape = tensors[0]["shape"]
    if len(tensors) > 1 or math.prod(shape[1:]) == 1:
        return as_before(subject, subject.infer(with_parameters(request, content_type="pd")))
    if len(shape) != 2 or not is_number(tensors[0]["datatype"]):
        raise NotApplicableError("its input is no matrix of numbers")
    answer = subject.infer(with_parameters({"inputs": _split(tensors[0])}, content_type="pd"))
    if is_refusal(answer):
        raise NotApplicableError("its metadata name one matrix, and the columns of it have names that they do not tell")
    return str(scored(answer, subject.model))


def _split(matrix: dict[str, Any]) -> list[dict[str, Any]]:
    rows, width = matrix["shape"]
    return [
        {"name": f"x{at}", "shape": [rows], "datatype": matrix["datatype"], "data": matrix["data"][at::width]}
        for at in range(width)
    ]


def as_before(subject: Subject, answer: Answer) -> str:
    """An answer that gives what the valid request was answered with."""
    given = scored(answer, subject.model)
    check_same(subject, given)
    return str(given)


def check_same(subject: Subject, given: Scored) -> None:
    """Hold an answer to the one that the same rows had, where the model answers them the same each time."""
    if subject.is_steady and subject.outputs is not None and not same(subject.outputs, given.outputs):
        raise ViolationError(f"{given}, but not what the same rows were answered in V2-01")

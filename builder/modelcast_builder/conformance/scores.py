"""Cases that a correct server scores."""

import math

from modelcast_builder.conformance.answers import (
    NotApplicableError,
    Scored,
    ViolationError,
    is_refusal,
    read_json,
    refused,
    same,
    scored,
)
from modelcast_builder.conformance.client import Answer
from modelcast_builder.conformance.datatypes import is_number, nested
from modelcast_builder.conformance.requests import with_parameters
from modelcast_builder.conformance.subject import Subject


def valid(subject: Subject) -> str:
    """Where it is not answered, most other cases have nothing to begin with."""
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
    """`data` may come as rows or flat."""
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
    """Exactly the outputs that were named, where there are such."""
    name, request = "predict_proba", subject.valid(outputs=[{"name": "predict_proba"}])
    offered = {output.get("name") for output in subject.told("outputs") if isinstance(output, dict)}
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
    """So tritonclient asks, in JSON too."""
    return as_before(subject, subject.infer(subject.valid(), headers={}))


def columns(subject: Subject) -> str:
    """MLServer's convention: each tensor is a column of a frame, named by its name."""
    request = subject.valid()
    tensors = request["inputs"]
    if len(tensors) > 1 or math.prod(tensors[0]["shape"][1:]) == 1:
        return as_before(subject, subject.infer(with_parameters(request, content_type="pd")))
    if len(tensors[0]["shape"]) != 2 or not is_number(tensors[0]["datatype"]):
        raise NotApplicableError("its input is no matrix of numbers")
    rows, width = tensors[0]["shape"]
    names = _names_of_columns(subject, width)
    split = [
        {**tensors[0], "name": name, "shape": [rows], "data": tensors[0]["data"][at::width]}
        for at, name in enumerate(names or [f"x{at}" for at in range(width)])
    ]
    answer = subject.infer(with_parameters({**request, "inputs": split}, content_type="pd"))
    if not names and is_refusal(answer):
        raise NotApplicableError("its metadata do not tell the names of the columns")
    return str(scored(answer, subject.model))


def _names_of_columns(subject: Subject, width: int) -> list[str]:
    """As modelcast tells them, in a parameter of the matrix; nothing elsewhere."""
    match subject.told("inputs"):
        case [{"parameters": {"columns": str(text)}}]:
            pass
        case _:
            return []
    try:
        told = read_json(text)
    except ValueError:
        return []
    return told if isinstance(told, list) and len(told) == width and all(isinstance(name, str) for name in told) else []


def as_before(subject: Subject, answer: Answer) -> str:
    """An answer that gives what the valid request was answered with."""
    given = scored(answer, subject.model)
    check_same(subject, given)
    return str(given)


def check_same(subject: Subject, given: Scored) -> None:
    """Hold an answer to the one that the same rows had, where the model answers them the same each time."""
    if subject.is_steady and subject.outputs is not None and not same(subject.outputs, given.outputs):
        raise ViolationError(f"{given}, but not what the same rows were answered in V2-01")

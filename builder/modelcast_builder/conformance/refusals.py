"""Cases that a correct server refuses with 400 and `{"error": "..."}`: the valid request, broken in one place."""

import json
import re

from modelcast_builder.conformance.answers import NotApplicableError, ViolationError, refused, scored
from modelcast_builder.conformance.subject import Subject

_LITERAL = "modelcast-literal"


def more_rows_than_data(subject: Subject) -> str:
    """The product of the shape is not the number of elements."""
    request = subject.valid()
    request["inputs"][0]["shape"][0] += 1
    return refused(subject.infer(request))


def other_width(subject: Subject) -> str:
    """With as many elements as before, where that can be: a server that reshapes by itself does not see it."""
    request = subject.valid()
    tensor = request["inputs"][0]
    declared = _declared_width(subject, tensor["name"])
    if len(tensor["shape"]) != 2 or declared == -1:
        raise NotApplicableError("its input has no fixed number of features")
    rows, width = tensor["shape"]
    if width % 2 == 0:
        tensor["shape"] = [rows * 2, width // 2]
    else:
        tensor["shape"], tensor["data"] = [rows, width + 1], tensor["data"] + tensor["data"][:rows]
    told = refused(answer := subject.infer(request))
    if len(request["inputs"]) == 1 and not re.search(rf"\b{width}\b", json.loads(answer.body)["error"]):
        raise ViolationError(f"{told}, which does not say that {width} were expected")
    return told


def _declared_width(subject: Subject, name: str) -> object:
    """The last dimension of an input in metadata; None where they do not have it."""
    for described in subject.told("inputs"):
        match described:
            case {"name": named, "shape": [*_, last]} if named == name:
                return last
    return None


def unknown_datatype(subject: Subject) -> str:
    """A name that is not in the protocol's table."""
    request = subject.valid()
    request["inputs"][0]["datatype"] = "FLOAT"
    return refused(subject.infer(request))


def texts_for_numbers(subject: Subject) -> str:
    """Texts that no server can make numbers of."""
    request, tensor = subject.numeric()
    tensor["data"] = ["x"] * len(tensor["data"])
    return refused(subject.infer(request))


def null_element(subject: Subject) -> str:
    """Does not apply to a model that takes missing values and answers it."""
    request, tensor = subject.numeric()
    tensor["data"][0] = None
    answer = subject.infer(request)
    if answer.status == 200:
        scored(answer, subject.model)
        raise NotApplicableError("the model takes missing values")
    return refused(answer)


def literal_nan(subject: Subject) -> str:
    """NaN is not JSON, whatever some parsers say."""
    request = subject.valid()
    return refused(subject.infer(_with_literal(request, request["inputs"][0], "NaN")))


def number_out_of_range(subject: Subject) -> str:
    """Valid JSON, and beyond every double."""
    request, tensor = subject.numeric()
    return refused(subject.infer(_with_literal(request, tensor, "1e999")))


def _with_literal(request: dict[str, object], tensor: dict[str, list[object]], literal: str) -> bytes:
    tensor["data"][0] = _LITERAL
    return json.dumps(request).replace(f'"{_LITERAL}"', literal).encode()


def bytes_for_numbers(subject: Subject) -> str:
    """Another datatype than the model's."""
    request, tensor = subject.numeric()
    tensor["datatype"], tensor["data"] = "BYTES", ["1"] * len(tensor["data"])
    return refused(subject.infer(request))


def no_inputs(subject: Subject) -> str:
    """The one key that a request must have."""
    request = subject.valid()
    del request["inputs"]
    return refused(subject.infer(request))


def empty_inputs(subject: Subject) -> str:
    """No tensors."""
    return refused(subject.infer(subject.valid(inputs=[])))


def no_data(subject: Subject) -> str:
    """Neither `data` nor `binary_data_size`."""
    request = subject.valid()
    del request["inputs"][0]["data"]
    return refused(subject.infer(request))


def negative_size(subject: Subject) -> str:
    """Variable sizes are metadata's; a request says how many rows it has."""
    request = subject.valid()
    request["inputs"][0]["shape"][0] = -1
    return refused(subject.infer(request))


def unknown_output(subject: Subject) -> str:
    """An output that nobody has."""
    return refused(subject.infer(subject.valid(outputs=[{"name": "modelcast-no-such-output"}])))


def nested_parameter(subject: Subject) -> str:
    """Parameters are strings, numbers and booleans."""
    request = subject.valid()
    request["parameters"] = {**request.get("parameters", {}), "nested": {"a": 1}}
    return refused(subject.infer(request))


def integer_id(subject: Subject) -> str:
    """An id is a string."""
    return refused(subject.infer(subject.valid(id=42)))


def no_object(subject: Subject) -> str:
    """A body that ends too early, none, and one that is no object."""
    answers = [refused(subject.infer(body)) for body in (b"{", b"", b"[1]")]
    return answers[-1]

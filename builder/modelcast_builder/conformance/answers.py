"""What a case wants of an answer: read it, or say what is wrong with it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from modelcast_builder.conformance.client import Answer
from modelcast_builder.conformance.datatypes import DATATYPES, flat

HEADER_LENGTH = "inference-header-content-length"


class ViolationError(Exception):
    """The server answered other than a case wants; the message is what it answered."""


class NotApplicableError(Exception):
    """A case asks for what this model or server does not have; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output tensor of an answer; `values` is flat, and a NaN is None."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: tuple[Any, ...]
    is_binary: bool

    def __str__(self) -> str:
        """Name, datatype and shape."""
        return f"{self.name} {self.datatype} {list(self.shape)}"


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An answer of 200 to an infer request, read whole."""

    answer: Answer
    document: Mapping[str, Any]
    outputs: tuple[Output, ...]

    def __str__(self) -> str:
        """Status and outputs."""
        return f"{self.answer.status} {', '.join(map(str, self.outputs))}"


def refused(answer: Answer, status: int = 400) -> str:
    """What was answered, where it is this status and `{"error": "..."}`."""
    if answer.status != status:
        raise ViolationError(str(answer))
    document = _document(answer, answer.body)
    if document.keys() != {"error"} or not isinstance(document["error"], str) or not document["error"]:
        _wrong(answer, 'the body is not {"error": "..."}')
    return str(answer)


def is_refusal(answer: Answer) -> bool:
    """Whether the server says in the protocol's own form that the caller asked for too much."""
    try:
        return 400 <= answer.status < 500 and refused(answer, answer.status) != ""
    except ViolationError:
        return False


def scored(answer: Answer, model: str) -> Scored:
    """The outputs of an answer of 200, whose tensors are what they say they are."""
    if answer.status != 200:
        raise ViolationError(str(answer))
    head, tail = _parts(answer)
    document = _document(answer, head)
    if document.get("model_name") != model:
        _wrong(answer, f"`model_name` is not {model}")
    listed = document.get("outputs")
    if not isinstance(listed, list) or not listed:
        _wrong(answer, "`outputs` is not a list of tensors")
    outputs = []
    for described in listed:
        output, tail = _output(answer, described, tail)
        outputs.append(output)
    if tail:
        _wrong(answer, f"{len(tail)} bytes behind the last output")
    return Scored(answer=answer, document=document, outputs=tuple(outputs))


def same(one: tuple[Output, ...], other: tuple[Output, ...]) -> bool:
    """Whether two answers give the same outputs, in whichever order; numbers to five digits."""
    left, right = ({output.name: output for output in outputs} for outputs in (one, other))
    return left.keys() == right.keys() and all(_same(output, right[name]) for name, output in left.items())


def _same(one: Output, other: Output) -> bool:
    if (one.datatype, one.shape) != (other.datatype, other.shape):
        return False
    is_exact = DATATYPES[one.datatype].kind is not float
    return all(
        left == right
        if is_exact or left is None or right is None
        else math.isclose(left, right, rel_tol=1e-5, abs_tol=1e-9)
        for left, right in zip(one.values, other.values, strict=True)
    )


def _parts(answer: Answer) -> tuple[bytes, bytes]:
    """The JSON of an answer, and the tensors' bytes behind it."""
    told = answer.headers.get(HEADER_LENGTH)
    if told is None:
        return answer.body, b""
    if not told.isdecimal() or int(told) > len(answer.body):
        _wrong(answer, f"Inference-Header-Content-Length is not within the {len(answer.body)} bytes of the body")
    return answer.body[: int(told)], answer.body[int(told) :]


def _document(answer: Answer, body: bytes) -> Mapping[str, Any]:
    try:
        document = read_json(body)
    except ValueError:
        _wrong(answer, "the body is not JSON")
    if not isinstance(document, dict):
        _wrong(answer, "the body is not a JSON object")
    return document


def read_json(text: bytes | str) -> Any:
    """JSON as its standard has it: `ValueError` for a literal NaN or Infinity too."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as deep:
        raise ValueError("nested too deep") from deep


def _no_constant(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


def _output(answer: Answer, described: Any, tail: bytes) -> tuple[Output, bytes]:
    """One output, and the bytes behind it."""
    match described:
        case {"name": str(name), "datatype": str(datatype), "shape": [*shape]} if datatype in DATATYPES:
            kind = DATATYPES[datatype]
        case _:
            _wrong(answer, "an output without `name`, `datatype` and `shape`, or of no known datatype")
    if not all(type(size) is int and size >= 0 for size in shape):
        _wrong(answer, f"the shape of {name} is not a list of sizes")
    parameters = described.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is None:
        values = tuple(flat(described.get("data")))
        if not all(kind.holds(value) for value in values):
            _wrong(answer, f"the data of {name} are not {datatype}")
    else:
        values, tail = _unpacked(answer, name, (described, size), tail)
    if len(values) != math.prod(shape):
        _wrong(answer, f"{name} has {len(values)} elements and the shape {shape}")
    return Output(name=name, datatype=datatype, shape=tuple(shape), values=values, is_binary=size is not None), tail


def _unpacked(
    answer: Answer, name: str, described: tuple[Mapping[str, Any], Any], tail: bytes
) -> tuple[tuple[Any, ...], bytes]:
    told, size = described
    if "data" in told:
        _wrong(answer, f"{name} has `data` and `binary_data_size`")
    if type(size) is not int or not 0 <= size <= len(tail):
        _wrong(answer, f"`binary_data_size` of {name} is not within the {len(tail)} bytes that are left")
    try:
        return DATATYPES[told["datatype"]].unpack(tail[:size]), tail[size:]
    except ValueError as wrong:
        _wrong(answer, f"{name}: {wrong}")


def _wrong(answer: Answer, problem: str) -> NoReturn:
    raise ViolationError(f"{answer.status}, but {problem}")

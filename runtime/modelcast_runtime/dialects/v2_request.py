"""The envelope of an infer request: JSON, and behind it the bytes of the tensors that come in binary.

Only what the protocol itself says is checked here; what the model takes is `v2_rows`'. A key with null is a key that
is not there: pydantic's clients write all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelcast_runtime import payload, problems
from modelcast_runtime.dialects.v2_problems import wrong_bytes, wrong_request, wrong_tensor
from modelcast_runtime.problems import describe, listed, member

HEADER = b"inference-header-content-length"
_READ = ("application/json", "application/octet-stream")
# The convention that MLServer and KServe share; what the values mean under another one, nobody here knows.
_OF_A_REQUEST = ("pd", "np", "str")
_OF_A_TENSOR = (*_OF_A_REQUEST, "base64", "datetime")


@dataclass(frozen=True, slots=True)
class Head:
    """One tensor of a request before its values are read; `shape` has no negative numbers."""

    at: str
    name: str
    datatype: str
    shape: tuple[int, ...]
    content_type: str | None
    data: Any
    """As it was parsed, for a tensor in JSON."""
    content: memoryview | None
    """Its bytes, for one in binary."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A whole request; `outputs` are names and whether each is wanted in binary."""

    identity: str | None
    content_type: str | None
    heads: tuple[Head, ...]
    outputs: tuple[tuple[str, bool], ...]


def read(body: bytes, headers: Mapping[bytes, bytes], given: Sequence[str]) -> Envelope:
    """Take a body apart; `given` are the model's outputs. Raises `Problem`."""
    text, tail = _parts(body, headers)
    document = payload.parse(text)
    if type(document) is not dict:
        raise wrong_request("$", "an object with the key inputs", describe(document))
    identity = document.get("id")
    if identity is not None and type(identity) is not str:
        raise wrong_request("$.id", "a string", describe(identity))
    parameters = _parameters(document, "$")
    return Envelope(
        identity=identity,
        content_type=_content_type(parameters, _OF_A_REQUEST, "$"),
        heads=_heads(document, tail),
        outputs=_outputs(document, given, is_binary=_flag(parameters, "binary_data_output", "$", default=False)),
    )


def _parts(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, memoryview]:
    """The JSON and what follows it. Triton's clients send no Content-Type at all, and it says nothing of the parts."""
    length = headers.get(HEADER)
    if length is None:
        media = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")[0].strip()
        if media and media not in _READ:
            raise problems.unsupported_media_type(_READ)
        return body, memoryview(b"")
    at, expected = "Inference-Header-Content-Length", "how many bytes of the body are JSON, from 1 to all"
    if not length.isdigit():
        raise wrong_bytes(at, expected, "no number")
    # More digits than a size has are a number that int() may refuse to read.
    size = int(length[-20:]) if len(length.lstrip(b"0")) <= 20 else len(body) + 1
    if not 0 < size <= len(body):
        raise wrong_bytes(at, expected, "0, a raw request" if size == 0 else "more than the body has")
    return body[:size], memoryview(body)[size:]


def _parameters(holder: dict[str, Any], at: str) -> dict[str, Any]:
    parameters = holder.get("parameters")
    if parameters is None:
        return {}
    if type(parameters) is not dict:
        raise wrong_request(f"{at}.parameters", "an object", describe(parameters))
    for name, value in parameters.items():
        if isinstance(value, dict | list):
            expected = "a string, a number, true or false"
            raise wrong_request(f"{at}.parameters{member(name)}", expected, describe(value))
    return parameters


def _content_type(parameters: dict[str, Any], known: Sequence[str], at: str) -> str | None:
    content_type: str | None = parameters.get("content_type")
    if content_type is not None and content_type not in known:
        got = "another string" if type(content_type) is str else describe(content_type)
        raise wrong_request(f"{at}.parameters.content_type", f"one of {listed(known)}", got)
    return content_type


def _flag(parameters: dict[str, Any], name: str, at: str, *, default: bool) -> bool:
    value = parameters.get(name)
    if value is None:
        return default
    if type(value) is not bool:
        raise wrong_request(f"{at}.parameters.{name}", "true or false", describe(value))
    return value


def _heads(document: dict[str, Any], tail: memoryview) -> tuple[Head, ...]:
    tensors = document.get("inputs")
    if type(tensors) is not list:
        raise wrong_request("$.inputs", "a list of tensors", "nothing" if tensors is None else describe(tensors))
    if not tensors:
        raise wrong_request("$.inputs", "at least one tensor", "none")
    heads, start = [], 0
    for index, tensor in enumerate(tensors):
        head = _head(tensor, f"$.inputs[{index}]", tail[start:])
        start += 0 if head.content is None else len(head.content)
        heads.append(head)
    if start != len(tail):
        raise wrong_bytes("$.inputs", "as many bytes behind the JSON as all binary_data_size add up to", "more")
    return tuple(heads)


def _head(tensor: Any, at: str, rest: memoryview) -> Head:
    if type(tensor) is not dict:
        raise wrong_request(at, "a tensor: an object with name, shape, datatype and data", describe(tensor))
    for key in ("name", "datatype"):
        if type(value := tensor.get(key)) is not str:
            raise wrong_request(f"{at}.{key}", "a string", "nothing" if value is None else describe(value))
    parameters = _parameters(tensor, at)
    size, data = parameters.get("binary_data_size"), tensor.get("data")
    if (data is None) is (size is None):
        got = "neither" if data is None else "both"
        raise wrong_request(at, "the values in data, or their parameters.binary_data_size", got)
    return Head(
        at=at,
        name=tensor["name"],
        datatype=tensor["datatype"],
        shape=_shape(tensor.get("shape"), f"{at}.shape"),
        content_type=_content_type(parameters, _OF_A_TENSOR, at),
        data=data,
        content=None if size is None else _content(size, f"{at}.parameters.binary_data_size", rest),
    )


def _shape(shape: Any, at: str) -> tuple[int, ...]:
    if type(shape) is not list:
        raise wrong_request(at, "a list of whole numbers", "nothing" if shape is None else describe(shape))
    for axis, length in enumerate(shape):
        if type(length) is not int:
            raise wrong_request(f"{at}[{axis}]", "a whole number", describe(length))
        if length < 0:
            raise wrong_request(f"{at}[{axis}]", "a whole number", "a negative one")
    return tuple(shape)


def _content(size: Any, at: str, rest: memoryview) -> memoryview:
    if type(size) is not int or size < 0:
        raise wrong_bytes(at, "a whole number of bytes", "a negative one" if type(size) is int else describe(size))
    if size > len(rest):
        raise wrong_bytes(at, "at most the bytes that are left behind the JSON", "more")
    return rest[:size]


def _outputs(document: dict[str, Any], given: Sequence[str], *, is_binary: bool) -> tuple[tuple[str, bool], ...]:
    asked = document.get("outputs")
    if asked is None or asked == []:
        return tuple((name, is_binary) for name in given)
    if type(asked) is not list:
        raise wrong_request("$.outputs", "a list of outputs", describe(asked))
    outputs: dict[str, bool] = {}
    for index, output in enumerate(asked):
        at = f"$.outputs[{index}]"
        if type(output) is not dict:
            raise wrong_request(at, "an object with the key name", describe(output))
        name = output.get("name")
        if type(name) is not str or name not in given:
            got = "nothing" if name is None else "another name" if type(name) is str else describe(name)
            raise wrong_tensor(f"{at}.name", f"one of {listed(given)}", got)
        if name in outputs:
            raise wrong_request(f"{at}.name", "every output once", "a name for the second time")
        outputs[name] = _flag(_parameters(output, at), "binary_data", at, default=is_binary)
    return tuple(outputs.items())

"""Tensors of any shape and datatype survive the way through JSON and through bytes; nothing that comes breaks the service."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime.dialects import v2_tensors
from modelcast_runtime.dialects.v2_request import Head
from modelcast_runtime.problems import Problem

MakeClient = Callable[..., Any]
SHAPES = st.one_of(st.tuples(st.integers(1, 6)), st.tuples(st.integers(1, 5), st.integers(1, 4)))
EASY = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    """Any finite numbers of any datatype, in one or two dimensions."""
    datatype = draw(st.sampled_from(sorted(v2_tensors.NUMBERS)))
    dtype, shape = v2_tensors.NUMBERS[datatype], draw(SHAPES)
    if dtype.kind == "f":
        cells: st.SearchStrategy[Any] = st.floats(width=8 * dtype.itemsize, allow_nan=False, allow_infinity=False)
    else:
        cells = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    size = int(np.prod(shape))
    return datatype, np.array(draw(st.lists(cells, min_size=size, max_size=size)), dtype).reshape(shape)


def in_binary(datatype: str, shape: tuple[int, ...], content: bytes) -> Any:
    return v2_tensors.read(Head("$", "x", datatype, shape, None, None, memoryview(content))).values


def in_json(datatype: str, shape: tuple[int, ...], data: Any) -> Any:
    # By way of the text, as it comes over the wire.
    return v2_tensors.read(Head("$", "x", datatype, shape, None, json.loads(json.dumps(data)), None)).values


@EASY
@given(numbers())
def test_numbers_survive_json_and_bytes(sent: tuple[str, np.ndarray]) -> None:
    datatype, values = sent
    for read in (
        in_binary(datatype, values.shape, v2_tensors.to_binary(values, datatype)),
        in_json(datatype, values.shape, values.ravel().tolist()),
        in_json(datatype, values.shape, values.tolist()),
    ):
        assert read.dtype == values.dtype.newbyteorder("=")
        assert read.flags.writeable
        assert read.flags.aligned
        assert read.tobytes() == values.ravel().tobytes()


@EASY
@given(st.lists(st.text(), min_size=1, max_size=6))
def test_texts_survive_json_and_bytes(texts: list[str]) -> None:
    content = v2_tensors.to_binary(np.array(texts, dtype=object), "BYTES")
    assert in_binary("BYTES", (len(texts),), content) == texts
    assert in_json("BYTES", (len(texts), 1), [[text] for text in texts]) == texts


@EASY
@given(st.lists(st.booleans(), min_size=1, max_size=6))
def test_booleans_survive_json_and_bytes(values: list[bool]) -> None:
    assert in_binary("BOOL", (len(values),), v2_tensors.to_binary(np.array(values), "BOOL")) == values
    assert in_json("BOOL", (len(values),), values) == values


def test_another_byte_is_no_boolean() -> None:
    with pytest.raises(Problem) as refused:
        in_binary("BOOL", (3,), b"\x00\x01\x02")
    assert str(refused.value) == (
        "$, value 2 of its binary data: expected the byte 0 or 1, got another byte. "
        "The binary tensor data extension says how a tensor's bytes follow the JSON."
    )


def test_bytes_at_an_odd_address_are_read(make_client: MakeClient) -> None:
    body = b"x" + np.arange(3.0).tobytes()
    head = Head("$", "x", "FP64", (3,), None, None, memoryview(body)[1:])
    assert v2_tensors.read(head).values.tolist() == [0.0, 1.0, 2.0]


TENSOR = {"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": [1.5] * 8}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.fixture
def client_of(make_client: MakeClient) -> Callable[[str], Any]:
    made: dict[str, Any] = {}
    return lambda kind: made[kind] if kind in made else made.setdefault(kind, make_client(kind))


def check_answered(answer: Any) -> None:
    assert answer.status in (200, 400, 413)
    if answer.status != 200:
        assert list(answer.json()) == ["error"]


@EASY
@given(st.data())
def test_no_request_breaks_the_service(client_of: Callable[[str], Any], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["array", "frame", "text"]))
    tensor = {
        **TENSOR,
        data.draw(st.sampled_from(["name", "shape", "datatype", "data", "parameters"])): data.draw(ANYTHING),
    }
    request = {
        "inputs": [tensor],
        data.draw(st.sampled_from(["id", "inputs", "outputs", "parameters"])): data.draw(ANYTHING),
    }
    check_answered(
        client_of(kind)("POST", f"/v2/models/{kind}/infer", {**request, "inputs": request.get("inputs", [tensor])})
    )


@EASY
@given(st.data())
def test_no_bytes_break_the_service(client_of: Callable[[str], Any], data: st.DataObject) -> None:
    kind, name = data.draw(st.sampled_from([("array", "input-0"), ("text", "text")]))
    datatype = data.draw(st.sampled_from(["FP64", "FP16", "UINT64", "BYTES", "BOOL"]))
    shape, content = data.draw(SHAPES), data.draw(st.binary(max_size=80))
    size = data.draw(st.sampled_from([len(content), 8 * int(np.prod(shape)), 0]))
    tensor = {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    length = data.draw(st.sampled_from([len(head), len(head) + len(content), 3]))
    answer = client_of(kind)(
        "POST", f"/v2/models/{kind}/infer", head + content, inference_header_content_length=str(length)
    )
    check_answered(answer)

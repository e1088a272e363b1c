"""`POST /v2/models/NAME/infer` of the real application: the conformance table row by row, and every refusal as a whole."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Signature
from modelcast_runtime.dialects import Request, v2_answer
from modelcast_runtime.dialects.v2 import V2
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import read_settings
from msgspec.structs import replace

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
ROW = [0.5, -0.25, 1.0, 2.0]
INFER = "/v2/models/array/infer"
OF_REQUEST = "The Open Inference Protocol V2 says what a request holds."
OF_TENSOR = "GET /v2/models/NAME describes the model's tensors."
OF_BYTES = "The binary tensor data extension says how a tensor's bytes follow the JSON."
OF_TYPE = "Values are never converted: send that type."
OF_RANGE = "Send a value in this range."
NUMBERS = "UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32"
NOT_JSON = "expected JSON, got something else. NaN, Infinity, comments and trailing commas are not JSON."


def tensor(**said: Any) -> dict[str, Any]:
    return {"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": ROW * 2} | said


def asked(*tensors: dict[str, Any], **said: Any) -> dict[str, Any]:
    return {"inputs": list(tensors or (tensor(),)), **said}


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


def columns(**values: list[Any]) -> list[dict[str, Any]]:
    return [{"name": name, "shape": [len(data)], "datatype": "FP64", "data": data} for name, data in values.items()]


def binary(document: dict[str, Any], *contents: bytes, length: int | str | None = None) -> tuple[bytes, dict[str, str]]:
    """A body of JSON and binary data, and the header that says where the one ends."""
    head = json.dumps(document).encode()
    told = len(head) if length is None else length
    return b"".join((head, *contents)), {"inference_header_content_length": str(told)}


def bytes_of(datatype: str, shape: list[int], size: int, **said: Any) -> dict[str, Any]:
    parameters = {"binary_data_size": size}
    return {"name": "input-0", "shape": shape, "datatype": datatype, "parameters": parameters, **said}


def check_refused(answer: Any, status: int, error: str) -> None:
    assert answer.json() == {"error": error}
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))


def outputs_of(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    return {output["name"]: output for output in answer.json()["outputs"]}


def taken_apart(answer: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON of a binary answer, and the bytes of each tensor behind it."""
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/octet-stream"
    start = int(answer.headers["inference-header-content-length"])
    document, contents = json.loads(answer.body[:start]), []
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        assert ("data" in output) is (size == 0)
        contents.append(answer.body[start : start + size])
        start += size
    assert start == len(answer.body)
    return document, contents


@pytest.fixture
def client(make_client: MakeClient) -> Any:
    return make_client()


# The conformance table of the Open Inference Protocol, by its ids: what a correct server answers.

ANSWERED: dict[str, Any] = {
    "V2-01": asked(id="42"),
    "V2-02": asked(),
    "V2-03": asked(tensor(data=[ROW, ROW])),
    "V2-04": asked(tensor(data=[1, 0, 1, 2, 1, 0, 1, 2])),
    "V2-13": asked(tensor(datatype="FP16")),
    "V2-19": asked(model_name="array", anything={"at": "all"}),
    "V2-20": asked(outputs=[{"name": "predict_proba"}]),
    "V2-25": asked(),
    "V2-33": asked(*columns(a=[0.5], b=[-0.25], c=[1.0], d=[2.0]), parameters={"content_type": "pd"}),
}
REFUSED: dict[str, tuple[Any, str]] = {
    "V2-05": (
        asked(tensor(shape=[3, 4])),
        f"$.inputs[0].data: expected as many values as the shape says, 12, got list of 8 values. {OF_TENSOR}",
    ),
    "V2-06": (
        asked(tensor(shape=[4, 2])),
        f"$.inputs[0].shape[1]: expected 4, a number for each input: a, b, c, d, got another number. {OF_TENSOR}",
    ),
    "V2-07": (
        asked(tensor(datatype="FLOAT")),
        f"$.inputs[0].datatype: expected FP64 (or {NUMBERS}), got another string. {OF_TENSOR}",
    ),
    "V2-08": (
        asked(tensor(data=[*ROW, 1, 2, "1313", 3])),
        f"$.inputs[0].data[6]: expected a number, got string. {OF_TYPE}",
    ),
    "V2-09": (
        asked(tensor(data=[ROW, [1, 2, 3, None]])),
        "$.inputs[0].data[1][3]: expected a number, got null. The model takes no missing value there.",
    ),
    "V2-10": (b'{"inputs": [{"data": [NaN]}]}', f"line 1, column 23: {NOT_JSON}"),
    "V2-11": (b'{"inputs": [{"data": [1e999]}]}', f"line 1, column 23: {NOT_JSON}"),
    "V2-12": (
        asked(tensor(datatype="BYTES", data=["1"] * 8)),
        f"$.inputs[0].datatype: expected FP64 (or {NUMBERS}), got BYTES. {OF_TENSOR}",
    ),
    "V2-14": ({"id": "1"}, f"$.inputs: expected a list of tensors, got nothing. {OF_REQUEST}"),
    "V2-15": ({"inputs": []}, f"$.inputs: expected at least one tensor, got none. {OF_REQUEST}"),
    "V2-16": (
        asked(without(tensor(), "data")),
        f"$.inputs[0]: expected the values in data, or their parameters.binary_data_size, got neither. {OF_REQUEST}",
    ),
    "V2-17": (
        asked(tensor(shape=[0, 4], data=[])),
        "$.inputs[0].shape[0]: expected at least one row, got no rows. Send rows to score.",
    ),
    "V2-18": (
        asked(tensor(shape=[-1, 4])),
        f"$.inputs[0].shape[0]: expected a whole number, got a negative one. {OF_REQUEST}",
    ),
    "V2-21": (
        asked(outputs=[{"name": "bogus"}]),
        f"$.outputs[0].name: expected one of predict, predict_proba, got another name. {OF_TENSOR}",
    ),
    "V2-22": (
        asked(parameters={"a": {"b": 1}}),
        f"$.parameters.a: expected a string, a number, true or false, got object. {OF_REQUEST}",
    ),
    "V2-23": (asked(id=42), f"$.id: expected a string, got number. {OF_REQUEST}"),
    "V2-24 unfinished": (b"{", f"line 1, column 2: {NOT_JSON}"),
    "V2-24 empty": (b"", f"line 1, column 1: {NOT_JSON.replace('something else', 'nothing')}"),
    "V2-24 a list": (b"[1]", f"$: expected an object with the key inputs, got list of 1 value. {OF_REQUEST}"),
}


@pytest.mark.parametrize("row", ANSWERED)
def test_conformance_what_is_answered(client: Any, row: str) -> None:
    headers = {} if row == "V2-25" else {"content_type": "application/json"}
    request = ANSWERED[row]
    answer = client("POST", INFER, request, **headers)
    document, named = answer.json(), outputs_of(answer)
    assert list(document) == ["model_name", "model_version", "id", "outputs"]
    assert (document["model_name"], document["model_version"]) == ("array", "sha256:3f2a")
    assert document["id"] == request.get("id", answer.headers["prediction-id"])
    rows = request["inputs"][0]["shape"][0]
    assert list(named) == [output["name"] for output in request.get("outputs", ())] or list(named) == [
        "predict",
        "predict_proba",
    ]
    if "predict" in named:
        assert named["predict"] == {"name": "predict", "shape": [rows], "datatype": "INT64", "data": [1] * rows}
    assert (named["predict_proba"]["shape"], named["predict_proba"]["datatype"]) == ([rows, 3], "FP64")
    assert np.reshape(named["predict_proba"]["data"], (rows, 3)).argmax(axis=1).tolist() == [1] * rows
    assert answer.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in answer.headers
    assert answer.headers["model-version"] == "sha256:3f2a"
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", answer.headers["prediction-id"])


@pytest.mark.parametrize("row", REFUSED)
def test_conformance_what_is_refused(client: Any, row: str) -> None:
    request, error = REFUSED[row]
    check_refused(client("POST", INFER, request, content_type="application/json"), 400, error)


NOT_FOUND = (
    "Not found: no such model, version or route is served here. GET /v2/models names the model, and "
    "GET /v2/models/NAME its version."
)


@pytest.mark.parametrize(
    ("row", "method", "path"),
    [
        ("V2-26", "POST", "/v2/models/nope/infer"),
        ("V2-26", "GET", "/v2/models/nope"),
        ("V2-26", "GET", "/v2/models/nope/ready"),
        ("V2-27", "POST", "/v2/models/array/versions/1/infer"),
        ("V2-27", "GET", "/v2/models/array/versions/1"),
        ("V2-27", "GET", "/v2/models/array/versions/1/ready"),
        ("no config", "GET", "/v2/models/array/config"),
        ("no statistics", "GET", "/v2/models/array/stats"),
        ("no repository", "POST", "/v2/repository/index"),
        ("a slash", "GET", "/v2/models/"),
    ],
)
def test_conformance_what_is_not_there(client: Any, row: str, method: str, path: str) -> None:
    check_refused(client(method, path, asked() if method == "POST" else b""), 404, NOT_FOUND)


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("GET", INFER, "POST"),
    ("PUT", "/v2/models/array/versions/sha256:3f2a/infer", "POST"),
    ("POST", "/v2/health/live", "GET, HEAD, OPTIONS"),
])  # fmt: skip
def test_conformance_v2_28_another_method(client: Any, method: str, path: str, allow: str) -> None:
    answer = client(method, path)
    told = ", ".join(sorted(answer.headers["allow"].split(", ")))
    assert told == allow
    check_refused(answer, 405, f"Method not allowed: this path takes {answer.headers['allow']}.")


def test_conformance_v2_29_binary_in(client: Any) -> None:
    body, headers = binary(asked(bytes_of("FP64", [2, 4], 64), id="1"), np.array(ROW * 2).tobytes())
    answer = client("POST", INFER, body, **headers)
    assert answer.headers["content-type"] == "application/json"
    assert without(answer.json(), "id") == without(client("POST", INFER, asked()).json(), "id")


def test_conformance_v2_30_binary_in_and_out(client: Any) -> None:
    request = asked(bytes_of("FP64", [2, 4], 64), id="7", parameters={"binary_data_output": True})
    body, headers = binary(request, np.array(ROW * 2).tobytes())
    document, (labels, shares) = taken_apart(
        client("POST", INFER, body, content_type="application/octet-stream", **headers)
    )
    assert document["id"] == "7"
    assert [(one["name"], one["shape"], one["datatype"]) for one in document["outputs"]] == [
        ("predict", [2], "INT64"),
        ("predict_proba", [2, 3], "FP64"),
    ]
    assert np.frombuffer(labels, "<i8").tolist() == [1, 1]
    expected = outputs_of(client("POST", INFER, asked()))["predict_proba"]["data"]
    assert np.frombuffer(shares, "<f8").tolist() == expected


SIZES: dict[str, tuple[tuple[bytes, dict[str, str]], str]] = {
    "fewer bytes than the tensor says": (
        binary(asked(bytes_of("FP64", [2, 4], 64)), bytes(63)),
        "$.inputs[0].parameters.binary_data_size: expected at most the bytes that are left behind the JSON, got more.",
    ),
    "bytes that belong to no tensor": (
        binary(asked(bytes_of("FP64", [2, 4], 64)), bytes(65)),
        "$.inputs: expected as many bytes behind the JSON as all binary_data_size add up to, got more.",
    ),
    "another size than the shape has": (
        binary(asked(bytes_of("FP32", [2, 4], 64)), bytes(64)),
        "$.inputs[0].parameters.binary_data_size: expected 32, the bytes of the shape in FP32, got 64.",
    ),
    "no number": (
        binary(asked(bytes_of("FP64", [2, 4], 64, parameters={"binary_data_size": "64"})), bytes(64)),
        "$.inputs[0].parameters.binary_data_size: expected a whole number of bytes, got string.",
    ),
    "a negative size": (
        binary(asked(bytes_of("FP64", [2, 4], -64)), bytes(64)),
        "$.inputs[0].parameters.binary_data_size: expected a whole number of bytes, got a negative one.",
    ),
    "a header longer than the body": (
        binary(asked(), length=10**6),
        "Inference-Header-Content-Length: expected how many bytes of the body are JSON, from 1 to all, got more than the body has.",
    ),
    "a header of 5,000 digits": (
        binary(asked(), length="9" * 5000),
        "Inference-Header-Content-Length: expected how many bytes of the body are JSON, from 1 to all, got more than the body has.",
    ),
    "a header that is no number": (
        binary(asked(), length="-1"),
        "Inference-Header-Content-Length: expected how many bytes of the body are JSON, from 1 to all, got no number.",
    ),
    "a raw request": (
        binary(asked(), length=0),
        "Inference-Header-Content-Length: expected how many bytes of the body are JSON, from 1 to all, got 0, a raw request.",
    ),
}


@pytest.mark.parametrize("case", SIZES)
def test_conformance_v2_31_sizes_that_do_not_fit(client: Any, case: str) -> None:
    (body, headers), error = SIZES[case]
    check_refused(client("POST", INFER, body, **headers), 400, f"{error} {OF_BYTES}")


def test_a_size_without_the_header_has_no_bytes(client: Any) -> None:
    error = (
        "$.inputs[0].parameters.binary_data_size: expected at most the bytes that are left behind the JSON, got more."
    )
    check_refused(client("POST", INFER, asked(bytes_of("FP64", [2, 4], 64))), 400, f"{error} {OF_BYTES}")


# What the table does not say.


@pytest.mark.parametrize(("request_", "error"), [
    (asked(bytes_of("FP64", [2, 4], 64, data=ROW * 2)), f"$.inputs[0]: expected the values in data, or their parameters.binary_data_size, got both. {OF_REQUEST}"),
    ({"inputs": {}}, f"$.inputs: expected a list of tensors, got object. {OF_REQUEST}"),
    (asked("1313"), f"$.inputs[0]: expected a tensor: an object with name, shape, datatype and data, got string. {OF_REQUEST}"),
    (asked(without(tensor(), "name")), f"$.inputs[0].name: expected a string, got nothing. {OF_REQUEST}"),
    (asked(tensor(datatype=64)), f"$.inputs[0].datatype: expected a string, got number. {OF_REQUEST}"),
    (asked(without(tensor(), "shape")), f"$.inputs[0].shape: expected a list of whole numbers, got nothing. {OF_REQUEST}"),
    (asked(tensor(shape="2x4")), f"$.inputs[0].shape: expected a list of whole numbers, got string. {OF_REQUEST}"),
    (asked(tensor(shape=[2.0, 4])), f"$.inputs[0].shape[0]: expected a whole number, got number. {OF_REQUEST}"),
    (asked(tensor(shape=[True, 4])), f"$.inputs[0].shape[0]: expected a whole number, got boolean. {OF_REQUEST}"),
    (asked(tensor(shape=[1e18, 4])), f"$.inputs[0].shape[0]: expected a whole number, got number. {OF_REQUEST}"),
    (asked(tensor(shape=[4])), f"$.inputs[0].shape: expected [rows, 4], got 1 dimension. {OF_TENSOR}"),
    (asked(tensor(shape=[2, 2, 2])), f"$.inputs[0].shape: expected [rows, 4], got 3 dimensions. {OF_TENSOR}"),
    (asked(tensor(shape=[])), f"$.inputs[0].shape: expected [rows, 4], got 0 dimensions. {OF_TENSOR}"),
    (asked(tensor(data="1313")), f"$.inputs[0].data: expected a list of values, got string. {OF_TENSOR}"),
    (asked(tensor(data=[ROW])), f"$.inputs[0].data: expected as many rows as the shape says, 2, got list of 1 value. {OF_TENSOR}"),
    (asked(tensor(data=[ROW, [1]])), f"$.inputs[0].data[1]: expected a list of as many values as the shape says, 4, got list of 1 value. {OF_TENSOR}"),
    (asked(tensor(data=[ROW, 1313])), f"$.inputs[0].data[1]: expected a list of as many values as the shape says, 4, got number. {OF_TENSOR}"),
    (asked(tensor(data=[ROW, [[[1]], 1, 1, 1]])), f"$.inputs[0].data[1][0]: expected a number, got list of 1 value. {OF_TYPE}"),
    (asked(tensor(data=[*ROW, 1, 2, 3, True])), f"$.inputs[0].data[7]: expected a number, got boolean. {OF_TYPE}"),
    (asked(tensor(datatype="FP32", data=[*ROW, 1, 1313e40, 3, 4])), f"$.inputs[0].data[5]: expected a number of 32 bits, got a value outside. {OF_RANGE}"),
    (asked(tensor(datatype="FP16", data=[*ROW, 1, 2, 3, 131300])), f"$.inputs[0].data[7]: expected a number of 16 bits, got a value outside. {OF_RANGE}"),
    (asked(tensor(datatype="INT8", data=[0, 1, 2, 3, 1313, 0, 0, 0])), f"$.inputs[0].data[4]: expected a whole number from -128 to 127, got a value outside. {OF_RANGE}"),
    (asked(tensor(datatype="UINT64", data=[0, 1, 2, -1313, 0, 0, 0, 0])), f"$.inputs[0].data[3]: expected a whole number from 0 to 18446744073709551615, got a value outside. {OF_RANGE}"),
    (asked(tensor(datatype="INT64", data=[0, 1.5, 0, 0, 0, 0, 0, 0])), f"$.inputs[0].data[1]: expected a whole number, got number with a fraction. {OF_TYPE}"),
    (asked(tensor(datatype="INT64", data=[0, "1", 0, 0, 0, 0, 0, 0])), f"$.inputs[0].data[1]: expected a whole number, got string. {OF_TYPE}"),
    (asked(tensor(datatype="INT64", data=[0, None, 0, 0, 0, 0, 0, 0])), "$.inputs[0].data[1]: expected a number, got null. The model takes no missing value there."),
    (asked(tensor(datatype="BOOL", data=[True] * 8)), f"$.inputs[0].datatype: expected FP64 (or {NUMBERS}), got BOOL. {OF_TENSOR}"),
    (asked(tensor(datatype="BF16")), f"$.inputs[0].datatype: expected FP64 (or {NUMBERS}), got another string. {OF_TENSOR}"),
    (asked(tensor(name="wrong")), "$.inputs[0].name: expected only 'input-0', a, b, c, d, got another name. Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."),
    (asked(tensor(), tensor(name="a")), "$.inputs[1].name: expected only 'input-0', got another name. Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."),
    (asked(*columns(a=[1], b=[1])), "$.inputs: expected also c, d, got nothing. Send every input; GET /schema lists them."),
    (asked(*columns(a=[1], b=[1], c=[1]), *columns(a=[1])), "$.inputs[3].name: expected every name once, got a name for the second time. Leave one of them out."),
    (asked(*columns(a=[1], b=[1], c=[1], d=[1, 2])), f"$.inputs[3].shape[0]: expected 1, as in $.inputs[0], got another number. {OF_TENSOR}"),
    (asked(*columns(b=[1], c=[1], d=[1]), {"name": "a", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}), f"$.inputs[3].shape: expected [rows] or [rows, 1], as each tensor is one input, got another shape. {OF_TENSOR}"),
    (asked(*columns(d=[1, 2], c=[1, 2], b=[1, None], a=[1, 2])), "$.inputs[2].data[1]: expected a number, got null. The model takes no missing value there."),
    (asked(parameters=[1]), f"$.parameters: expected an object, got list of 1 value. {OF_REQUEST}"),
    (asked(parameters={"content_type": "base64"}), f"$.parameters.content_type: expected one of pd, np, str, got another string. {OF_REQUEST}"),
    (asked(parameters={"content_type": 7}), f"$.parameters.content_type: expected one of pd, np, str, got number. {OF_REQUEST}"),
    (asked(tensor(parameters={"content_type": "arrow"})), f"$.inputs[0].parameters.content_type: expected one of pd, np, str, base64, datetime, got another string. {OF_REQUEST}"),
    (asked(tensor(parameters={"a b": []})), f"$.inputs[0].parameters['a b']: expected a string, a number, true or false, got list of 0 values. {OF_REQUEST}"),
    (asked(parameters={"binary_data_output": 1}), f"$.parameters.binary_data_output: expected true or false, got number. {OF_REQUEST}"),
    (asked(outputs={"name": "predict"}), f"$.outputs: expected a list of outputs, got object. {OF_REQUEST}"),
    (asked(outputs=["predict"]), f"$.outputs[0]: expected an object with the key name, got string. {OF_REQUEST}"),
    (asked(outputs=[{}]), f"$.outputs[0].name: expected one of predict, predict_proba, got nothing. {OF_TENSOR}"),
    (asked(outputs=[{"name": ["predict"]}]), f"$.outputs[0].name: expected one of predict, predict_proba, got list of 1 value. {OF_TENSOR}"),
    (asked(outputs=[{"name": "predict"}] * 2), f"$.outputs[1].name: expected every output once, got a name for the second time. {OF_REQUEST}"),
    (asked(outputs=[{"name": "predict", "parameters": {"binary_data": "yes"}}]), f"$.outputs[0].parameters.binary_data: expected true or false, got string. {OF_REQUEST}"),
])  # fmt: skip
def test_a_refusal_names_the_place_what_was_expected_and_what_came(client: Any, request_: Any, error: str) -> None:
    answer = client("POST", INFER, request_)
    check_refused(answer, 400, error)
    assert b"1313" not in answer.body


def test_every_refusal_of_bytes_is_the_protocols_own(make_client: MakeClient, client: Any) -> None:
    media = client("POST", INFER, asked(), content_type="text/csv")
    check_refused(
        media, 415, "Expected the Content-Type application/json or application/octet-stream, got another. Send one of these, or no Content-Type at all."
    )  # fmt: skip
    assert media.headers["accept"] == "application/json, application/octet-stream"
    encoding = client("POST", INFER, asked(), content_encoding="br")
    check_refused(
        encoding, 415, "Expected the Content-Encoding gzip or deflate, got another. Send one of these, or no Content-Encoding at all."
    )  # fmt: skip
    small = make_client(env={"MODELCAST_LIMITS_BODY_BYTES": "40"})
    check_refused(
        small("POST", INFER, asked()), 413, "A request may have at most 40 bytes (MODELCAST_LIMITS_BODY_BYTES, after inflation). Send less in one request."
    )  # fmt: skip


def test_too_many_rows_are_refused_before_anything_is_made_of_them(make_client: MakeClient) -> None:
    client = make_client(env={"MODELCAST_LIMITS_ROWS": "2"})
    assert client("POST", INFER, asked()).status == 200
    error = "A request may have at most 2 rows (MODELCAST_LIMITS_ROWS). Send the rows in several requests."
    for shape in ([3, 4], [10**18, 4]):
        check_refused(client("POST", INFER, asked(tensor(shape=shape))), 413, error)
    huge = [{**one, "shape": [2**63]} for one in columns(a=[1], b=[1], c=[1], d=[1])]
    check_refused(client("POST", INFER, asked(*huge)), 413, error)


def test_nesting_without_end_is_no_json(client: Any) -> None:
    body = b'{"inputs": [{"data": ' + b"[" * 5000 + b"]" * 5000 + b"}]}"
    assert client("POST", INFER, body).json() == {"error": f"line 1, column 1044: {NOT_JSON}"}


def test_the_version_answers_where_the_model_does(client: Any) -> None:
    answer = client("POST", "/v2/models/array/versions/sha256:3f2a/infer", asked(id=""))
    assert answer.json()["id"] == ""
    assert outputs_of(answer)["predict"]["data"] == [1, 1]


@pytest.mark.parametrize(
    "nulls", [{"id": None, "parameters": None, "outputs": None}, {"outputs": []}, {"parameters": {}}]
)
def test_what_is_null_or_empty_is_as_if_it_were_not_there(client: Any, nulls: dict[str, Any]) -> None:
    request = asked(tensor(parameters={"content_type": None, "headers": None}), **nulls)
    answer = client("POST", INFER, request)
    assert list(outputs_of(answer)) == ["predict", "predict_proba"]
    assert answer.json()["id"] == answer.headers["prediction-id"]


@pytest.mark.parametrize("names", [["predict"], ["predict_proba"], ["predict_proba", "predict"]])
def test_outputs_come_as_they_are_asked_for_and_in_that_order(client: Any, names: list[str]) -> None:
    request = asked(outputs=[{"name": name, "parameters": {"classification": 1}} for name in names])
    assert list(outputs_of(client("POST", INFER, request))) == names


@pytest.mark.parametrize(("default", "own", "is_binary"), [
    (None, None, False), (None, True, True), (True, None, True), (True, False, False), (False, True, True),
])  # fmt: skip
def test_an_output_is_binary_where_it_or_the_request_says_so(
    client: Any, default: bool | None, own: bool | None, is_binary: bool
) -> None:
    outputs = [{"name": "predict", "parameters": {"binary_data": own}}]
    answer = client("POST", INFER, asked(parameters={"binary_data_output": default}, outputs=outputs))
    assert answer.headers["content-type"] == f"application/{'octet-stream' if is_binary else 'json'}"
    if is_binary:
        assert taken_apart(answer)[1] == [np.array([1, 1], "<i8").tobytes()]


def test_outputs_in_json_and_in_binary_stand_in_one_answer(client: Any) -> None:
    outputs = [{"name": "predict_proba", "parameters": {"binary_data": True}}, {"name": "predict"}]
    document, contents = taken_apart(client("POST", INFER, asked(outputs=outputs)))
    assert document["outputs"][1] == {"name": "predict", "shape": [2], "datatype": "INT64", "data": [1, 1]}
    assert [len(content) for content in contents] == [48, 0]


@pytest.mark.parametrize(("datatype", "dtype"), [
    ("FP64", "<f8"), ("FP32", "<f4"), ("FP16", "<f2"), ("INT64", "<i8"), ("INT32", "<i4"), ("INT16", "<i2"), ("INT8", "<i1"),
    ("UINT64", "<u8"), ("UINT32", "<u4"), ("UINT16", "<u2"), ("UINT8", "<u1"),
])  # fmt: skip
def test_every_number_means_the_same_in_json_in_binary_and_by_column(client: Any, datatype: str, dtype: str) -> None:
    values = np.array([[1, 0, 3, 2], [0, 1, 2, 0]]).astype(dtype)
    if values.dtype.kind == "f":
        values += np.array(0.1, dtype)
    sent = values.astype(np.float64)
    expected = client("POST", "/predict?proba=true", sent.tolist()).json()
    shares = [share for row in expected["probabilities"] for share in row.values()]
    flat = values.ravel().tolist() if values.dtype.kind != "f" else [float(str(value)) for value in values.ravel()]
    in_json = asked(tensor(datatype=datatype, data=flat))
    whole = asked(bytes_of(datatype, [2, 4], values.nbytes))
    by_column = [
        bytes_of(datatype, [2, 1], values[:, 0].nbytes, name=name) if index % 2 else
        {"name": name, "shape": [2], "datatype": datatype, "data": flat[index::4]}
        for index, name in enumerate("abcd")
    ]  # fmt: skip
    mixed = binary(asked(*by_column[::-1]), values[:, 3].tobytes(), values[:, 1].tobytes())
    for body, headers in ((json.dumps(in_json).encode(), {}), binary(whole, values.tobytes()), mixed):
        named = outputs_of(client("POST", INFER, body, **headers))
        assert named["predict"]["data"] == expected["predictions"]
        assert named["predict_proba"]["data"] == shares


@pytest.mark.parametrize(("value", "status", "error"), [
    (float("nan"), 400, "$.inputs[0], value 5 of its binary data: expected a number, got null. The model takes no missing value there."),
    (float("inf"), 400, f"$.inputs[0], value 5 of its binary data: expected a number of 64 bits, got a value outside. {OF_RANGE}"),
])  # fmt: skip
def test_what_is_no_number_in_binary_is_refused(client: Any, value: float, status: int, error: str) -> None:
    values = np.array(ROW * 2)
    values[5] = value
    body, headers = binary(asked(bytes_of("FP64", [2, 4], 64)), values.tobytes())
    check_refused(client("POST", INFER, body, **headers), status, error)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda body: zlib.compress(body, wbits=-15)])
def test_a_compressed_body_is_measured_after_inflation(client: Any, pack: Callable[[bytes], bytes]) -> None:
    body, headers = binary(asked(bytes_of("FP64", [2, 4], 64)), np.array(ROW * 2).tobytes())
    encoding = "gzip" if pack is gzip.compress else "deflate"
    answer = client("POST", INFER, pack(body), content_encoding=encoding, **headers)
    assert outputs_of(answer)["predict"]["data"] == [1, 1]


@pytest.mark.parametrize(("name", "of_request", "of_tensor", "status"), [
    ("predict-prob", "np", None, 200), ("predict-prob", None, "np", 200), ("input-0", None, None, 200), ("input-0", "pd", None, 200),
    ("predict-prob", "pd", None, 400), ("predict-prob", None, None, 400),
])  # fmt: skip
def test_under_the_convention_np_the_first_tensor_is_the_matrix_whatever_its_name(
    client: Any, name: str, of_request: str | None, of_tensor: str | None, status: int
) -> None:
    one = tensor(name=name, parameters={"content_type": of_tensor})
    assert client("POST", INFER, asked(one, parameters={"content_type": of_request})).status == status


def test_tensors_that_the_model_does_not_have_are_left_out_where_the_service_says_so(make_client: MakeClient) -> None:
    client = make_client(env={"MODELCAST_EXTRA_INPUTS": "ignore"})
    extra = bytes_of("BYTES", [9], 5, name="note")
    body, headers = binary(asked(extra, bytes_of("FP64", [2, 4], 64)), b"1313!", np.array(ROW * 2).tobytes())
    assert outputs_of(client("POST", INFER, body, **headers))["predict"]["data"] == [1, 1]
    body, headers = binary(asked(extra, *columns(a=[0.5], b=[-0.25], c=[1], d=[2])), b"1313!")
    assert outputs_of(client("POST", INFER, body, **headers))["predict"]["data"] == [1]


FRAME = "/v2/models/frame/infer"


def penguin(**said: Any) -> list[dict[str, Any]]:
    """Two rows as a tensor for each input, with what is said of one of them."""
    tensors = {
        "mass": {"datatype": "FP64", "data": [None, 2.5]},
        "island": {"datatype": "BYTES", "data": ["Dream", "Nöwhere"]},
        "year": {"datatype": "INT64", "data": [2007, 2008]},
    }
    return [{"name": name, "shape": [2], **told, **said.get(name, {})} for name, told in tensors.items()]


def test_a_model_of_several_dtypes_takes_a_tensor_for_each_input(make_client: MakeClient) -> None:
    client = make_client("frame")
    rows = [{"mass": None, "island": "Dream", "year": 2007}, {"mass": 2.5, "island": "Nöwhere", "year": 2008}]
    expected = client("POST", "/predict?proba=true", rows).json()
    named = outputs_of(client("POST", FRAME, asked(*penguin())))
    assert named["predict"] == {"name": "predict", "shape": [2], "datatype": "BYTES", "data": expected["predictions"]}
    assert named["predict_proba"]["data"] == [share for row in expected["probabilities"] for share in row.values()]
    texts = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in ("Dream", "Nöwhere"))
    mass, year = np.array([np.nan, 2.5], "<f4").tobytes(), np.array([2007, 2008], "<u2").tobytes()
    tensors = [
        bytes_of("UINT16", [2, 1], len(year), name="year"),
        bytes_of("BYTES", [2], len(texts), name="island"),
        bytes_of("FP32", [2], len(mass), name="mass"),
    ]
    body, headers = binary(asked(*tensors, parameters={"binary_data_output": True}), year, texts, mass)
    _, (labels, _) = taken_apart(client("POST", FRAME, body, **headers))
    assert labels == b"".join(len(text).to_bytes(4, "little") + text.encode() for text in expected["predictions"])
    counted = client("GET", "/metrics").body.decode()
    assert 'modelcast_input_missing_total{input="mass"} 3.0' in counted
    assert 'modelcast_input_unseen_total{input="island"} 3.0' in counted


@pytest.mark.parametrize(("said", "error"), [
    ({"island": {"datatype": "FP64"}}, f"$.inputs[1].datatype: expected BYTES, got FP64. {OF_TENSOR}"),
    ({"island": {"data": ["Dream", 1313]}}, f"$.inputs[1].data[1]: expected a string, got number. {OF_TYPE}"),
    ({"island": {"data": ["Dream", None]}}, "$.inputs[1].data[1]: expected a string, got null. The model takes no missing value there."),
    ({"year": {"datatype": "FP64", "data": [2007.0, 2007.5]}}, f"$.inputs[2].data[1]: expected a whole number, got number with a fraction. {OF_TYPE}"),
    ({"year": {"datatype": "UINT64", "data": [2007, 2**63]}}, f"$.inputs[2].data[1]: expected a whole number of 64 bits, got a value outside. {OF_RANGE}"),
    ({"year": {"data": [2007, 1313]}}, "$.inputs[2].data[1]: expected one of 2007, 2008, 2009, got another number. The model takes no other value there."),
    ({"year": {"name": "input-0"}}, "$.inputs[2].name: expected only mass, island, year, got another name. Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."),
    ({"island": {"shape": [2, 1], "data": [["Dream"], [1313]]}}, f"$.inputs[1].data[1][0]: expected a string, got number. {OF_TYPE}"),
    ({"island": {"parameters": {"content_type": "base64"}}}, f"$.inputs[1].data[0]: expected base64 of a text in UTF-8, got another string. {OF_TYPE}"),
])  # fmt: skip
def test_each_tensor_is_held_to_the_dtype_of_its_input(
    make_client: MakeClient, said: dict[str, Any], error: str
) -> None:
    answer = make_client("frame")("POST", FRAME, asked(*penguin(**said)))
    check_refused(answer, 400, error)


@pytest.mark.parametrize("content_type", ["str", "base64", "np", None])
def test_texts_are_read_under_their_convention(make_client: MakeClient, content_type: str | None) -> None:
    texts = ["RHJlYW0=", "TsO2d2hlcmU="] if content_type == "base64" else ["Dream", "Nöwhere"]
    client = make_client("frame")
    expected = client("POST", FRAME, asked(*penguin(), id="1")).json()
    island = {"data": texts, "parameters": {"content_type": content_type}}
    assert client("POST", FRAME, asked(*penguin(island=island), id="1")).json() == expected


TEXTS: dict[str, tuple[bytes, int, str]] = {
    "a length that is cut": (b"\x01\0\0", 1, "$.inputs[0], value 0 of its binary data: expected a length of 4 bytes and as many bytes, got fewer bytes."),
    "a text that is cut": (b"\x01\0\0\0a\x02\0\0\0b", 2, "$.inputs[0], value 1 of its binary data: expected a length of 4 bytes and as many bytes, got fewer bytes."),
    "no UTF-8": (b"\x01\0\0\0\xff", 1, "$.inputs[0], value 0 of its binary data: expected text in UTF-8, got other bytes."),
    "too many": (b"\x01\0\0\0a" * 2, 1, "$.inputs[0], its binary data: expected as many values as the shape says, 1, got more bytes."),
    "a huge length": (b"\xff\xff\xff\xffa", 1, "$.inputs[0], value 0 of its binary data: expected a length of 4 bytes and as many bytes, got fewer bytes."),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_binary_texts_that_do_not_add_up_are_refused(make_client: MakeClient, case: str) -> None:
    content, rows, error = TEXTS[case]
    body, headers = binary(asked(bytes_of("BYTES", [rows], len(content), name="text")), content)
    check_refused(make_client("text")("POST", "/v2/models/text/infer", body, **headers), 400, f"{error} {OF_BYTES}")


def test_labels_are_of_the_models_own_type(make_client: MakeClient) -> None:
    text = make_client("text")
    request = asked({"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["win money"], ["lunch at ten"]]})
    assert outputs_of(text("POST", "/v2/models/text/infer", request))["predict"] == {
        "name": "predict", "shape": [2], "datatype": "BOOL", "data": [True, False],
    }  # fmt: skip
    _, (labels, _) = taken_apart(
        text("POST", "/v2/models/text/infer", request | {"parameters": {"binary_data_output": True}})
    )
    assert labels == b"\x01\x00"
    pair = make_client("pair")("POST", "/v2/models/pair/infer", asked(tensor(shape=[2, 3], data=[1, 2, 3, 4, 5, 6])))
    (predict,) = outputs_of(pair).values()
    assert (predict["shape"], predict["datatype"]) == ([2, 2], "FP64")
    np.testing.assert_allclose(predict["data"], [3, 5, 9, 11])
    kmeans = make_client("kmeans")("POST", "/v2/models/kmeans/infer", asked(tensor(shape=[4, 2])))
    assert {name: output["shape"] for name, output in outputs_of(kmeans).items()} == {
        "predict": [4],
        "distances": [4, 3],
    }


def test_a_share_that_is_no_number_is_null_in_json_and_nan_in_binary(make_bundle: MakeBundle) -> None:
    manifest = open_bundle(make_bundle()).manifest
    scores = v2_answer.Scores(np.array([0, 1]), np.array([[0.5, np.nan, 0.5], [1.0, 0.0, np.inf]]))

    def told(is_binary: bool) -> Any:
        return v2_answer.encode(scores, manifest, v2_answer.Notes("1", (("predict_proba", is_binary),)), "2")

    (output,) = json.loads(told(False).body)["outputs"]
    assert output["data"] == [0.5, None, 0.5, 1.0, 0.0, None]
    assert told(True).body.endswith(np.array([0.5, np.nan, 0.5, 1.0, 0.0, np.inf]).tobytes())


def reader(make_bundle: MakeBundle, *inputs: Column) -> Callable[..., dict[str, np.ndarray]]:
    """Reads requests to a model of these inputs into the arrays that are scored."""
    manifest = open_bundle(make_bundle("pair")).manifest
    signature = Signature(layout="frame", inputs=inputs, outputs=manifest.signature.outputs)
    dialect = V2(replace(manifest, signature=signature), read_settings({}, {}, manifest.service))

    def read(*tensors: dict[str, Any], content: bytes = b"") -> dict[str, np.ndarray]:
        body, headers = binary(asked(*tensors), content)
        told = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        return dict(dialect.read(Request(told, b"", body)).rows.columns.arrays)

    return read


@pytest.mark.parametrize(
    ("bundle", "length", "size", "slow"),
    [
        ("pair", None, 65_536, False), ("pair", None, 65_537, True),
        ("pair", b"150", 1_048_576, False), ("pair", b"150", 1_048_577, True),
        ("pair", b"100000", 65_537, True), ("pair", b"-5", 65_537, True), ("pair", b"", 65_537, True),
        ("frame", b"150", 65_537, True),
    ],
)  # fmt: skip
def test_only_numbers_in_binary_may_be_many_without_a_thread(
    make_bundle: MakeBundle, bundle: str, length: bytes | None, size: int, slow: bool
) -> None:
    manifest = open_bundle(make_bundle(bundle)).manifest
    dialect = V2(manifest, read_settings({}, {}, manifest.service))
    headers = {} if length is None else {b"inference-header-content-length": length}
    assert dialect.is_slow(headers, size) is slow


def test_booleans_times_and_whole_numbers_come_as_their_columns_have_them(make_bundle: MakeBundle) -> None:
    inputs = (
        Column(name="is_new", dtype="bool", nullable=True),
        Column(name="at", dtype="datetime", nullable=True),
        Column(name="count", dtype="int64", nullable=True),
        Column(name="small", dtype="float32"),
    )
    read_tensors = reader(make_bundle, *inputs)

    def read(*values: tuple[str, list[Any]]) -> dict[str, np.ndarray]:
        return read_tensors(
            *[
                {"name": column.name, "shape": [2], "datatype": datatype, "data": data}
                for column, (datatype, data) in zip(inputs, values)
            ]
        )

    def refused(*values: tuple[str, list[Any]]) -> str:
        with pytest.raises(Problem) as problem:
            read(*values)
        return str(problem.value)

    moments = ["2024-05-01T12:30:00Z", None]
    arrays = read(("BOOL", [True, None]), ("BYTES", moments), ("INT64", [2**53 + 1, None]), ("FP64", [0.1, 2]))
    assert arrays["is_new"].tolist() == [True, None]
    assert arrays["at"].astype(str).tolist() == ["2024-05-01T12:30:00.000000000", "NaT"]
    assert arrays["count"].dtype == np.float64
    assert arrays["small"].dtype == np.float32
    arrays = read(("BOOL", [True, False]), ("BYTES", moments), ("INT64", [2**53 + 1, -1]), ("FP32", [0.1, 2]))
    assert arrays["count"].tolist() == [2**53 + 1, -1]
    assert (
        refused(("BOOL", [1, 0]), ("BYTES", moments), ("INT64", [1, 2]), ("FP32", [1, 2]))
        == f"$.inputs[0].data[0]: expected true or false, got number. {OF_TYPE}"
    )
    assert (
        refused(("BOOL", [True, False]), ("BYTES", ["noon", None]), ("INT64", [1, 2]), ("FP32", [1, 2]))
        == f"$.inputs[1].data[0]: expected a date or time in ISO 8601, such as 2024-05-01T12:30:00Z, got another string. {OF_TYPE}"
    )
    assert (
        refused(("BOOL", [True, False]), ("BYTES", moments), ("INT64", [1, 2]), ("FP64", [1, 1e39]))
        == f"$.inputs[3].data[1]: expected a number of 32 bits, got a value outside. {OF_RANGE}"
    )


def test_a_matrix_of_whole_numbers_keeps_every_digit(make_bundle: MakeBundle) -> None:
    inputs = (Column(name="x", dtype="int64", nullable=True), Column(name="y", dtype="float64", nullable=True))
    read, big = reader(make_bundle, *inputs), 2**53 + 1
    arrays = read(tensor(shape=[2, 2], datatype="INT64", data=[big, 1, 2, None]))
    assert arrays["x"].tolist() == [big, 2]
    np.testing.assert_equal(arrays["y"], [1.0, np.nan])
    arrays = read(bytes_of("INT64", [1, 2], 16), content=np.array([big, 1]).tobytes())
    assert {name: values.tolist() for name, values in arrays.items()} == {"x": [big], "y": [1.0]}
    with pytest.raises(Problem) as problem:
        read(tensor(shape=[2, 2], data=[1, 1.5, 2.5, 1]))
    assert str(problem.value) == f"$.inputs[0].data[2]: expected a whole number, got number with a fraction. {OF_TYPE}"


@pytest.mark.parametrize(("data", "place"), [
    ([0, 1, 0, -1313.25], "$.inputs[0].data[2:4]"), ([[0, 1], [0, -1313.25]], "$.inputs[0].data[1]"), (None, "$.inputs[0], row 1 of its binary data"),
])  # fmt: skip
def test_the_row_that_the_model_refuses_is_named(make_client: MakeClient, data: Any, place: str) -> None:
    content = b"" if data else np.array([0, 1, 0, -1313.25]).tobytes()
    one = tensor(shape=[2, 2], data=data) if data else bytes_of("FP64", [2, 2], 32)
    body, headers = binary(asked(one), content)
    check_refused(
        make_client("own")("POST", "/v2/models/own/infer", body, **headers),
        400, f"{place}: expected a row that the model can score, got one on which it raises ValueError. GET /schema lists what the inputs take.",
    )  # fmt: skip


def test_the_row_that_the_model_refuses_is_named_by_column(make_client: MakeClient) -> None:
    answer = make_client("own")("POST", "/v2/models/own/infer", asked(*columns(seconds=[0, 0], value=[1, -1313.25])))
    check_refused(
        answer, 400, "$.inputs[*], row 1: expected a row that the model can score, got one on which it raises ValueError. GET /schema lists what the inputs take."
    )  # fmt: skip


def test_a_failure_of_the_model_is_a_500_in_the_protocols_form(make_client: MakeClient, caplog: Any) -> None:
    answer = make_client("own")("POST", "/v2/models/own/infer", asked(tensor(shape=[2, 2], data=[0, 1, 0, -2626.5])))
    check_refused(
        answer, 500, "The model or the service failed on this request; its log has the reason. Tell who runs it."
    )
    assert "RuntimeError: not with others" in caplog.text


def test_requests_are_counted_as_v2(client: Any) -> None:
    client("POST", INFER, asked())
    client("POST", INFER, {})
    told = client("GET", "/metrics").body.decode()
    assert 'modelcast_requests_total{code="200",protocol="v2"} 1.0' in told
    assert 'modelcast_requests_total{code="400",protocol="v2"} 1.0' in told
    assert "modelcast_rows_total 2.0" in told

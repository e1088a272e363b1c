"""KServe's V1: the same rows and the same answers, its own words, CloudEvents in and out."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime.bundle import open_bundle

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
PREDICT = "/v1/models/{}:predict"
EVENT = {"specversion": "1.0", "id": "7", "source": "here", "type": "asked"}
BINARY = {f"ce_{key}": value for key, value in EVENT.items()}
STRUCTURED = "application/cloudevents+json"
HELP = "GET /schema describes the forms of a request."


def error(answer: Any, status: int) -> str:
    """The one sentence of a refusal, which is all that it says."""
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    document = answer.json()
    assert list(document) == ["error"]
    return str(document["error"])


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text"])
def test_every_form_of_the_rows_is_answered_with_the_predictions_alone(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    bundle, client = open_bundle(root), make_client(root)
    names = [column.name for column in bundle.manifest.signature.inputs]
    lists = [list(row) for row in bundle.golden.rows]
    records = [dict(zip(names, row, strict=True)) for row in lists]
    forms: list[Any] = [
        lists,
        records,
        [{name: [value] for name, value in row.items()} for row in records],
        {name: [row[name] for row in records] for name in names},
        {name: [[row[name]] for row in records] for name in names},
        *([[text for (text,) in lists]] if kind == "text" else []),
    ]
    expected = client("POST", "/predict", {"instances": lists}).json()["predictions"]
    for key in ("instances", "inputs"):
        for form in forms:
            answer = client("POST", PREDICT.format(kind), {key: form}, content_type="application/json")
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
            assert answer.json() == {"predictions": expected}
    assert answer.headers["model-version"] == bundle.manifest.version


def test_what_kserve_does_not_look_at_is_not_looked_at(make_client: MakeClient) -> None:
    body = {"instances": [[1, 2]], "parameters": {"any": []}, "signature_name": "serving_default"}
    assert make_client("kmeans")("POST", PREDICT.format("kmeans"), body).status == 200


@pytest.mark.parametrize(
    "media",
    [
        "",
        "application/json",
        "Application/JSON; charset=UTF-8",
        "application/ld+json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ],
)
def test_a_content_type_that_does_not_say_otherwise_is_json(make_client: MakeClient, media: str) -> None:
    answer = make_client("kmeans")("POST", PREDICT.format("kmeans"), {"instances": [[1, 2]]}, content_type=media)
    assert answer.status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Unrecognized request format: line 1, column 2: expected JSON, got something else. "
         "NaN, Infinity, comments and trailing commas are not JSON."),
        (b"", "Unrecognized request format: line 1, column 1: expected JSON, got nothing. "
         "NaN, Infinity, comments and trailing commas are not JSON."),
        (b"\xff", "Unrecognized request format: line 1: expected UTF-8, got other bytes. Encode the body as UTF-8."),
        (b"[[1, 2]]", f"$: expected an object with one of the keys instances and inputs, got list of 1 value. {HELP}"),
        (b"{}", "$: expected an object with one of the keys instances and inputs, got an object without them. "
         + HELP),
        (b'{"instances": [[1, 2]], "inputs": [[1, 2]]}',
         f"$: expected an object with one of the keys instances and inputs, got both. {HELP}"),
        (b'{"instances": 7}', f"$.instances: expected a list of rows, or an object of columns, got number. {HELP}"),
        (b'{"inputs": []}', "$.inputs: expected at least one row, got no rows. Send rows to score."),
        (b'{"instances": [[1, "two"]]}',
         "$.instances[0][1]: expected a number, got string. Values are never converted: send that type."),
        (b'{"instances": [{"x": [1, 2], "y": 1}]}',
         "$.instances[0].x: expected a number, got list of 2 values. Values are never converted: send that type."),
        (b'{"inputs": [[1, 2], [3]]}',
         "$.inputs[1]: expected 2 values: x, y, got 1 value. Send one value for each name, in this order."),
        (b'{"instances": [{"x": 1}]}',
         "$.instances[0]: expected also y, got nothing. Send every input; GET /schema lists them."),
        (b'{"instances": [{"x": 1, "y": 2, "z": 3}]}',
         "$.instances[0].z: expected only x, y, got number. "
         "Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."),
    ],
)  # fmt: skip
def test_what_the_model_does_not_take_is_a_400_in_one_sentence(
    make_client: MakeClient, body: bytes, words: str
) -> None:
    assert error(make_client("kmeans")("POST", PREDICT.format("kmeans"), body), 400) == words


def test_other_refusals_are_v1s_too(make_client: MakeClient) -> None:
    client = make_client("own", env={"MODELCAST_LIMITS_ROWS": "1", "MODELCAST_LIMITS_BODY_BYTES": "99"})
    path = PREDICT.format("own")
    assert error(client("POST", path, b"1,2", content_type="text/csv"), 415) == (
        "Expected the Content-Type application/json or application/cloudevents+json, got another. "
        "Send one of these, or no Content-Type at all."
    )
    assert error(client("POST", path, b"{}", content_type="application/json; charset=latin-1"), 415) == (
        "Expected the charset utf-8, got another. Send one of these, or no charset at all."
    )
    assert error(client("POST", path, {"instances": [[0, 1], [0, 1]]}), 413) == (
        "A request may have at most 1 row (MODELCAST_LIMITS_ROWS). Send the rows in several requests."
    )
    assert error(client("POST", path, b" " * 100), 413) == (
        "A request may have at most 99 bytes (MODELCAST_LIMITS_BODY_BYTES, after inflation). Send less in one request."
    )
    assert error(client("POST", path, {"instances": [[0, -1313.25]]}), 400) == (
        "$.instances[0]: expected a row that the model can score, got one on which it raises ValueError. "
        "GET /schema lists what the inputs take."
    )


def test_the_models_are_one_which_is_ready_until_the_service_is_stopped(make_client: MakeClient) -> None:
    draining: list[int] = []
    client = make_client(is_draining=lambda: bool(draining))
    assert client("GET", "/v1/models").json() == {"models": ["array"]}
    assert client("GET", "/v1/models/array").json() == {"name": "array", "ready": True}
    draining.append(1)
    answer = client("GET", "/v1/models/array")
    assert error(answer, 503) == "Model with name array is not ready."
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/v1/models/nope", 404, "Model with name nope does not exist."),
        ("POST", "/v1/models/nope:predict", 404, "Model with name nope does not exist."),
        ("POST", "/v1/models/my-other.model:explain", 404, "Model with name my-other.model does not exist."),
        ("GET", "/v1/models/<b>\n", 404, r"Model with name '<b>\u000a' does not exist."),
        ("POST", "/v1/models/array:explain", 501, "Model with name array has no explainer: ask for :predict."),
        ("GET", "/v1/models/array:predict", 405, "Method not allowed: this path takes POST."),
        ("POST", "/v1/models/array:other", 404, "Not found. GET /info shows what is served here."),
        ("GET", "/v1", 404, "Not found. GET /info shows what is served here."),
        ("DELETE", "/v1/models", 405, "Method not allowed: this path takes HEAD, OPTIONS, GET."),
    ],
)
def test_below_v1_every_refusal_is_v1s(
    make_client: MakeClient, method: str, path: str, status: int, words: str
) -> None:
    answer = make_client()(method, path, {"instances": [[1, 2, 3, 4]]})
    told = error(answer, status)
    if status == 405:  # werkzeug names the methods in no order
        assert told.partition("takes ")[0] == words.partition("takes ")[0]
        assert answer.headers["allow"] == told.removesuffix(".").partition("takes ")[2]
    else:
        assert told == words


def test_outside_of_v1_a_refusal_stays_a_problem_document(make_client: MakeClient) -> None:
    assert make_client()("GET", "/v10").headers["content-type"] == "application/problem+json"


def told_of(client: Any, protocol: str) -> dict[str, float]:
    """The requests of a protocol by their status, from the scrape."""
    lines = client("GET", "/metrics").body.decode().splitlines()
    counted = (line for line in lines if line.startswith("modelcast_requests_total") and f'"{protocol}"' in line)
    parts = (line.rpartition(" ") for line in counted)
    return {head.partition('code="')[2].partition('"')[0]: float(value) for head, _, value in parts if float(value)}


def test_requests_are_counted_as_v1(make_client: MakeClient) -> None:
    client = make_client("kmeans")
    client("POST", PREDICT.format("kmeans"), {"instances": [[1, 2]]})
    client("POST", PREDICT.format("kmeans"), {"instances": [[1, None]]})
    assert told_of(client, "v1") == {"200": 1, "400": 1}


def test_an_event_in_headers_is_answered_by_one_in_headers(make_client: MakeClient) -> None:
    answer = make_client("kmeans")("POST", PREDICT.format("kmeans"), {"instances": [[1, 2]]}, **BINARY)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert list(answer.json()) == ["predictions"]
    told = {key: value for key, value in answer.headers.items() if key.startswith("ce-")}
    assert datetime.fromisoformat(told.pop("ce-time")).tzinfo is not None
    assert told == {
        "ce-specversion": "1.0",
        "ce-id": answer.headers["prediction-id"],
        "ce-source": "io.kserve.inference.kmeans",
        "ce-type": "io.kserve.inference.response",
    }


@pytest.mark.parametrize("as_text", [False, True])
def test_an_event_around_the_request_is_answered_by_one_around_the_answer(
    make_client: MakeClient, as_text: bool
) -> None:
    client, request = make_client("kmeans"), {"instances": [[1, 2]]}
    encoded = base64.b64encode(json.dumps(request).encode()).decode()
    body = EVENT | ({"data_base64": encoded} if as_text else {"data": request})
    answer = client("POST", PREDICT.format("kmeans"), body, content_type=f"{STRUCTURED}; charset=utf-8")
    assert (answer.status, answer.headers["content-type"]) == (200, STRUCTURED)
    event = answer.json()
    assert datetime.fromisoformat(event.pop("time")).tzinfo is not None
    assert event == {
        "specversion": "1.0",
        "id": answer.headers["prediction-id"],
        "source": "io.kserve.inference.kmeans",
        "type": "io.kserve.inference.response",
        "datacontenttype": "application/json",
        "data": client("POST", PREDICT.format("kmeans"), request).json(),
    }


def test_an_event_that_is_called_json_is_opened_and_answered_plainly_as_kserve_does(make_client: MakeClient) -> None:
    body = EVENT | {"time": "2026-01-01T00:00:00Z", "data": {"instances": [[1, 2]]}}
    answer = make_client("kmeans")("POST", PREDICT.format("kmeans"), body, content_type="application/json")
    assert (answer.status, list(answer.json())) == (200, ["predictions"])


def test_headers_that_are_half_an_event_are_none(make_client: MakeClient) -> None:
    half = {key: value for key, value in BINARY.items() if key != "ce_id"}
    answer = make_client("kmeans")("POST", PREDICT.format("kmeans"), {"instances": [[1, 2]]}, **half)
    assert answer.status == 200
    assert "ce-id" not in answer.headers


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "$: expected a CloudEvent with specversion, id, source, type and data, got list of 0 values."),
        (json.dumps(EVENT | {"id": 7, "data": {}}).encode(),
         "$: expected a CloudEvent with specversion, id, source, type and data, got an object without the text id."),
        (json.dumps(EVENT).encode(), "$.data: expected an object with one of the keys instances and inputs, got null."),
        (json.dumps(EVENT | {"data_base64": "*"}).encode(),
         "$.data_base64: expected base64, got something else."),
        (json.dumps(EVENT | {"data": {"instances": [[1]]}}).encode(),
         "$.data.instances[0]: expected 2 values: x, y, got 1 value."),
    ],
)  # fmt: skip
def test_a_bad_event_is_a_400(make_client: MakeClient, body: bytes, words: str) -> None:
    answer = make_client("kmeans")("POST", PREDICT.format("kmeans"), body, content_type=STRUCTURED)
    assert error(answer, 400).startswith(words)


BODIES = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["instances", "inputs", "x", "y", "data", *EVENT]), inner, max_size=4)
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=BODIES, media=st.sampled_from(["", STRUCTURED]))
def test_no_body_makes_it_fail(kmeans: Any, body: bytes, media: str) -> None:
    answer = kmeans("POST", PREDICT.format("kmeans"), body, content_type=media)
    assert answer.status in (200, 400), answer.body
    assert list(answer.json()) == (["error"] if answer.status == 400 else list(answer.json()))


@pytest.fixture
def kmeans(make_client: MakeClient) -> Any:
    """One client for every example."""
    return make_client("kmeans")

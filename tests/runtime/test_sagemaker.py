"""SageMaker's container: what the word `serve` changes, and the forms of AWS' scikit-learn image."""

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime.bundle import open_bundle

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]
SERVE = {"MODELCAST_INVOCATIONS": "sagemaker"}
JSON, CSV, NUMPY = "application/json", "text/csv", "application/x-npy"
ROWS = [[0.5, 1.5], [-2.0, 0.25]]


@pytest.fixture
def kmeans(make_client: MakeClient) -> Any:
    """Started by the word `serve`."""
    return make_client("kmeans", env=SERVE)


def ask(client: Any, body: Any, media: str = JSON, **headers: str) -> Any:
    return client("POST", "/invocations", body, content_type=media, **headers)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def expected(client: Any, rows: Any) -> Any:
    return client("POST", "/predict", {"instances": rows}).json()["predictions"]


def message(answer: Any) -> str:
    assert (answer.status, list(answer.json())) == (400, ["error_code", "message"])
    return str(answer.json()["message"])


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (ROWS, JSON),
        (ROWS, ""),
        ([{"x": 0.5, "y": 1.5, "id": 7}, {"x": -2.0, "y": 0.25, "id": 8}], JSON),
        ([{"x": [0.5], "y": 1.5}, {"x": -2.0, "y": [0.25]}], JSON),
        ({"instances": ROWS}, JSON),
        ({"dataframe_split": {"columns": ["y", "x"], "data": [[1.5, 0.5], [0.25, -2.0]]}}, JSON),
        (b"0.5,1.5\n-2,0.25\n", CSV),
        (b"0.5,1.5\r\n-2,0.25", "text/csv; label_size=0; charset=utf-8"),
        (b'"0.5",1.5\n-2,"0.25"\n', CSV),
        (b"y,id,x\n1.5,7,0.5\n0.25,8,-2\n", CSV),
        (npy(np.array(ROWS)), NUMPY),
        (npy(np.asfortranarray(np.array(ROWS, np.float32))), NUMPY),
    ],
)
def test_every_form_is_answered_as_predict_does(kmeans: Any, body: Any, media: str) -> None:
    answer = ask(kmeans, body, media)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON), answer.body
    assert answer.json() == {"predictions": expected(kmeans, ROWS)}


def test_a_csv_without_its_header_is_as_careful_as_one_with_it(kmeans: Any) -> None:
    assert message(ask(kmeans, b"1,2\n3\n", CSV)) == (
        "line 2: expected 2 fields: x, y, got 1 field. Send one field for each name, in this order."
    )
    assert message(ask(kmeans, b"1,two\n", CSV)) == (
        "line 1, column y: expected a number, got string. Values are never converted: send that type."
    )
    assert message(ask(kmeans, b"\n", CSV)) == (
        "line 1: expected a header line with the names of the inputs, got nothing. "
        "GET /schema describes the forms of a request."
    )


def test_texts_of_a_csv_without_its_header_and_of_an_array(make_client: MakeClient) -> None:
    client = make_client("text", env=SERVE)
    texts = ["win money", "lunch, at noon"]
    for body, media in ((b'win money\n"lunch, at noon"\n', CSV), (npy(np.array(texts)), NUMPY), (texts, JSON)):
        assert ask(client, body, media).json() == {"predictions": expected(client, texts)}


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html", JSON),
        ("application/json, text/csv", JSON),
        ("text/csv;q=0.9, application/json", CSV),
        ("image/png, Application/X-NPY", NUMPY),
    ],
)
def test_accept_says_what_comes_back(kmeans: Any, accept: str, media: str) -> None:
    answer = ask(kmeans, ROWS, accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, media)
    assert answer.headers["prediction-id"]
    predictions = expected(kmeans, ROWS)
    if media == JSON:
        assert answer.json() == {"predictions": predictions}
    elif media == CSV:
        assert answer.body.decode() == "".join(f"{label}\n" for label in predictions)
    else:
        assert np.load(io.BytesIO(answer.body), allow_pickle=False).tolist() == predictions


@pytest.mark.parametrize("kind", ["frame", "pair", "text"])
def test_labels_and_several_outputs_come_back_as_lines_and_as_an_array(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    client, rows = make_client(root, env=SERVE), [list(row) for row in open_bundle(root).golden.rows]
    predictions = expected(client, rows)
    array = np.load(io.BytesIO(ask(client, rows, accept=NUMPY).body), allow_pickle=False)
    assert array.tolist() == predictions
    lines = ask(client, rows, accept=CSV).body.decode().splitlines()
    texts = {"frame": str, "pair": lambda row: ",".join(map(repr, row)), "text": lambda label: str(label).lower()}
    assert lines == [texts[kind](each) for each in predictions]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "$: expected a NumPy .npy file, got other bytes. Let a library write it."),
        (npy(np.array(ROWS))[:-1], "$: expected a NumPy .npy file, got other bytes. Let a library write it."),
        (npy(np.array([[object()]])), "$: expected a NumPy .npy file, got other bytes. Let a library write it."),
        (npy(np.zeros((1, 2, 1))), "$: expected a NumPy .npy file, got other bytes. Let a library write it."),
        (npy(np.array([[1j, 2]])), "$: expected a NumPy .npy file, got other bytes. Let a library write it."),
        (npy(np.zeros((0, 2))), "$: expected at least one row, got no rows. Send rows to score."),
        (npy(np.zeros((3, 0))),
         "$[0]: expected 2 values: x, y, got 0 values. Send one value for each name, in this order."),
        (npy(np.zeros(2)), "$[0]: expected a list or an object, got number. GET /schema describes the forms of a request."),
        (npy(np.array([[1, np.nan]])),
         "$[0][1]: expected a number, got null. The model takes no missing value there."),
        (npy(np.array([[1, -np.inf]])),
         "$[0][1]: expected a number of 64 bits, got a value outside. Send a value in this range."),
        (npy(np.array([[True, False]])),
         "$[0][0]: expected a number, got boolean. Values are never converted: send that type."),
    ],
)  # fmt: skip
def test_an_array_that_the_model_does_not_take_is_a_400(kmeans: Any, body: bytes, words: str) -> None:
    assert message(ask(kmeans, body, NUMPY)) == words


def test_an_arrays_size_is_held_before_rows_are_made_of_it(make_client: MakeClient) -> None:
    client = make_client("kmeans", env=SERVE | {"MODELCAST_LIMITS_ROWS": "5"})
    assert ask(client, npy(np.zeros((6, 2))), NUMPY).status == 413
    assert ask(client, npy(np.zeros((999_999_999, 0))), NUMPY).status == 413


def test_a_media_type_that_is_not_read_is_a_415(kmeans: Any) -> None:
    answer = ask(kmeans, b"1", "application/x-recordio-protobuf")
    assert (answer.status, answer.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert answer.body.decode() == (
        "Expected the Content-Type text/csv, application/json, application/vnd.apache.parquet or application/x-npy, "
        "got another. Send one of these, or no Content-Type at all."
    )
    assert ask(kmeans, b"1,2", "text/csv; charset=latin-1").status == 415


def test_health_is_an_empty_200_until_the_service_is_stopped(make_client: MakeClient) -> None:
    draining: list[int] = []
    client = make_client("kmeans", env=SERVE, is_draining=lambda: bool(draining))
    assert (client("GET", "/ping").status, client("GET", "/ping").body) == (200, b"")
    draining.append(1)
    assert client("GET", "/ping").status == 503


def test_requests_are_counted_as_sagemakers(kmeans: Any) -> None:
    ask(kmeans, ROWS)
    ask(kmeans, b"1,2\n", CSV, x_amzn_sagemaker_custom_attributes="trace=1")
    scrape = kmeans("GET", "/metrics").body.decode().splitlines()
    assert 'modelcast_requests_total{code="200",protocol="sagemaker"} 2.0' in scrape
    assert 'modelcast_requests_total{code="200",protocol="mlflow"} 0.0' in scrape


@pytest.mark.parametrize(
    ("env", "advice"),
    [
        ({"WEB_CONCURRENCY": "4"}, (4, "MULTI_RECORD", 16)),
        ({"WEB_CONCURRENCY": "12"}, (6, "MULTI_RECORD", 16)),
        ({"WEB_CONCURRENCY": "2", "MODELCAST_LIMITS_BODY_BYTES": "1000"}, (2, "MULTI_RECORD", 1)),
        ({"WEB_CONCURRENCY": "2", "MODELCAST_LIMITS_BODY_BYTES": str(2**31)}, (1, "MULTI_RECORD", 100)),
        ({"SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "3", "SAGEMAKER_BATCH_STRATEGY": "SINGLE_RECORD",
          "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0", "SAGEMAKER_BATCH": "true"}, (3, "SINGLE_RECORD", 0)),
    ],
)  # fmt: skip
def test_batch_transform_is_advised_what_the_job_says_or_the_service_can_take(
    make_client: MakeClient, env: dict[str, str], advice: tuple[int, str, int]
) -> None:
    keys = ("MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB")
    answer = make_client("kmeans", env=SERVE | env)("GET", "/execution-parameters")
    assert (answer.status, answer.json()) == (200, dict(zip(keys, advice, strict=True)))
    assert make_client("kmeans", env=env)("GET", "/execution-parameters").status == 404


@pytest.mark.parametrize(("set_to", "told"), [(None, "sagemaker"), ("mlflow", "mlflow")])
def test_the_word_serve_says_whose_invocations_these_are(tmp_path: Path, set_to: str | None, told: str) -> None:
    command = tmp_path / "modelcast-runtime"
    command.write_text('#!/bin/sh\necho "$MODELCAST_INVOCATIONS $*"\n')
    command.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | ({} if set_to is None else {"MODELCAST_INVOCATIONS": set_to})
    done = subprocess.run([ROOT / "s2i/serve", "a b"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"{told} serve a b\n"


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    head=st.sampled_from([b"", npy(np.array(ROWS)), npy(np.array(["a"]))[:-1], b"\x93NUMPY\x01\x00v\x00{'descr': "]),
    tail=st.binary(max_size=40),
    at=st.integers(0, 200),
    media=st.sampled_from([NUMPY, CSV, JSON]),
    accept=st.sampled_from([JSON, CSV, NUMPY]),
)
def test_no_body_makes_it_fail(kmeans: Any, head: bytes, tail: bytes, at: int, media: str, accept: str) -> None:
    body = head[:at] + tail + head[at + len(tail) :]
    answer = ask(kmeans, body, media, accept=accept)
    assert answer.status in (200, 400, 413), answer.body

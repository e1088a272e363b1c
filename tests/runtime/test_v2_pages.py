"""What the Open Inference Protocol tells beside inference."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import modelcast_runtime
import pytest
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.dialects import v2_metadata

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]


def told(client: Any, path: str) -> Any:
    answer = client("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


def described(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)}


def test_the_server_is_told_with_and_without_a_slash(make_client: MakeClient) -> None:
    client = make_client()
    expected = {
        "name": "modelcast",
        "version": modelcast_runtime.__version__,
        "extensions": ["binary_tensor_data"],
    }
    assert told(client, "/v2") == told(client, "/v2/") == expected
    assert told(client, "/v2/models") == {"models": ["array"]}
    assert told(client, "/v2/health/live") == {"live": True}
    assert told(client, "/v2/health/ready") == {"ready": True}
    for path in ("/v2/models/array/ready", "/v2/models/array/versions/sha256:3f2a/ready"):
        assert told(client, path) == {"name": "array", "ready": True}


PREDICTED = {
    "array": [described("predict", "INT64", -1), described("predict_proba", "FP64", -1, 3)],
    "frame": [described("predict", "BYTES", -1), described("predict_proba", "FP64", -1, 2)],
    "kmeans": [described("predict", "INT64", -1), described("distances", "FP64", -1, 3)],
    "pair": [described("predict", "FP64", -1, 2)],
    "text": [described("predict", "BOOL", -1), described("predict_proba", "FP64", -1, 2)],
}
TAKEN = {
    "array": [described("input-0", "FP64", -1, 4) | {"parameters": {"columns": '["a","b","c","d"]'}}],
    "frame": [described("mass", "FP64", -1), described("island", "BYTES", -1), described("year", "INT64", -1)],
    "kmeans": [described("input-0", "FP64", -1, 2) | {"parameters": {"columns": '["x","y"]'}}],
    "pair": [described("input-0", "FP64", -1, 3) | {"parameters": {"columns": '["x","y","z"]'}}],
    "text": [described("text", "BYTES", -1)],
}


@pytest.mark.parametrize("kind", PREDICTED)
def test_conformance_v2_32_the_model_is_told_with_its_tensors(make_client: MakeClient, kind: str) -> None:
    client = make_client(kind)
    metadata = told(client, f"/v2/models/{kind}")
    assert metadata == told(client, f"/v2/models/{kind}/versions/sha256:3f2a")
    assert metadata == {
        "name": kind,
        "versions": ["sha256:3f2a"],
        "platform": "sklearn_joblib",
        "inputs": TAKEN[kind],
        "outputs": PREDICTED[kind],
    }


@pytest.mark.parametrize("kind", PREDICTED)
def test_what_is_told_of_the_tensors_is_what_is_taken_and_given(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    golden = open_bundle(root).golden
    client = make_client(root)
    metadata = told(client, f"/v2/models/{kind}")
    values = [list(golden.rows)] if metadata["inputs"][0]["name"] == "input-0" else list(zip(*golden.rows, strict=True))
    tensors = [
        {**tensor, "shape": [len(golden.rows), *tensor["shape"][1:]], "data": data}
        for tensor, data in zip(metadata["inputs"], values, strict=True)
    ]
    answer = client("POST", f"/v2/models/{kind}/infer", {"inputs": tensors}).json()
    given = [(one["name"], one["datatype"], one["shape"][1:]) for one in answer["outputs"]]
    assert given == [(one["name"], one["datatype"], one["shape"][1:]) for one in metadata["outputs"]]
    labels = json.loads(json.dumps(golden.predictions))
    assert answer["outputs"][0]["data"] == [
        one for label in labels for one in (label if isinstance(label, list) else [label])
    ]


def test_a_compiled_model_is_of_another_platform(make_bundle: MakeBundle) -> None:
    manifest = open_bundle(make_bundle(format="onnx")).manifest
    assert v2_metadata.platform(manifest) == "onnx_onnxv1"


@pytest.mark.parametrize(
    "path", ["/v2/health/ready", "/v2/models/array/ready", "/v2/models/array/versions/sha256:3f2a/ready"]
)
def test_a_replica_that_is_being_stopped_is_not_ready(make_client: MakeClient, path: str) -> None:
    client = make_client(is_draining=lambda: True)
    answer = client("GET", path)
    error = "This replica is being stopped and takes no more requests. Repeat the request: another one answers it."
    assert (answer.status, answer.json()) == (503, {"error": error})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["retry-after"] == "1"
    assert told(client, "/v2/health/live") == {"live": True}


def test_a_failure_below_v2_is_told_in_its_form(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()

    def failing(manifest: Any) -> Any:
        raise RuntimeError("1313")

    monkeypatch.setattr("modelcast_runtime.v2_pages.model_metadata", failing)
    answer = client("GET", "/v2/models/array")
    error = "The model or the service failed on this request; its log has the reason. Tell who runs it."
    assert (answer.status, answer.json()) == (500, {"error": error})
    assert "RuntimeError: 1313" in caplog.text


def test_what_is_not_below_v2_is_refused_as_it_was(make_client: MakeClient) -> None:
    for path in ("/v2x", "/v3/models", "/nowhere"):
        answer = make_client()("GET", path)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")

"""The pages around the scoring: health, metrics, the model's description, and refusals in the same words."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_runtime import contract
from modelcast_runtime.asgi import Router
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.observe import Observer
from prometheus_client.parser import text_string_to_metric_families

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
ROW = [0.5, -0.25, 1.0, 2.0]


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of an exposition that is not zero, without what a clock decides."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            if sample.value and "request_seconds" not in sample.name:
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"status": "alive"}),
        ("/healthz", {"status": "ok"}),
        ("/readyz", {"status": "ok", "checks": {"golden_rows": "5 reproduced", "accepting": True}}),
    ],
)
def test_health_is_json(make_client: MakeClient, path: str, expected: dict[str, Any]) -> None:
    answer = make_client()("GET", path)
    assert (answer.status, answer.json(), answer.headers["content-type"]) == (200, expected, "application/json")


def test_a_draining_service_is_alive_but_not_ready_and_still_answers(make_client: MakeClient) -> None:
    draining = False
    client = make_client(is_draining=lambda: draining)
    assert client("GET", "/readyz").status == 200
    draining = True
    answer = client("GET", "/readyz")
    assert answer.status == 503
    assert answer.json() == {"status": "draining", "checks": {"golden_rows": "5 reproduced", "accepting": False}}
    assert client("GET", "/healthz").status == 200
    assert client("POST", "/predict", [ROW]).status == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/schema", "/info"])
def test_head_has_the_headers_of_get_and_no_body(make_client: MakeClient, path: str) -> None:
    client = make_client()
    got, headed = client("GET", path), client("HEAD", path)
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # where every request changes a number
        assert headed.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize(
    ("path", "allowed"), [("/", {"GET", "HEAD", "OPTIONS"}), ("/metrics", {"GET", "HEAD", "OPTIONS", "POST"})]
)
def test_options_tells_what_a_page_takes(make_client: MakeClient, path: str, allowed: set[str]) -> None:
    answer = make_client()("OPTIONS", path)
    assert (answer.status, set(answer.headers["allow"].split(", "))) == (200, allowed)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_predict_takes_post_and_says_so(make_client: MakeClient, method: str) -> None:
    answer = make_client()(method, "/predict")
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:modelcast:problem:method-not-allowed",
        "title": "Method not allowed",
        "status": 405,
        "detail": "Method not allowed: this path takes POST.",
        "at": None,
        "expected": "POST",
        "got": None,
    }


@pytest.mark.parametrize("path", ["/info", "/schema", "/healthz"])
def test_pages_take_no_post_and_say_what_they_take(make_client: MakeClient, path: str) -> None:
    answer = make_client()("POST", path, {"a": 1})
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "path", ["/nothing", "/predict/", "/predict/x", "/Predict", "/static/x", "/..%2f", "/käse", "/1313"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_path_is_a_404_that_does_not_repeat_it(make_client: MakeClient, method: str, path: str) -> None:
    answer = make_client()(method, path)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:modelcast:problem:not-found",
        "title": "Not found",
        "status": 404,
        "detail": "Not found. GET /info shows what is served here.",
        "at": None,
        "expected": None,
        "got": None,
    }


def test_metrics_are_exact_after_a_known_sequence(make_client: MakeClient) -> None:
    client = make_client("frame")
    rows = [[-1.0, "Dream", 2007], [None, "Atlantis", 2008], [1.5, None, 2009]]
    assert client("POST", "/predict", rows[:2]).status == 200
    assert client("POST", "/predict?proba=true", rows[:1]).status == 200
    assert client("POST", "/predict", rows[2:]).status == 400  # a null where the model takes none
    assert client("POST", "/predict", b"{").status == 400
    assert client("POST", "/predict", b"", content_type="text/plain").status == 415
    assert client("GET", "/predict").status == 405
    assert client("GET", "/nothing").status == 404
    assert client("GET", "/healthz").status == 200
    assert client("POST", "/predict", rows[:2]).json()["predictions"] == ["small", "small"]
    assert client("POST", "/predict", [[1.5, "Dream", 2008]] * 2).json()["predictions"] == ["big", "big"]
    answer = client("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.body)
    batches = {key: value for key, value in found.items() if key[0].startswith("modelcast_batch_rows")}
    assert {key: value for key, value in found.items() if key not in batches} == {
        ("modelcast_model_info", (("format", "joblib"), ("framework", "sklearn"), ("name", "frame"), ("version", "sha256:3f2a"))): 1.0,
        ("modelcast_requests_total", (("code", "200"), ("protocol", "predict"))): 4.0,
        ("modelcast_requests_total", (("code", "400"), ("protocol", "predict"))): 2.0,
        ("modelcast_requests_total", (("code", "415"), ("protocol", "predict"))): 1.0,
        ("modelcast_requests_total", (("code", "405"), ("protocol", "other"))): 1.0,
        ("modelcast_requests_total", (("code", "404"), ("protocol", "other"))): 1.0,
        ("modelcast_requests_total", (("code", "200"), ("protocol", "other"))): 1.0,
        ("modelcast_rows_total", ()): 7.0,
        ("modelcast_in_flight", ()): 1.0,  # the scrape itself
        ("modelcast_input_missing_total", (("input", "mass"),)): 2.0,
        ("modelcast_input_unseen_total", (("input", "island"),)): 2.0,
        ("modelcast_predictions_total", (("class", "small"),)): 5.0,
        ("modelcast_predictions_total", (("class", "big"),)): 2.0,
    }  # fmt: skip
    assert batches["modelcast_batch_rows_count", ()] == 4.0
    assert batches["modelcast_batch_rows_sum", ()] == 7.0
    assert batches["modelcast_batch_rows_bucket", (("le", "1.0"),)] == 1.0
    assert batches["modelcast_batch_rows_bucket", (("le", "2.0"),)] == 4.0


def test_metrics_are_posted_too_and_come_as_openmetrics_where_asked(make_client: MakeClient) -> None:
    client = make_client()
    posted = client("POST", "/metrics", b"anything")
    assert posted.status == 200
    assert b"modelcast_model_info{" in posted.body
    asked = client("GET", "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.body.endswith(b"# EOF\n")


@pytest.mark.parametrize("kind", ["array", "frame", "text"])
def test_info_is_the_manifest_with_the_digest_and_the_provenance(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    bundle = open_bundle(root)
    document = make_client(root)("GET", "/info").json()
    assert document.pop("bundle_digest") == bundle.digest
    assert document.pop("provenance") == json.loads((root / contract.PROVENANCE).read_bytes())
    assert document == json.loads((root / contract.MANIFEST).read_bytes())


def test_info_has_no_provenance_where_the_receipts_were_left_out(
    make_bundle: MakeBundle, make_client: MakeClient
) -> None:
    root = make_bundle()
    (root / contract.PROVENANCE).unlink()
    assert make_client(root)("GET", "/info").json()["provenance"] is None


def test_a_query_that_is_not_ascii_leaves_nothing_in_flight(make_client: MakeClient) -> None:
    client = make_client()
    with pytest.raises(UnicodeDecodeError):  # a2wsgi's; the worker lets no such byte come here
        client("GET", "/healthz?\udcff")
    found = samples(client("GET", "/metrics").body)
    assert found["modelcast_in_flight", ()] == 1.0
    assert found["modelcast_requests_total", (("code", "500"), ("protocol", "other"))] == 1.0


def test_a_page_that_fails_is_counted_once_and_leaves_nothing_in_flight(make_client: MakeClient) -> None:
    client = make_client()

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        raise RuntimeError

    router = Router({}, fails, Observer(client.store, open_bundle_of(client)))
    with pytest.raises(RuntimeError):
        asyncio.run(type(client)(router, client.store).ask("GET", "/"))
    found = samples(client("GET", "/metrics").body)
    assert found["modelcast_in_flight", ()] == 1.0
    assert found["modelcast_requests_total", (("code", "200"), ("protocol", "other"))] == 1.0


def open_bundle_of(client: Any) -> contract.Manifest:
    document = client("GET", "/info").json()
    del document["bundle_digest"], document["provenance"]
    client.store.row[:] = 0
    return contract.decode(json.dumps(document).encode(), contract.Manifest)


def test_a_page_that_raises_is_a_500_without_a_traceback(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("secret 1313")

    monkeypatch.setattr("modelcast_runtime.metrics.exposition", fails)
    answer = make_client()("GET", "/metrics")
    assert answer.status == 500
    assert answer.json()["title"] == "Internal error"
    assert b"1313" not in answer.body
    assert "secret 1313" in caplog.text


def test_a_request_that_the_worker_refused_is_counted(make_client: MakeClient) -> None:
    client = make_client()
    client.app.refused(431)
    found = samples(client("GET", "/metrics").body)
    assert found["modelcast_requests_total", (("code", "431"), ("protocol", "other"))] == 1.0
    assert found["modelcast_in_flight", ()] == 1.0

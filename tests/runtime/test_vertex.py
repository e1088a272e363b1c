"""Vertex AI's custom container: the routes that it gives in its variables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_runtime.contract import ServiceDefaults
from modelcast_runtime.settings import HEALTH_ROUTES, OWN_SEGMENTS, SettingsError, read_settings

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
HEALTH = "/v1/endpoints/12/deployedModels/34"
VERTEX = {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": f"{HEALTH}:predict"}


def test_its_routes_are_health_and_v1s_predictions(make_client: MakeClient) -> None:
    draining: list[int] = []
    client = make_client("kmeans", env=VERTEX, is_draining=lambda: bool(draining))
    assert client("GET", HEALTH).status == 200
    body = {"instances": [[1, 2], {"x": 1, "y": 2}][:1], "parameters": {"any": 1}}
    answer = client("POST", f"{HEALTH}:predict", body, content_type="application/json")
    assert (answer.status, list(answer.json())) == (200, ["predictions"])
    assert answer.json() == client("POST", "/v1/models/kmeans:predict", body).json()
    draining.append(1)
    assert client("GET", HEALTH).status == 503


def test_refusals_are_v1s_and_requests_are_counted_as_vertex(make_client: MakeClient) -> None:
    client = make_client("kmeans", env=VERTEX)
    refused = client("POST", f"{HEALTH}:predict", {"instances": []})
    assert (refused.status, refused.json()) == (
        400,
        {"error": "$.instances: expected at least one row, got no rows. Send rows to score."},
    )
    assert client("GET", f"{HEALTH}:predict").json() == {"error": "Method not allowed: this path takes POST."}
    scrape = client("GET", "/metrics").body.decode().splitlines()
    assert 'modelcast_requests_total{code="400",protocol="vertex"} 1.0' in scrape
    assert 'modelcast_requests_total{code="400",protocol="v1"} 0.0' in scrape


@pytest.mark.parametrize("route", sorted(HEALTH_ROUTES))
def test_a_health_route_that_is_answered_already_is_answered(make_client: MakeClient, route: str) -> None:
    client = make_client("kmeans", env={"AIP_HEALTH_ROUTE": route, "AIP_PREDICT_ROUTE": "/predictions"})
    assert client("GET", route).status == 200
    assert client("POST", "/predictions", {"instances": [[1, 2]]}).status == 200


def test_both_may_be_one_path(make_client: MakeClient) -> None:
    client = make_client("kmeans", env={"AIP_HEALTH_ROUTE": "/model", "AIP_PREDICT_ROUTE": "/model"})
    assert client("GET", "/model").status == 200
    assert client("POST", "/model", {"instances": [[1, 2]]}).status == 200


def test_predict_is_vertex_ais_where_it_is_its_route(make_client: MakeClient) -> None:
    client = make_client("kmeans", env={"AIP_HEALTH_ROUTE": "/healthz", "AIP_PREDICT_ROUTE": "/predict"})
    answer = client("POST", "/predict", {"instances": [[1, 2]], "parameters": {"any": 1}})
    assert (answer.status, list(answer.json())) == (200, ["predictions"])
    told = client("GET", "/openapi.json").json()["paths"]["/predict"]["post"]
    assert told["operationId"] == "vertex"
    scrape = client("GET", "/metrics").body.decode().splitlines()
    assert 'modelcast_requests_total{code="200",protocol="vertex"} 1.0' in scrape


def test_elsewhere_there_are_no_such_routes(make_client: MakeClient) -> None:
    client = make_client("kmeans")
    assert [client("GET", HEALTH).status, client("POST", f"{HEALTH}:predict", {}).status] == [404, 404]


@pytest.mark.parametrize(
    "route",
    ["predict", "/", "//a", "/a/", "/a b", "/a?b", "/a%2Fb", "/a/../b", "/<name>", "/ä", "/invocations",
     "/v2/models/m/infer", "/v1/models/m:predict", "/metrics", "/assets/x", "/healthz"],
)  # fmt: skip
def test_a_route_that_is_none_or_already_answered_ends_the_start_with_one_line(route: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"AIP_PREDICT_ROUTE": route}, {}, ServiceDefaults())
    assert str(caught.value) == (
        "AIP_PREDICT_ROUTE: expected a path that the service does not answer already (letters, digits and _.~:@- "
        f'between slashes), got "{route}". Unset it or give one like /v1/endpoints/1/deployedModels/1'
    )


def test_every_path_of_the_service_is_known_to_the_check(make_client: MakeClient) -> None:
    """A new page must be in `OWN_SEGMENTS`: else Vertex AI could be given its path."""
    for env in ({}, {"MODELCAST_INVOCATIONS": "sagemaker"}):
        client = make_client(env=env)
        paths = client("GET", "/openapi.json").json()["paths"].keys() - {"/"}
        beginnings = {path.strip("/").split("/")[0] for path in paths}
        assert beginnings - {"v1"} <= OWN_SEGMENTS

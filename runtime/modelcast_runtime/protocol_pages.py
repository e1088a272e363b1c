"""What V1, Vertex AI, MLflow and SageMaker ask beside predictions, and how below their paths is refused."""

import re
from collections.abc import Callable
from http import HTTPStatus

from flask import Flask, Response, current_app, request

from modelcast_runtime import asgi
from modelcast_runtime.contract import Manifest
from modelcast_runtime.dialects import mlflow, v1
from modelcast_runtime.health import Health
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import HEALTH_ROUTES, Settings

_MODEL = "MODELCAST_MODEL"
_V1_MODEL = re.compile(r"/v1/models/([^/:]+)(?::\w+)?$")
_MEGABYTE = 2**20
_MOST_MEGABYTES = 100
"""What SageMaker allows a payload, times the requests at a time."""


def add_v1(pages: Flask, manifest: Manifest, health: Health) -> None:
    """The models, which are one."""
    path, name = v1.path_of(manifest), manifest.name

    def model() -> dict[str, object]:
        if not health.is_ready():
            raise v1.not_ready(name)
        return {"name": name, "ready": True}

    pages.add_url_rule(f"{v1.ROOT}/models", "v1_models", lambda: {"models": [name]})
    pages.add_url_rule(path, "v1_model", model)
    pages.config[_MODEL] = name


def add_health(pages: Flask, health: Health, settings: Settings) -> None:
    """MLflow's, SageMaker's and Vertex AI's routes: 200 where `/readyz` is; MLflow's say a line end, AWS' nothing."""
    well = b"\n" if settings.invocations == "mlflow" else b""

    def report() -> Response:
        return Response(well, status=200 if health.is_ready() else 503, content_type="application/json")

    routes = ["/ping", "/health"]
    if settings.vertex_health and settings.vertex_health not in HEALTH_ROUTES:
        routes.append(settings.vertex_health)
    for route in routes:
        pages.add_url_rule(route, f"health of {route}", report)
    pages.add_url_rule("/version", "version", lambda: Response(mlflow.VERSION, content_type="text/plain"))


def add_batch(pages: Flask, settings: Settings) -> None:
    """What SageMaker's batch transform asks before it sends."""
    if settings.invocations == "sagemaker":
        pages.add_url_rule("/execution-parameters", "execution_parameters", lambda: execution_parameters(settings))


def execution_parameters(settings: Settings) -> dict[str, object]:
    """The job's own parameters, which SageMaker put into the environment, else what the service can take."""
    payload_mb = settings.batch_payload_mb
    if payload_mb is None:
        payload_mb = min(max(settings.limits.body_bytes // _MEGABYTE, 1), _MOST_MEGABYTES)
    fitting = max(1, min(settings.workers, _MOST_MEGABYTES // max(payload_mb, 1)))
    return {
        "MaxConcurrentTransforms": fitting if settings.batch_concurrency is None else settings.batch_concurrency,
        "BatchStrategy": settings.batch_strategy,
        "MaxPayloadInMB": payload_mb,
    }


def v1_refusal(problem: Problem) -> Response:
    """Below `/v1`; that it is another model, or another verb, is told."""
    asked = _V1_MODEL.match(request.path)
    if problem.status == HTTPStatus.NOT_FOUND and asked:
        name = str(current_app.config[_MODEL])
        problem = v1.no_explainer(name) if asked[0] == f"{v1.ROOT}/models/{name}:explain" else problem
        problem = v1.no_model(asked[1]) if asked[1] != name else problem
    return _page(v1.refuse(problem))


def mlflow_refusal(problem: Problem) -> Response:
    """Of `/invocations`."""
    return _page(mlflow.refuse(problem))


def _page(told: asgi.Response) -> Response:
    return Response(told.body, told.status, [(name.decode(), value.decode()) for name, value in told.headers])


REFUSALS: dict[str, Callable[[Problem], Response]] = {"v1": v1_refusal, "invocations": mlflow_refusal}
"""By the first part of a path."""

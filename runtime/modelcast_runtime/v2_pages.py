"""What the Open Inference Protocol tells beside inference: health, server and model; `{"error": ...}` for the rest."""

from flask import Flask, Response

from modelcast_runtime.bundle import Bundle
from modelcast_runtime.dialects import v2_problems
from modelcast_runtime.dialects.v2_metadata import PREFIX, SERVER, model_metadata, model_paths
from modelcast_runtime.health import Health
from modelcast_runtime.openapi_parts import Document
from modelcast_runtime.problems import Problem, takes_an_object


def add_v2(pages: Flask, bundle: Bundle, health: Health) -> None:
    """Register every route of the protocol that scores nothing; what they refuse is raised as `Problem`."""
    manifest = bundle.manifest

    def ready(document: Document) -> Document:
        if not health.is_ready():
            raise v2_problems.not_ready()
        return document

    def model() -> Document:
        if not manifest.signature.takes_rows:
            raise takes_an_object()
        return model_metadata(manifest)

    # The specification writes the first without a slash in prose and with one in YAML; a redirect helps nobody.
    for path in (PREFIX, f"{PREFIX}/"):
        pages.add_url_rule(path, path, lambda: SERVER)
    pages.add_url_rule(f"{PREFIX}/health/live", "v2_live", lambda: {"live": True})
    pages.add_url_rule(f"{PREFIX}/health/ready", "v2_ready", lambda: ready({"ready": True}))
    pages.add_url_rule(f"{PREFIX}/models", "v2_models", lambda: {"models": [manifest.name]})
    for path in model_paths(manifest):
        pages.add_url_rule(path, path, model)
        pages.add_url_rule(f"{path}/ready", f"{path}/ready", lambda: ready({"name": manifest.name, "ready": True}))


def refusal(problem: Problem) -> Response:
    """Any problem below /v2, also what no route here is for."""
    told = v2_problems.not_found() if problem.status == 404 else problem
    return Response(
        v2_problems.error(told), status=told.status, content_type="application/json", headers=list(told.headers)
    )

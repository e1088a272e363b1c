"""Everything that is not scoring, as a Flask application: health, metrics, the model's own description."""

from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from modelcast_runtime import metrics, problems, schema
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import encode
from modelcast_runtime.health import Health
from modelcast_runtime.settings import Settings
from modelcast_runtime.store import Store

_JSON = "application/json"


def create_pages(
    bundle: Bundle, store: Store, health: Health, settings: Settings, scoring_paths: tuple[str, ...]
) -> Flask:
    """The pages of one bundle."""
    pages = Flask("modelcast", static_folder=None)
    _add_health(pages, health)
    _add_metrics(pages, bundle, store, settings.metrics_prefix)
    _add_description(pages, bundle, settings)
    for path in scoring_paths:
        # The lane answers POST before it comes here; Flask knows the path so that a GET is a 405 and says `Allow`.
        pages.add_url_rule(path, path, _never, methods=["POST"], provide_automatic_options=False)
    pages.register_error_handler(HTTPException, _problem)
    pages.register_error_handler(Exception, _internal_error)
    return pages


def _add_health(pages: Flask, health: Health) -> None:
    pages.add_url_rule("/", "alive", lambda: {"status": "alive"})
    pages.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
    pages.add_url_rule("/readyz", "readyz", lambda: (health.report(), 200 if health.is_ready() else 503))


def _add_metrics(pages: Flask, bundle: Bundle, store: Store, prefix: str) -> None:
    def exposition() -> Response:
        content, content_type = metrics.exposition(store, bundle.manifest, request.headers.get("Accept"), prefix)
        return Response(content, content_type=content_type)

    # nachlass' clients POST to it.
    pages.add_url_rule("/metrics", "metrics", exposition, methods=["GET", "POST"])


def _add_description(pages: Flask, bundle: Bundle, settings: Settings) -> None:
    information = encode({**_document(bundle), "bundle_digest": bundle.digest, "provenance": bundle.provenance()})
    described = encode(schema.request_schema(bundle.manifest, settings))
    pages.add_url_rule("/info", "info", _fixed(information, _JSON))
    pages.add_url_rule("/schema", "schema", _fixed(described, "application/schema+json"))


def _document(bundle: Bundle) -> dict[str, object]:
    return {field: getattr(bundle.manifest, field) for field in bundle.manifest.__struct_fields__}


def _fixed(content: bytes, content_type: str) -> Callable[[], Response]:
    return lambda: Response(content, content_type=content_type)


def _never() -> Response:
    raise AssertionError("the scoring lane answers this path")


def _problem(error: HTTPException) -> Response:
    return _as_response(problems.of_status(error.code or 500, dict(error.get_headers())))


def _internal_error(error: Exception) -> Response:
    from flask import current_app

    current_app.logger.error("a page could not be made", exc_info=error)
    return _as_response(problems.internal_error())


def _as_response(problem: problems.Problem) -> Response:
    return Response(
        problem.to_bytes(), status=problem.status, content_type=problems.CONTENT_TYPE, headers=list(problem.headers)
    )

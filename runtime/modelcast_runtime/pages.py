"""Everything that is not scoring, as a Flask application: health, metrics, the model's own description, its page."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import orjson
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException

from modelcast_runtime import (
    browser,
    docs_page,
    drift,
    drift_page,
    metrics,
    model_page,
    openapi,
    problems,
    protocol_pages,
    schema,
    v2_pages,
)
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import encode
from modelcast_runtime.health import Health
from modelcast_runtime.openapi_parts import Document
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings
from modelcast_runtime.store import Store

_JSON = "application/json"


def create_pages(
    bundle: Bundle, store: Store, health: Health, settings: Settings, scoring_paths: tuple[str, ...]
) -> Flask:
    """The pages of one bundle."""
    pages = Flask("modelcast", static_folder=None, template_folder=str(browser.FILES))
    pages.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    _add_health(pages, health)
    _add_metrics(pages, bundle, store, settings.metrics_prefix)
    _add_drift(pages, bundle, store)
    _add_description(pages, bundle, settings)
    _add_browser(pages, bundle)
    _add_interface(pages, bundle, settings)
    _add_sealed(pages, bundle)
    v2_pages.add_v2(pages, bundle, health)
    protocol_pages.add_v1(pages, bundle.manifest, health)
    protocol_pages.add_health(pages, health, settings)
    protocol_pages.add_batch(pages, settings)
    for path in scoring_paths:
        # The lane answers POST before it comes here; Flask knows the path so that a GET is a 405 and says `Allow`.
        pages.add_url_rule(path, path, _never, methods=["POST"], provide_automatic_options=False)
    pages.register_error_handler(Problem, _as_response)
    pages.register_error_handler(HTTPException, _problem)
    pages.register_error_handler(Exception, _internal_error)
    return pages


def _add_health(pages: Flask, health: Health) -> None:
    pages.add_url_rule("/healthz", "healthz", lambda: {"status": "ok"})
    pages.add_url_rule("/readyz", "readyz", lambda: (health.report(), 200 if health.is_ready() else 503))


def _add_metrics(pages: Flask, bundle: Bundle, store: Store, prefix: str) -> None:
    def exposition() -> Response:
        accept = request.headers.get("Accept")
        content, content_type = metrics.exposition(store, bundle.manifest, accept, prefix, bundle.baseline)
        return Response(content, content_type=content_type)

    # nachlass' clients POST to it.
    pages.add_url_rule("/metrics", "metrics", exposition, methods=["GET", "POST"])


def _add_drift(pages: Flask, bundle: Bundle, store: Store) -> None:
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def told() -> Response:
        report = drift.report(bundle.baseline, bundle.manifest, drift.of_store(store), drift.rows_of(store), since)
        wants_page = request.accept_mimetypes.best_match([_JSON, "text/html"]) == "text/html"
        if wants_page:
            answer = browser.html(_rendered(pages, "drift.html", drift_page.facts(report, bundle.manifest.description)))
        else:
            answer = Response(orjson.dumps(report), content_type=_JSON)
        answer.vary.add("Accept")
        return answer

    pages.add_url_rule("/drift", "drift", told)


def _add_description(pages: Flask, bundle: Bundle, settings: Settings) -> None:
    information = encode({**_document(bundle), "bundle_digest": bundle.digest, "provenance": bundle.provenance()})
    described = encode(schema.request_schema(bundle.manifest, settings))
    pages.add_url_rule("/info", "info", _fixed(information, _JSON))
    pages.add_url_rule("/schema", "schema", _fixed(described, "application/schema+json"))


def _add_browser(pages: Flask, bundle: Bundle) -> None:
    # Made when the first browser asks: most replicas never see one.
    @cache
    def model() -> bytes:
        return _rendered(pages, "model.html", model_page.facts(bundle))

    def front() -> Response:
        # JSON first: whoever takes anything is no browser (KServe's clients ask whether the service is alive).
        wants_page = request.accept_mimetypes.best_match([_JSON, "text/html"]) == "text/html"
        answer = browser.html(model()) if wants_page else Response(b'{"status":"alive"}\n', content_type=_JSON)
        answer.vary.add("Accept")
        return answer

    def asset(address: str) -> Response:
        return browser.asset(address) or abort(404)

    pages.add_url_rule("/", "front", front)
    pages.add_url_rule("/assets/<path:address>", "asset", asset)


def _add_interface(pages: Flask, bundle: Bundle, settings: Settings) -> None:
    # Made once, when somebody asks: it is costly for a wide model, and most replicas are never asked.
    @cache
    def document() -> Document:
        return openapi.document(bundle, settings)

    @cache
    def description() -> bytes:
        return encode(document())

    @cache
    def docs() -> bytes:
        return _rendered(pages, "docs.html", docs_page.facts(document()))

    pages.add_url_rule("/openapi.json", "openapi", lambda: Response(description(), content_type=_JSON))
    pages.add_url_rule("/docs", "docs", lambda: browser.html(docs()))


def _add_sealed(pages: Flask, bundle: Bundle) -> None:
    """The pages that the build made, each alone behind its own policy."""
    notebooks = bundle.notebooks()

    # What is sealed never changes: read and hashed once.
    @cache
    def sealed_card(path: Path) -> tuple[bytes, str]:
        content = browser.under_receipt(path.read_bytes(), bundle.provenance())
        return content, browser.card_policy(content)

    def card() -> Response:
        return browser.html(*sealed_card(bundle.card or abort(404)))

    def notebook(name: str) -> Response:
        path = notebooks.get(name) or abort(404)
        return browser.html(path.read_bytes(), browser.NOTEBOOK_POLICY)

    pages.add_url_rule("/card", "card", card)
    pages.add_url_rule("/notebooks/<path:name>", "notebook", notebook)


def _rendered(pages: Flask, template: str, facts: dict[str, object]) -> bytes:
    return pages.jinja_env.get_template(template).render(assets=browser.addresses(), **facts).encode()


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


def _as_response(problem: Problem) -> Response:
    """The problem in the form of the protocol that the path belongs to."""
    form = _FORMS.get(request.path.strip("/").partition("/")[0], _document_of)
    return form(problem)


def _document_of(problem: Problem) -> Response:
    return Response(
        problem.to_bytes(), status=problem.status, content_type=problems.CONTENT_TYPE, headers=list(problem.headers)
    )


_FORMS: dict[str, Callable[[Problem], Response]] = {"v2": v2_pages.refusal, **protocol_pages.REFUSALS}
"""How protocols of their own refuse, by the first part of the path; all others read RFC 9457."""

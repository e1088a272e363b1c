"""KServe's V1 protocol, which is Vertex AI's too: JSON in and out, alone or in a CloudEvent."""

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from modelcast_runtime import payload, problems
from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Manifest
from modelcast_runtime.dialects import Asked, Dialect, Request, instances
from modelcast_runtime.dialects.own import answered
from modelcast_runtime.payload import Reader
from modelcast_runtime.problems import Problem, describe
from modelcast_runtime.settings import Settings

ROOT = "/v1"
_JSON = "application/json"
_EVENT = "application/cloudevents+json"
# What clients send that say nothing of the body (curl's and urllib's default is a form), and what JSON is called.
_READ = re.compile(rb"application/(?:json|(?:[\w.-]+\+)?json|octet-stream|x-www-form-urlencoded)", re.IGNORECASE)
_EVENT_KEYS = ("specversion", "id", "source", "type")
_EVENT_DOCUMENT = frozenset({*_EVENT_KEYS, "time", "data"})
_EVENT_HEADERS = tuple(f"ce-{key}".encode() for key in _EVENT_KEYS)
_KEYS = ("instances", "inputs")
_EXPECTED = "an object with one of the keys instances and inputs"

Envelope = Literal["none", "binary", "structured"]
"""How a CloudEvent holds a request: not at all, beside it in headers, or around it."""


def path_of(manifest: Manifest) -> str:
    """Where V1 knows the model."""
    return f"{ROOT}/models/{manifest.name}"


def dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """V1 at the model's name, and the route that Vertex AI gave."""
    yield V1("v1", f"{path_of(bundle.manifest)}:predict", bundle.manifest, settings)
    if settings.vertex_predict:
        yield V1("vertex", settings.vertex_predict, bundle.manifest, settings)


class V1(Dialect):
    """`instances` or `inputs` in, `predictions` out; other keys are of other servers, and not looked at."""

    def __init__(self, name: str, path: str, manifest: Manifest, settings: Settings) -> None:
        """Answers at one path, counted under `name`."""
        self.name = name
        self.paths: tuple[str, ...] = (path,)
        self._manifest = manifest
        self._reader = Reader(
            signature=manifest.signature,
            ignores_extra=settings.extra_inputs == "ignore",
            max_rows=settings.limits.rows,
        )

    def glance(self, headers: dict[bytes, bytes], query: bytes) -> None:  # noqa: ARG002 - nothing is asked there
        """Only JSON is read."""
        media, _, parameters = headers.get(b"content-type", b"").partition(b";")
        if media and not _READ.fullmatch(media.strip()):
            raise problems.unsupported_media_type((_JSON, _EVENT))
        if parameters:
            payload.check_charset(headers[b"content-type"].decode("latin-1"))

    def read(self, request: Request) -> Asked:
        """Check the rows of either key."""
        envelope = _envelope(request.headers)
        document, at = _parsed(request.body), "$"
        # KServe knows an event by its keys too, and answers such a one without an envelope.
        if envelope == "structured" or (type(document) is dict and document.keys() >= _EVENT_DOCUMENT):
            document, at = _opened(document)
        if type(document) is not dict:
            raise problems.wrong_form(at, _EXPECTED, describe(document))
        keys = [key for key in _KEYS if key in document]
        if len(keys) != 1:
            raise problems.wrong_form(at, _EXPECTED, "both" if keys else "an object without them")
        return Asked(instances.decode(self._reader, document[keys[0]], f"{at}.{keys[0]}"), notes=envelope)

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:
        """The predictions; in a CloudEvent where the request was one."""
        response = answered(self._manifest, identity, instances.encode(scores))
        if asked.notes == "none":
            return response
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": f"io.kserve.inference.{self._manifest.name}",
            "type": "io.kserve.inference.response",
            "time": datetime.now(UTC).isoformat(),
        }
        if asked.notes == "binary":
            named = tuple((f"ce-{key}".encode(), value.encode()) for key, value in event.items())
            return response._replace(headers=(*response.headers, *named))
        whole = event | {"datacontenttype": _JSON, "data": orjson.Fragment(response.body)}
        headers = ((b"content-type", _EVENT.encode()), *response.headers[1:])
        return Response(status=response.status, headers=headers, body=orjson.dumps(whole))

    def refuse(self, problem: Problem) -> Response:
        """`{"error": "..."}`."""
        return refuse(problem)


def refuse(problem: Problem) -> Response:
    """The one sentence that V1's clients show."""
    return Response.refusing(problem, orjson.dumps({"error": problem.detail}), _JSON)


def no_model(name: str) -> Problem:
    """404: another name than the model's, which came from the caller."""
    shown = name if re.fullmatch(r"[\w.-]{1,60}", name, re.ASCII) else problems.quoted(name)
    return Problem(status=404, title="Unknown model", detail=f"Model with name {shown} does not exist.")


def not_ready(name: str) -> Problem:
    """503: the service is being stopped."""
    detail = f"Model with name {name} is not ready."
    return Problem(status=503, title="Not ready", detail=detail, headers=(("Retry-After", "1"),))


def no_explainer(name: str) -> Problem:
    """501: V1's other verb."""
    return Problem(
        status=501, title="No explainer", detail=f"Model with name {name} has no explainer: ask for :predict."
    )


def _parsed(body: bytes) -> Any:
    try:
        return payload.parse(body)
    except Problem as problem:
        raise replace(problem, detail=f"Unrecognized request format: {problem.detail}") from None


def _envelope(headers: dict[bytes, bytes]) -> Envelope:
    if headers.get(b"content-type", b"").lower().startswith(_EVENT.encode()):
        return "structured"
    return "binary" if b"ce-specversion" in headers and all(key in headers for key in _EVENT_HEADERS) else "none"


def _opened(event: Any) -> tuple[Any, str]:
    """A structured event's data, and where it stands."""
    expected = f"a CloudEvent with {', '.join(_EVENT_KEYS)} and data"
    if type(event) is not dict:
        raise problems.wrong_form("$", expected, describe(event))
    for key in _EVENT_KEYS:
        if type(event.get(key)) is not str:
            raise problems.wrong_form("$", expected, f"an object without the text {key}")
    if "data_base64" not in event:
        return event.get("data"), "$.data"
    try:
        return _parsed(base64.b64decode(event["data_base64"], validate=True)), "$"
    except (TypeError, ValueError, binascii.Error):
        raise problems.wrong_form("$.data_base64", "base64", "something else") from None

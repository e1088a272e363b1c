"""`POST /predict`: modelcast's own format, as JSON, CSV or nachlass' form."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from modelcast_runtime import answer, payload, problems
from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import QUESTIONS, Manifest, Wanted
from modelcast_runtime.dialects import NOTHING, Asked, Dialect, Request
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings

PATH = "/predict"
_QUESTIONS = {question.key: question.output for question in QUESTIONS}
_YES_NO = {"true": True, "1": True, "": True, "false": False, "0": False}


def dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """The one dialect of this protocol."""
    return (Own(bundle.manifest, settings),)


class Own(Dialect):
    """Rows in one of six forms; predictions, and what the query asks for, out."""

    name = "predict"
    paths: tuple[str, ...] = (PATH,)

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        """The manifest tells what is taken and given, the settings what is refused."""
        self._manifest = manifest
        self._settings = settings

    def glance(self, headers: dict[bytes, bytes], query: bytes) -> None:
        """A question that the model does not answer is refused before its rows are read."""
        wanted = wanted_of(query, self._manifest)
        if wanted and payload.is_form(_content_type(headers)):
            raise problems.no_room(key for key, name in _QUESTIONS.items() if name in wanted)

    def read(self, request: Request) -> Asked:
        """Every form of a body."""
        content_type = _content_type(request.headers)
        rows = payload.decode(
            request.body,
            content_type,
            self._manifest.signature,
            extra_inputs=self._settings.extra_inputs,
            max_rows=self._settings.limits.rows,
        )
        return Asked(rows, wanted_of(request.query, self._manifest), payload.is_form(content_type))

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:
        """A document, or to a form the bare list that nachlass answered."""
        if asked.notes:
            return answered(self._manifest, identity, answer.encode_list(scores))
        content = answer.encode(
            scores,
            self._manifest.signature,
            model_name=self._manifest.name,
            model_version=self._manifest.version,
            prediction_id=identity,
            wanted=asked.wanted,
        )
        return answered(self._manifest, identity, content)

    def refuse(self, problem: Problem) -> Response:
        """RFC 9457."""
        return Response.of(problem)


def answered(manifest: Manifest, identity: str, content: bytes) -> Response:
    """200 with the headers that name the model and the prediction."""
    named = ((b"model-version", manifest.version.encode()), (b"prediction-id", identity.encode()))
    return Response(status=200, headers=((b"content-type", b"application/json"), *named), body=content)


def wanted_of(query: bytes, manifest: Manifest) -> frozenset[Wanted]:
    """The outputs that a query asks for; raises `Problem` for one that the model has not."""
    if not query:
        return NOTHING
    asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return frozenset(
        name for key, name in _QUESTIONS.items() if key in asked and _asks(key, asked[key], name, manifest)
    )


def _asks(key: str, value: str, name: Wanted, manifest: Manifest) -> bool:
    if value.lower() not in _YES_NO:
        raise problems.bad_question(key)
    if _YES_NO[value.lower()] and not manifest.signature.gives(name):
        raise problems.not_given(key, manifest.task)
    return _YES_NO[value.lower()]


def _content_type(headers: dict[bytes, bytes]) -> str | None:
    return headers.get(b"content-type", b"").decode("latin-1") or None

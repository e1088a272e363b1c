"""MLflow's scoring protocol (2.0 and later): `POST /invocations` with JSON in four forms, CSV or Parquet."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from modelcast_runtime import payload, payload_files, problems
from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Manifest
from modelcast_runtime.dialects import Asked, Dialect, Request, instances
from modelcast_runtime.dialects.own import answered
from modelcast_runtime.payload import Decoded, Reader
from modelcast_runtime.problems import LONGEST_NAME, Problem, describe
from modelcast_runtime.settings import Settings

PATH = "/invocations"
VERSION = "3.17.2"
"""The release of MLflow that this was held against: what `/version` tells MLflow's clients."""

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
_UNSUPPORTED_MEDIA_TYPE = 415
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_EXPECTED = f"an object with exactly one of the keys {', '.join(_FORMS)}"
# A string, or the literal that MLflow's own client writes for a missing value. A string that does not end is taken to
# the end: it would be looked through again from each of its quotes.
_STRING_OR_NAN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|NaN', re.DOTALL)


def dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """Unless `/invocations` is SageMaker's."""
    if settings.invocations == "mlflow":
        yield MLflow(bundle.manifest, settings)


class MLflow(Dialect):
    """Tables by name, of which other columns are dropped as MLflow's signatures do; predictions out."""

    name = "mlflow"
    paths: tuple[str, ...] = (PATH,)

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        """What is not in the signature is dropped, whatever `extra_inputs` says: MLflow's clients rely on it."""
        self.manifest = manifest
        self.limits = settings.limits
        self.reader = Reader(signature=manifest.signature, ignores_extra=True, max_rows=settings.limits.rows)
        self.readers: dict[str, Callable[[bytes], Decoded]] = {
            CSV: self.reader.csv,
            JSON: lambda body: in_document(parse(body), self.reader),
            PARQUET: self._parquet,
        }

    def glance(self, headers: dict[bytes, bytes], query: bytes) -> None:  # noqa: ARG002 - nothing is asked there
        """A Content-Type that is not read is refused in MLflow's words."""
        self.media(headers)

    def is_slow(self, headers: dict[bytes, bytes], size: int) -> bool:
        """Parquet inflates, and pyarrow takes its time to be imported."""
        return super().is_slow(headers, size) or self.media(headers) == PARQUET

    def read(self, request: Request) -> Asked:
        """Check the rows."""
        return Asked(self.readers[self.media(request.headers)](request.body))

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:  # noqa: ARG002 - one form for all
        """The predictions."""
        return answered(self.manifest, identity, instances.encode(scores))

    def refuse(self, problem: Problem) -> Response:
        """`{"error_code": "...", "message": "..."}`."""
        return refuse(problem)

    def media(self, headers: dict[bytes, bytes]) -> str:
        """The type of the body, one of `readers`; raises `Problem`."""
        sent = headers.get(b"content-type", b"").decode("latin-1")
        if sent == JSON:
            return sent
        media, *parameters = [part.strip() for part in sent.lower().split(";")]
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        if named.pop("charset", "utf-8") != "utf-8":
            raise unsupported("The scoring server only supports UTF-8")
        if named:
            raise unsupported(f"Unrecognized content type parameters: {_shown(', '.join(named))}.")
        if media not in self.readers:
            types = [CSV, JSON, PARQUET]
            words = f"This predictor only supports the following content types: Types: {types}. Got '{_shown(sent)}'."
            raise unsupported(words)
        return media

    def _parquet(self, body: bytes) -> Decoded:
        if not payload_files.reads_parquet():
            raise unsupported(
                "Parquet is read where the model's environment has pyarrow: add pyarrow to the model's requirements, "
                "or send CSV or JSON."
            )
        names = {column.name for column in self.manifest.signature.inputs}
        columns = payload_files.parquet(body, names, max_rows=self.limits.rows, max_bytes=self.limits.body_bytes)
        return self.reader.part("columns", columns, "$")


def refuse(problem: Problem) -> Response:
    """MLflow's object, and its plain text for a Content-Type that is not read."""
    if problem.status == _UNSUPPORTED_MEDIA_TYPE:
        return Response.refusing(problem, problem.detail.encode(), "text/plain; charset=utf-8")
    code = _CODES.get(problem.status, "INTERNAL_ERROR" if problem.status >= 500 else "BAD_REQUEST")
    return Response.refusing(problem, orjson.dumps({"error_code": code, "message": problem.detail}), JSON)


_CODES = {404: "ENDPOINT_NOT_FOUND", 503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}


def unsupported(words: str) -> Problem:
    """415 in MLflow's words."""
    return Problem(
        status=_UNSUPPORTED_MEDIA_TYPE,
        title="Unsupported media type",
        detail=words,
        headers=(("Accept", f"{JSON}, {CSV}, {PARQUET}"),),
    )


def _shown(sent: str) -> str:
    """Words of the caller's that are no value, fit for a sentence."""
    return "".join(character if character.isprintable() else "?" for character in sent[:LONGEST_NAME])


def parse(body: bytes) -> Any:
    """A JSON document in which NaN is null, as MLflow's client means it; raises `Problem`."""
    if b"NaN" in body:
        body = _STRING_OR_NAN.sub(lambda found: b"null" if found[0] == b"NaN" else found[0], body)
    return payload.parse(body)


def in_document(document: Any, reader: Reader) -> Decoded:
    """The rows of exactly one of the four forms; raises `Problem`."""
    if type(document) is not dict:
        raise problems.wrong_form("$", _EXPECTED, describe(document))
    if "signature_name" in document:
        raise problems.wrong_form("$.signature_name", _EXPECTED, "another key")
    forms = [form for form in _FORMS if form in document]
    if len(forms) != 1:
        raise problems.wrong_form("$", _EXPECTED, " and ".join(forms) or "none of them")
    if type(document.get("params", {})) is not dict and document["params"] is not None:
        raise problems.wrong_form("$.params", "an object", describe(document["params"]))
    form, at = forms[0], f"$.{forms[0]}"
    if form == "dataframe_split":
        return _split(document[form], at, reader)
    if form == "dataframe_records":
        return reader.part("records", document[form], at)
    return instances.decode(reader, document[form], at)


def _split(split: Any, at: str, reader: Reader) -> Decoded:
    """A DataFrame in parts: an index is of no use here, and without names the values are in the signature's order."""
    if type(split) is not dict:
        return reader.part("split", split, at)
    if type(split.get("index", [])) is not list:
        raise problems.wrong_form(f"{at}.index", "a list", describe(split["index"]))
    kept = {key: value for key, value in split.items() if key != "index"}
    if kept.keys() == {"data"}:
        return reader.part("instances", kept["data"], f"{at}.data")
    return reader.part("split", kept, at)

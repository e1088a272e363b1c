"""SageMaker's `POST /invocations`: MLflow's forms, and what AWS' scikit-learn image takes and gives."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import orjson

from modelcast_runtime import answer, payload, payload_files, problems
from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Manifest
from modelcast_runtime.dialects import Asked, Dialect, Request, instances
from modelcast_runtime.dialects.mlflow import CSV, JSON, MLflow, in_document, parse
from modelcast_runtime.payload import Decoded
from modelcast_runtime.schema import csv_field
from modelcast_runtime.settings import Settings

NUMPY = "application/x-npy"


def dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """Where the word `serve` started the service."""
    if settings.invocations == "sagemaker":
        yield SageMaker(bundle.manifest, settings)


class SageMaker(MLflow):
    """A CSV needs no header, JSON may be a bare list, an array may be numpy's own; `Accept` says what comes back."""

    name = "sagemaker"

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        """As MLflow's: what is not in the signature is dropped."""
        super().__init__(manifest, settings)
        self.readers |= {CSV: self._csv, JSON: self._json, NUMPY: self._numpy}

    def read(self, request: Request) -> Asked:
        """Check the rows."""
        return super().read(request)._replace(notes=_accepted(request.headers.get(b"accept", b"")))

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:
        """The predictions: an object, lines or an array."""
        response = super().write(scores, asked, identity)
        if asked.notes == JSON:
            return response
        content = _lines(scores) if asked.notes == CSV else _array(scores)
        return response._replace(headers=((b"content-type", asked.notes.encode()), *response.headers[1:]), body=content)

    def media(self, headers: dict[bytes, bytes]) -> str:
        """JSON where nothing is said; parameters but the charset are SageMaker's own (`label_size=0`)."""
        sent = headers.get(b"content-type", b"").decode("latin-1")
        media = sent.partition(";")[0].strip().lower() or JSON
        if media not in self.readers:
            raise problems.unsupported_media_type(tuple(self.readers))
        payload.check_charset(sent)
        return media

    def _csv(self, body: bytes) -> Decoded:
        return self.reader.csv(body, may_lack_header=True)

    def _json(self, body: bytes) -> Decoded:
        document = parse(body)
        if type(document) is list:
            return instances.decode(self.reader, document, "$")
        return in_document(document, self.reader)

    def _numpy(self, body: bytes) -> Decoded:
        return self.reader.part("instances", payload_files.numpy_array(body, self.limits.rows), "$")


def _accepted(accept: bytes) -> str:
    """The first type named that can be written; JSON where there is none."""
    named = (offer.partition(";")[0].strip().lower() for offer in accept.decode("latin-1").split(","))
    return next((media for media in named if media in (JSON, CSV, NUMPY)), JSON)


def _lines(scores: Scores) -> bytes:
    """One line a row and no header."""
    rows = scores.predictions.tolist()
    return "".join(",".join(map(_field, row if type(row) is list else [row])) + "\n" for row in rows).encode()


def _field(value: Any) -> str:
    """A text as it is, anything else as JSON has it, and nothing for null."""
    text = value if isinstance(value, str) else orjson.dumps(value, default=answer.plain).decode()
    return "" if text == "null" and not isinstance(value, str) else csv_field(text)


def _array(scores: Scores) -> bytes:
    """Labels as text have a fixed width there: nothing is pickled."""
    stream = io.BytesIO()
    np.save(stream, np.array(scores.predictions.tolist()), allow_pickle=False)
    return stream.getvalue()

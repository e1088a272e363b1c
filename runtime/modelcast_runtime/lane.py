"""The scoring lane: read, decode, score, observe, encode; one flat path from bytes to bytes."""

import asyncio
import logging
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from urllib.parse import parse_qsl

from modelcast_runtime import answer, body, payload, problems
from modelcast_runtime.asgi import Receive, Response, Scope, Send, respond
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import QUESTIONS, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.observe import Observer
from modelcast_runtime.problems import Problem
from modelcast_runtime.scope import PROTOCOL, ROWS
from modelcast_runtime.settings import Settings

_log = logging.getLogger("modelcast")
_QUESTIONS = {question.key: question.output for question in QUESTIONS}
_YES_NO = {"true": True, "1": True, "": True, "false": False, "0": False}

# A native model holds the interpreter for milliseconds: it scores beside the event loop, so that health answers
# meanwhile. Two threads let one row pass a large batch; more would only share the same core.
_SCORING_THREADS = 2

# Below this a body is decoded faster than it is handed to a thread; a large one takes up to seconds.
DECODED_INLINE = 65_536


class BaseLane(ABC):
    """What the lanes share: each request is answered or refused, and counted."""

    protocol = "predict"

    def __init__(self, bundle: Bundle, observer: Observer, settings: Settings, *, threads: int) -> None:
        """Nothing is opened here but the thread pool, whose threads start with the first request."""
        self._manifest = bundle.manifest
        self._observer = observer
        self._settings = settings
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="score")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: an answer or a problem, counted before it is sent."""
        started = perf_counter()
        self._observer.started()
        scope[PROTOCOL] = self.protocol
        response = Response(status=499, headers=(), body=b"")  # nobody is left to read an answer
        try:
            response = await self._answer(scope, receive)
        except Problem as problem:
            response = Response.of(problem)
        except body.ClientGone:
            return
        except Exception:  # noqa: BLE001 - the boundary: a logged 500
            _log.exception("a request could not be answered")
            response = Response.of(problems.internal_error())
        finally:
            self._observer.finished(self.protocol, response.status, perf_counter() - started)
        await respond(send, response)
        if response.status == problems.CONTENT_TOO_LARGE:
            await body.discard(receive)

    @abstractmethod
    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        """The answer; raises `Problem` and `ClientGone`."""

    def _wanted(self, query: bytes) -> frozenset[Wanted]:
        if not query:
            return frozenset()
        asked = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        return frozenset(name for key, name in _QUESTIONS.items() if key in asked and self._asks(key, asked[key], name))

    def _asks(self, key: str, value: str, name: Wanted) -> bool:
        if value.lower() not in _YES_NO:
            raise problems.bad_question(key)
        if _YES_NO[value.lower()] and not self._manifest.signature.gives(name):
            raise problems.not_given(key, self._manifest.task)
        return _YES_NO[value.lower()]

    def _response(self, identity: str, content: bytes) -> Response:
        named = ((b"model-version", self._manifest.version.encode()), (b"prediction-id", identity.encode()))
        return Response(status=200, headers=((b"content-type", b"application/json"), *named), body=content)


class Lane(BaseLane):
    """Answers `POST /predict` for one bundle in one worker."""

    def __init__(self, bundle: Bundle, scorer: Scorer, observer: Observer, settings: Settings) -> None:
        """`scorer` has answered the golden rows."""
        super().__init__(bundle, observer, settings, threads=_SCORING_THREADS)
        self._scorer = scorer

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        wanted = self._wanted(scope["query_string"])
        content = await body.read(receive, headers, self._settings.limits.body_bytes)
        content_type = headers.get(b"content-type", b"").decode("latin-1") or None
        is_form = payload.is_form(content_type)
        if is_form and wanted:
            raise problems.no_room(key for key, name in _QUESTIONS.items() if name in wanted)
        rows = await self._decode(content, content_type)
        scope[ROWS] = rows.columns.rows
        scores = await self._score(rows, wanted)
        self._observer.scored(rows.columns.rows, scores.predictions, rows.missing, rows.unseen)
        return self._encode(scores, wanted, is_list=is_form)

    async def _decode(self, content: bytes, content_type: str | None) -> payload.Decoded:
        decode = partial(
            payload.decode,
            content,
            content_type,
            self._manifest.signature,
            extra_inputs=self._settings.extra_inputs,
            max_rows=self._settings.limits.rows,
        )
        if len(content) <= DECODED_INLINE:
            return decode()
        return await asyncio.get_running_loop().run_in_executor(self._threads, decode)

    async def _score(self, rows: payload.Decoded, wanted: frozenset[Wanted]) -> Scores:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._scorer.score, rows.columns, wanted)
        except Exception as error:
            _log.warning("the model refused a request: %s", type(error).__name__)
            # The golden rows were answered when this worker started: what fails now is in these rows.
            row = await loop.run_in_executor(self._threads, refused_row, self._scorer, rows.columns, wanted)
            if row is None:
                raise
            raise problems.refused_by_model(rows.locate(row, None), type(error).__name__) from error

    def _encode(self, scores: Scores, wanted: frozenset[Wanted], *, is_list: bool) -> Response:
        identity = answer.new_prediction_id()
        content = (
            answer.encode_list(scores)
            if is_list
            else answer.encode(
                scores,
                self._manifest.signature,
                model_name=self._manifest.name,
                model_version=self._manifest.version,
                prediction_id=identity,
                wanted=wanted,
            )
        )
        return self._response(identity, content)


def refused_row(scorer: Scorer, columns: Columns, wanted: frozenset[Wanted]) -> int | None:
    """A row that the model cannot score, found by halving; None where every part is scored after all."""
    low, high = 0, columns.rows
    while high - low > 1:
        middle = (low + high) // 2
        if _is_refused(scorer, _part(columns, low, middle), wanted):
            high = middle
        else:
            low = middle
    return low if _is_refused(scorer, _part(columns, low, high), wanted) else None


def _part(columns: Columns, low: int, high: int) -> Columns:
    return Columns(rows=high - low, arrays={name: values[low:high] for name, values in columns.arrays.items()})


def _is_refused(scorer: Scorer, columns: Columns, wanted: frozenset[Wanted]) -> bool:
    try:
        scorer.score(columns, wanted)
    except Exception:  # noqa: BLE001 - whatever the model raises
        return True
    return False

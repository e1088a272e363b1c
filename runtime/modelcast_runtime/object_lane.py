"""The lane of own code: one JSON object goes to `predict` as it came, and what it gives goes back as it is."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import orjson

from modelcast_runtime import answer, body, payload, problems
from modelcast_runtime.asgi import Receive, Response, Scope
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.dialects import DECODED_INLINE
from modelcast_runtime.dialects.own import Own, answered, wanted_of
from modelcast_runtime.formats.python import OwnPredict, PredictError
from modelcast_runtime.lane import BaseLane
from modelcast_runtime.observe import Observer
from modelcast_runtime.scope import ROWS
from modelcast_runtime.settings import Settings

_log = logging.getLogger("modelcast")
_NO_CLASSES = np.empty(0)
# Nobody promised that own code may be called by two threads at once; more workers answer more requests.
_ONE_THREAD = 1


class ObjectLane(BaseLane):
    """Answers `POST /predict` of a bundle whose model is code."""

    def __init__(self, bundle: Bundle, own: OwnPredict, observer: Observer, settings: Settings) -> None:
        """`own` has been started."""
        super().__init__(Own(bundle.manifest, settings), observer, settings)
        self._manifest = bundle.manifest
        self._own = own
        self._threads = ThreadPoolExecutor(_ONE_THREAD, thread_name_prefix="score")

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        wanted_of(scope["query_string"], self._manifest)
        content = await body.read(receive, headers, self._settings.limits.body_bytes)
        decode = partial(payload.decode_object, content, headers.get(b"content-type", b"").decode("latin-1") or None)
        asked = decode() if len(content) <= DECODED_INLINE else await asyncio.to_thread(decode)
        scope[ROWS] = 1
        encoded = await self._ask(asked)
        self._observer.scored(1, _NO_CLASSES, {}, {})
        return answered(self._manifest, answer.new_prediction_id(), encoded)

    async def _ask(self, asked: dict[str, Any]) -> bytes:
        def ask() -> bytes:
            # Encoded by the same thread: own code may change what it gave when it is called again.
            return answer.encode_object(self._own.answer(asked))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except PredictError as error:
            if not error.is_callers:
                _log.error("predict() failed: %s", error)
                raise problems.internal_error() from None
            _log.warning("predict() refused a request: %s", error)
            raise problems.refused_by_predict(error.kind, error.key) from None
        except orjson.JSONEncodeError as error:
            _log.error("the answer of predict() is no JSON: %s", error)
            raise problems.internal_error() from None


class RowsRefused(BaseLane):
    """Answers every dialect that is about rows, for a bundle whose model is code: 400."""

    async def _answer(self, scope: Scope, receive: Receive) -> Response:  # noqa: ARG002
        raise problems.takes_an_object()

"""The log of predictions: JSON lines on stderr about a share of the requests, to be joined with labels that come later.

Invariant: without `service.log_values` nothing of what the caller sent is in a line but an id of a closed set of
characters. The event loop keeps a request's arrays and goes on; a thread writes them. Whoever reads stderr too slowly
loses lines, and is told how many, but makes no request wait.
"""

import contextlib
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import orjson

from modelcast_runtime import answer, log_lines
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Manifest, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.request_id import CURRENT
from modelcast_runtime.settings import Settings

LOGGER = "modelcast.predictions"
"""The value of `logger` in its lines."""
MOST_ROWS = 20_000
"""So many rows may wait to be written; a request that finds none waiting may have more."""
LONGEST = 4_000
"""Characters of a line of several rows: below what a pipe takes as a whole (4,096), whoever else writes to it."""

_log = logging.getLogger("modelcast")
_RANDOM = slice(-8, None)
_BITS = 40
_PROBABILITIES: frozenset[Wanted] = frozenset({"predict_proba"})

Part = Callable[[int, int], dict[str, Any]]
"""What a line says of the rows from one to before another, for orjson."""


def create_prediction_log(manifest: Manifest, settings: Settings, scorer: Scorer | None) -> "PredictionLog | None":
    """What the lanes log their answers to; None where none is logged."""
    if not settings.log_predictions:
        return None
    return PredictionLog(manifest, scorer, share=settings.log_predictions, has_values=settings.log_values)


class PredictionLog:
    """Belongs to one worker; its public methods are called on the event loop's thread, and raise nothing."""

    def __init__(self, manifest: Manifest, scorer: Scorer | None, *, share: float, has_values: bool) -> None:
        """`scorer` is asked for the probabilities of logged rows whose request wanted none; None is own code's."""
        self._head = {"level": "info", "logger": LOGGER, "model": manifest.name, "version": manifest.version}
        self._bound = answer.crockford(round(share * 2**_BITS), 8) if share < 1 else "~"
        self._has_values = has_values
        self._scorer = scorer if manifest.signature.gives("predict_proba") else None
        # Started with the first line.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predictions")
        self._last: Future[None] | None = None
        # Each is written by one thread alone: rows and lost requests by the event loop's, the others by the log's own.
        self._rows = self._lost = 0
        self._rows_done = self._lost_told = 0

    def rows(self, protocol: str, prediction_id: str, columns: Columns, scores: Scores) -> None:
        """These rows were answered; nobody changes them any more."""
        if self._takes(prediction_id):
            self._keep(protocol, prediction_id, columns.rows, partial(self._told, columns, scores))

    def answer(self, protocol: str, prediction_id: str, asked: Any, given: bytes) -> None:
        """Own code gave this JSON for that object; as both may hold anything, both are values."""
        if self._takes(prediction_id):
            self._keep(protocol, prediction_id, 1, partial(self._told_of_own, asked, given))

    def flush(self, seconds: float) -> None:
        """Wait so long, at the most, until what is kept is written; what nobody reads by then is lost."""
        if self._last is not None:
            with contextlib.suppress(TimeoutError):
                self._last.result(seconds)
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _takes(self, prediction_id: str) -> bool:
        # The digits of a ULID's last 40 bits, which are random, sort as their numbers do.
        return prediction_id[_RANDOM] < self._bound

    def _keep(self, protocol: str, prediction_id: str, rows: int, tell: Callable[[], Part]) -> None:
        waiting = self._rows - self._rows_done
        if waiting and waiting + rows > MOST_ROWS:
            self._lost += 1
            return
        self._rows += rows
        head = {
            "time": log_lines.moment(time.time()),
            **self._head,
            "protocol": protocol,
            "prediction_id": prediction_id,
            "request_id": CURRENT.get() or None,
            "rows": rows,
        }
        self._last = self._thread.submit(self._write, head, rows, tell)

    def _write(self, head: dict[str, Any], rows: int, tell: Callable[[], Part]) -> None:
        try:
            for line in _lines(head, rows, tell()):
                with contextlib.suppress(OSError):  # whoever read the log is gone: no reason to fail
                    sys.stderr.write(line)
                    sys.stderr.flush()
        except Exception as error:  # noqa: BLE001 - a model may give anything; that it answers matters more
            # Its text may quote the values.
            _log.warning("prediction %s is not in the log: %s", head["prediction_id"], type(error).__name__)
        self._rows_done += rows
        if self._rows_done == self._rows and self._lost > self._lost_told:
            lost, self._lost_told = self._lost - self._lost_told, self._lost
            _log.warning("%d predictions are not in the log, which is read too slowly", lost)

    def _told(self, columns: Columns, scores: Scores) -> Part:
        predictions, probabilities = scores.predictions, scores.probabilities
        if probabilities is None and self._scorer is not None:
            probabilities = self._scorer.score(columns, _PROBABILITIES).probabilities

        def part(low: int, high: int) -> dict[str, Any]:
            said: dict[str, Any] = {"first_row": low, "predictions": predictions[low:high].tolist()}
            if probabilities is not None:
                said["probabilities"] = probabilities[low:high].tolist()
            if self._has_values:
                said["values"] = {name: _cells(array[low:high]) for name, array in columns.arrays.items()}
            return said

        return part

    def _told_of_own(self, asked: Any, given: bytes) -> Part:
        said = {"first_row": 0, "predictions": [orjson.Fragment(given)], "values": asked} if self._has_values else {}
        return lambda _low, _high: said


def _cells(array: np.ndarray) -> list[Any]:
    """For orjson: moments in ISO 8601, None for those that are missing."""
    if array.dtype.kind == "M":
        return [None if text == "NaT" else text for text in np.datetime_as_string(array).tolist()]
    return list(array.tolist())


def _lines(head: dict[str, Any], rows: int, part: Part) -> Iterator[str]:
    """One line, or as many as keep each short; never less than a row a line."""
    low, size = 0, rows
    while low < rows:
        high = min(low + size, rows)
        line = _ascii(orjson.dumps({**head, **part(low, high)}, default=answer.plain))
        if len(line) > LONGEST and high - low > 1:
            size = max(1, (high - low) * LONGEST // (len(line) + LONGEST // 4))
            continue
        yield f"{line}\n"
        low = high


def _ascii(document: bytes) -> str:
    """The same JSON, in characters that no terminal, encoding or reader of lines takes for anything else."""
    if document.isascii():
        return document.decode()
    return json.dumps(orjson.loads(document), separators=(",", ":"))

"""What the lanes of a worker score with: requests that wait for the same model go into one call of it.

A compiled model answers in microseconds: what arrives in one turn of the event loop is scored together, on the loop
itself. A native one takes milliseconds: it scores on a thread, and what arrives meanwhile waits for the next call.
Nobody waits while the model is idle. `docs/decisions/0010` says which models are asked for several requests at once.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from modelcast_runtime import problems
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.folding import Folding
from modelcast_runtime.formats import Scorer
from modelcast_runtime.observe import Observer, Seen
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import Problem

_log = logging.getLogger("modelcast")

# Two threads let one row pass a large batch; more would only share the same core.
_THREADS = 2

MOST_ROWS = 1_024
"""Rows of one call that several requests share; a request that alone has more goes alone."""
_LETTERS_A_ROW = 500
"""A few sentences are scored in the time of a row."""
LONGEST_WAIT_S = 0.05
"""So long a request waits for a call that has begun before it; then it is scored beside it."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What the model raised for a request, and the row on which it does so; None where it takes each row alone."""

    error: Exception
    row: int | None

    def problem(self, rows: Decoded) -> Problem:
        """The refusal of that row; raises the error itself where there is none. Logged as the request's own."""
        kind = type(self.error).__name__
        _log.warning("the model refused a request: %s", kind)
        if self.row is None:
            raise self.error
        return problems.refused_by_model(rows.locate(self.row, None), kind)


Outcome = Scores | Failed
Done = Callable[[Outcome], None]
"""Called once, on the event loop; it raises nothing."""


class Waiting(NamedTuple):
    """One request's rows, and whom to tell."""

    rows: Decoded
    wanted: frozenset[Wanted]
    done: Done


class Scoring(ABC):
    """One model, and those who wait for it; used from the event loop's thread only."""

    def __init__(self, scorer: Scorer, observer: Observer, folding: Folding | None = None) -> None:
        """`scorer` has answered the golden rows; the threads start with the first request that needs one."""
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="score")
        self._scorer = scorer
        self._observer = observer
        self._folding = folding
        self._also: frozenset[Wanted] = frozenset()
        self._waiting: list[Waiting] = []
        self._is_due = False

    def submit(self, rows: Decoded, wanted: frozenset[Wanted], done: Done) -> None:
        """Score and observe these rows with all others of this turn of the event loop.

        `done` is called later, or in here where this is the last thing to be done in this turn.
        """
        self._waiting.append(Waiting(rows, wanted | self._also, done))
        if self._is_due:
            return
        loop: Any = asyncio.get_running_loop()
        if getattr(loop, "_ready", True):  # asyncio's own queue: something else is still to come in this turn
            self._is_due = True
            loop.call_soon(self._turn_ended)
        else:
            self._start()

    def _turn_ended(self) -> None:
        self._is_due = False
        self._start()

    @abstractmethod
    def _start(self) -> None:
        """Score those who wait, as far as the model may be asked now."""

    async def score(self, rows: Decoded, wanted: frozenset[Wanted]) -> Outcome:
        """The same for a coroutine."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if not future.cancelled():
                future.set_result(outcome)

        self.submit(rows, wanted, done)
        return await future

    def _tell(self, batch: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
        """Count what was scored, in one go, then tell everybody."""
        seen = [
            Seen(one.rows.columns.rows, outcome.predictions, one.rows.missing, one.rows.unseen)
            for one, outcome in zip(batch, outcomes, strict=True)
            if isinstance(outcome, Scores)
        ]
        try:
            self._observer.scored_together(seen)
        except Exception:  # noqa: BLE001 - a model may give anything, and whoever waits must be told
            _log.exception("what was scored could not be counted")
        if self._folding is not None:
            for one, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, Scores):
                    self._folding.add(one.rows.columns, outcome)
        for one, outcome in zip(batch, outcomes, strict=True):
            one.done(outcome)


def create_scoring(scorer: Scorer, observer: Observer, folding: Folding | None = None) -> Scoring:
    """By what the model can do."""
    kind = TurnScoring if scorer.inline_rows else GatheredScoring
    return kind(scorer, observer, folding)


class TurnScoring(Scoring):
    """What arrives in one turn of the event loop is one call, on the loop; what is large is scored beside it."""

    def __init__(self, scorer: Scorer, observer: Observer, folding: Folding | None = None) -> None:
        """For a model whose probabilities cost nothing: what is watched is asked for each time."""
        super().__init__(scorer, observer, folding)
        if folding is not None:
            self._also = folding.also

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, []
        for batch in _shared(waiting, self._scorer.inline_rows):
            if _size(batch[0].rows.columns) > self._scorer.inline_rows:
                self._beside(batch)
            else:
                self._tell(batch, scored(self._scorer, batch))

    def _beside(self, batch: Sequence[Waiting]) -> None:
        future = asyncio.get_running_loop().run_in_executor(self.threads, scored, self._scorer, batch)
        future.add_done_callback(lambda ended: self._tell(batch, ended.result()))


class GatheredScoring(Scoring):
    """One call at a time on a thread; what arrives meanwhile is the next. A second runs beside one that takes long."""

    def __init__(
        self,
        scorer: Scorer,
        observer: Observer,
        folding: Folding | None = None,
        *,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        """For a model that takes milliseconds, or that may not be asked for several requests at once."""
        super().__init__(scorer, observer, folding)
        self._longest_wait_s = longest_wait_s
        self._gathers = scorer.gathers()
        self._began: list[float] = []
        self._patience: asyncio.TimerHandle | None = None

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._began) < self._most_calls(loop.time()):
            batch = _shared(self._waiting, MOST_ROWS if self._gathers else 0)[0]
            taken = set(map(id, batch))
            self._waiting = [one for one in self._waiting if id(one) not in taken]
            self._call(loop, batch)
        if self._waiting and self._patience is None and len(self._began) < _THREADS:
            self._patience = loop.call_at(min(self._began) + self._longest_wait_s, self._lose_patience)

    def _most_calls(self, now: float) -> int:
        is_slow = any(now - began >= self._longest_wait_s for began in self._began)
        return _THREADS if is_slow or not self._gathers else 1

    def _lose_patience(self) -> None:
        self._patience = None
        self._start()

    def _call(self, loop: asyncio.AbstractEventLoop, batch: Sequence[Waiting]) -> None:
        began = loop.time()
        self._began.append(began)

        def ended(future: asyncio.Future[list[Outcome]]) -> None:
            self._began.remove(began)
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None
            self._start()
            self._tell(batch, future.result())

        loop.run_in_executor(self.threads, scored, self._scorer, batch).add_done_callback(ended)


def _shared(waiting: Sequence[Waiting], most_rows: int) -> list[list[Waiting]]:
    """Who may share a call: what asks for the same outputs, of so many rows together, in the order of arrival."""
    if len(waiting) == 1:
        return [[*waiting]]
    batches: list[list[Waiting]] = []
    open_ones: dict[frozenset[Wanted], tuple[list[Waiting], int]] = {}
    for one in waiting:
        batch, rows = open_ones.get(one.wanted, ([], 0))
        size = _size(one.rows.columns)
        if not batch or rows + size > most_rows:
            batch, rows = [], 0
            batches.append(batch)
        batch.append(one)
        open_ones[one.wanted] = (batch, rows + size)
    return batches


def _size(columns: Columns) -> int:
    """The rows; of long texts alone, as many as ordinary ones would be that take as long."""
    if columns.matrix is not None or len(columns.arrays) > 1:
        return columns.rows
    (values,) = columns.arrays.values()
    letters = sum(len(value) for value in values.tolist() if isinstance(value, str)) if values.dtype.kind == "O" else 0
    return max(columns.rows, letters // _LETTERS_A_ROW)


def scored(scorer: Scorer, batch: Sequence[Waiting]) -> list[Outcome]:
    """What becomes of each request; where the model raises, each is asked for alone. Raises nothing."""
    try:
        return [*scorer.score_together([one.rows.columns for one in batch], batch[0].wanted)]
    except Exception as error:  # noqa: BLE001 - whatever the model raises
        if len(batch) > 1:
            return [outcome for one in batch for outcome in scored(scorer, [one])]
        # The golden rows were answered when this worker started: what fails now is in these rows.
        return [Failed(error, refused_row(scorer, batch[0].rows.columns, batch[0].wanted))]


def refused_row(scorer: Scorer, columns: Columns, wanted: frozenset[Wanted]) -> int | None:
    """A row that the model cannot score, found by halving; None where every part is scored after all."""
    low, high = 0, columns.rows
    while high - low > 1:
        middle = (low + high) // 2
        if _is_refused(scorer, columns.part(low, middle), wanted):
            high = middle
        else:
            low = middle
    return low if _is_refused(scorer, columns.part(low, high), wanted) else None


def _is_refused(scorer: Scorer, columns: Columns, wanted: frozenset[Wanted]) -> bool:
    try:
        scorer.score(columns, wanted)
    except Exception:  # noqa: BLE001 - whatever the model raises
        return True
    return False

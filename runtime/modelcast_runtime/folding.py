"""What was scored is kept for a moment and then counted in one go: a row costs a fraction of what it would alone.

Every row is counted, as long as that takes no more than `Budget.SHARE` of a worker's time; beyond it what came within
a twentieth of a second is left out as a whole, so that what is counted is still what comes. A worker that is killed
loses what it kept, at most `Pace.wait_s` of its rows.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, thread_time
from typing import NamedTuple

from modelcast_runtime import metrics
from modelcast_runtime.baseline import SignalKind
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Signature, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.observe import Observer
from modelcast_runtime.watching import Counts, Watch, joined, told_of

_log = logging.getLogger("modelcast")


class Pace(NamedTuple):
    """How long a row may wait until it is counted, and how many rows are counted on the event loop itself."""

    wait_s: float
    inline_rows: int


COMPILED = Pace(wait_s=0.05, inline_rows=1_024)
"""A busy worker counts hundreds of rows at once, in a millisecond or two."""
NATIVE = Pace(wait_s=0.5, inline_rows=0)
"""The model is asked once more, for probabilities and paths of all these rows: beside the event loop."""
_TOLD_BY: dict[Wanted, SignalKind] = {"predict_proba": "score", "distances": "path"}
MOST_ROWS = 8_192
"""So many rows wait for nothing."""


class Budget:
    """CPU seconds that counting may take: a share of the time that passes, and what was saved of it for a burst."""

    SHARE = 0.08
    """A forest's single rows at full speed take 5 %; requests of a hundred rows would take a quarter."""
    BURST_S = 0.5
    """Enough for about 200,000 rows of 30 inputs and a hundred trees."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Full at the start."""
        self._clock = clock
        self._left = self.BURST_S
        self._seen = clock()

    def is_left(self) -> bool:
        """Whether what comes next is counted."""
        now = self._clock()
        self._left = min(self.BURST_S, self._left + (now - self._seen) * self.SHARE)
        self._seen = now
        return self._left > 0

    def spend(self, seconds: float) -> None:
        """What was counted took this long."""
        self._left -= seconds


def create_folding(bundle: Bundle, scorer: Scorer, observer: Observer) -> "Folding | None":
    """What counts a bundle's rows in the bins of its baseline; None where it has none."""
    signals = metrics.counted(bundle.baseline)
    if bundle.baseline is None or not signals:
        return None
    first = signals[0]
    name, _ = metrics.WATCHED[first.kind]
    write = observer.adding_from(f"{name}_total", metrics.labels_of(first, first.bins[0]))
    watch = Watch(signals, bundle.baseline.joint, bundle.baseline.branch)
    return Folding(watch, bundle.manifest.signature, scorer, write, COMPILED if scorer.inline_rows else NATIVE)


class Folding:
    """Belongs to one worker; `add`, and the writing of counts, happen on the event loop's thread."""

    def __init__(
        self, watch: Watch, signature: Signature, scorer: Scorer, write: Callable[[Counts], None], pace: Pace
    ) -> None:
        """`write` adds counts, in the order of the watch's signals, to the worker's row of the store."""
        self._watch = watch
        self._signature = signature
        self._scorer = scorer
        self.also: frozenset[Wanted] = frozenset(
            output.name
            for output in signature.outputs
            if output.name in _TOLD_BY and watch.counts(_TOLD_BY[output.name])
        )
        """Outputs that are watched, whether a request asks for them or not."""
        self._write = write
        self._pace = pace
        self._budget = Budget()
        # The thread starts with the first rows that need it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._kept: list[tuple[Columns, Scores]] = []
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, columns: Columns, scores: Scores) -> None:
        """Keep these rows, which nobody changes any more."""
        self._kept.append((columns, scores))
        self._rows += columns.rows
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._pace.wait_s, self._fold)
        elif self._rows > MOST_ROWS:
            self._timer.cancel()
            self._fold()

    def _fold(self) -> None:
        kept, rows = self._kept, self._rows
        self._kept, self._rows, self._timer = [], 0, None
        if not self._budget.is_left():
            return
        if rows <= self._pace.inline_rows:
            self._end(self._counts(kept))
            return
        counting = asyncio.get_running_loop().run_in_executor(self._thread, self._counts, kept)
        counting.add_done_callback(lambda ended: self._end(ended.result()))

    def _end(self, counts: Counts | None) -> None:
        if counts is not None:
            self._write(counts)

    def _counts(self, kept: Sequence[tuple[Columns, Scores]]) -> Counts | None:
        """The rows by bin; None, and a line in the log, where they cannot be counted. Raises nothing."""
        began = thread_time()
        try:
            columns = joined([columns for columns, _ in kept])
            told = told_of(self._signature, Scores.joined([scores for _, scores in kept]))
            return self._watch.count(columns, told | self._scorer.watch(columns))
        except Exception:  # noqa: BLE001 - a model may give anything; that it answers matters more
            _log.exception("%d requests are in no bin of the baseline", len(kept))
            return None
        finally:
            self._budget.spend(thread_time() - began)

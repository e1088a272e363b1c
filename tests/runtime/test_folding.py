"""Rows that are counted later, in one go: none is lost, none waits for long, and counting is never most of the work."""

import asyncio
from typing import Any, cast

import numpy as np
import pytest
from modelcast_runtime.baseline import Signal
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Column, Output, Signature
from modelcast_runtime.folding import MOST_ROWS, Budget, Folding, Pace
from modelcast_runtime.formats import Scorer
from modelcast_runtime.watching import Counts, Told, Watch

SIGNATURE = Signature(
    layout="array",
    inputs=(Column(name="x", dtype="float64"),),
    outputs=(Output(name="predict", dtype="float64", shape=(-1,)),),
)
X = Signal(kind="input", name="x", edges=(0.0,), counts=(1, 1))
SOON, LATE, BESIDE = Pace(0.001, 10**9), Pace(3600, 10**9), Pace(0.001, 0)


class Silent:
    """Tells nothing further; raises where it is told to."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def watch(self, columns: Columns) -> Told:
        if self.fails:
            raise ValueError(columns.rows)
        return {}


def rows(*values: float) -> tuple[Columns, Scores]:
    matrix = np.array(values, dtype=np.float64).reshape(-1, 1)
    return Columns.of_matrix(("x",), matrix), Scores(matrix[:, 0])


def counted(pace: Pace, *requests: tuple[Columns, Scores], scorer: Any = None) -> list[list[int]]:
    """What was written, one list a fold, when the first one was."""

    async def run() -> list[list[int]]:
        written: list[list[int]] = []
        first = asyncio.Event()

        def write(counts: Counts) -> None:
            written.append(counts.tolist())
            first.set()

        folding = Folding(Watch((X,), None), SIGNATURE, cast(Scorer, scorer or Silent()), write, pace)
        for request in requests:
            folding.add(*request)
        await asyncio.wait_for(first.wait(), 30)
        return written

    return asyncio.run(run())


@pytest.mark.parametrize("pace", [SOON, BESIDE], ids=["on the loop", "on a thread"])
def test_what_comes_together_is_counted_together(pace: Pace) -> None:
    assert counted(pace, rows(-1), rows(2, 3), rows(-5, -6, 7)) == [[3, 3]]


def test_many_rows_do_not_wait() -> None:
    many = rows(*([1.0] * MOST_ROWS))
    assert counted(LATE, rows(-1), many) == [[1, MOST_ROWS]]


def test_what_cannot_be_counted_is_logged_and_the_next_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    scorer = Silent(fails=True)

    async def run() -> list[list[int]]:
        written: list[list[int]] = []
        is_written = asyncio.Event()
        folding = Folding(
            Watch((X,), None),
            SIGNATURE,
            cast(Scorer, scorer),
            lambda counts: (written.append(counts.tolist()), is_written.set())[0],
            SOON,
        )
        folding.add(*rows(1))
        while not caplog.records:  # noqa: ASYNC110 - a log line sets no event
            await asyncio.sleep(0.001)
        scorer.fails = False
        folding.add(*rows(2))
        await asyncio.wait_for(is_written.wait(), 30)
        return written

    assert asyncio.run(run()) == [[0, 1]]
    assert "1 requests are in no bin of the baseline" in caplog.text


def test_counting_has_a_share_of_the_time_and_what_was_saved() -> None:
    now = 100.0
    budget = Budget(lambda: now)
    assert budget.is_left()
    budget.spend(Budget.BURST_S + 0.08)
    assert not budget.is_left()
    now += 0.9
    assert not budget.is_left()
    now += 0.2
    assert budget.is_left()
    now += 3600
    budget.is_left()
    budget.spend(Budget.BURST_S * 1.01)
    assert not budget.is_left(), "more than a burst is never saved"


def test_beyond_its_share_rows_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Budget, "is_left", lambda _: False)

    async def run() -> list[Any]:
        written: list[Any] = []
        folding = Folding(Watch((X,), None), SIGNATURE, cast(Scorer, Silent()), written.append, SOON)
        folding.add(*rows(1))
        await asyncio.sleep(0.05)
        return written

    assert asyncio.run(run()) == []

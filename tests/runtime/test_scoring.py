"""Requests that share a call: who goes with whom, what each is told, and that nobody's answer depends on it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime import metrics, payload
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.formats import Scorer, load_scorer
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.observe import Observer, Seen
from modelcast_runtime.payload import Decoded
from modelcast_runtime.scoring import Failed, GatheredScoring, Outcome, Scoring, TurnScoring, create_scoring
from modelcast_runtime.store import Store

from tests.conftest import Client, MakeBundle, MakeClient

NOTHING: frozenset[Wanted] = frozenset()
PROBA: frozenset[Wanted] = frozenset({"predict_proba"})


def numbers(*values: float) -> Columns:
    return Columns.of_matrix(("x",), np.array(values, dtype=np.float64).reshape(-1, 1))


def rows(*values: float) -> Decoded:
    return Decoded(numbers(*values), lambda row, _: f"$[{row}]", {}, {})


class Doubling:
    """Answers twice the number; raises for -1. `calls` are the rows of each call; `gate` holds a call of a 7 back."""

    def __init__(self, inline_rows: int = 0, gathers: bool = True) -> None:
        self.inline_rows = inline_rows
        self.calls: list[list[float]] = []
        self.gate, self.began = threading.Event(), threading.Event()
        self._gathers = gathers

    def gathers(self) -> bool:
        return self._gathers

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        values = columns.arrays["x"]
        if -1 in values:
            raise ValueError("secret")
        return Scores(values * 2, np.stack([values, -values], axis=1) if wanted else None)

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        joined = Columns.of_matrix(("x",), np.concatenate([part.matrix for part in parts if part.matrix is not None]))
        self.calls.append(joined.arrays["x"].tolist())
        if 7 in self.calls[-1]:
            self.began.set()
            assert self.gate.wait(60)
        return self.score(joined, wanted).split([part.rows for part in parts])


class Counting:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[list[int]] = []

    def scored_together(self, requests: Sequence[Seen]) -> None:
        self.told.append([one.rows for one in requests])


class Asking:
    """Submits, and collects the outcomes in the order in which they come."""

    def __init__(self, make: Callable[[Scorer, Observer], Scoring], scorer: Doubling) -> None:
        self.scorer = scorer
        self.counted = Counting()
        self.scoring = make(scorer, cast(Observer, self.counted))
        self.outcomes: dict[str, Outcome] = {}
        self._ended = asyncio.Event()

    def submit(self, name: str, *values: float, wanted: frozenset[Wanted] = NOTHING) -> None:
        def done(outcome: Outcome) -> None:
            self.outcomes[name] = outcome
            self._ended.set()

        self.scoring.submit(rows(*values), wanted, done)

    async def turn(self, *submits: Callable[[], None]) -> None:
        """All of these in one turn of the loop, as if their bodies had come in it."""
        loop = asyncio.get_running_loop()
        for submit in submits:
            loop.call_soon(submit)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def first(self, make: Any) -> None:
        """A native model is being asked already."""
        self.scorer.gate.set() if make is TurnScoring else None
        self.submit("first", 7)
        await asyncio.to_thread(self.scorer.began.wait, 60)

    async def until(self, *names: str) -> None:
        while not self.outcomes.keys() >= set(names):
            self._ended.clear()
            await asyncio.wait_for(self._ended.wait(), 60)

    def answer(self, name: str) -> list[float]:
        outcome = self.outcomes[name]
        assert isinstance(outcome, Scores)
        return outcome.predictions.tolist()  # type: ignore[no-any-return]


def test_what_comes_in_one_turn_is_one_call_and_a_lone_request_waits_for_nothing() -> None:
    scorer = Doubling(inline_rows=4)

    async def play() -> Asking:
        asking = Asking(TurnScoring, scorer)
        await asking.turn(
            lambda: asking.submit("a", 1), lambda: asking.submit("b", 2, 3), lambda: asking.submit("c", 4)
        )
        assert set(asking.outcomes) == {"a", "b", "c"}
        asking.submit("d", 5)
        assert "d" in asking.outcomes  # nothing else is to be done in this turn: it waits for nobody
        return asking

    asking = asyncio.run(play())
    assert scorer.calls == [[1, 2, 3, 4], [5]]
    assert [asking.answer(name) for name in "abcd"] == [[2], [4, 6], [8], [10]]
    assert asking.counted.told == [[1, 2, 1], [1]]


def test_a_turn_of_more_rows_than_the_loop_may_wait_for_is_several_calls() -> None:
    scorer = Doubling(inline_rows=3)

    async def play() -> None:
        asking = Asking(TurnScoring, scorer)
        sizes = enumerate([(1, 2), (3, 4), (5,)])
        await asking.turn(*(partial(asking.submit, str(index), *values) for index, values in sizes))
        assert len(asking.outcomes) == 3

    asyncio.run(play())
    assert scorer.calls == [[1, 2], [3, 4, 5]]


class Measuring(Doubling):
    """Answers a text with its length, and says which thread did it."""

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        self.threads = [*getattr(self, "threads", []), threading.current_thread() is threading.main_thread()]
        return [Scores(np.array([len(text) for text in part.arrays["text"]])) for part in parts]


def test_a_long_text_is_scored_beside_the_loop_and_short_ones_on_it() -> None:
    scorer = Measuring(inline_rows=4)

    async def play() -> list[Outcome]:
        scoring = TurnScoring(scorer, cast(Observer, Counting()))
        texts = [["short", "texts", ""], ["x" * 2_499], ["x" * 2_500], ["x" * 1_500, "x" * 1_000]]
        columns = [Columns(len(some), {"text": np.array(some, dtype=object)}) for some in texts]
        given = [Decoded(one, lambda row, _: f"$[{row}]", {}, {}) for one in columns]
        return [await scoring.score(rows, NOTHING) for rows in given]

    outcomes = asyncio.run(play())
    assert [one.predictions.tolist() for one in outcomes if isinstance(one, Scores)] == [
        [5, 5, 0], [2_499], [2_500], [1_500, 1_000]
    ]  # fmt: skip
    assert scorer.threads == [True, True, False, False]


def test_a_request_of_many_rows_is_scored_beside_the_loop() -> None:
    scorer = Doubling(inline_rows=2)

    async def play() -> None:
        asking = Asking(TurnScoring, scorer)
        asking.submit("large", 7, 1, 1)
        await asyncio.to_thread(scorer.began.wait, 60)
        asking.submit("small", 2)
        await asking.until("small")
        assert "large" not in asking.outcomes
        scorer.gate.set()
        await asking.until("large")
        assert asking.answer("large") == [14, 2, 2]

    asyncio.run(play())
    assert scorer.calls == [[7, 1, 1], [2]]


@pytest.mark.parametrize("make", [TurnScoring, GatheredScoring])
def test_only_who_asks_for_the_same_outputs_shares_a_call(make: Any) -> None:
    scorer = Doubling(inline_rows=4 if make is TurnScoring else 0)

    async def play() -> Asking:
        asking = Asking(make, scorer)
        await asking.first(make)
        await asking.turn(
            partial(asking.submit, "a", 1, wanted=PROBA),
            partial(asking.submit, "b", 2),
            partial(asking.submit, "c", 3, wanted=PROBA),
        )
        scorer.gate.set()
        await asking.until("a", "b", "c", "first")
        return asking

    asking = asyncio.run(play())
    assert sorted(map(sorted, scorer.calls)) == [[1, 3], [2], [7]]
    with_probabilities = asking.outcomes["c"]
    assert isinstance(with_probabilities, Scores)
    assert with_probabilities.probabilities is not None
    assert with_probabilities.probabilities.tolist() == [[3, -3]]
    assert cast(Scores, asking.outcomes["b"]).probabilities is None


@pytest.mark.parametrize("make", [TurnScoring, GatheredScoring])
def test_a_row_that_the_model_refuses_is_its_own_requests_only(make: Any) -> None:
    scorer = Doubling(inline_rows=8 if make is TurnScoring else 0)

    async def play() -> Asking:
        asking = Asking(make, scorer)
        await asking.first(make)
        await asking.turn(
            partial(asking.submit, "a", 1), partial(asking.submit, "bad", 2, -1, 3), partial(asking.submit, "c", 4)
        )
        scorer.gate.set()
        await asking.until("a", "bad", "c", "first")
        return asking

    asking = asyncio.run(play())
    failed = asking.outcomes["bad"]
    assert isinstance(failed, Failed)
    assert failed.row == 1
    assert failed.problem(rows(2, -1, 3)).at == "$[1]"
    assert (asking.answer("a"), asking.answer("c")) == ([2], [8])
    assert sorted(count for told in asking.counted.told for count in told) == [1, 1, 1]


def test_what_cannot_be_counted_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> Asking:
        asking = Asking(TurnScoring, Doubling(inline_rows=4))
        asking.counted.told = cast(Any, None)
        asking.submit("a", 1)
        return asking

    assert asyncio.run(play()).answer("a") == [2]
    assert "what was scored could not be counted" in caplog.text


def test_what_comes_while_a_native_model_is_asked_is_its_next_call() -> None:
    scorer = Doubling()

    async def play() -> Asking:
        asking = Asking(lambda *given: GatheredScoring(*given, longest_wait_s=3600), scorer)
        asking.submit("first", 7)
        await asyncio.to_thread(scorer.began.wait, 60)
        for index in range(10):
            asking.submit(str(index), index * 10)
        assert scorer.calls == [[7]]
        scorer.gate.set()
        await asking.until("first", *map(str, range(10)))
        return asking

    asking = asyncio.run(play())
    assert scorer.calls == [[7], [index * 10 for index in range(10)]]
    assert [asking.answer(str(index)) for index in range(10)] == [[index * 20] for index in range(10)]


def test_a_call_has_a_bound_of_rows_and_the_rest_goes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelcast_runtime.scoring.MOST_ROWS", 3)
    scorer = Doubling()

    async def play() -> None:
        asking = Asking(lambda *given: GatheredScoring(*given, longest_wait_s=3600), scorer)
        asking.submit("first", 7)
        await asyncio.to_thread(scorer.began.wait, 60)
        for name, values in {"a": (1, 1), "b": (2, 2), "c": (3,), "d": (4, 4, 4, 4)}.items():
            asking.submit(name, *values)
        scorer.gate.set()
        await asking.until("a", "b", "c", "d")

    asyncio.run(play())
    assert scorer.calls == [[7], [1, 1], [2, 2, 3], [4, 4, 4, 4]]


def test_who_has_waited_long_enough_is_scored_beside_the_call_that_goes_on() -> None:
    scorer = Doubling()

    async def play() -> None:
        asking = Asking(lambda *given: GatheredScoring(*given, longest_wait_s=0.01), scorer)
        asking.submit("long", 7)
        await asyncio.to_thread(scorer.began.wait, 60)
        asking.submit("short", 1)
        await asking.until("short")
        assert "long" not in asking.outcomes
        asking.submit("another", 2)
        await asking.until("another")
        scorer.gate.set()
        await asking.until("long")

    asyncio.run(play())
    assert scorer.calls == [[7], [1], [2]]


def test_a_model_that_may_look_at_neighbours_is_asked_for_one_request_at_a_time_and_twice_at_once() -> None:
    scorer = Doubling(gathers=False)

    async def play() -> None:
        asking = Asking(GatheredScoring, scorer)
        asking.submit("long", 7)
        await asyncio.to_thread(scorer.began.wait, 60)
        asking.submit("a", 1)
        asking.submit("b", 2)
        await asking.until("a", "b")
        scorer.gate.set()
        await asking.until("long")

    asyncio.run(play())
    assert scorer.calls == [[7], [1], [2]]


def test_the_way_of_scoring_is_the_models(make_bundle: MakeBundle) -> None:
    observer = cast(Observer, Counting())
    assert isinstance(
        create_scoring(cast(Scorer, load_scorer(open_bundle(make_bundle("compiled")))), observer), TurnScoring
    )
    assert isinstance(
        create_scoring(cast(Scorer, load_scorer(open_bundle(make_bundle("array")))), observer), GatheredScoring
    )


class Mean:
    """Somebody's own: nothing tells what it does with other rows."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}


def test_only_what_is_known_to_answer_row_by_row_is_gathered() -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    def gathers(model: Any) -> bool:
        return NativeScorer(model, open_signature()).gathers()

    last = LogisticRegression()
    assert gathers(RandomForestClassifier())
    assert gathers(GridSearchCV(make_pipeline(StandardScaler(), SelectKBest(f_classif), last), {}))
    assert gathers(make_pipeline(FunctionTransformer(np.log1p), last))
    assert gathers(make_pipeline(FunctionTransformer(), last))
    assert not gathers(Mean())
    assert not gathers(object())
    assert not gathers(DummyClassifier())
    assert not gathers(make_pipeline(FunctionTransformer(np.cumsum), last))
    assert not gathers(make_pipeline(FunctionTransformer(lambda rows: rows - rows.mean()), last))
    assert not gathers(make_pipeline(ColumnTransformer([("own", Mean(), [0])]), last))


def open_signature() -> Any:
    from tests.conftest import MODELS

    return MODELS["compiled"]().signature


CELLS: dict[str, st.SearchStrategy[list[Any]]] = {
    "array": st.lists(st.floats(-9, 9), min_size=4, max_size=4),
    "frame": st.tuples(
        st.none() | st.floats(-9, 9), st.sampled_from(["Dream", "Biscoe", "Mars"]), st.sampled_from([2007, 2008.0])
    ).map(list),
    "text": st.sampled_from(["win money", "lunch", ""]).map(lambda text: [text]),
    "kmeans": st.lists(st.floats(-9, 9), min_size=2, max_size=2),
    "compiled": st.lists(st.floats(-9, 9) | st.integers(-9, 9), min_size=2, max_size=2),
    "compiled columns": st.tuples(st.none() | st.floats(-9, 9), st.sampled_from(["low", "high", "?"])).map(list),
}


@pytest.fixture
def scorer_of(make_bundle: MakeBundle) -> Callable[[str], Any]:
    def opened(kind: str) -> Any:
        bundle = open_bundle(make_bundle(kind))
        return bundle.manifest.signature, load_scorer(bundle)

    return cache(opened)


@pytest.mark.parametrize("kind", CELLS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_gathered_answers_are_those_of_separate_calls(scorer_of: Any, kind: str, data: st.DataObject) -> None:
    signature, scorer = scorer_of(kind)
    requests = data.draw(st.lists(st.lists(CELLS[kind], min_size=1, max_size=4), min_size=1, max_size=5))
    parts = [payload.decode_rows(request, signature) for request in requests]
    wanted = frozenset({output.name for output in signature.outputs} - {"predict"})
    for part, together in zip(parts, scorer.score_together(parts, wanted), strict=True):
        alone = scorer.score(part, wanted)
        assert together.predictions.dtype == alone.predictions.dtype
        assert (together.probabilities is None, together.distances is None) == (
            alone.probabilities is None,
            alone.distances is None,
        )
        if alone.predictions.dtype.kind == "f":
            np.testing.assert_allclose(together.predictions, alone.predictions, rtol=1e-12)
        else:
            assert together.predictions.tolist() == alone.predictions.tolist()
        for ours, theirs in ((together.probabilities, alone.probabilities), (together.distances, alone.distances)):
            if ours is not None and theirs is not None:
                np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_fraction_in_one_request_makes_no_floats_of_anothers_whole_numbers(make_bundle: MakeBundle) -> None:
    seen: list[Any] = []

    class Dtypes:
        def predict(self, frame: Any) -> Any:
            seen.append((str(frame["n"].dtype), frame["n"].tolist()))
            return frame["n"].to_numpy(dtype=float)

    from modelcast_runtime.contract import Column, Output, Signature

    signature = Signature(
        layout="frame",
        inputs=(Column(name="n", dtype="float64", nullable=True, trained_as="int64"),),
        outputs=(Output(name="predict", dtype="float64", shape=(-1,)),),
    )
    parts = [payload.decode_rows(request, signature) for request in ([[1]], [[2.5]], [[3], [4]])]
    scores = NativeScorer(Dtypes(), signature).score_together(parts, NOTHING)
    assert [one.predictions.tolist() for one in scores] == [[1], [2.5], [3, 4]]
    assert seen == [("int64", [1, 3, 4]), ("float64", [2.5])]


def counts(client: Client) -> list[str]:
    told = client("GET", "/metrics").body.decode().splitlines()
    return [line for line in told if line.startswith("modelcast_") and "seconds" not in line and "other" not in line]


@pytest.mark.parametrize("kind", ["compiled", "array"])
def test_what_is_counted_together_is_what_is_counted_one_by_one(make_client: MakeClient, kind: str) -> None:
    width = 2 if kind == "compiled" else 4
    bodies = [[[float(row + index) - 3] * width for row in range(1 + index % 3)] for index in range(12)]
    one_by_one, together = make_client(kind), make_client(kind)
    expected = [one_by_one("POST", "/predict", body).json()["predictions"] for body in bodies]

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(together.ask("POST", "/predict", body) for body in bodies))

    assert [answer.json()["predictions"] for answer in asyncio.run(all_at_once())] == expected
    assert counts(together) == counts(one_by_one)
    assert "modelcast_rows_total 24.0" in counts(together)
    assert "modelcast_batch_rows_count 12.0" in counts(together)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from([0, 1, 2, 9]), min_size=1, max_size=5), max_size=6))
def test_counters_do_not_tell_how_requests_were_gathered(make_bundle: MakeBundle, batch: list[list[int]]) -> None:
    opened = _opened(make_bundle)
    stores = [Store.create(metrics.layout_for(opened.manifest, opened.golden), slots=1) for _ in range(2)]
    for store in stores:
        store.use(store.claim())
    separate, together = (Observer(store, opened.manifest) for store in stores)
    seen = [Seen(len(values), np.array(values), {"a": len(values)}, {}) for values in batch]
    for one in seen:
        separate.scored(*one)
    together.scored_together(seen)
    assert stores[0].total().tolist() == stores[1].total().tolist()


_kept: list[Any] = []


def _opened(make_bundle: MakeBundle) -> Any:
    if not _kept:
        _kept.append(open_bundle(make_bundle("compiled")))
    return _kept[0]

"""A bundle is served only where its golden rows are answered as they were in the build."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from modelcast_runtime import contract, golden
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Golden
from modelcast_runtime.formats import load_scorer

MakeBundle = Callable[..., Path]


def sealed(predictions: list[Any], **others: Any) -> Golden:
    """As it is read from the file."""
    made = Golden(rows=tuple((0,) for _ in predictions), predictions=tuple(predictions), **others)
    return contract.decode(contract.encode(made), Golden)


def difference(scores: Scores, golden_rows: Golden) -> str | None:
    try:
        golden.compare(scores, golden_rows)
    except BundleError as error:
        return str(error)
    return None


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("answers", "predictions"),
    [
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (np.array([1.0 + 1e-12, 2.0 - 1e-12]), [1.0, 2.0]),
        (np.array([1e12 + 0.001]), [1e12]),
        (np.array([NAN, INF, -INF]), [None, None, None]),
        (np.array([0, 1]), [0, 1]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array(["a", 1, None], dtype=object), ["a", 1, None]),
        (np.array([np.int64(1), np.float64("nan"), np.bool_(True)], dtype=object), [1, None, True]),
        (np.array([True, False]), [True, False]),
        (np.array([[1.0, NAN], [2.0, 3.0]]), [(1.0, None), (2.0, 3.0)]),
        (np.array([5.0, 1e22]), [5.0, 1e22]),
    ],
)
def test_answers_as_they_were_sealed_are_the_same(answers: Any, predictions: list[Any]) -> None:
    assert difference(Scores(answers), sealed(predictions)) is None


@pytest.mark.parametrize(
    ("answers", "predictions", "row"),
    [
        (np.array([1.0, 2.0 + 1e-6]), [1.0, 2.0], "1 does not reproduce: prediction 2.000001, sealed was 2.0"),
        (np.array([NAN]), [1.0], "0 does not reproduce: prediction nan, sealed was 1.0"),
        (np.array([NAN]), ["a"], "0 does not reproduce: prediction nan, sealed was 'a'"),
        (np.array([INF]), [1], "0 does not reproduce: prediction inf, sealed was 1"),
        (np.array([INF]), [1.0], "0 does not reproduce: prediction inf, sealed was 1.0"),
        (np.array([0.0]), [None], "0 does not reproduce: prediction 0.0, sealed was None"),
        (np.array([1e-6]), [0.0], "0 does not reproduce: prediction 1e-06, sealed was 0.0"),
        (np.array(["a", "c"]), ["a", "b"], "1 does not reproduce: prediction 'c', sealed was 'b'"),
        (np.array(["1"]), [1], "0 does not reproduce: prediction '1', sealed was 1"),
        (np.array([1]), ["1"], "0 does not reproduce: prediction 1, sealed was '1'"),
        (np.array([1.0]), ["1.0"], "0 does not reproduce: prediction 1.0, sealed was '1.0'"),
        (np.array([1.0]), [1], "0 does not reproduce: prediction 1.0, sealed was 1"),
        (np.array([1]), [1.0], "0 does not reproduce: prediction 1, sealed was 1.0"),
        (np.array([True]), [1], "0 does not reproduce: prediction True, sealed was 1"),
        (np.array([1.0]), [True], "0 does not reproduce: prediction 1.0, sealed was True"),
        (np.array([1]), [True], "0 does not reproduce: prediction 1, sealed was True"),
        (np.array([[1.0, 2.5]]), [(1.0, 2.0)], "0 does not reproduce: prediction [1.0, 2.5], sealed was (1.0, 2.0)"),
        (np.array([[1.0]]), [(1.0, 2.0)], "0 does not reproduce: prediction [1.0], sealed was (1.0, 2.0)"),
        (np.array([[1.0]]), [1.0], "0 does not reproduce: prediction [1.0], sealed was 1.0"),
        (np.array([1.0]), [(1.0,)], "0 does not reproduce: prediction 1.0, sealed was (1.0,)"),
    ],
)
def test_another_answer_is_refused_with_its_row(answers: Any, predictions: list[Any], row: str) -> None:
    assert difference(Scores(answers), sealed(predictions)) == f"golden row {row}"


def test_too_few_answers_are_refused() -> None:
    assert difference(Scores(np.array([1.0])), sealed([1.0, 2.0])) == "2 golden rows gave 1 answers"


def test_the_tolerance_is_the_one_that_was_sealed() -> None:
    assert difference(Scores(np.array([1.01])), sealed([1.0], tolerance=0.1)) is None
    assert difference(Scores(np.array([1.01])), sealed([1.0], tolerance=0.001)) is not None


@pytest.mark.parametrize("what", ["probabilities", "distances"])
def test_probabilities_and_distances_are_compared_too(what: str) -> None:
    golden_rows = sealed([0], **{what: ((0.25, 0.75),)})
    scores = {"predictions": np.array([0])}
    assert difference(Scores(**scores, **{what: np.array([[0.25, 0.75 + 1e-12]])}), golden_rows) is None
    assert difference(Scores(**scores, **{what: np.array([[0.25, 0.750001]])}), golden_rows) == (
        f"golden row 0 does not reproduce: {what} [0.25, 0.750001], sealed was (0.25, 0.75)"
    )


def test_what_is_asked_is_what_was_sealed() -> None:
    assert golden.wanted_by(sealed([0])) == frozenset()
    assert golden.wanted_by(sealed([0], probabilities=((0.5,),), distances=((1.0,),))) == {"predict_proba", "distances"}


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text", "own"])
def test_a_real_model_reproduces(make_bundle: MakeBundle, kind: str) -> None:
    bundle = open_bundle(make_bundle(kind))
    assert golden.replay(bundle, load_scorer(bundle)) == len(bundle.golden.rows)


def replay_error(root: Path) -> str:
    bundle = open_bundle(root)
    with pytest.raises(BundleError) as caught:
        golden.replay(bundle, load_scorer(bundle))
    return str(caught.value)


def changed(make_bundle: MakeBundle, kind: str, **fields: Any) -> Path:
    original = open_bundle(make_bundle(kind)).golden
    return make_bundle(kind, golden=msgspec.structs.replace(original, **fields))


def test_a_real_model_that_answers_otherwise_is_refused(make_bundle: MakeBundle) -> None:
    root = changed(make_bundle, "own", predictions=(1.5, 2.5 + 1e-6))
    assert replay_error(root) == "golden row 1 does not reproduce: prediction 2.5, sealed was 2.500001"


def test_golden_rows_on_which_the_model_raises_are_refused(make_bundle: MakeBundle) -> None:
    root = changed(make_bundle, "own", rows=((0.0, 1.5), (0.0, -1313.25)))
    assert replay_error(root) == "the golden rows cannot be scored: ValueError: no such value: -1313.25"


def test_golden_rows_that_do_not_fit_the_signature_are_refused(make_bundle: MakeBundle) -> None:
    root = changed(make_bundle, "own", rows=((0.0, 1.5), (0.0, "x")))
    assert replay_error(root) == (
        "the golden rows cannot be scored: Problem: $[1][1]: expected a number, got string. "
        "Values are never converted: send that type."
    )

"""The policy that a compiled model is held against: what is equal, what a tie excuses, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from modelcast_builder.inside.kinds_of_rows import TRAINING
from modelcast_builder.inside.parity import Verdict, judge
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Column, Difference, Output, Signature

ROWS = 10_000
TWO = Signature(
    layout="array",
    inputs=(Column(name="a", dtype="float64"),),
    outputs=(
        Output(name="predict", dtype="string", shape=(-1,)),
        Output(name="predict_proba", dtype="float64", shape=(-1, 2)),
    ),
    classes=("no", "yes"),
)
NUMBER = Signature(
    layout="array", inputs=TWO.inputs, outputs=(Output(name="predict", dtype="float64", shape=(-1,)),), classes=None
)
KINDS = [TRAINING] * (ROWS // 2) + ["a row far away"] * (ROWS // 2)


def classified(rows: int = ROWS) -> Scores:
    """Probabilities of `yes` from 0 to 1, none of them 0.5."""
    yes = (np.arange(rows) + 0.25) / rows
    return Scores(
        predictions=np.where(yes > 0.5, "yes", "no"), probabilities=np.stack([1 - yes, yes], axis=1), distances=None
    )


def changed(scores: Scores, output: str, at: Any, value: Any) -> Scores:
    """The same answers but for one place."""
    answers = np.array(getattr(scores, output), dtype=object if output == "predictions" else np.float64)
    answers[at] = value
    return replace(scores, **{output: answers})


def classes_of(compiled: Scores, precision: Any = "float64", reference: Scores | None = None) -> Verdict:
    return judge(reference or classified(), compiled, KINDS, TWO, "classifier", precision)


def numbers_of(compiled: np.ndarray, reference: np.ndarray) -> Verdict:
    return judge(Scores(reference), Scores(compiled), KINDS, NUMBER, "regressor", "float64")


def test_the_same_answers_are_equal() -> None:
    assert classes_of(classified()) == Verdict(
        equal=True,
        labels="graph",
        ties=0,
        worst=0.0,
        differences=(
            Difference(output="predict", rows=0),
            Difference(output="predict_proba", rows=0, allowed=1e-6),
        ),
    )


def test_one_wrong_label_among_ten_thousand_is_one_too_many() -> None:
    compiled = changed(classified(), "predictions", 7, "yes")
    # The highest probability still names the right one: labels are taken from there.
    assert classes_of(compiled).labels == "highest"
    assert classes_of(compiled).equal
    alone = replace(compiled, probabilities=None)
    verdict = judge(replace(classified(), probabilities=None), alone, KINDS, TWO, "classifier", "float64")
    assert not verdict.equal
    assert verdict.differences == (Difference(output="predict", rows=1, worst=1.0, example=TRAINING),)


@pytest.mark.parametrize(("reference", "compiled"), [(1, 1.0), (1, "1"), (1, True), ("1", 1)])
def test_a_label_of_another_type_is_another_label(reference: Any, compiled: Any) -> None:
    def labels(one: Any) -> Scores:
        array = np.empty(ROWS, dtype=object)
        array[:] = [one] * ROWS
        return Scores(array)

    signature = Signature(layout="array", inputs=TWO.inputs, outputs=TWO.outputs[:1], classes=(reference,))
    verdict = judge(labels(reference), labels(compiled), KINDS, signature, "classifier", "float64")
    assert (verdict.equal, verdict.differences[0].rows) == (False, ROWS)


def test_a_tie_is_counted_and_excused_and_mended_by_the_highest_probability() -> None:
    tied = changed(classified(), "probabilities", 3, [0.5, 0.5])
    reference = changed(tied, "predictions", 3, "no")
    compiled = changed(changed(tied, "probabilities", 3, [0.5 - 1e-9, 0.5 + 1e-9]), "predictions", 3, "yes")
    verdict = classes_of(compiled, reference=reference)
    assert (verdict.equal, verdict.ties, verdict.labels) == (True, 1, "highest")


def test_a_tie_that_cannot_be_mended_is_excused() -> None:
    tied = changed(classified(), "probabilities", 3, [0.5, 0.5])
    reference, compiled = (changed(tied, "predictions", 3, label) for label in ("yes", "no"))
    verdict = classes_of(compiled, reference=reference)
    assert (verdict.equal, verdict.ties) == (True, 1)


@pytest.mark.parametrize(("off", "precision", "equal"), [
    (0.9e-6, "float64", True), (1.1e-6, "float64", False), (0.9e-5, "float32", True), (1.1e-5, "float32", False),
])  # fmt: skip
def test_probabilities_may_differ_by_what_the_precision_allows(off: float, precision: Any, equal: bool) -> None:
    reference = classified()
    compiled = changed(reference, "probabilities", (9_000, 1), reference.probabilities[9_000, 1] + off)
    verdict = classes_of(compiled, precision)
    assert verdict.equal is equal
    assert verdict.worst == pytest.approx(off)
    assert verdict.differences[1].example == "a row far away"


def test_in_32_bits_the_likeliest_class_is_the_same() -> None:
    reference = changed(classified(), "probabilities", 5, [0.5 - 2e-6, 0.5 + 2e-6])
    reference = changed(reference, "predictions", 5, "yes")
    compiled = changed(reference, "probabilities", 5, [0.5 + 2e-6, 0.5 - 2e-6])
    assert not classes_of(compiled, "float32", reference).equal


@pytest.mark.parametrize(("answer", "equal"), [(np.nan, True), (0.5, False)])
def test_what_is_no_number_is_none(answer: float, equal: bool) -> None:
    reference = changed(classified(), "probabilities", 5, [np.nan, np.nan])
    assert classes_of(changed(reference, "probabilities", 5, [answer, answer]), reference=reference).equal is equal


def test_an_output_that_is_lacking_or_of_another_shape_differs() -> None:
    assert not classes_of(replace(classified(), probabilities=None)).equal
    assert not classes_of(replace(classified(), probabilities=np.ones((ROWS, 3)) / 3)).equal


@pytest.mark.parametrize(("rows", "off", "equal"), [
    (ROWS, 0.9e-6, True), (1, 0.9e-3, True), (2, 0.9e-3, False), (1, 1.1e-3, False), (2, 1.1e-6, False),
])  # fmt: skip
def test_numbers_may_differ_by_a_part_of_their_scale(rows: int, off: float, equal: bool) -> None:
    reference = np.full(ROWS, 250.0)
    compiled = reference.copy()
    compiled[:rows] += off * 250
    verdict = numbers_of(compiled, reference)
    assert verdict.equal is equal
    assert verdict.worst == pytest.approx(off)


def test_answers_far_from_training_excuse_nothing_at_home() -> None:
    reference = np.where(np.array(KINDS) == TRAINING, 2.0, 1e30)
    compiled = np.where(np.array(KINDS) == TRAINING, 2.1, 1e30)
    assert numbers_of(compiled, reference).differences[0].rows == ROWS // 2
    # And a small number is held against what is usual, not against itself alone.
    small = np.where(np.arange(ROWS) % 2 == 0, 2.0, 0.0)
    assert numbers_of(small + 1e-9, small).equal


def test_clusters_are_never_tied() -> None:
    signature = Signature(
        layout="array",
        inputs=TWO.inputs,
        outputs=(
            Output(name="predict", dtype="int64", shape=(-1,)),
            Output(name="distances", dtype="float64", shape=(-1, 2)),
        ),
        classes=(0, 1),
    )
    far = np.full((ROWS, 2), 1e30)
    reference = Scores(np.zeros(ROWS, dtype=np.int64), distances=far)
    compiled = Scores(np.ones(ROWS, dtype=np.int64), distances=far)
    assert judge(reference, reference, KINDS, signature, "clusterer", "float64").equal
    verdict = judge(reference, compiled, KINDS, signature, "clusterer", "float64")
    assert (verdict.equal, verdict.ties, verdict.differences[0].rows) == (False, 0, ROWS)
    assert not judge(
        reference, replace(reference, distances=far * 1.01), KINDS, signature, "clusterer", "float64"
    ).equal

"""The metrics are scikit-learn's own, those that rows cannot tell say why, and rounding hides the machine."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_builder.inside import curves, disparity
from modelcast_builder.inside.answered import Answered
from modelcast_builder.inside.measures import Measured, measure, rounded
from modelcast_runtime.contract import Gap
from sklearn import metrics

NAMES = ("ant", "bee", "cat", "dog")


@st.composite
def classified(draw: Callable[..., int]) -> Answered:
    """Any answers, with ties, classes that no row has and rows that are all of one class."""
    classes = draw(st.integers(2, 4))
    rows = draw(st.integers(1, 30))
    indices = st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows)
    weights = st.lists(st.integers(1, 5), min_size=rows * classes, max_size=rows * classes)
    scores = np.asarray(draw(weights), dtype=np.float64).reshape(rows, classes)
    return Answered(
        task="classifier",
        predicted=np.asarray(draw(indices)),
        true=np.asarray(draw(indices)),
        classes=NAMES[:classes],
        scores=scores / scores.sum(axis=1, keepdims=True),
        are_probabilities=True,
    )


numbers = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=20)


def near(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-10, abs_tol=1e-12)


@given(classified())
@pytest.mark.filterwarnings("ignore")
def test_a_classifiers_metrics_are_those_of_scikit_learn_for_its_labels(answered: Answered) -> None:
    ours = measure(answered)
    true, predicted = (np.take(NAMES, part) for part in (answered.right, answered.predicted))
    labels = list(answered.classes)
    theirs = {
        "accuracy": metrics.accuracy_score(true, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(true, predicted),
        "f1_macro": metrics.f1_score(true, predicted, average="macro", zero_division=0),
        "precision_macro": metrics.precision_score(true, predicted, average="macro", zero_division=0),
        "recall_macro": metrics.recall_score(true, predicted, average="macro", zero_division=0),
        "log_loss": metrics.log_loss(true, answered.scores, labels=labels),
    }
    absent = [name for name in labels if name not in true]
    if absent:
        assert ours.absent == {"roc_auc": f"no row has the answer '{absent[0]}'"}
    elif len(labels) == 2:
        theirs["roc_auc"] = metrics.roc_auc_score(true == labels[1], answered.scores[:, 1])
    else:
        theirs["roc_auc"] = metrics.roc_auc_score(true, answered.scores, multi_class="ovr", labels=labels)
    assert set(ours.metrics) == set(theirs)
    assert all(near(ours.metrics[name], value) for name, value in theirs.items())


@given(st.data(), st.integers(1, 3))
def test_a_regressors_metrics_are_those_of_scikit_learn(data: st.DataObject, outputs: int) -> None:
    true = np.asarray([data.draw(numbers)] * outputs).T
    predicted = true + np.asarray(data.draw(st.lists(st.floats(-9, 9), min_size=outputs, max_size=outputs)))
    ours = measure(Answered(task="regressor", predicted=predicted, true=true, outputs=NAMES[:outputs]))
    assert near(ours.metrics["rmse"], metrics.root_mean_squared_error(true, predicted))
    assert near(ours.metrics["mae"], metrics.mean_absolute_error(true, predicted))
    if (true == true[0]).all():
        assert ours.absent == {"r2": "all rows have the same answer"}
    else:
        assert math.isclose(ours.metrics["r2"], metrics.r2_score(true, predicted), rel_tol=1e-6, abs_tol=1e-9)


def test_a_silhouette_is_that_of_scikit_learn_and_of_a_large_holdout_always_the_same() -> None:
    space = np.random.default_rng(1).normal(size=(5_000, 2)) + np.repeat([[0.0], [6.0]], 2_500, axis=0)
    clusters = np.repeat([0, 1], 2_500)
    few = Answered(task="clusterer", predicted=clusters[2_000:3_000], space=space[2_000:3_000])
    assert measure(few).metrics["silhouette"] == rounded(metrics.silhouette_score(few.space, few.predicted), 6)
    many = Answered(task="clusterer", predicted=clusters, space=space)
    assert measure(many) == measure(many)
    assert measure(many).metrics["silhouette"] == pytest.approx(metrics.silhouette_score(space, clusters), abs=0.02)


BARE = Answered(task="classifier", predicted=np.array([0, 1]), true=np.array([0, 1]), classes=("no", "yes"))
ABSENT = {
    "neither probabilities nor decisions": (
        BARE,
        {
            "roc_auc": "the model gives neither probabilities nor one decision value a class",
            "log_loss": "the model gives no probabilities",
        },
    ),
    "decisions alone": (
        replace(BARE, scores=np.array([[1.0, -1.0], [-2.0, 2.0]])),
        {"log_loss": "the model gives no probabilities"},
    ),
    "one row": (
        Answered(task="regressor", predicted=np.array([[1.0]]), true=np.array([[1.0]])),
        {"r2": "there is one row"},
    ),
    "one cluster": (
        Answered(task="clusterer", predicted=np.array([0, 0, 0]), space=np.eye(3)),
        {"silhouette": "3 rows are in 1 cluster"},
    ),
    "texts": (
        Answered(task="clusterer", predicted=np.array([0, 1, 0])),
        {"silhouette": "the clusterer measures what is no row of numbers"},
    ),
}


@pytest.mark.parametrize("case", ABSENT)
def test_what_rows_cannot_tell_says_why(case: str) -> None:
    answered, absent = ABSENT[case]
    measured = measure(answered)
    assert measured.absent == absent
    assert not set(measured.metrics) & set(absent)


def test_the_last_bits_of_a_score_break_no_tie() -> None:
    """0.1 + 0.2 and 0.3 are a tie, whichever of them a machine's library gives."""
    answered = replace(
        BARE, scores=np.array([[0.7, 0.1 + 0.2], [0.7, 0.3]]), are_probabilities=True, true=np.array([0, 1])
    )
    other = replace(answered, scores=answered.scores[::-1])
    assert measure(answered).metrics["roc_auc"] == measure(other).metrics["roc_auc"] == 0.5
    assert curves.draw(answered) == curves.draw(other)


def test_numbers_are_rounded_to_significant_digits() -> None:
    assert [rounded(value) for value in (0.1 + 0.2, 2 / 3, 1e-20 / 3, -0.0)] == [
        0.3,
        0.666666666667,
        3.33333333333e-21,
        0,
    ]
    assert math.copysign(1, rounded(-0.0)) == 1


# Groups.


def group(predicted: str, true: str, classes: tuple[str, ...] = ("n", "y")) -> Answered:
    """Answers as the letters of their classes."""
    one, other = (np.asarray([classes.index(letter) for letter in word]) for word in (predicted, true))
    return Answered(task="classifier", predicted=one, true=other, classes=classes)


def test_gaps_of_two_classes_are_about_the_second() -> None:
    apart = disparity.between("sex", {"f": group("yyyn", "yynn"), "m": group("nnnyy", "ynnnn"), "x": group("n", "n")})
    assert apart.gaps == (
        Gap(column="sex", measure="selection_rate", gap=0.75, lowest="x", highest="f"),
        Gap(column="sex", measure="true_positive_rate", gap=1.0, lowest="m", highest="f"),
        Gap(column="sex", measure="accuracy", gap=0.6, lowest="m", highest="x"),
    )
    assert apart.absent == {}


def test_gaps_of_more_classes_are_the_largest_of_any() -> None:
    classes = ("a", "b", "c")
    apart = disparity.between("sex", {"f": group("aabb", "aacb", classes), "m": group("aacc", "abcc", classes)})
    gaps = {gap.measure: gap.gap for gap in apart.gaps}
    assert gaps == {"selection_rate": 0.5, "true_positive_rate": 1.0, "accuracy": 0.0}


def test_a_gap_that_nobody_can_tell() -> None:
    alone = disparity.between("sex", {"f": group("yn", "yn")})
    reason = "all rows are in the one group 'f'"
    assert alone == disparity.Apart(
        gaps=(), absent={"selection_rate": reason, "true_positive_rate": reason, "accuracy": reason}
    )
    apart = disparity.between("sex", {"f": group("yn", "yn"), "m": group("nn", "nn")})
    assert apart.absent == {"true_positive_rate": "fewer than two groups have a row of the class"}


# Curves.


def test_a_classifiers_curves_are_those_of_scikit_learn_in_few_points() -> None:
    chance = np.random.default_rng(2)
    yes = chance.random(5_000)
    answered = replace(
        BARE, true=(chance.random(5_000) < yes).astype(int), predicted=(yes > 0.5).astype(int),
        scores=np.stack([1 - yes, yes], axis=1), are_probabilities=True,
    )  # fmt: skip
    roc, calibration = curves.draw(answered)
    assert (roc.name, roc.label, calibration.name, calibration.label) == ("roc", "yes", "calibration", "yes")
    assert 50 <= len(roc.x) <= 60
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)
    assert metrics.auc(roc.x, roc.y) == pytest.approx(metrics.roc_auc_score(answered.true, yes), abs=1e-3)
    assert len(calibration.x) == 10
    assert calibration.y == pytest.approx(calibration.x, abs=0.08)
    counts = metrics.confusion_matrix(answered.true, answered.predicted)
    assert curves.confusion(answered) == tuple(map(tuple, counts.tolist()))


def test_a_regressors_curves_are_rows_of_it() -> None:
    true = np.arange(2_000.0).reshape(1_000, 2)
    answered = Answered(task="regressor", predicted=true + np.array([0.5, -0.25]), true=true, outputs=("low", "high"))
    first, residuals, *_ = drawn = curves.draw(answered)
    assert [(curve.name, curve.label, len(curve.x)) for curve in drawn] == [
        ("predicted", "low", 100), ("residuals", "low", 100), ("predicted", "high", 100), ("residuals", "high", 100),
    ]  # fmt: skip
    assert (first.x[0], first.y[0], first.x[-1], first.y[-1]) == (0, 0.5, 1998, 1998.5)
    assert residuals.x == first.y
    assert set(residuals.y) == {-0.5}
    assert curves.confusion(answered) == ()


def test_many_classes_are_drawn_in_part() -> None:
    rows = np.arange(120) % 60
    scores = np.eye(60)[rows]
    answered = Answered(
        task="classifier", predicted=rows, true=rows, classes=tuple(range(60)), scores=scores, are_probabilities=True
    )
    assert [curve.label for curve in curves.draw(answered) if curve.name == "roc"] == [
        str(label) for label in range(10)
    ]
    assert curves.confusion(answered) == ()
    assert measure(answered) == Measured(
        metrics={
            "accuracy": 1.0, "balanced_accuracy": 1.0, "f1_macro": 1.0, "precision_macro": 1.0, "recall_macro": 1.0,
            "roc_auc": 1.0, "log_loss": measure(answered).metrics["log_loss"],
        },
    )  # fmt: skip

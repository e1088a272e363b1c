"""Which bin a value is in, and that counts add up however the rows are split."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import watching
from modelcast_runtime.baseline import Branch, JointForest, Leaves, Signal
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Column, Output, Signature
from modelcast_runtime.formats.within import leaves_told
from modelcast_runtime.watching import Branches, Joint, Watch

AGE = Signal(
    kind="input",
    name="age",
    edges=(20.0, 40.0),
    low=1.0,
    high=90.0,
    extras=("other", "missing"),
    counts=(10, 10, 10, 0, 0),
)
SEX = Signal(kind="input", name="sex", values=("m", "f"), extras=("other", "missing"), counts=(20, 10, 0, 0))
JOINT = Signal(kind="joint", name="surprisal", edges=(4.0,), counts=(15, 15))
SCORE = Signal(kind="score", name="probability", edges=(0.5,), counts=(15, 15))


@pytest.mark.parametrize(
    ("value", "place"),
    [(1.0, 0), (20.0, 0), (20.5, 1), (40.0, 1), (41.0, 2), (90.0, 2), (90.5, 3), (0.0, 3), (math.nan, 4)],
)
def test_a_number_is_in_the_bin_that_ends_with_it(value: float, place: int) -> None:
    assert watching.count(AGE, np.array([value])).tolist() == [int(place == bin_) for bin_ in range(5)]


@pytest.mark.parametrize(("value", "place"), [("m", 0), ("f", 1), ("d", 2), ("", 2), (None, 3), (math.nan, 3)])
def test_a_category_has_its_own_bin_and_what_was_never_seen_another(value: Any, place: int) -> None:
    assert watching.count(SEX, np.array([value], dtype=object)).tolist() == [int(place == bin_) for bin_ in range(4)]


def test_the_bins_have_names() -> None:
    assert AGE.bins == ("0", "1", "2", "other", "missing")
    assert SEX.bins == ("m", "f", "other", "missing")
    assert Signal(kind="input", name="b", values=(True, False), counts=(1, 1)).bins == ("true", "false")


def test_no_two_bins_have_one_name() -> None:
    odd = ("other", "other (0)", "missing", 1, "1", "x" * 200, "x" * 201)
    signal = Signal(kind="input", name="odd", values=odd, extras=("other", "missing"), counts=(0,) * 9)
    assert signal.bins == (
        "other (0)", "other (0) (1)", "missing (2)", "1", "1 (4)", "x" * 64, "x" * 64 + " (6)", "other", "missing",
    )  # fmt: skip
    assert watching.count(signal, np.array(["other", "1", "?", None], dtype=object)).tolist() == [
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        1,
        1,
    ]


def test_moments_and_texts_are_numbers_too() -> None:
    moments = np.array(["2020-01-01T00:00:01", "NaT"], dtype="datetime64[us]")
    assert watching.as_numbers(moments).tolist()[0] == 1577836801.0
    assert math.isnan(watching.as_numbers(moments)[1])
    texts = watching.as_numbers(np.array(["abc", "", None], dtype=object))
    assert (texts[:2].tolist(), math.isnan(texts[2])) == ([3.0, 0.0], True)


ages = st.lists(st.floats(-10, 120) | st.just(math.nan), min_size=1, max_size=40)


@given(ages, st.integers(0, 40), st.data())
def test_counts_of_parts_add_up_to_those_of_the_whole(values: list[float], cut: int, data: st.DataObject) -> None:
    sexes = data.draw(st.lists(st.sampled_from(["m", "f", "x", None]), min_size=len(values), max_size=len(values)))
    columns = Columns(len(values), {"age": np.array(values), "sex": np.array(sexes, dtype=object)})
    scores = np.linspace(0, 1, len(values))
    watch = Watch((AGE, SEX, JOINT, SCORE), _forest(), None)
    cut = min(cut, len(values))
    parts = [slice(0, cut), slice(cut, len(values))]
    whole = watch.count(columns, {("score", "probability"): scores})
    halves = [
        watch.count(columns.part(part.start, part.stop), {("score", "probability"): scores[part]})
        for part in parts
        if part.stop > part.start
    ]
    assert np.array_equal(np.sum(halves, axis=0), whole)
    assert whole[:5].sum() == whole[5:9].sum() == whole[9:11].sum() == whole[11:].sum() == len(values)


def _forest() -> JointForest:
    return JointForest(
        inputs=("age", "sex"),
        otherwise=(30.0, 2.0),
        features=((0, 1), (1, 0)),
        thresholds=((30.0, 0.5), (0.5, 50.0)),
        surprisals=((1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)),
    )


def test_the_leaf_of_a_tree_is_made_of_its_comparisons() -> None:
    joint = Joint(_forest(), (AGE, SEX))
    matrix = np.array([[20.0, 60.0, math.nan], [0.0, 1.0, math.nan]])
    # A missing age is 30, a missing sex is behind the last.
    assert joint.leaves(matrix).tolist() == [[0, 3, 2], [0, 3, 1]]
    assert joint.surprisal(matrix).tolist() == [(1 + 5) / 2, (4 + 8) / 2, (3 + 6) / 2]


def test_the_branch_is_the_two_largest_terms_and_their_signs() -> None:
    branch = Branch(inputs=("a", "b", "c"), weights=(1.0, -2.0, 0.5), centers=(0.0, 0.0, 10.0))
    signals = [Signal(kind="input", name=name, counts=(1,)) for name in "abc"]
    rows = np.array([[5.0, 1.0, 10.0], [0.0, 3.0, 100.0], [-1.0, math.nan, 9.0]]).T
    assert Branches(branch, signals).taken(rows).tolist() == ["+a -b", "-b +c", "-a -c"]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 30), st.booleans()), min_size=1, max_size=50))
def test_the_sum_over_the_leaves_is_read_back_exactly(ends: list[tuple[int, int, bool]]) -> None:
    leaves = Leaves(starts=tuple(range(len(ends))), bit=64, comparison=2.0**16, rare=2.0**28)
    numbers = [bits + depth * leaves.comparison + rare * leaves.rare for bits, depth, rare in ends]
    told = leaves_told(leaves, np.array([sum(numbers), sum(reversed(numbers))]))
    surprisal = sum(bits for bits, _, _ in ends) / (64 * len(ends))
    assert told["path", "surprisal"].tolist() == [surprisal] * 2
    assert told["work", "comparisons"].tolist() == [sum(depth for _, depth, _ in ends)] * 2
    assert told["path", "rare_rate"].tolist() == [float(any(rare for _, _, rare in ends))] * 2


def _signature(**said: Any) -> Signature:
    outputs = (Output(name="predict", dtype="int64", shape=(-1,)),)
    return Signature(layout="array", inputs=(Column(name="x", dtype="float64"),), outputs=outputs, **said)


def test_an_answer_tells_its_class_how_sure_it_is_and_how_far_its_cluster() -> None:
    two = Scores(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
    told = watching.told_of(_signature(classes=(0, 1)), two)
    assert {key: values.tolist() for key, values in told.items()} == {
        ("prediction", "class"): [0, 1],
        ("score", "probability"): [0.1, 0.8],
    }
    three = Scores(np.array([2]), np.array([[0.2, 0.3, 0.5]]))
    assert watching.told_of(_signature(classes=(0, 1, 2)), three)["score", "probability"].tolist() == [0.5]
    near = Scores(np.array([1]), None, np.array([[3.0, 2.0]]))
    assert watching.told_of(_signature(classes=(0, 1)), near)["path", "distance"].tolist() == [2.0]
    number = watching.told_of(_signature(), Scores(np.array([1.5])))
    assert list(number) == [("prediction", "prediction")]
    assert watching.told_of(_signature(), Scores(np.array([["a", "b"]], dtype=object))) == {}

"""The rows that a compiled model must survive: what is among them, and that they find what is wrong with one."""

import copy
import re
import warnings
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from modelcast_builder.inside import breaking_rows as made
from modelcast_builder.inside import cuts, goldens, parity
from modelcast_builder.inside.breaking_rows import BreakingRows, breaking_rows
from modelcast_builder.inside.examples import Examples
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Column, Golden, Output, Signature
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

DRAW = np.random.default_rng(5)
ROWS = DRAW.normal(size=(150, 3)) * [1.0, 100.0, 1e-3]
HALVES = (ROWS[:, 0] + ROWS[:, 1] / 100 > 0).astype(int)
NAMES = ("a", "b", "c")
PROBA = Output(name="predict_proba", dtype="float64", shape=(-1, 2))


def signature(*columns: Column, labels: tuple[Any, ...] = (0, 1), layout: Any = "array") -> Signature:
    dtype = "string" if isinstance(labels[0], str) else "int64"
    return Signature(
        layout=layout,
        inputs=columns or tuple(Column(name=name, dtype="float64") for name in NAMES),
        outputs=(Output(name="predict", dtype=dtype, shape=(-1,)), PROBA),
        classes=labels,
    )


def rows_for(model: Any, of: Signature, sample: Any, **asked: Any) -> BreakingRows:
    golden = goldens.answer(model, of, goldens.choose(of.inputs, of.layout, Examples(rows=sample, source="")).rows)
    return breaking_rows(model, of, golden, sample, **asked)


def cells(columns: Columns, name: str) -> set[Any]:
    return set(columns.arrays[name].tolist())


def answered(model: Any, of: Signature, columns: Columns) -> Scores:
    with warnings.catch_warnings():  # of overflow, which some rows are made for
        warnings.simplefilter("ignore")
        return NativeScorer(model, of).score(columns, frozenset({"predict_proba"}))


def judged(rows: BreakingRows, model: Any, of: Signature, precision: Any = "float64") -> parity.Verdict:
    """The verdict on another model, in the place of a compiled one."""
    answers = answered(model, of, rows.columns)
    return parity.judge(rows.reference, answers, rows.kinds, of, "classifier", precision)


@pytest.fixture(scope="module")
def forest() -> Any:
    return make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=6, random_state=0)).fit(ROWS, HALVES)


@pytest.fixture(scope="module")
def of_forest(forest: Any) -> BreakingRows:
    return rows_for(forest, msgspec.structs.replace(signature(), largest=1e30), ROWS)


def test_there_are_ten_thousand_with_the_original_answers(forest: Any, of_forest: BreakingRows) -> None:
    count = of_forest.columns.rows
    assert count >= 10_000
    assert len(of_forest.kinds) == len(of_forest.reference.predictions) == count
    assert {len(array) for array in of_forest.columns.arrays.values()} == {count}
    answers = answered(forest, signature(), of_forest.columns)
    assert (answers.predictions == of_forest.reference.predictions).all()
    assert (answers.probabilities == of_forest.reference.probabilities).all()
    assert judged(of_forest, forest, signature()).equal


def test_another_model_is_asked_some_rows_at_a_time(forest: Any, of_forest: BreakingRows) -> None:
    sizes = []

    def score(some: Columns) -> Scores:
        sizes.append(some.rows)
        return answered(forest, signature(), some)

    scores = of_forest.scored(score)
    assert max(sizes) <= 200
    assert (scores.probabilities == of_forest.reference.probabilities).all()


def test_training_and_golden_rows_come_first(of_forest: BreakingRows) -> None:
    assert of_forest.kinds[:170] == ("a row of training",) * 150 + ("a golden row",) * 20
    first = np.stack([array[:150] for array in of_forest.columns.arrays.values()], axis=1)
    assert (first == ROWS).all()


def test_the_same_seed_makes_the_same_rows(forest: Any, of_forest: BreakingRows) -> None:
    of = msgspec.structs.replace(signature(), largest=1e30)
    again, other = rows_for(forest, of, ROWS), rows_for(forest, of, ROWS, count=11_000, seed=1)
    for name in NAMES:
        assert again.columns.arrays[name].tobytes() == of_forest.columns.arrays[name].tobytes()
    assert other.columns.arrays["a"].tobytes() != of_forest.columns.arrays["a"].tobytes()
    assert other.columns.rows >= 11_000


def test_every_threshold_of_a_tree_has_a_row_on_each_side_as_near_as_numbers_are() -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(ROWS, HALVES)
    rows = rows_for(tree, signature(), ROWS, count=100)
    inner = np.flatnonzero(tree.tree_.children_left >= 0)
    assert len(inner) > 5
    for feature, threshold in zip(tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True):
        known = cells(rows.columns, NAMES[feature])
        # The tree sees 32 bits: the last double that is rounded to what goes left, and its neighbour.
        left = max(cell for cell in known if np.float32(cell) <= threshold)
        right = np.nextafter(left, np.inf).item()
        assert right in known
        assert np.float32(right) > threshold
        assert np.float32(left).item() in known
        assert np.nextafter(np.float32(left), np.float32(np.inf)).item() in known


def test_thresholds_are_found_through_a_scaler(forest: Any, of_forest: BreakingRows) -> None:
    scaler, trees = forest[0], forest[1].estimators_
    thresholds = {
        (feature, threshold)
        for tree in trees
        for feature, threshold, left in zip(
            tree.tree_.feature, tree.tree_.threshold, tree.tree_.children_left, strict=True
        )
        if left >= 0
    }
    last = [kind.endswith("the last number below a threshold") for kind in of_forest.kinds]
    first = [kind.endswith("the first number above a threshold") for kind in of_forest.kinds]
    raw = np.stack(list(of_forest.columns.arrays.values()), axis=1)
    below, above = raw[np.array(last)], raw[np.array(first)]
    assert len(below) == len(above) >= len(thresholds)
    found = set()
    for one, other in zip(below, above, strict=True):
        (feature,) = np.flatnonzero(one != other)
        assert other[feature] == np.nextafter(one[feature], np.inf)
        sides = scaler.transform(np.stack([one, other]))[:, feature].astype(np.float32)
        found |= {cut for cut in thresholds if cut[0] == feature and sides[0] <= cut[1] < sides[1]}
    assert found == thresholds


@pytest.mark.parametrize(
    ("model", "least"),
    [
        (GradientBoostingClassifier(n_estimators=5, random_state=0), 5),
        (HistGradientBoostingClassifier(max_iter=5, max_leaf_nodes=4), 3),
        (AdaBoostClassifier(n_estimators=5, random_state=0), 2),
        (BaggingClassifier(n_estimators=3, max_features=2, random_state=0), 5),
        (make_pipeline(KBinsDiscretizer(4), LogisticRegression()), 9),
        (make_pipeline(Binarizer(threshold=0.5), LogisticRegression()), 3),
        (
            VotingClassifier([("tree", DecisionTreeClassifier(max_depth=2)), ("line", LogisticRegression())], voting="soft"),
            2,
        ),
        (StackingClassifier([("tree", make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)))], cv=2), 2),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_thresholds_are_found_wherever_they_are_nested(model: Any, least: int) -> None:
    rows = rows_for(model.fit(ROWS, HALVES), signature(), ROWS, count=100)
    assert sum(kind.endswith("the first number above a threshold") for kind in rows.kinds) >= least


def test_an_isolation_forest_numbers_its_features_anew() -> None:
    model = IsolationForest(n_estimators=3, max_features=2, random_state=0).fit(ROWS)
    (compared,) = cuts.of(model, lambda columns: columns)
    for tree, own, features in zip(compared.trees, model.estimators_, model.estimators_features_, strict=True):
        inner = tree.inner()
        assert (tree.feature[inner] == features[own.tree_.feature[inner]]).all()


def test_extremes_of_numbers_are_tried_alone_in_pairs_and_everywhere(of_forest: BreakingRows) -> None:
    assert {0.0, 5e-324, -5e-324, 1e30, -1e30, 0.5, 2.0**53 + 2} <= cells(of_forest.columns, "a")
    zeros = of_forest.columns.arrays["a"][of_forest.columns.arrays["a"] == 0]
    assert set(np.signbit(zeros)) == {True, False}
    kinds = {kind.partition(": ")[2] or kind for kind in of_forest.kinds}
    assert {
        "1e+30", "the largest seen", "1e+04 ranges above", "two odd cells", "odd cells everywhere", "whole numbers",
        "all numbers at the same extreme", "numbers of other orders of magnitude",
        "close to where the label changes", "a mixture of ordinary rows",
    } <= kinds  # fmt: skip
    # A forest takes what is missing too, but this signature does not.
    assert not any(np.isnan(array).any() for array in of_forest.columns.arrays.values())


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": np.where(np.arange(150) % 7 == 3, np.nan, ROWS[:, 0]),
            "town": pd.Series(np.array(["Köln", "Bonn", "Aachen"], dtype=object)[np.arange(150) % 3], dtype=object),
            "sex": pd.Series(np.array(["m", "f"], dtype=object)[np.arange(150) % 2], dtype=object),
            "note": pd.Series(["a note"] * 150, dtype=object),
        }
    )


def test_every_row_is_one_that_the_service_takes() -> None:
    transformer = ColumnTransformer(
        [
            ("age", SimpleImputer(), ["age"]),
            ("town", OneHotEncoder(handle_unknown="ignore"), ["town"]),
            ("sex", OneHotEncoder(), ["sex"]),
        ]
    )
    model = make_pipeline(transformer, LogisticRegression()).fit(frame(), np.where(HALVES, "yes", "no"))
    of = signature(
        Column(name="age", dtype="float64", nullable=True, trained_as="float64", minimum=-5.0, maximum=150.0),
        Column(name="town", dtype="string", categories=("Aachen", "Bonn", "Köln"), trained_as="object"),
        Column(name="sex", dtype="string", categories=("f", "m"), unknown="refuse", trained_as="object"),
        Column(name="note", dtype="string", trained_as="object"),
        labels=("no", "yes"),
        layout="frame",
    )
    rows = rows_for(model, of, frame(), count=100)
    arrays = [array.tolist() for array in rows.columns.arrays.values()]
    sent = [tuple(None if cell != cell else cell for cell in row) for row in zip(*arrays, strict=True)]
    decoded = decode_rows(sent, of)
    for name, array in rows.columns.arrays.items():
        assert pd.Series(decoded.arrays[name]).equals(pd.Series(array)), name
    assert any(cell is None for cell, *_ in sent)
    assert cells(rows.columns, "sex") == {"f", "m"}
    assert {"Köln", "Ko\u0308ln", "KÖLN", "Bonn ", "", "nan", "русский текст"} <= cells(rows.columns, "town")
    assert {"a note", "", "日本語 テキスト", "a\0b word\0"} <= cells(rows.columns, "note")
    assert max(map(len, cells(rows.columns, "note"))) == 100_000


def test_what_the_original_refuses_is_left_out() -> None:
    model = DecisionTreeClassifier(random_state=0).fit(ROWS.astype(np.float32), HALVES)
    rows = rows_for(model, signature(), ROWS)
    assert max(cells(rows.columns, "a")) == pytest.approx(3.4e38, rel=0.2)
    assert min(np.abs(rows.refused.arrays[name]).max() for name in NAMES) > 1e99
    assert len(rows.refused_kinds) == rows.refused.rows > 10


def test_without_training_rows_the_golden_ones_do(forest: Any) -> None:
    golden = goldens.answer(forest, signature(), tuple(map(tuple, ROWS[:20].tolist())))
    rows = breaking_rows(forest, signature(), golden, None)
    assert rows.columns.rows >= 10_000
    assert set(rows.kinds[:20]) == {"a golden row"}
    assert "a row of training" not in rows.kinds


def test_a_model_that_answers_none_of_its_own_rows_is_said_so() -> None:
    class Broken:
        def predict(self, rows: Any) -> Any:
            raise RuntimeError

    golden = Golden(rows=((1.0, 2.0, 3.0),), predictions=(0,))
    with pytest.raises(ValueError, match=re.escape("the model answers none of its own rows")):
        breaking_rows(Broken(), signature(), golden, ROWS)


class InSingle:
    """A scaler and a forest as a conversion in 32 bits has them."""

    def __init__(self, pipeline: Any) -> None:
        scaler, self.forest = pipeline[0], pipeline[1]
        self.mean, self.scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)

    def _scaled(self, rows: Any) -> Any:
        return (np.asarray(rows).astype(np.float32) - self.mean) / self.scale

    def predict(self, rows: Any) -> Any:
        return self.forest.predict(self._scaled(rows))

    def predict_proba(self, rows: Any) -> Any:
        return self.forest.predict_proba(self._scaled(rows))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_scaler_and_a_forest_in_32_bits_are_found_out(forest: Any, of_forest: BreakingRows, precision: str) -> None:
    verdict = judged(of_forest, InSingle(forest), signature(), precision)
    assert not verdict.equal
    assert verdict.differences[1].rows > 10


def test_each_changed_threshold_is_found_out(forest: Any, of_forest: BreakingRows) -> None:
    """One node of one tree, by one number of 32 bits: whichever it is."""
    draw, tried = np.random.default_rng(0), 0
    for member, tree in enumerate(forest[1].estimators_):
        inner = np.flatnonzero(tree.tree_.children_left >= 0)
        node = int(draw.choice(inner))
        one, other = tree.tree_.children_left[node], tree.tree_.children_right[node]
        if (tree.tree_.value[one] == tree.tree_.value[other]).all():
            continue  # both sides answer the same
        compiled = copy.deepcopy(forest)
        thresholds = compiled[1].estimators_[member].tree_.threshold
        largest = np.float32(thresholds[node])  # the largest number of 32 bits that goes left
        largest = np.nextafter(largest, np.float32(-np.inf)) if largest > thresholds[node] else largest
        thresholds[node] = np.nextafter(largest, np.float32(draw.choice([-np.inf, np.inf])))
        tried += 1
        assert not judged(of_forest, compiled, signature()).equal, f"node {node} of tree {member}"
    assert tried >= 3


def test_words_beside_letters_of_other_alphabets_are_found_out() -> None:
    """ONNX' tokenizer knows the letters of ASCII only."""
    words = ["free", "money", "meeting", "lunch", "prize", "report"]
    texts = [" ".join(DRAW.choice(words, 5)) for _ in range(100)]
    answers = np.where(["free" in text for text in texts], "spam", "ham")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, answers)
    of = signature(Column(name="text", dtype="string"), labels=("ham", "spam"), layout="text")
    rows = rows_for(model, of, texts)
    compiled = copy.deepcopy(model)
    compiled[0].token_pattern = r"(?a)\b\w\w+\b"
    verdict = judged(rows, compiled, of)
    assert not verdict.equal
    assert verdict.differences[1].rows > 100
    assert judged(rows, model, of).equal


def test_the_calls_for_refused_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Choosy(DecisionTreeClassifier):
        asked = 0

        def predict(self, rows: Any, check_input: bool = True) -> Any:
            Choosy.asked += 1
            if (np.abs(rows) > 500).any():
                raise ValueError
            return super().predict(rows, check_input)

    monkeypatch.setattr(made, "_MOST_REFUSALS", 20)
    model = Choosy(random_state=0).fit(ROWS, HALVES)
    rows = rows_for(model, signature(), ROWS)
    assert rows.columns.rows >= 10_000
    assert max(cells(rows.columns, "a")) <= 500
    assert Choosy.asked < 200

"""A forest behind steps that nobody converts: asked tree by tree where that is proven, and never where it differs."""

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from modelcast_builder.inside import convert
from modelcast_builder.inside.messages import ConvertRequest
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Column, Compilation, Golden, Output, Signature, proof_words
from modelcast_runtime.formats import forest_tail
from modelcast_runtime.formats.forest_tail import ForestTail, tail_of
from modelcast_runtime.formats.native import NativeScorer
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

ROWS = np.random.default_rng(0).normal(size=(80, 3)).round(2)
LABELS = np.where(ROWS[:, 0] * ROWS[:, 1] > 0, "same", "other")
NUMBERS = ROWS[:, 0] ** 2 - ROWS[:, 2]
PROBA = frozenset({"predict_proba"})


def _of_neighbours(rows: Any) -> Any:
    return rows - np.asarray(rows).mean(axis=0)


def _classifier(function: Any = np.square, **given: Any) -> Any:
    forest = RandomForestClassifier(7, random_state=0, **given)
    return make_pipeline(FunctionTransformer(function), forest).fit(ROWS, LABELS)


def _regressor() -> Any:
    forest = ExtraTreesRegressor(7, random_state=0)
    return make_pipeline(FunctionTransformer(np.square), forest).fit(ROWS, NUMBERS)


def _signature(model: Any) -> Signature:
    classes = tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    outputs = [Output(name="predict", dtype="string" if classes else "float64", shape=(-1,))]
    outputs += [Output(name="predict_proba", dtype="float64", shape=(-1, len(classes)))] if classes else []
    inputs = tuple(Column(name=name, dtype="float64") for name in "abc")
    return Signature(layout="array", inputs=inputs, outputs=tuple(outputs), classes=classes, largest=1e6)


def _columns(rows: np.ndarray) -> Columns:
    return Columns.of_matrix(("a", "b", "c"), np.ascontiguousarray(rows))


@pytest.fixture(autouse=True)
def _paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversion puts the folder of the model's own modules first."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)


def _converted(model: Any, folder: Path) -> Compilation:
    joblib.dump(model, folder / "model.joblib")
    joblib.dump(ROWS, folder / "sample.joblib")
    golden = Golden(rows=tuple(map(tuple, ROWS[:5].tolist())), predictions=tuple(model.predict(ROWS[:5]).tolist()))
    request = ConvertRequest(
        model=str(folder / "model.joblib"), code=str(folder), converter=None, signature=_signature(model),
        task="classifier" if hasattr(model, "classes_") else "regressor", golden=golden,
        sample=str(folder / "sample.joblib"), target=str(folder / "compiled"),
    )  # fmt: skip
    return convert.convert(request)


class Squares(TransformerMixin, BaseEstimator):
    """As people write them: nothing tells that it was fitted."""

    def fit(self, rows: Any, answers: Any = None) -> "Squares":
        return self

    def transform(self, rows: Any) -> Any:
        return np.square(rows)


def _own() -> Any:
    return make_pipeline("passthrough", Squares(), RandomForestClassifier(7, random_state=0)).fit(ROWS, LABELS)


KINDS = {"labels": _classifier(), "threads": _classifier(n_jobs=2), "numbers": _regressor(), "own": _own()}


@pytest.mark.parametrize("model", list(KINDS.values()), ids=list(KINDS))
def test_answers_by_tree_are_the_forests(model: Any) -> None:
    signature = _signature(model)
    wanted = PROBA if signature.gives("predict_proba") else frozenset()
    plain, by_tree = NativeScorer(model, signature), NativeScorer(model, signature, by_tree=True)
    for rows in (ROWS[:1], ROWS[:2], ROWS, np.tile(ROWS, (4, 1))):
        expected, scores = plain.score(_columns(rows), wanted), by_tree.score(_columns(rows), wanted)
        assert scores.predictions.tolist() == expected.predictions.tolist()
        assert (scores.probabilities is None) == (expected.probabilities is None)
        if expected.probabilities is not None and scores.probabilities is not None:
            assert np.abs(scores.probabilities - expected.probabilities).max() < 1e-12
    assert by_tree.score(_columns(ROWS[:1]), frozenset()).probabilities is None


def test_more_rows_go_to_the_forest_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def score(_: ForestTail, rows: Any, __: object) -> Scores:
        asked.append(len(rows))
        return Scores(predictions=np.zeros(len(rows)))

    monkeypatch.setattr(ForestTail, "score", score)
    model = _regressor()
    scorer = NativeScorer(model, _signature(model), by_tree=True)
    for count in (1, forest_tail.MOST_ROWS, forest_tail.MOST_ROWS + 1):
        scorer.score(_columns(np.tile(ROWS, (4, 1))[:count]), frozenset())
    assert asked == [1, forest_tail.MOST_ROWS]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_the_forest_refuses_is_refused() -> None:
    scorer = NativeScorer(_regressor(), _signature(_regressor()), by_tree=True)
    with pytest.raises(ValueError, match="infinity or a value too large"):
        scorer.score(_columns(np.array([[1e30, 1.0, 1.0]])), frozenset())


def test_only_a_forest_at_the_end_of_a_pipeline_has_a_tail() -> None:
    search = GridSearchCV(_classifier(), {"randomforestclassifier__max_depth": [2]}, cv=2).fit(ROWS, LABELS)
    found = tail_of(search)
    assert found is not None and (found.name, len(found.trees)) == ("RandomForestClassifier", 7)
    boosting = make_pipeline(FunctionTransformer(np.square), GradientBoostingClassifier(n_estimators=2))
    pairs = np.stack([NUMBERS, -NUMBERS], axis=1)
    several = make_pipeline(FunctionTransformer(np.square), ExtraTreesRegressor(2)).fit(ROWS, pairs)
    own = make_pipeline(FunctionTransformer(np.square), type("Own", (RandomForestClassifier,), {})(2)).fit(ROWS, LABELS)
    for model in (boosting.fit(ROWS, LABELS), several, own, _classifier()[-1], make_pipeline(_classifier()[-1])):
        assert tail_of(model) is None


def test_a_proven_tail_is_in_the_report_and_the_model_stays_native(tmp_path: Path) -> None:
    report = _converted(_classifier(), tmp_path)
    assert (report.backend, report.reason, report.tail) == ("native", convert.NO_WAY, "RandomForestClassifier")
    assert report.probes >= 10_000
    assert (report.precision, report.worst_difference, report.differences) == (None, None, ())
    proven = f"equal answers on {report.probes} rows made to break it"
    assert f"its RandomForestClassifier is asked tree by tree: {proven}" in list(proof_words(report))
    assert not (tmp_path / "compiled").exists()


def test_a_front_that_looks_at_its_neighbours_has_no_tail(tmp_path: Path) -> None:
    report = _converted(_classifier(_of_neighbours), tmp_path)
    assert (report.backend, report.tail) == ("native", "")
    assert not list(proof_words(report))


def test_trees_that_answer_otherwise_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(self: ForestTail, rows: Any, wanted: Any) -> Scores:
        matrix = np.square(rows).astype(np.float32)
        sums = np.mean([tree.predict(matrix) for tree in self.trees[1:]], axis=0)
        return Scores(predictions=self.forest.classes_[sums.argmax(axis=1)], probabilities=sums if wanted else None)

    monkeypatch.setattr(ForestTail, "score", score)
    report = _converted(_classifier(), tmp_path)
    assert (report.backend, report.tail) == ("native", "")

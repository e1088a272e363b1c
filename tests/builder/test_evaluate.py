"""The child's task on the holdout: rows as the service takes them, answers of every kind, and what is refused."""

import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from modelcast_builder.inside.evaluate import evaluate, main
from modelcast_builder.inside.messages import Answer, Evaluated, EvaluateRequest, Refused
from modelcast_runtime import contract
from modelcast_runtime.contract import Column, Dtype, Label, Output, Signature, Task
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score, silhouette_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC


class Says:
    """Answers these labels, whatever it is asked."""

    def __init__(self, labels: list[Any]) -> None:
        """One for each row."""
        self.labels = labels

    def predict(self, rows: Any) -> np.ndarray:
        """The labels."""
        return np.asarray(self.labels)[: len(rows)]


SIZES = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "weight": [2.0, 1.0, 4.0, 3.0, 6.0, 5.0]})
LABELS = ["s", "s", "s", "l", "l", "l"]


@pytest.fixture(autouse=True)
def own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task changes its process for good."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)


class Question:
    """Asks about one model and one table."""

    def __init__(self, folder: Path) -> None:
        """Everything is written there."""
        self.folder = folder

    def request(
        self,
        model: Any,
        table: str | bytes,
        inputs: dict[str, Dtype],
        *,
        task: Task = "classifier",
        ending: str = "csv",
        layout: contract.Layout = "frame",
        classes: tuple[Label, ...] | None = None,
        proba: bool = True,
        outputs: int | None = None,
        **asked: Any,
    ) -> EvaluateRequest:
        """The request, with its files written."""
        holdout, stored = self.folder / f"holdout.{ending}", self.folder / "model.joblib"
        holdout.write_bytes(table.encode() if isinstance(table, str) else table)
        joblib.dump(model, stored)
        shape = (-1,) if outputs is None else (-1, outputs)
        told = [Output(name="predict", dtype="string" if task == "classifier" else "float64", shape=shape)]
        if classes and proba:
            told.append(Output(name="predict_proba", dtype="float64", shape=(-1, len(classes))))
        columns = tuple(Column(name=name, dtype=dtype) for name, dtype in inputs.items())
        return EvaluateRequest(
            model=str(stored),
            code=str(self.folder),
            signature=Signature(layout=layout, inputs=columns, outputs=tuple(told), classes=classes),
            task=task,
            holdout=str(holdout),
            data="data/holdout.csv",
            **asked,
        )

    def ask(self, *given: Any, **asked: Any) -> Evaluated:
        """The answer."""
        return evaluate(self.request(*given, **asked))


@pytest.fixture
def question(tmp_path: Path) -> Question:
    return Question(tmp_path)


NUMBERS: dict[str, Dtype] = {"size": "float64", "weight": "float64"}
CLASSIFIER = LogisticRegression().fit(SIZES, LABELS)
SIZED: dict[str, Any] = {"classes": ("l", "s")}


def table(**columns: list[Any]) -> str:
    return SIZES.assign(**columns).to_csv(index=False)


def test_all_rows_and_every_group_are_measured(question: Question) -> None:
    site = ["north", "north", "", "01", "01", "01"]
    told = question.ask(
        CLASSIFIER, table(site=site, kind=[*LABELS[:5], "s"]), NUMBERS, **SIZED, groups=("site",), target="kind"
    )
    evaluation = told.evaluation
    probabilities = CLASSIFIER.predict_proba(SIZES)
    true = [*LABELS[:5], "s"]
    assert (evaluation.data, evaluation.rows) == ("data/holdout.csv", 6)
    assert evaluation.metrics["accuracy"] == 0.833333333333
    assert evaluation.metrics["log_loss"] == pytest.approx(log_loss(true, probabilities), rel=1e-10)
    assert evaluation.metrics["roc_auc"] == pytest.approx(roc_auc_score(np.array(true) == "s", probabilities[:, 1]))
    slices = [(part.column, part.group, part.rows, part.metrics["accuracy"]) for part in evaluation.slices]
    assert slices == [("site", "", 1, 1.0), ("site", "01", 3, 0.666666666667), ("site", "north", 2, 1.0)]
    assert told.absent == {f"slices.site.{group}.roc_auc": "no row has the answer 'l'" for group in ("", "north")}
    assert [(gap.measure, gap.gap, gap.lowest, gap.highest) for gap in evaluation.gaps] == [
        ("selection_rate", 1.0, "01", ""), ("true_positive_rate", 1.0, "01", ""), ("accuracy", 0.333333333333, "01", ""),
    ]  # fmt: skip
    assert evaluation.confusion == ((2, 0), (1, 3))
    assert [curve.name for curve in evaluation.curves] == ["roc", "calibration"]


def test_the_same_rows_are_the_same_bytes(question: Question) -> None:
    asked = question.request(CLASSIFIER, table(kind=LABELS), NUMBERS, **SIZED, groups=("size",))
    assert contract.encode(evaluate(asked)) == contract.encode(evaluate(asked))


LABELS_AS: dict[str, tuple[list[Any], list[Any]]] = {
    "texts": (LABELS, LABELS),
    "texts of digits": (["1", "1", "1", "01", "01", "01"], ["1", "1", "1", "01", "01", "01"]),
    "a text that a reader takes for nothing": (
        ["NA", "NA", "ok", "ok", "ok", "ok"],
        ["NA", "NA", "ok", "ok", "ok", "ok"],
    ),
    "integers": ([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0]),
    "integers written as floats": ([1, 1, 1, 0, 0, 0], ["1.0", "1.0", "1.0", "0.0", "0.0", "0.0"]),
    "booleans": ([True, True, True, False, False, False], ["True", "TRUE", "true", "False", "false", "False"]),
    "floats": ([1.5, 1.5, 1.5, 0.5, 0.5, 0.5], [1.5, 1.5, 1.5, 0.5, 0.5, 0.5]),
}


@pytest.mark.parametrize("kind", LABELS_AS)
@pytest.mark.parametrize("are_told", [True, False], ids=["told", "untold"])
def test_answers_are_labels_of_the_models_own_type(question: Question, kind: str, are_told: bool) -> None:
    labels, written = LABELS_AS[kind]
    classes = tuple(sorted(set(labels))) if are_told else None
    told = question.ask(Says(labels), table(kind=written), NUMBERS, classes=classes, proba=False)
    assert told.evaluation.metrics["accuracy"] == 1
    assert told.absent == {
        "metrics.roc_auc": "the model gives neither probabilities nor one decision value a class",
        "metrics.log_loss": "the model gives no probabilities",
    }


def test_decision_values_rank_where_there_are_no_probabilities(question: Question) -> None:
    model = LinearSVC().fit(SIZES, LABELS)
    told = question.ask(model, table(kind=["l", *LABELS[1:]]), NUMBERS, **SIZED, proba=False)
    expected = roc_auc_score(np.array(["l", *LABELS[1:]]) == "s", model.decision_function(SIZES))
    assert told.evaluation.metrics["roc_auc"] == pytest.approx(expected)
    assert set(told.absent) == {"metrics.log_loss"}
    kinds = ["a", "b", "c", "d"] * 6
    rows = pd.concat([SIZES] * 4, ignore_index=True)
    pairs = SVC(decision_function_shape="ovo").fit(rows, kinds)
    classes = ("a", "b", "c", "d")
    told = question.ask(pairs, rows.assign(kind=kinds).to_csv(index=False), NUMBERS, classes=classes, proba=False)
    assert set(told.absent) == {"metrics.roc_auc", "metrics.log_loss"}


def test_a_regressor_of_several_outputs_has_its_answers_in_the_columns_that_are_left(question: Question) -> None:
    model = LinearRegression().fit(SIZES, SIZES * 2)
    csv = table(site=["n"] * 6, double=SIZES["size"] * 2, heavy=SIZES["weight"] * 2 + 1)
    told = question.ask(model, csv, NUMBERS, task="regressor", outputs=2, groups=("site",))
    assert told.evaluation.metrics == pytest.approx({"rmse": 0.5, "mae": 0.5, "r2": 1 - 3 / 70}, abs=1e-9)
    assert {(curve.name, curve.label) for curve in told.evaluation.curves} == {
        (name, label) for name in ("predicted", "residuals") for label in ("double", "heavy")
    }
    assert told.evaluation.slices[0].metrics == told.evaluation.metrics
    assert told.evaluation.gaps == ()


def test_a_clusterer_is_measured_where_it_measures(question: Question) -> None:
    model = make_pipeline(StandardScaler(), KMeans(2, n_init=1, random_state=0)).fit(SIZES)
    told = question.ask(model, table(), NUMBERS, task="clusterer")
    expected = silhouette_score(StandardScaler().fit_transform(SIZES), model.predict(SIZES))
    assert told.evaluation.metrics == pytest.approx({"silhouette": expected}, abs=1e-6)


def test_texts_are_found_by_their_kind(question: Question) -> None:
    texts = ["good day", "good night", "bad day", "bad night"]
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, ["+", "+", "-", "-"])
    frame = pd.DataFrame({"stars": [5, 4, 1, 2], "label": ["+", "+", "-", "-"], "words": texts, "who": list("abab")})
    told = question.ask(
        model, frame.to_csv(index=False), {"text": "string"}, layout="text", classes=("+", "-"), target="label",
        groups=("who",),
    )  # fmt: skip
    assert told.evaluation.metrics["accuracy"] == 1


def test_columns_without_the_models_names_are_taken_in_their_order(question: Question) -> None:
    model = LogisticRegression().fit(SIZES.to_numpy(), LABELS)
    unnamed: dict[str, Dtype] = {"x0": "float64", "x1": "float64"}
    for groups in ((), ("size",), ("site",)):
        csv = table(**({"site": list("aabbab")} if "site" in groups else {}), kind=LABELS)
        told = question.ask(model, csv, unnamed, layout="array", **SIZED, target="kind", groups=groups)
        assert told.evaluation.metrics["accuracy"] == 1


def test_a_table_may_be_parquet_or_json_and_hold_what_is_missing(question: Question) -> None:
    frame = SIZES.assign(kind=LABELS, site=[1.0, 1.0, None, 2.0, 2.0, None])
    told = question.ask(
        CLASSIFIER, frame.to_json(orient="records"), NUMBERS, **SIZED, ending="json", target="kind", groups=("site",)
    )
    assert [part.group for part in told.evaluation.slices] == ["", "1", "2"]
    assert told.evaluation.metrics["accuracy"] == 1


def test_a_string_input_keeps_its_zeros(question: Question) -> None:
    model = Says(["a", "b"])
    told = question.ask(model, "code,kind\n01,a\n02,b\n", {"code": "string"}, classes=("a", "b"), proba=False)
    assert told.evaluation.metrics["accuracy"] == 1


WRONG_FIX = "Correct the value, or remove the row"
TAKEN_FIX = "Correct the value or remove the row, or correct the input under `inputs:` in modelcast.yaml"
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no rows": (
        "size,weight,kind\n", {},
        "data/holdout.csv has no rows. Put rows into it that the model was not fitted on",
    ),
    "no such target": (
        table(kind=LABELS), {"target": "kinds"},
        "data.target in modelcast.yaml names 'kinds', which is no column of data/holdout.csv. Did you mean `kind`",
    ),
    "no such group": (
        table(kind=LABELS), {"groups": ("sex",)},
        "data.groups or gates in modelcast.yaml names 'sex', which is no column of data/holdout.csv. "
        "Write one of: size, weight, kind",
    ),
    "no answers": (
        table(), {},
        "data/holdout.csv has no column beside the model's inputs, and one column has to be the right answers. "
        "Write `data: {target: NAME}` in modelcast.yaml, or the column that it is",
    ),
    "two columns that could be it": (
        table(site=LABELS, kind=LABELS), {},
        "data/holdout.csv has site, kind beside the model's inputs, and one column has to be the right answers. "
        "Write `data: {target: kind}` in modelcast.yaml, or the column that it is",
    ),
    "a missing input": (
        SIZES.assign(kind=LABELS).drop(columns="size").to_csv(index=False), {},
        "data/holdout.csv lacks columns that the model takes: size. "
        "Add them, or name another file: `data: {holdout: FILE}` in modelcast.yaml",
    ),
    "no answer": (
        table(kind=["s", "s", "", "l", "l", "l"]), {},
        f"row 3 of data/holdout.csv has no value in 'kind', the column of the right answers. {WRONG_FIX}",
    ),
    "a label that the model does not know": (
        table(kind=["s", "s", "x", "l", "l", "l"]), {},
        "row 3 of data/holdout.csv has 'x', which is none of the model's classes (l, s) in 'kind', "
        f"the column of the right answers. {WRONG_FIX}",
    ),
    "a text among numbers": (
        table(kind=LABELS).replace("2.0,1.0", "tall,1.0"), {},
        f"row 2 of data/holdout.csv, column 'size': the service takes a number, this is string. {TAKEN_FIX}",
    ),
    "a missing value": (
        table(kind=LABELS).replace("2.0,1.0", "2.0,"), {},
        f"row 2 of data/holdout.csv, column 'weight': the service takes a number, this is null. {TAKEN_FIX}",
    ),
    "too many groups": (
        pd.concat([SIZES.assign(kind=LABELS)] * 10).assign(who=range(60)).to_csv(index=False),
        {"groups": ("who",), "target": "kind"},
        "the column 'who' of data/holdout.csv tells 60 groups apart, and 50 are the most. "
        "Name a column of few values, or add one to the holdout that puts them together",
    ),
    "no numbers for a regressor": (
        table(kind=LABELS), {"task": "regressor", "classes": None},
        f"row 1 of data/holdout.csv has no number in 'kind', the column of the right answers. {WRONG_FIX}",
    ),
    "a missing number": (
        table(kind=[1, 2, None, 4, 5, 6]), {"task": "regressor", "classes": None},
        f"row 3 of data/holdout.csv has no value in 'kind', the column of the right answers. {WRONG_FIX}",
    ),
    "several outputs and one target": (
        table(kind=[1] * 6), {"task": "regressor", "classes": None, "outputs": 2, "target": "kind"},
        "data/holdout.csv has kind beside the model's inputs, and the model answers 2 numbers a row. "
        "Keep 2 columns for them there, in the model's order, and leave `data.target` out",
    ),
    "several labels": (
        table(kind=LABELS), {"outputs": 3},
        "the model answers 3 labels a row, and no metric of `gates:` is told of several. "
        "Remove the holdout, and the metrics of `gates:` from modelcast.yaml",
    ),
    "no table": (
        "\0", {"ending": "parquet"}, "holdout.parquet cannot be read: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(question: Question, case: str) -> None:
    text, asked, line = REFUSED[case]
    with pytest.raises(Refused) as refused:
        question.ask(CLASSIFIER, text, NUMBERS, **SIZED | asked)
    refusal = refused.value.refusal
    said = f"{refusal.problem}. {refusal.fix}"
    assert (line in said) if line.endswith(": ") else (said == line)
    assert refusal.step == ("describe" if line.endswith(": ") else "gates")


def test_an_array_of_another_width_is_refused_with_the_target_to_write(question: Question) -> None:
    unnamed: dict[str, Dtype] = {"x0": "float64", "x1": "float64"}
    with pytest.raises(Refused) as refused:
        question.ask(CLASSIFIER, table(kind=LABELS), unnamed, layout="array", **SIZED)
    assert refused.value.refusal.problem == "data/holdout.csv has 3 columns beside the answers, the model takes 2"
    assert refused.value.refusal.fix == "Write `data: {target: kind}` in modelcast.yaml, or the column it is"


class Fails:
    """A model that gives up, in its own way."""

    def __init__(self, error: BaseException | None) -> None:
        """None answers what is no number."""
        self.error = error

    def predict(self, rows: Any) -> np.ndarray:
        """Raise, or answer NaN for the third row."""
        if self.error is not None:
            raise self.error
        return np.where(np.arange(len(rows)) == 2, np.nan, 1.0)


FAILS: dict[str, tuple[BaseException | None, str]] = {
    "an error": (
        ValueError("no\nway"),
        "the model cannot answer for the rows of data/holdout.csv: ValueError: no",
    ),
    "no number": (None, "the model answers row 3 of data/holdout.csv with what is no number"),
    "an exit": (SystemExit(3), "scoring the holdout ended the process: sys.exit(3)"),
}


@pytest.mark.parametrize("case", FAILS)
def test_a_model_that_fails_at_the_rows_is_a_refusal(question: Question, tmp_path: Path, case: str) -> None:
    error, problem = FAILS[case]
    asked = question.request(Fails(error), table(kind=[1] * 6), NUMBERS, task="regressor")
    (tmp_path / "request.json").write_bytes(contract.encode(asked))
    assert main([str(tmp_path / "request.json"), str(tmp_path / "answer.json")]) == 0
    answer = contract.decode((tmp_path / "answer.json").read_bytes(), Answer)
    assert (answer.status, answer.evaluated) == ("refused", None)
    assert answer.refused is not None
    assert (answer.refused.step, answer.refused.problem) == ("gates", problem)

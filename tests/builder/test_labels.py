"""Labels that came later: which answers they are held against, what is counted apart, and every refusal."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_builder import child, environment, labels
from modelcast_builder.environment import Lock
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.labelled import measure
from modelcast_builder.inside.messages import Evaluated, LabelledRequest
from modelcast_builder.labels import Question, Report, page
from modelcast_runtime.baseline import Baseline, Signal
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Evaluation, Slice
from sklearn.metrics import log_loss, roc_auc_score

from tests.conftest import VERSION, MakeBundle

HERE = Lock(packages=("numpy==2.4.6",), serving=(), as_of="", python="3.11")
AT_BUILD = Evaluation(
    data="data/holdout.csv",
    rows=100,
    metrics={"accuracy": 0.9, "log_loss": 0.25},
    slices=(Slice(column="year", group="2007", rows=40, metrics={"accuracy": 0.8}),),
)
NEAR, FAR = [0.75, 0.25], [0.25, 0.75]


def line(identity: str, predictions: list[Any], **said: Any) -> dict[str, Any]:
    told = {"time": "", "level": "info", "logger": "modelcast.predictions", "model": "frame", "version": VERSION}
    return told | {"prediction_id": identity, "rows": len(predictions), "predictions": predictions} | said


class Asks:
    """Evaluates small logs and tables; the metrics are told in this process."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self.bundle, self.folder = bundle, folder
        self.baseline: Baseline | None = None
        self.log, self.labels = folder / "service.log", folder / "labels.csv"

    def __call__(self, log: list[Any], table: str) -> Report:
        texts = [one if isinstance(one, str) else json.dumps(one) for one in log]
        self.log.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        self.labels.write_text(table, encoding="utf-8")
        return self.told()

    def told(self) -> Report:
        opened = replace(open_bundle(self.bundle), baseline=self.baseline)
        labels.check(opened.manifest)
        question = Question(bundle=opened, logs=self.log, labels=self.labels)
        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        return labels.evaluate(question, environment.builders(HERE), work, {})


@pytest.fixture
def asks(make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asks:
    def here(_environment: Any, request: LabelledRequest, _work: Path, _variables: Mapping[str, str]) -> Evaluated:
        return measure(request)

    monkeypatch.setattr(child, "labelled", here)
    return Asks(make_bundle("frame", evaluation=AT_BUILD), tmp_path)


def test_answers_are_joined_by_id_and_row_and_everything_else_is_counted(asks: Asks) -> None:
    log = [
        "[2026-01-01 00:00:00 +0000] [42] [INFO] Booting worker with pid: 43",
        '{"logger":"modelcast.access","path":"\\"logger\\":\\"modelcast.predictions\\""}',
        line("A", ["big"], probabilities=[NEAR]),
        "2026-01-01T00:00:00Z stderr F "
        + json.dumps(line("B", ["big", "small", "big"], probabilities=[NEAR, FAR, NEAR])),
        line("A", ["big"], probabilities=[NEAR]),
        line("C", ["small"], version="sha256:old"),
        line("D", ["small"], probabilities=[FAR]),
        json.dumps(line("E", ["small"]))[:-9],
        line("F", ["big"], probabilities=[NEAR], rows=9, first_row=8),
    ]
    table = (
        "prediction_id,row,label,year\n"
        "A,0,big,2007\nB,2,small,2007\nB,0,big,2008\nC,0,small,2007\nD,0,small,\n"
        "A,0,small,2008\nB,1,,2007\nB,7,big,2007\nZ,0,big,2007\nF,8,big,2007\n"
    )
    told = asks(log, table)
    assert json.loads(json.dumps(asdict(told.logs))) == {
        "file": "service.log", "lines": 9, "skipped": 2, "unreadable": 1, "repeated": 1, "predictions": 4,
        "other_versions": {"sha256:old": 1},
    }  # fmt: skip
    assert asdict(told.labels) == {
        "file": "labels.csv", "column": "label", "rows": 10, "matched": 5, "unmatched": 2,
        "other_versions": {"sha256:old": 1}, "repeated": 1, "empty": 1, "undefined": 0,
    }  # fmt: skip
    # A was small after all, B's third too: of five answers three are right.
    assert (told.now.rows, told.now.metrics["accuracy"], told.now.curves) == (5, 0.6, ())
    assert {(one.column, one.group): one.rows for one in told.now.slices} == {
        ("year", ""): 1, ("year", "2007"): 2, ("year", "2008"): 2,
    }  # fmt: skip
    true, chance = np.array([1, 1, 0, 1, 0]), np.array([NEAR, NEAR, NEAR, FAR, NEAR])
    assert told.now.metrics["log_loss"] == pytest.approx(log_loss(true, chance))
    assert told.now.metrics["roc_auc"] == pytest.approx(roc_auc_score(true, chance[:, 1]))
    assert page(told).splitlines() == [
        f"frame {VERSION}",
        "service.log: 4 predictions of it in 9 lines",
        "  1 unreadable lines",
        "  1 lines that are there twice",
        "  1 predictions of sha256:old",
        "labels.csv: 10 rows, 5 held against a prediction (column label)",
        "  2 of predictions that the log does not hold",
        "  1 of predictions of sha256:old",
        "  1 for a row that had a label before: the last one counts",
        "  1 without a label",
        "",
        "metric             at build (100 rows)  now (5 rows)  change",
        "accuracy           0.9                  0.6           -0.3",
        *(one for one in page(told).splitlines()[13:18]),
        f"log_loss           0.25                 {told.now.metrics['log_loss']:.4g}        "
        f"{told.now.metrics['log_loss'] - 0.25:+.4g}",
        "",
        "group        rows  accuracy at build  accuracy now  change",
        "year   -     1     -                  1             -",
        "year   2007  2     0.8                0.5           -0.3",
        "year   2008  2     -                  0.5           -",
    ]


def asdict(struct: Any) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def test_without_a_column_of_rows_labels_are_in_order_and_a_gzipped_log_is_read(asks: Asks) -> None:
    asks.log.write_bytes(gzip.compress(json.dumps(line("A", ["big", "small"])).encode()))
    asks.labels.write_text("outcome,prediction_id\nbig,A\nsmall,A\n", encoding="utf-8")
    told = asks.told()
    assert (told.labels.column, told.labels.matched, told.now.metrics["accuracy"]) == ("outcome", 2, 1.0)
    assert told.absent["metrics.log_loss"] == "the model gives no probabilities"
    assert told.estimates == ()


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_labels_may_be_json(asks: Asks, ending: str) -> None:
    records = [{"prediction_id": "A", "label": "big"}, {"prediction_id": "B", "label": None}]
    texts = {"json": json.dumps(records), "jsonl": "".join(f"{json.dumps(one)}\n" for one in records)}
    asks.labels = asks.folder / f"labels.{ending}"
    told = asks([line("A", ["big"]), line("B", ["big"])], texts[ending])
    assert (told.labels.matched, told.labels.empty) == (1, 1)


def test_groups_of_the_build_are_found_among_logged_values(asks: Asks) -> None:
    log = [line("A", ["big", "small"], values={"year": [2007, 2008], "mass": [1.5, None]})]
    told = asks(log, "prediction_id,label\nA,big\nA,big\n")
    assert [(one.column, one.group, one.metrics["accuracy"]) for one in told.now.slices] == [
        ("year", "2007", 1.0), ("year", "2008", 0.0),
    ]  # fmt: skip


def test_the_accuracy_that_was_estimated_stands_beside_the_true_one(asks: Asks) -> None:
    score = Signal(kind="score", name="probability", edges=(0.5,), counts=(50, 50))
    known = Baseline(source="rows", rows=100, psi=0.25, signals=(score,), accuracies=(0.9, 0.7))
    asks.baseline = known
    log = [line("A", ["big"] * 3 + ["small"], probabilities=[NEAR, NEAR, NEAR, FAR])]
    told = asks(
        log, "prediction_id,label,sex\n" + "".join(f"A,{one}\n" for one in ("big,f", "big,f", "small,m", "big,m"))
    )
    assert [(one.column, one.group, one.rows, one.estimated, one.true) for one in told.estimates] == [
        (None, None, 4, 0.85, 0.5), ("sex", "f", 2, 0.9, 1.0), ("sex", "m", 2, 0.8, 0.0),
    ]  # fmt: skip
    assert "accuracy estimated without labels 0.85, true 0.5" in page(told).splitlines()


def test_numbers_are_held_against_numbers(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "labelled", lambda _e, request, _w, _v: measure(request))
    asks = Asks(make_bundle("own"), tmp_path)
    told = asks([line("A", [1.0, None, 3.0])], "prediction_id,label\nA,2\nA,2\nA,3\n")
    assert (told.labels.matched, told.labels.undefined, told.now.metrics["mae"]) == (2, 1, 0.5)
    with pytest.raises(BuildError) as refused:
        asks([line("A", [1.0])], "prediction_id,label\nA,high\n")
    assert str(refused.value) == (
        "evaluate: row 1 of labels.csv has 'high', which is no number. Correct the label, or remove the row"
    )


REFUSED = {
    "no ids": (
        [line("A", ["big"])],
        "id,label\nA,big\n",
        "labels.csv has no column prediction_id. Add the ids that came with the answers, also as the header Prediction-Id",
    ),
    "no labels": (
        [line("A", ["big"])],
        "prediction_id\nA\n",
        "labels.csv has no other column beside prediction_id, and one has to be the labels. Call it `label`",
    ),
    "two columns": (
        [line("A", ["big"])],
        "prediction_id,a,b\nA,1,2\n",
        "labels.csv has the columns a, b beside prediction_id, and one has to be the labels. Call it `label`",
    ),
    "a ragged line": (
        [line("A", ["big"])],
        "prediction_id,label\nA,big,x\n",
        "a line of labels.csv has 3 fields, and its header line 2. Quote what holds a comma",
    ),
    "no row": (
        [line("A", ["big"])],
        "prediction_id,row,label\nA,first,big\n",
        "row 1 of labels.csv has 'first' in the column `row`. Write the place of the row in its request: 0 for the first",
    ),
    "another class": (
        [line("A", ["big"])],
        "prediction_id,label\nA,huge\n",
        "row 1 of labels.csv has 'huge', which is none of the model's classes (big, small). "
        "Correct the label, or remove the row",
    ),
    "no log": (
        ["[INFO] Booting"],
        "prediction_id,label\nA,big\n",
        "service.log holds no predictions. Start the service with MODELCAST_SERVICE_LOG_PREDICTIONS=1 (a share)",
    ),
    "another version": (
        [line("A", ["big"], version="sha256:old")],
        "prediction_id,label\nA,big\n",
        f"none of the 1 labels of labels.csv is of a prediction of {VERSION} in service.log. "
        "Give the bundle of sha256:old",
    ),
    "other ids": (
        [line("A", ["big"]), line("B", ["big"])],
        "prediction_id,label\nC,big\n",
        f"none of the 1 labels of labels.csv is of a prediction of {VERSION}; service.log holds 2 others. "
        "Give the labels of those, or a log of a larger share of the requests",
    ),
    "nothing known": (
        [line("A", ["big"])],
        "prediction_id,label\nA,\n",
        "every 'label' of labels.csv is empty. Fill them in",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_is_said_in_a_line(asks: Asks, case: str) -> None:
    log, table, expected = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        asks(log, table)
    assert str(refused.value) == f"evaluate: {expected}"


@pytest.mark.parametrize(
    ("kind", "why"),
    [("kmeans", "kmeans tells clusters, which are not right or wrong"), ("pair", "pair answers 2 values a row")],
)
def test_a_model_without_right_answers_is_refused(make_bundle: MakeBundle, tmp_path: Path, kind: str, why: str) -> None:
    with pytest.raises(BuildError) as refused:
        Asks(make_bundle(kind), tmp_path)([], "")
    fix = "Give the bundle of a classifier or a regressor"
    assert str(refused.value) == f"evaluate: {why}: no metric is told of it. {fix}"


def test_a_broken_archive_is_refused(asks: Asks) -> None:
    asks.log.write_bytes(gzip.compress(b"x" * 1000)[:-9])
    asks.labels.write_text("prediction_id,label\nA,big\n", encoding="utf-8")
    with pytest.raises(BuildError) as refused:
        asks.told()
    assert str(refused.value) == (
        f"evaluate: {asks.log} cannot be read: Compressed file ended before the end-of-stream marker was reached. "
        "Give the service's log, as it is or gzipped"
    )


def test_the_child_measures_them_in_a_process_of_its_own(tmp_path: Path) -> None:
    request = LabelledRequest(
        data="labels.csv", classes=("a", "b"), predicted=(0, 1, 1), true=(0, 1, 0), groups={"g": ("x", "x", "y")}
    )
    told = child.labelled(environment.builders(HERE), request, tmp_path, {})
    assert told == measure(request)
    assert told.evaluation.metrics["accuracy"] == pytest.approx(2 / 3)
    assert [(gap.measure, gap.lowest, gap.highest) for gap in told.evaluation.gaps][-1] == ("accuracy", "y", "x")

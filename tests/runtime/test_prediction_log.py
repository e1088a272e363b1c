"""The log of predictions: what is in its lines, for every protocol, and that nothing of a caller's is, unless asked."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_runtime import answer, prediction_log
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import ServiceDefaults
from modelcast_runtime.prediction_log import PredictionLog

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
Lines = list[dict[str, Any]]
ROW = [0.5, -0.25, 1.0, 2.0]
ALL = {"MODELCAST_SERVICE_LOG_PREDICTIONS": "1"}
VALUES = {"MODELCAST_SERVICE_LOG_VALUES": "true"}
HOSTILE = 'Erika "Müller"\u2028\n{"logger": "x"} \x1b[31m 4111-1111'
TENSOR = {"name": "input-0", "shape": [1, 4], "datatype": "FP64", "data": ROW}
ASKED: list[tuple[str, str, str, Any, dict[str, str], dict[str, str]]] = [
    ("predict", "POST", "/predict", [ROW], {}, {}),
    ("v2", "POST", "/v2/models/array/infer", {"id": HOSTILE, "inputs": [TENSOR]}, {}, {}),
    ("v1", "POST", "/v1/models/array:predict", {"instances": [ROW]}, {}, {}),
    ("mlflow", "POST", "/invocations", {"inputs": [ROW]}, {"content_type": "application/json"}, {}),
    (
        "sagemaker",
        "POST",
        "/invocations",
        b"0.5,-0.25,1,2\n",
        {"content_type": "text/csv"},
        {"MODELCAST_INVOCATIONS": "sagemaker"},
    ),
    ("vertex", "POST", "/ask", {"instances": [ROW]}, {}, {"AIP_PREDICT_ROUTE": "/ask"}),
]


def lines(client: Any, capsys: pytest.CaptureFixture[str]) -> Lines:
    client.app.flush(300)
    said = capsys.readouterr().err
    assert said.isascii()
    return [json.loads(line) for line in said.splitlines()]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked[0])
def test_every_protocol_is_logged_under_the_id_of_its_answer(
    make_client: MakeClient, capsys: pytest.CaptureFixture[str], asked: Any
) -> None:
    protocol, method, path, body, headers, env = asked
    client = make_client(env=ALL | env)
    answered = client(method, path, body, **headers)
    assert answered.status == 200
    (line,) = lines(client, capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    probabilities = line.pop("probabilities")
    assert line == {
        "level": "info",
        "logger": "modelcast.predictions",
        "model": "array",
        "version": "sha256:3f2a",
        "protocol": protocol,
        "prediction_id": answered.headers["prediction-id"],
        "request_id": None,
        "rows": 1,
        "first_row": 0,
        "predictions": [1],
    }
    assert [len(row) for row in probabilities] == [3]
    assert sum(probabilities[0]) == pytest.approx(1.0)
    assert int(np.argmax(probabilities[0])) == 1


@pytest.mark.parametrize("env", [{}, {"MODELCAST_SERVICE_LOG_PREDICTIONS": "0"}])
def test_nothing_is_logged_unless_it_is_asked_for(
    make_client: MakeClient, capsys: pytest.CaptureFixture[str], env: dict[str, str]
) -> None:
    client = make_client(env=env)
    assert client("POST", "/predict", [ROW]).status == 200
    assert lines(client, capsys) == []


def test_a_request_that_is_refused_is_no_prediction(
    make_client: MakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make_client(env=ALL)
    assert client("POST", "/predict", [["x", 1, 2, 3]]).status == 400
    assert lines(client, capsys) == []


def test_no_value_is_in_a_line_without_the_switch(make_client: MakeClient, capsys: pytest.CaptureFixture[str]) -> None:
    client = make_client("text", env=ALL)
    asked = client("POST", "/predict?proba=true", [HOSTILE], x_request_id=HOSTILE)
    assert asked.status == 200
    client.app.flush(300)
    said = capsys.readouterr().err
    for part in ("Erika", "ller", "4111", "31m", "\\"):
        assert part not in said, part
    (line,) = map(json.loads, said.splitlines())
    assert line["predictions"] == asked.json()["predictions"]
    assert line["probabilities"] == [list(row.values()) for row in asked.json()["probabilities"]]


def test_values_are_told_by_column_where_that_is_wanted(
    make_client: MakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client = make_client("frame", env=VALUES)
    rows = [{"mass": None, "island": HOSTILE, "year": 2008}, {"mass": 1.5, "island": "Dream", "year": 2007}]
    assert client("POST", "/predict", rows).status == 200
    (line,) = lines(client, capsys)
    assert line["rows"] == 2
    assert line["values"] == {"mass": [None, 1.5], "island": [HOSTILE, "Dream"], "year": [2008, 2007]}


def test_what_the_repository_sealed_holds_until_the_environment_says_otherwise(
    make_bundle: MakeBundle, make_client: MakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_bundle("kmeans", service=ServiceDefaults(log_values=True))
    client = make_client(root)
    assert client("POST", "/predict", [[1, 2]]).status == 200
    (line,) = lines(client, capsys)
    assert line["values"] == {"x": [1.0], "y": [2.0]}
    assert "probabilities" not in line
    silent = make_client(root, env={"MODELCAST_SERVICE_LOG_PREDICTIONS": "0"})
    assert silent("POST", "/predict", [[1, 2]]).status == 200
    assert lines(silent, capsys) == []
    without = make_client(root, env={"MODELCAST_SERVICE_LOG_VALUES": "false", **ALL})
    assert without("POST", "/predict", [[1, 2]]).status == 200
    assert "values" not in lines(without, capsys)[0]


@pytest.fixture
def log(make_bundle: MakeBundle) -> Callable[..., PredictionLog]:
    manifest = open_bundle(make_bundle("kmeans")).manifest

    def make(share: float = 1.0, *, has_values: bool = False) -> PredictionLog:
        return PredictionLog(manifest, None, share=share, has_values=has_values)

    return make


def rows(count: int, value: float = 1.0) -> tuple[Columns, Scores]:
    return Columns.of_matrix(("x", "y"), np.full((count, 2), value)), Scores(np.arange(count))


def test_the_share_is_that_of_the_ids_and_the_same_ids_each_time(
    log: Callable[..., PredictionLog], capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [f"01J0000000ZZZZZZZZ{answer.crockford((2 * n + 1) * 2**40 // 2000, 8)}" for n in range(1000)]
    for share, expected in ((0.25, 250), (0.001, 1), (1.0, 1000)):
        some = log(share)
        for one in ids:
            some.rows("predict", one, *rows(1))
        some.flush(300)
        told = [json.loads(line)["prediction_id"] for line in capsys.readouterr().err.splitlines()]
        assert told == ids[:expected]


def test_a_line_of_several_rows_stays_below_what_a_pipe_takes_as_a_whole(
    log: Callable[..., PredictionLog], capsys: pytest.CaptureFixture[str]
) -> None:
    many = log(has_values=True)
    many.rows("v2", answer.new_prediction_id(), *rows(3000, 0.1234567890123))
    many.flush(300)
    said = capsys.readouterr().err.splitlines()
    assert len(said) > 1
    assert max(map(len, said)) < 4096
    told = [json.loads(line) for line in said]
    assert [label for line in told for label in line["predictions"]] == list(range(3000))
    assert [line["first_row"] for line in told] == [line["predictions"][0] for line in told]
    assert {line["rows"] for line in told} == {3000}


class Stuck(io.StringIO):
    """A reader that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def write(self, text: str) -> int:
        assert self.free.wait(300)
        return super().write(text)


def test_a_log_that_nobody_reads_makes_nobody_wait_and_says_what_is_lost(
    log: Callable[..., PredictionLog], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = Stuck()
    monkeypatch.setattr(sys, "stderr", stuck)
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 3)
    some = log()
    with caplog.at_level(logging.WARNING, "modelcast"):
        for _ in range(5):
            some.rows("predict", answer.new_prediction_id(), *rows(1))
        stuck.free.set()
        some.flush(300)
    assert len(stuck.getvalue().splitlines()) == 3
    assert caplog.messages == ["2 predictions are not in the log, which is read too slowly"]


def test_a_reader_that_has_gone_fails_nothing(
    log: Callable[..., PredictionLog], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(text)

    monkeypatch.setattr(sys, "stderr", Gone())
    some = log()
    some.rows("predict", answer.new_prediction_id(), *rows(1))
    some.flush(300)
    assert caplog.messages == []


def test_what_cannot_be_told_is_said_without_its_values(
    log: Callable[..., PredictionLog], caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        def __repr__(self) -> str:
            return "4111"

    some, identity = log(), answer.new_prediction_id()
    with caplog.at_level(logging.WARNING, "modelcast"):
        some.rows("predict", identity, rows(1)[0], Scores(np.array([Odd()], dtype=object)))
        some.flush(300)
    assert caplog.messages == [f"prediction {identity} is not in the log: TypeError"]

"""A compiled bundle: the same checks and refusals as a native one, without its libraries."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from modelcast_runtime import payload
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Compilation, Wanted
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.formats.onnx import SORTED_BY, OnnxScorer

from tests.conftest import MODELS, MakeBundle, MakeClient

WEIGHTS = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, -2.0]])
TOO_LARGE = {
    "type": "urn:modelcast:problem:refused-by-the-model",
    "title": "Refused by the model",
    "status": 400,
    "detail": "$[1]: expected a row that the model can score, got one on which it raises ValueError. GET /schema lists what the inputs take.",
    "at": "$[1]",
    "expected": "a row that the model can score",
    "got": "one on which it raises ValueError",
}


def softmax(rows: Any) -> Any:
    raised = np.exp(np.array(rows) @ WEIGHTS)
    return raised / raised.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("count", [1, 3, 256, 257, 700])
def test_labels_and_probabilities_of_few_and_of_many_rows(make_client: MakeClient, count: int) -> None:
    rows = np.random.default_rng(count).normal(size=(count, 2)).round(3).tolist()
    answer = make_client("compiled")("POST", "/predict?proba=true", {"instances": rows})
    assert answer.status == 200
    probabilities = [list(row.values()) for row in answer.json()["probabilities"]]
    np.testing.assert_allclose(probabilities, softmax(rows), rtol=1e-12)
    assert answer.json()["predictions"] == softmax(rows).argmax(axis=1).tolist()


def test_columns_of_several_types_are_inputs_of_their_own(make_client: MakeClient) -> None:
    client = make_client("compiled columns")
    rows = [{"level": "high", "size": 0.5}, {"size": None, "level": "low"}, {"size": 1, "level": "none"}]
    assert client("POST", "/predict", rows).json()["predictions"] == [20.5, None, 0.0]
    told = client("GET", "/metrics").body.decode()
    assert 'modelcast_input_missing_total{input="size"} 1.0' in told
    assert 'modelcast_input_unseen_total{input="level"} 1.0' in told


@pytest.mark.parametrize("number", [3.5e38, -3.5e38, 10**39])
def test_what_the_original_finds_too_large_is_refused_with_its_row(make_client: MakeClient, number: float) -> None:
    client = make_client("compiled")
    answer = client("POST", "/predict", [[1, 2], [1, number], [3, 4]])
    assert (answer.status, answer.json()) == (400, TOO_LARGE)
    assert client("POST", "/predict", [[1, 2], [1, 3.4e38]]).status == 200


@pytest.mark.parametrize("rows", [1, 2, 31, 33, 100])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3.5e38, -3.5e38])
def test_a_number_that_the_graph_must_not_see_is_found_anywhere(
    make_bundle: MakeBundle, rows: int, number: float
) -> None:
    scorer = load_scorer(open_bundle(make_bundle("compiled")))
    assert isinstance(scorer, OnnxScorer)
    numbers = np.ones((rows, 2))
    assert len(scorer.score(Columns.of_matrix(("a", "b"), numbers), frozenset()).predictions) == rows
    for row in {0, rows // 2, rows - 1}:
        for column in (0, 1):
            given = numbers.copy()
            given[row, column] = number
            with pytest.raises(ValueError, match="a number is not finite, or too large for the model"):
                scorer.score(Columns.of_matrix(("a", "b"), given), frozenset())


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_never_reaches_the_graph(make_bundle: MakeBundle, number: float) -> None:
    scorer = load_scorer(open_bundle(make_bundle("compiled")))
    assert isinstance(scorer, OnnxScorer)
    with pytest.raises(ValueError, match="a number is not finite, or too large for the model"):
        scorer.score(Columns.of_matrix(("a", "b"), np.array([[1.0, number]])), frozenset())
    columns = load_scorer(open_bundle(make_bundle("compiled columns")))
    assert isinstance(columns, OnnxScorer)
    given = Columns(1, {"size": np.array([number]), "level": np.array(["low"], dtype=object)})
    if np.isnan(number):  # this input may be missing
        assert np.isnan(columns.score(given, frozenset()).predictions[0])
    else:
        with pytest.raises(ValueError, match="a number is not finite"):
            columns.score(given, frozenset())


def test_a_label_is_the_first_of_those_as_likely_as_the_highest(make_bundle: MakeBundle) -> None:
    trained = MODELS["compiled"]()
    compilation = Compilation(backend="onnxruntime", reason="", labels="highest")
    scorer = OnnxScorer(trained.content, trained.signature, compilation)
    rows = payload.decode_rows([(0.0, 0.0), (1e-8, 0.0), (-1.0, 0.0), (0.0, 3.0)], trained.signature)
    proba: frozenset[Wanted] = frozenset({"predict_proba"})
    for wanted in (frozenset[Wanted](), proba):
        scores = scorer.score(rows, wanted)
        assert scores.predictions.tolist() == [0, 0, 2, 1]
        assert (scores.probabilities is None) == (not wanted)


@pytest.mark.parametrize("count", [1, 63, 64, 1000])
def test_rows_that_are_sorted_to_be_scored_are_answered_in_their_order(count: int) -> None:
    trained = MODELS["compiled"]()
    rows = np.random.default_rng(count).normal(size=(count, 2))
    given, before = rows.copy(), Compilation(backend="onnxruntime", reason="")
    for column in "01":
        scorer = OnnxScorer(trained.content + sorted_by(column), trained.signature, before)
        scores = scorer.score(Columns.of_matrix(("a", "b"), rows), frozenset({"predict_proba"}))
        assert scores.predictions.tolist() == softmax(given).argmax(axis=1).tolist()
        np.testing.assert_allclose(scores.probabilities, softmax(given), rtol=1e-12)
    assert (rows == given).all()


def test_a_batch_is_sorted_by_the_number_that_the_graph_names(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = MODELS["compiled"]()
    scorer = OnnxScorer(
        trained.content + sorted_by("1"), trained.signature, Compilation(backend="onnxruntime", reason="")
    )
    run, seen = scorer._run, list[np.ndarray]()
    monkeypatch.setattr(scorer, "_run", lambda names, feed: seen.append(feed["rows"]) or run(names, feed))
    rows = np.random.default_rng(0).normal(size=(100, 2))
    scorer.score(Columns.of_matrix(("a", "b"), rows), frozenset())
    assert (seen[0] == rows[np.argsort(rows[:, 1])]).all()


def sorted_by(column: str) -> bytes:
    """An entry of a graph's metadata, as it is appended to one: field 14, a key and a value."""
    entry = b"\x0a" + _sized(SORTED_BY.encode()) + b"\x12" + _sized(column.encode())
    return b"\x72" + _sized(entry)


def _sized(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def test_a_file_that_is_no_graph_is_a_line_for_the_operator(make_bundle: MakeBundle) -> None:
    bundle = open_bundle(make_bundle("compiled", content=b"no graph"))
    with pytest.raises(BundleError, match=r"^model\.onnx cannot be opened: "):
        load_scorer(bundle)


SCRIPT = """
import asyncio, json, sys
from pathlib import Path
from modelcast_runtime import metrics
from modelcast_runtime.app import create_app
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.dialects import Request
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store

bundle = open_bundle(Path(sys.argv[1]))
store = Store.create(metrics.layout_for(bundle.manifest, bundle.golden), slots=1)
store.use(store.claim())
settings = read_settings({}, {}, bundle.manifest.service)
app = create_app(bundle, load_scorer(bundle), store=store, settings=settings)

async def ask():
    answered = asyncio.get_running_loop().create_future()
    app.direct["/predict"](Request({}, b"proba=true", b"[[1, 2]]"), answered.set_result)
    return await answered

answer = asyncio.run(ask())
print(json.dumps([answer.status, sorted(sys.modules)]))
"""


def test_a_compiled_bundle_imports_nothing_of_what_trained_it(make_bundle: MakeBundle) -> None:
    bundle = make_bundle("compiled")
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(bundle)], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout)
    assert status == 200
    heavy = {
        "sklearn",
        "scipy",
        "pandas",
        "joblib",
        "pyarrow",
        "matplotlib",
        "onnx",
        "modelcast_runtime.formats.native",
    }
    assert heavy.isdisjoint(modules)
    assert "onnxruntime" in modules

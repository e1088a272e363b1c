"""The card says what the manifest and the golden rows say, is the same for the same facts, and loads nothing."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from modelcast_builder import card, card_plots
from modelcast_builder.card import Lineage
from modelcast_builder.environment import Lock
from modelcast_runtime.contract import (
    Column,
    Compilation,
    Curve,
    Evaluation,
    Gap,
    Gate,
    Golden,
    Manifest,
    Output,
    Signature,
    Slice,
    Training,
)

LOCK = Lock(
    packages=("numpy==2.0.0", "scikit-learn==1.5.0"),
    serving=("flask==3.0.0",),
    as_of="2024-07-01T00:00:00Z",
    python="3.11",
)
GOLDEN = Golden(
    rows=((1.23456789, "f", True), (None, "m", False)),
    predictions=("yes", "no"),
    probabilities=((0.25, 0.75), (1.0, 0.0)),
)
SIGNATURE = Signature(
    layout="frame",
    inputs=(
        Column(name="age", dtype="float64", nullable=True, minimum=0, maximum=120),
        Column(name="sex", dtype="string", categories=("f", "m"), unknown="refuse"),
        Column(name="well", dtype="bool"),
    ),
    outputs=(
        Output(name="predict", dtype="string", shape=(-1,)),
        Output(name="predict_proba", dtype="float64", shape=(-1, 2)),
    ),
    classes=("no", "yes"),
)


def manifest(**said: Any) -> Manifest:
    facts: dict[str, Any] = {
        "name": "lunch",
        "version": "sha256:3f2a",
        "description": "Whether it is <lunch>",
        "format": "joblib",
        "framework": "sklearn",
        "task": "classifier",
        "model": "model.joblib",
        "signature": SIGNATURE,
        "parameters": {"k": 5},
        "training": Training(source="the columns of data/train.csv", rows=40, ranges={"age": (1.5, 99.0)}),
        "evaluation": Evaluation(data="data/holdout.csv", rows=4, metrics={"accuracy": 0.75}),
        "compilation": Compilation(backend="native", reason="no compiler"),
        "files": (),
    }
    return Manifest(**facts | said)


def text(page: bytes) -> str:
    """What a person reads."""
    body = re.sub(r"<style>.*?</style>", "", page.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_the_card_says_what_was_sealed() -> None:
    said = text(card.render(manifest(), GOLDEN, LOCK))
    for expected in (
        "Model card lunch Whether it is &lt;lunch&gt; Task classifier Version sha256:3f2a",
        "Described by the columns of data/train.csv (40 rows)",
        'Parameters {"k": 5} Scored by native: no compiler',
        "age float64 at least 0; at most 120; 1.5 to 99 in training; may be missing",
        "sex string one of f, m",
        "predict_proba float64 2 Classes: no, yes",
        "On 4 rows of data/holdout.csv that it was not fitted on: accuracy 0.75",
        "yes yes 0.750, no 0.250 1.23457 f true no no 1.000, yes 0.000 null m false",
        "Python 3.11, everything unpinned as of 2024-07-01. 2 packages of the model numpy==2.0.0 scikit-learn==1.5.0",
    ):
        assert expected in said


def test_the_same_facts_are_the_same_bytes_and_load_nothing() -> None:
    page = card.render(manifest(), GOLDEN, LOCK)
    assert card.render(manifest(), GOLDEN, LOCK) == page
    assert not re.search(rb"<script|<link|<img|@import|url\(|https?:| style=| on[a-z]+=", page)


@pytest.mark.parametrize("nothing", ["training", "evaluation"])
def test_what_nobody_knows_is_left_out(nothing: str) -> None:
    said = text(card.render(manifest(**{nothing: None}), GOLDEN, LOCK))
    assert {"training": "Described by", "evaluation": "How well"}[nothing] not in said


def test_only_what_was_compiled_is_compared_with_the_original() -> None:
    tried = Compilation(backend="native", reason="BillRatio has no converter", tools={"onnx": "1.23.2"})
    assert "Compared with the original" not in text(card.render(manifest(compilation=tried), GOLDEN, LOCK))
    refused = Compilation(backend="native", reason="answers differ", probes=7, tools={"onnx": "1.23.2"})
    assert "compiled by" not in text(card.render(manifest(compilation=refused), GOLDEN, LOCK))
    compiled = Compilation(backend="onnxruntime", reason="equal answers", probes=7, tools={"onnx": "1.23.2"})
    said = text(card.render(manifest(compilation=compiled), GOLDEN, LOCK))
    assert "Compared with the original 7 rows made to break a compiled model" in said
    assert "compiled by onnx 1.23.2" in said


def test_own_code_has_a_card_too() -> None:
    bare = manifest(task="generic", signature=Signature(layout="array", inputs=(), outputs=()), training=None)
    said = text(card.render(bare, Golden(rows=(), predictions=()), LOCK))
    assert "What it takes Own code: any JSON object. What it gives Own code: what it returns, as JSON." in said
    assert "Golden rows" not in said


def test_long_texts_and_many_columns_are_cut() -> None:
    wide = Signature(
        layout="array", inputs=tuple(Column(name=f"x{index}", dtype="string") for index in range(30)), outputs=()
    )
    golden = Golden(rows=(("a" * 100,) * 30,), predictions=(1,))
    said = text(card.render(manifest(signature=wide), golden, LOCK))
    assert "without 18 more inputs" in said
    assert f"{'a' * 80}..." in said
    assert "a" * 81 not in said


EVALUATED = Evaluation(
    data="data/holdout.csv",
    rows=40,
    metrics={"accuracy": 0.75, "roc_auc": 0.8},
    slices=(
        Slice(column="sex", group="", rows=10, metrics={"accuracy": 0.5}),
        Slice(column="sex", group="<f>", rows=30, metrics={"accuracy": 0.83333, "roc_auc": 0.9}),
    ),
    gaps=(Gap(column="sex", measure="selection_rate", gap=0.25, lowest="", highest="<f>"),),
    confusion=((15, 5), (5, 15)),
    curves=(
        Curve(name="roc", label="yes", x=(0.0, 0.25, 1.0), y=(0.0, 0.75, 1.0)),
        Curve(name="calibration", label="yes", x=(0.1, 0.9), y=(0.2, 0.8)),
    ),
)
HELD = (
    Gate(name="metrics.accuracy", expected=">= 0.7", got=0.75, passed=True),
    Gate(name="latency_ms", expected="<= 5", passed=True),
)
LINEAGE = Lineage(
    kind="Pipeline(steps=[('<x>', Scale())])",
    source="sha256:aa",
    model="bb",
    lock="cc",
    data={"data/holdout.csv": "dd"},
    notebooks=("notebooks/lib/train.html",),
)


def test_the_card_says_how_well_for_whom_and_what_it_was_held_to() -> None:
    page = card.render(manifest(evaluation=EVALUATED, gates=HELD), GOLDEN, LOCK, LINEAGE)
    said = text(page)
    for expected in (
        "Trained by lib/train.ipynb",
        "Pipeline(steps=[(&#39;&lt;x&gt;&#39;, Scale())])",
        "Gate Expected Got Verdict metrics.accuracy &gt;= 0.7 0.75 passed latency_ms &lt;= 5 in the receipts passed",
        "On 40 rows of data/holdout.csv that it was not fitted on: accuracy 0.75 roc_auc 0.8",
        "By sex Group Rows accuracy roc_auc (none) 10 0.5 not told &lt;f&gt; 30 0.8333 0.9",
        "selection rate: a gap of 0.25, lowest for (none), highest for &lt;f&gt;",
        "It refuses rows that lack one of sex, well. It refuses categories that it does not know in sex. "
        "It refuses numbers outside their bounds in age.",
        "Of SHA-256 model bb source aa environment.lock cc data/holdout.csv dd",
    ):
        assert expected in said
    assert b'<a href="notebooks/lib/train.html">' in page
    assert not re.search(rb"<script|<link|<img|@import|url\(|https?:| style=| on[a-z]+=", page)
    assert re.findall(rb'role="img" aria-label="([^"]*)"', page) == [
        b"Rows by true class, down, and predicted class, across",
        b"ROC curve of yes",
        b"Calibration of yes",
        b"accuracy by sex",
    ]


def test_what_was_not_measured_is_among_the_limits() -> None:
    said = text(card.render(manifest(evaluation=None), GOLDEN, LOCK))
    assert "Nobody has told how good it is: there were no rows with answers that it was not fitted on." in said
    said = text(card.render(manifest(), GOLDEN, LOCK))
    assert "Nobody has told whether it is as good for one group as for another: data.groups names no column." in said


@pytest.mark.parametrize(
    "plot",
    [
        card_plots.confusion(["<a>", "b"], [[0, 0], [3, 1]]),
        card_plots.roc([Curve(name="roc", label=label, x=(0.0, 1.0), y=(0.0, 1.0)) for label in ("<a>", "b", "c")]),
        card_plots.calibration([Curve(name="calibration", label="<a>", x=(0.5,), y=(0.5,))]),
        card_plots.predicted(Curve(name="predicted", label="<a>", x=(2.0,), y=(2.0,))),
        card_plots.residuals(Curve(name="residuals", label="<a>", x=(1.0, 5.0), y=(0.0, 0.0))),
        card_plots.bars([("<a>", 0.0), ("", -3.5)], None, "r2 by <a>"),
    ],
    ids=["confusion", "roc", "calibration", "predicted", "residuals", "bars"],
)
def test_a_plot_is_whole_markup_for_any_numbers_and_names(plot: card_plots.Svg) -> None:
    drawn = ElementTree.fromstring(plot)
    assert (drawn.tag, drawn.get("role")) == ("svg", "img")
    assert "<a>" in (drawn.get("aria-label") or "") + "".join(drawn.itertext())
    assert "nan" not in plot

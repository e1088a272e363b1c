"""The card says what the manifest and the golden rows say, is the same for the same facts, and loads nothing."""

import re
from typing import Any

import pytest
from modelcast_builder import card
from modelcast_builder.environment import Lock
from modelcast_runtime.contract import Column, Compilation, Evaluation, Golden, Manifest, Output, Signature, Training

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

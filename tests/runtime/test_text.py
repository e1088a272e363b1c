"""A compiled text model in a service: the same answers in every way to ask, without the libraries that trained it."""

import json
import subprocess
import sys
import unicodedata
from math import exp, sqrt
from typing import Any

import msgspec
import numpy as np
import pytest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.columns import Columns
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.formats.text import TextModel, TextScorer, packed

from tests.conftest import MODELS, MakeBundle, MakeClient
from tests.runtime.test_onnx import SCRIPT

TEXTS = ["money", "Money MONEY lunch", "nothing", "", "été lunch", "e\u0301te\u0301"]
SUMS = [2.5, 3 / sqrt(5) - 0.5, -0.5, -0.5, -4 / sqrt(2) - 0.5, -0.5]


def changed(**fields: Any) -> bytes:
    model = msgspec.msgpack.decode(MODELS["compiled text"]().content, type=TextModel)
    return msgspec.msgpack.encode(msgspec.structs.replace(model, **fields))


@pytest.mark.parametrize("size", [1, 2, 6])
def test_texts_are_answered_alone_and_together(make_client: MakeClient, size: int) -> None:
    client = make_client("compiled text")
    predictions, probabilities = [], []
    for start in range(0, len(TEXTS), size):
        answer = client("POST", "/predict?proba=true", {"instances": [[text] for text in TEXTS[start : start + size]]})
        assert answer.status == 200
        predictions += answer.json()["predictions"]
        probabilities += [row["spam"] for row in answer.json()["probabilities"]]
    assert predictions == ["spam" if one > 0 else "ham" for one in SUMS]
    assert probabilities == pytest.approx([1 / (1 + exp(-one)) for one in SUMS], rel=1e-12)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no model", "model.text cannot be read: "),
        (changed(weights=b"123"), "model.text cannot be read: "),
        (changed(weights=packed([1.0, 2.0])), "model.text cannot be read: it has other columns than weights"),
        (changed(unicode="3.2.0"), "the model's words are those of Unicode 3.2.0, this Python knows "
         f"{unicodedata.unidata_version}: serve it with the Python that environment.lock names"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_a_line_for_the_operator(make_bundle: MakeBundle, content: bytes, said: str) -> None:
    bundle = open_bundle(make_bundle("compiled text", content=content))
    with pytest.raises(BundleError) as refused:
        load_scorer(bundle)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_sum_that_is_no_number_is_refused() -> None:
    scorer = TextScorer(changed(weights=packed([np.inf, 1.0, 1.0])), MODELS["compiled text"]().signature)
    with pytest.raises(ValueError, match="^a number is not finite$"):
        scorer.score(Columns(1, {"text": np.array(["lunch"], dtype=object)}), frozenset())


def test_a_compiled_text_model_imports_nothing_of_what_trained_it(make_bundle: MakeBundle) -> None:
    program = SCRIPT.replace('b"[[1, 2]]"', "b'[[\"money\"]]'")
    bundle = make_bundle("compiled text")
    done = subprocess.run([sys.executable, "-c", program, str(bundle)], capture_output=True, text=True, check=True)
    status, modules = json.loads(done.stdout)
    assert status == 200
    assert {"sklearn", "scipy", "pandas", "joblib", "onnxruntime", "modelcast_runtime.formats.native"}.isdisjoint(
        modules
    )

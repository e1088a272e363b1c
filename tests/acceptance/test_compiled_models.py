"""More than seventy models converted as a build does it: docs/compiled-models.md says what became of each."""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import environment, inside

from tests.acceptance.commands import ROOT, STARTED, WITHIN_S, Modelcast
from tests.acceptance.workshop import Case, Workshop

HERE = Path(__file__).parent / "compiling"
PAGE, FOUND = ROOT / "docs" / "compiled-models.md", ROOT / "build" / "compiled-models.md"
PINS = ("scikit-learn==1.9.1", "pandas==3.1.1", "xgboost-cpu==3.2.0", "lightgbm==4.7.0")
LEAST_COMPILED = 56
SAMPLES = ("breast-cancer", "penguins", "diabetes", "spam", "customers", "object-counter")
TEXT = """# Which models are compiled

What `modelcast build` found for models of many kinds, each trained on a small data set and compared with the compiled model on at least 10,000 rows
made to break it: the training rows, both sides of every threshold to the last bit, extremes, missing values, unseen categories, texts of
many alphabets, numbers that are too large. *Worst difference* is of a probability or, as a part of its own scale, of a number; where there is none the
model gives labels alone. All labels are equal, on every row. *Ties* are rows whose two best classes the original itself holds equal (less than
1e-6 apart): there the label is the original's too, or either.

This page is made by `tests/acceptance/test_compiled_models.py`, with scikit-learn 1.9.1, XGBoost 3.2.0 and LightGBM 4.7.0. A model that is not
listed is tried in the same way: the build compiles it if the answers are equal, and says why not otherwise.

A text model is compiled to its own parameters, which modelcast scores with numpy (compilation.md); all others to ONNX.

{compiled} of these {models} are compiled, and of the samples:

| sample | compiled | computes in | worst difference | ties | why not |
|---|---|---|---|---|---|
{samples}

The models:

| model | compiled | computes in | worst difference | ties | why not |
|---|---|---|---|---|---|
{rows}
"""


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The environment of the models and the converter's folder; programs run in it."""

    python: Path
    converter: Path

    def run(self, program: str) -> Iterator[dict[str, Any]]:
        """The lines of JSON that a program of `compiling/` prints."""
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [self.python, HERE / program, Path(inside.__file__).parent, self.converter],
            env={**STARTED, **threads, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=3 * WITHIN_S,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return map(json.loads, done.stdout.splitlines())


@pytest.fixture(scope="module")
def tried(modelcast: Modelcast) -> Tried:
    uv, asked = environment.use_uv(STARTED), environment.Requirements(pins=PINS)
    lock = environment.resolve(asked, {}, python=environment.base_python(), cache=modelcast.cache, uv=uv)
    made = environment.create(lock, cache=modelcast.cache, uv=uv)
    converter = environment.make_converter(made, cache=modelcast.cache, uv=uv)
    return Tried(python=made.python, converter=converter.folder)


def test_the_page_says_what_became_of_each_model(tried: Tried, workshop: Workshop) -> None:
    samples = {name: workshop.begin(name) for name in SAMPLES}
    models = list(tried.run("table.py"))
    failed = {model["model"]: model["error"] for model in models if "error" in model}
    assert failed == {}
    compiled = [model for model in models if model["backend"] != "native"]
    assert len(compiled) >= LEAST_COMPILED
    assert all(model["probes"] >= 10_000 for model in compiled)
    rows = "\n".join(map(line, models))
    built = "\n".join(line(_sample(name, begun.result())) for name, begun in samples.items())
    found = TEXT.format(compiled=len(compiled), models=len(models), rows=rows, samples=built)
    FOUND.write_text(found, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == found, f"look at what changed, then: cp {FOUND} {PAGE}"


def _sample(name: str, case: Case) -> dict[str, Any]:
    report = json.loads((case.built.root / "manifest.json").read_text(encoding="utf-8"))["compilation"]
    return {**report, "model": name, "worst": report["worst_difference"]}


def line(model: dict[str, Any]) -> str:
    """One row of the table: figures are rounded, so that another machine finds the same."""
    if model["backend"] == "native":
        reason = re.sub(r" for \d+ of \d+ rows.*", "", model["reason"])
        # What a converter or ONNX Runtime says of its own inside is long, and no two versions say the same.
        reason = re.sub(r"^(the conversion fails): .*", r"\1", reason)
        return f"| {model['model']} | - | | | | {reason} |"
    ties = "some" if model["ties"] else "none"
    way = "as a text model" if model["backend"] == "numpy" else "to ONNX"
    return f"| {model['model']} | {way} | {model['precision']} | {bound(model['worst'])} | {ties} | |"


def bound(worst: float | None) -> str:
    """The power of a thousand that a difference stays below."""
    if worst is None:
        return ""
    return next((f"below {bound:.0e}" for bound in (1e-12, 1e-9, 1e-6) if worst < bound), "below 1e-05")


def test_each_graph_that_is_wrong_on_purpose_is_refused(tried: Tried) -> None:
    (told,) = tried.run("seeded.py")
    assert {name: set(refused) for name, refused in told.items()} == {
        "a scaler and a forest in 32 bits": {True},
        "words beside letters of other alphabets": {True},
        "a boosting in 32 bits": {True},
        "the graphs that a build takes": {False},
        "batches are sorted by what the trees ask most": {True},
        "each tree of the forest has one vote": {True},
        "a changed threshold": {True},
    }
    assert len(told["a changed threshold"]) == 24

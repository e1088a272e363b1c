"""`modelcast check` on samples as they are served: whatever applies to a model passes."""

import json
from pathlib import Path

import pytest

from tests.acceptance.commands import Modelcast
from tests.acceptance.workshop import Workshop

# One model that takes a matrix, and one of texts and numbers, a tensor a column; both take missing values.
SKIPPED = {
    "breast-cancer": {"V2-09": "the model takes missing values"},
    "penguins": {
        "V2-03": "its inputs have one dimension",
        "V2-06": "its input has no fixed number of features",
        "V2-09": "the model takes missing values",
    },
}


@pytest.mark.parametrize("name", SKIPPED)
def test_a_served_sample_passes_whatever_applies_to_it(
    name: str, modelcast: Modelcast, workshop: Workshop, tmp_path: Path
) -> None:
    with modelcast.serving(workshop.begin(name).result().built.root, workers=2) as service:
        done = modelcast.run("check", service.url, "--json", cwd=tmp_path)
        nowhere = modelcast.run("check", service.url, "--model", "nope")
    report = json.loads(done.stdout)
    assert {case["id"]: case["got"] for case in report["cases"] if case["result"] == "fail"} == {}
    assert {case["id"]: case["got"] for case in report["cases"] if case["result"] == "skip"} == {
        case: f"not applicable: {reason}" for case, reason in SKIPPED[name].items()
    }
    assert (report["model"], report["pass"]) == (name, 34 - len(SKIPPED[name]))
    assert (done.returncode, done.stderr) == (0, "")
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr) == (
        1,
        "",
        f"error: check: {service.url} has no model nope. Name one that it has with --model {name}.\n",
    )

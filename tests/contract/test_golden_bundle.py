"""A bundle of every version that was ever released: each opens for ever, and its digest never changes."""

import json
from pathlib import Path

from modelcast_runtime import contract
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import (
    Column,
    Compilation,
    Evaluation,
    Limits,
    Output,
    Provenance,
    ServiceDefaults,
    Signature,
    Step,
)

V1 = Path(__file__).parent / "golden" / "v1"
LINEAGE = Path(__file__).parent / "golden" / "v1-lineage"
"""Version 1 as of 2026-11-21, with a bill of materials and a Statement as its receipt."""
DIGEST = "sha256:87352de16da3d9877eefacee6d973b76925468868936e600d5feb6437aef9b14"


def test_the_bundle_of_version_1_opens_and_has_its_digest() -> None:
    bundle = open_bundle(V1)
    assert bundle.digest == DIGEST
    assert bundle.model == V1 / "model.joblib"
    assert bundle.code == V1 / "code"


def test_the_manifest_of_version_1_says_what_it_said() -> None:
    manifest = open_bundle(V1).manifest
    assert (manifest.bundle_version, manifest.name, manifest.description) == (1, "lunch", "Whether it is lunch")
    assert manifest.version == f"sha256:{'0' * 64}"
    assert (manifest.format, manifest.framework, manifest.task) == ("joblib", "sklearn", "classifier")
    assert manifest.evaluation == Evaluation(data="data/holdout.csv", rows=4, metrics={"accuracy": 0.75})
    assert manifest.compilation == Compilation(
        backend="native", reason="no compiler for it yet", probes=3, worst_difference=0.0, ties=1
    )
    assert manifest.service == ServiceDefaults(extra_inputs="ignore", limits=Limits(rows=5))
    assert manifest.signature == Signature(
        layout="frame",
        inputs=(
            Column(name="hunger", dtype="float64", minimum=0, maximum=10, trained_as="float64"),
            Column(
                name="day", dtype="int64", nullable=True, categories=(0, 1, 2), unknown="refuse", trained_as="int64"
            ),
        ),
        outputs=(
            Output(name="predict", dtype="string", shape=(-1,)),
            Output(name="predict_proba", dtype="float64", shape=(-1, 2)),
        ),
        classes=("no", "yes"),
    )


def test_the_golden_rows_of_version_1_are_the_same() -> None:
    golden = open_bundle(V1).golden
    assert golden.rows == ((0.5, 1.0), (2.0, None))
    assert golden.predictions == ("no", "yes")
    assert golden.probabilities == ((0.75, 0.25), (0.125, 0.875))
    assert golden.tolerance == 1e-9


def test_the_provenance_of_version_1_is_the_same() -> None:
    assert open_bundle(V1).provenance() == Provenance(
        built_at="2026-01-01T00:00:00Z",
        builder_version="0.1.0",
        python="3.11.7",
        source="https://example.org/repo.git",
        commit="0123abc",
        environment_as_of="2026-01-01",
        notes=("a note",),
        steps=(Step(name="seal", seconds=0.5),),
    )


def test_the_manifest_of_version_1_says_nothing_that_is_not_read() -> None:
    printed = json.loads(contract.encode(open_bundle(V1).manifest))
    for column in printed["signature"]["inputs"]:  # what version 1 did not know yet is as it was
        assert (column.pop("ordered"), column.pop("missing_as")) == (False, "NaN")
    assert printed.pop("parameters") == {}
    assert (printed.pop("training"), printed["signature"].pop("largest")) == (None, None)
    assert printed.pop("gates") == []
    evaluation = printed["evaluation"]
    assert [evaluation.pop(key) for key in ("slices", "gaps", "confusion", "curves")] == [[]] * 4
    compilation = printed["compilation"]
    assert (compilation.pop("precision"), compilation.pop("labels")) == (None, "graph")
    assert (compilation.pop("differences"), compilation.pop("tools"), compilation.pop("tail")) == ([], {}, "")
    assert printed == json.loads((V1 / contract.MANIFEST).read_bytes())


def test_the_first_bundle_with_a_statement_opens_and_shows_what_it_showed() -> None:
    bundle = open_bundle(LINEAGE)
    assert bundle.digest == "sha256:57721b6c0d70b32ae3c28aa117954c76debe88e3c0b0c7d662e346e7e9f9f9eb"
    statement = bundle.statement()
    assert statement is not None
    assert statement.of("lunch").sha256 == bundle.digest.removeprefix("sha256:")
    assert bundle.provenance() == Provenance(
        built_at="2026-01-02T00:00:09Z",
        builder_version="0.1.0",
        python="3.11.7",
        source="https://host/lunch.git",
        commit="1" * 40,
        source_digest=f"sha256:{'f' * 64}",
        environment_as_of="2026-01-01T00:00:00Z",
        packages={"numpy": "2.4.6", "scikit-learn": "1.9.1", "flask": "3.1.3"},
    )


def test_the_flat_receipt_of_version_1_is_no_statement() -> None:
    assert open_bundle(V1).statement() is None

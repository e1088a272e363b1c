"""The bill of materials holds to CycloneDX's own schema, lists what serves and what trained, and knows no clock."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from modelcast_builder import __version__, sbom
from modelcast_builder.environment import Lock
from modelcast_builder.environment.locked import served_versions
from modelcast_runtime.contract import Column, Compilation, Evaluation, Manifest, Output, Signature, Slice
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = Lock(
    packages=("numpy==2.0.0", "torch==2.9.0+cpu"),
    serving=("flask==3.0.0",),
    as_of="2024-07-01T00:00:00Z",
    python="3.11",
)
MODEL, ORIGINAL = "a" * 64, "b" * 64
NATIVE = Manifest(
    name="lunch",
    version="sha256:3f2a",
    description="Whether it is <lunch>",
    format="joblib",
    framework="sklearn",
    task="classifier",
    model="model.joblib",
    signature=Signature(
        layout="frame",
        inputs=(Column(name="age", dtype="float64"), Column(name="sex", dtype="string")),
        outputs=(Output(name="predict", dtype="string", shape=(-1,)),),
    ),
    evaluation=Evaluation(
        data="data/holdout.csv",
        rows=4,
        metrics={"log_loss": 0.5, "accuracy": 0.75},
        slices=(Slice(column="sex", group="f", rows=2, metrics={"accuracy": 1.0}),),
    ),
    compilation=Compilation(backend="native", reason="no compiler"),
    files=(),
)
COMPILED = msgspec.structs.replace(
    NATIVE,
    format="onnx",
    model="model.onnx",
    compilation=Compilation(
        backend="onnxruntime",
        reason="equal on 10000 rows",
        precision="float64",
        tools={"skl2onnx": "1.20.0", "numpy": "2.0.0"},
    ),
)
BARE = msgspec.structs.replace(
    NATIVE, task="generic", evaluation=None, description="", signature=Signature(layout="object", inputs=(), outputs=())
)


def document(manifest: Manifest, original: str = MODEL) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sbom.render(manifest, LOCK, MODEL, original))
    return found


@pytest.mark.parametrize("manifest", [NATIVE, COMPILED, BARE], ids=["native", "compiled", "own code"])
def test_it_is_what_cyclonedx_publishes(manifest: Manifest) -> None:
    text = sbom.render(manifest, LOCK, MODEL, ORIGINAL).decode()
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert wrong is None, repr(wrong)[:500]


def test_a_native_model_is_served_by_what_it_was_trained_with() -> None:
    bom = document(NATIVE)
    model, *libraries = bom["components"]
    assert [one["purl"] for one in libraries] == [
        "pkg:pypi/flask@3.0.0",
        f"pkg:pypi/modelcast-runtime@{__version__}",
        "pkg:pypi/numpy@2.0.0",
        "pkg:pypi/torch@2.9.0%2Bcpu",
    ]
    assert {one["type"] for one in libraries} == {"library"}
    assert model["hashes"] == [{"alg": "SHA-256", "content": MODEL}]
    assert "pedigree" not in model
    assert "formulation" not in bom


def test_the_model_says_what_it_is_and_what_was_measured() -> None:
    (model,) = (one for one in document(NATIVE)["components"] if one["type"] == "machine-learning-model")
    assert (model["name"], model["version"], model["description"]) == ("lunch", "sha256:3f2a", "Whether it is <lunch>")
    assert model["modelCard"] == {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "classifier",
            "inputs": [{"format": "age: float64"}, {"format": "sex: string"}],
            "outputs": [{"format": "predict: string"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [
                {"type": "accuracy", "value": "0.75"},
                {"type": "log_loss", "value": "0.5"},
                {"type": "accuracy", "value": "1.0", "slice": "sex=f"},
            ]
        },
    }


def test_a_compiled_model_is_served_by_the_runtimes_packages_and_names_what_it_was_made_of() -> None:
    bom = document(COMPILED, ORIGINAL)
    model, *libraries = bom["components"]
    assert {one["name"]: one["version"] for one in libraries} == {**served_versions(), "modelcast-runtime": __version__}
    assert model["hashes"] == [{"alg": "SHA-256", "content": MODEL}]
    (ancestor,) = model["pedigree"]["ancestors"]
    assert ancestor["hashes"] == [{"alg": "SHA-256", "content": ORIGINAL}]
    assert [one["purl"] for one in bom["formulation"][0]["components"]] == [
        "pkg:pypi/flask@3.0.0",
        f"pkg:pypi/modelcast-runtime@{__version__}",
        "pkg:pypi/numpy@2.0.0",
        "pkg:pypi/skl2onnx@1.20.0",
        "pkg:pypi/torch@2.9.0%2Bcpu",
    ]


def test_own_code_learnt_nothing() -> None:
    model = document(BARE)["components"][0]
    assert model["modelCard"] == {"modelParameters": {"task": "generic"}}


def test_the_same_facts_are_the_same_bytes_and_there_is_no_clock_in_them() -> None:
    turned = msgspec.structs.replace(
        NATIVE,
        evaluation=Evaluation(
            data="data/holdout.csv",
            rows=4,
            metrics={"accuracy": 0.75, "log_loss": 0.5},
            slices=NATIVE.evaluation.slices,
        ),  # type: ignore[union-attr]
    )
    assert sbom.render(turned, LOCK, MODEL, MODEL) == sbom.render(NATIVE, LOCK, MODEL, MODEL)
    assert set(document(COMPILED)) & {"serialNumber"} == set()
    assert "timestamp" not in document(COMPILED)["metadata"]


def test_what_is_read_again_names_the_packages_that_it_was_made_with() -> None:
    native = sbom.read(sbom.render(NATIVE, LOCK, MODEL, MODEL))
    assert native.trained == native.served
    compiled = sbom.read(sbom.render(COMPILED, LOCK, MODEL, ORIGINAL))
    assert {"pkg:pypi/torch@2.9.0%2Bcpu"} <= compiled.trained - compiled.served


def test_what_a_compiled_model_is_said_to_be_served_by_is_what_the_runtime_image_installs() -> None:
    lines = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line.rstrip(" \\")) for line in lines if line and line[0] not in " #"]
    here = {
        one.name: str(one.specifier).removeprefix("==") for one in wanted if not one.marker or one.marker.evaluate()
    }
    assert served_versions() == here


def test_it_names_every_distribution_that_is_installed_beside_a_native_model(warm_environment: Any) -> None:
    site = next(warm_environment.root.glob("lib/python3*/site-packages"))
    installed = {(canonicalize_name(one.name), one.version) for one in metadata.distributions(path=[str(site)])}
    bom = json.loads(sbom.render(NATIVE, warm_environment.lock, MODEL, MODEL))
    assert {(one["name"], one["version"]) for one in bom["components"] if one["type"] == "library"} == installed

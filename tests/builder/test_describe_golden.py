"""The golden rows hold in another process, and the sealed bytes are those of the training and not of the process."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from modelcast_builder.environment import Environment
from modelcast_builder.inside.messages import Described, InputOverride
from modelcast_runtime import contract

REPLAY = Path(__file__).parent / "describing" / "replay.py"
Describe = Callable[..., Described]

REPLAYED = {
    "columns_of_every_kind": {},
    "columns_known_by_encoders_only": {},
    "categories_from_dtype": {},
    "nullable_dtypes": {},
    "texts_that_are_none": {},
    "array_of_objects": {},
    "ordered_and_zoned": {},
    "categories_of_an_encoder": {},
    "labels_among_objects": {},
    "datetimes": {},
    "several_outputs": {},
    "clusters_behind_a_scaler": {},
    "outliers": {},
    "array_with_holes": {},
    "text_column_of_a_frame": {},
    "canonical_forest": {},
    "canonical_words": {},
    "own_class_with_a_frame": {"inputs": {"a": InputOverride(dtype="float32")}},
}


def test_the_golden_rows_reproduce_in_a_fresh_process(
    describe: Describe, model_environment: Environment, tmp_path: Path
) -> None:
    folders = [str(tmp_path / name) for name in REPLAYED]
    for name, asked in REPLAYED.items():
        described = describe(name, work=tmp_path / name, **asked)
        (tmp_path / name / "described.json").write_bytes(contract.encode(described))
    command = [str(model_environment.python), str(REPLAY), *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name} 20" for name in REPLAYED]


def test_no_probability_is_far_from_what_the_model_says(describe: Describe) -> None:
    golden = describe("columns_of_every_kind").golden
    assert golden.probabilities is not None
    for row, prediction in zip(golden.probabilities, golden.predictions, strict=True):
        assert sum(row) == pytest.approx(1)
        assert ("no", "yes")[row.index(max(row))] == prediction


CANONICAL = ["canonical_forest", "canonical_boosting", "canonical_words", "canonical_set", "canonical_object_array"]


@pytest.mark.parametrize("name", CANONICAL)
def test_sealing_again_gives_the_same_bytes(describe: Describe, made_models: Path, tmp_path: Path, name: str) -> None:
    describe(name, work=tmp_path / "once")
    once = (tmp_path / "once" / "model.joblib").read_bytes()
    describe(name, work=tmp_path / "twice")
    assert (tmp_path / "twice" / "model.joblib").read_bytes() == once
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(tmp_path / "once" / "model.joblib", again)
    record = made_models / name / "recorded.joblib"
    shutil.copy(record, again)
    describe(again, work=tmp_path / "thrice")
    assert (tmp_path / "thrice" / "model.joblib").read_bytes() == once


def test_training_again_gives_the_same_bytes(
    describe: Describe, made_models: Path, made_again: Path, tmp_path: Path
) -> None:
    """Another process, with other addresses, fitted the same models."""
    differ = []
    for name in CANONICAL:
        describe(made_models / name, work=tmp_path / f"{name} 1")
        describe(made_again / name, work=tmp_path / f"{name} 2")
        sealed = [(tmp_path / f"{name} {number}" / "model.joblib").read_bytes() for number in (1, 2)]
        if sealed[0] != sealed[1]:
            differ.append(name)
    assert differ == []


@pytest.mark.parametrize("name", ["canonical_forest", "canonical_object_array"])
def test_the_sealed_model_takes_one_core_and_says_so(describe: Describe, name: str) -> None:
    assert describe(name).notes == ("n_jobs is 1 in the sealed model: the service scales by processes",)


def test_code_by_value_is_sealed_as_it_came(describe: Describe, made_models: Path, tmp_path: Path) -> None:
    described = describe("own_class_with_a_frame", by_value=True)
    assert described.notes == ("the artifact holds code by value (cloudpickle): its digest changes with every build",)
    artifact = made_models / "own_class_with_a_frame" / "model.joblib"
    assert (tmp_path / "model.joblib").read_bytes() == artifact.read_bytes()

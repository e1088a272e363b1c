"""MLflow's model directories: what is found, read, asked for and refused; the two kept here MLflow itself wrote."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import artifact, travel
from modelcast_builder.discover import discover
from modelcast_builder.environment.logged import requirements_of
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Described, NamedType

from tests.builder.test_describe_signature import said
from tests.builder.test_discover import Config

LOGGED = Path(__file__).resolve().parents[1] / "acceptance" / "logged"
Describe = Callable[..., Described]


@pytest.fixture(params=["old", "new"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What MLflow 2.9.2 (cloudpickle) and 3.17.2 (skops) wrote."""
    return Path(shutil.copytree(LOGGED / request.param, tmp_path / "models" / "churn"))


def mlmodel(root: Path, text: str, *files: str) -> Path:
    for name in ("MLmodel", *files):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if name == "MLmodel" else b"N.")
    return root


def test_a_folder_is_one_artifact(folder: Path, tmp_path: Path) -> None:
    (folder / "copy.joblib").write_bytes(b"N.")
    (folder / "nested" / "MLmodel").parent.mkdir()
    (folder / "nested" / "MLmodel").write_bytes(b"")
    plan = discover(tmp_path, Config())
    assert plan.artifact == folder
    assert plan.reason.startswith("found models/churn (")
    assert discover(tmp_path, Config(model="models/churn")).artifact == folder
    assert discover(folder, Config()).reason.startswith("found an MLflow model at the root (")


def test_the_folder_tells_version_code_inputs_and_example(folder: Path) -> None:
    seen = artifact.scan(folder)
    logged = seen.mlflow
    assert logged is not None
    is_old = seen.path.suffix == ".pkl"
    assert (seen.path, seen.kind) == ((folder / "model.pkl", "pickle") if is_old else (folder / "model.skops", "skops"))
    assert seen.versions["scikit-learn"] == logged.scikit_learn == ("1.3.2" if is_old else "1.9.1")
    assert seen.size == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert (logged.code, logged.example) == (folder / "code", folder / "input_example.json")
    assert [(column.name, column.type) for column in logged.inputs] == [
        ("age", "long"), ("plan", "string"), ("member", "boolean"),
    ]  # fmt: skip


def test_any_file_of_the_folder_is_in_its_hash(folder: Path) -> None:
    before = artifact.scan(folder).sha256
    (folder / "input_example.json").write_text("{}")
    assert artifact.scan(folder).sha256 != before


def test_the_version_of_mlmodel_counts_where_the_file_records_none(tmp_path: Path) -> None:
    text = "flavors:\n  sklearn: {pickled_model: model.pkl, sklearn_version: 1.2.2}\n"
    seen = artifact.scan(mlmodel(tmp_path, text, "model.pkl"))
    assert seen.versions == {"scikit-learn": "1.2.2"}
    assert seen.mlflow is not None
    assert (seen.mlflow.inputs, seen.mlflow.code, seen.mlflow.example) == ((), None, None)


TENSOR = """[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]"""


@pytest.mark.parametrize("inputs", [TENSOR, "no json", "{}", '[{"name": "a", "type": "long"}, {"type": "long"}]'])
def test_a_signature_without_names_tells_nothing(inputs: str, tmp_path: Path) -> None:
    flavour = {"sklearn": {"pickled_model": "model.pkl"}}
    text = json.dumps({"flavors": flavour, "signature": {"inputs": inputs}})
    logged = artifact.scan(mlmodel(tmp_path, text, "model.pkl")).mlflow
    assert logged is not None
    assert logged.inputs == ()


NO_OTHER = 'Save it with joblib.dump(model, "model.joblib"), where it has scikit-learn\'s interface'
SAVE = "Save the scikit-learn model itself: mlflow.sklearn.save_model(model, path), or joblib.dump"
REFUSED = {
    "another flavour": (
        "flavors: {python_function: {loader_module: mlflow.pytorch}, pytorch: {pytorch_version: 2.1.0}}",
        f"artifact: m/MLmodel has no scikit-learn flavour but pytorch. {NO_OTHER}",
    ),
    "XGBoost's own flavour": (
        "flavors: {python_function: {}, xgboost: {data: model.ubj}}",
        f"artifact: m/MLmodel has no scikit-learn flavour but xgboost. {NO_OTHER}",
    ),
    "a function alone": (
        "flavors: {python_function: {python_model: python_model.pkl}}",
        f"artifact: m/MLmodel has no scikit-learn flavour but python_function. {SAVE}",
    ),
    "nothing": ("", f"artifact: m/MLmodel has no scikit-learn flavour but none. {SAVE}"),
    "no mapping": ("flavors: [sklearn]", f"artifact: m/MLmodel has no scikit-learn flavour but none. {SAVE}"),
    "a model that is not there": (
        "flavors: {sklearn: {pickled_model: model.pkl}}",
        "artifact: m/MLmodel names the model 'model.pkl', which is not in that folder. "
        "Commit the whole folder that MLflow wrote",
    ),
    "a model elsewhere": (
        "flavors: {sklearn: {pickled_model: ../../etc/model.pkl}}",
        "artifact: m/MLmodel names the model '../../etc/model.pkl', which is not in that folder. "
        "Commit the whole folder that MLflow wrote",
    ),
    "no YAML": ("flavors: [", "config: MLmodel:1 is no YAML: expected the node content, but found '<stream end>'. Mend that line"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_is_refused_in_full(case: str, tmp_path: Path) -> None:
    text, line = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        artifact.scan(mlmodel(tmp_path / "m", text))
    assert str(refused.value) == line


def test_the_model_behind_the_folder_may_be_what_lfs_did_not_fetch(folder: Path) -> None:
    name = artifact.scan(folder).path.name
    (folder / name).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(BuildError) as refused:
        artifact.scan(folder)
    assert str(refused.value) == (
        f"artifact: {name} is a Git-LFS pointer, not the file itself. "
        "Run `git lfs pull` in the repository and build again"
    )


# What it asks for.


def test_mlflows_requirements_rule_without_mlflow(folder: Path, tmp_path: Path) -> None:
    asked = requirements_of(tmp_path, artifact.scan(folder))
    mlflow, *others = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert (asked.pins, asked.file) == (tuple(others), "models/churn/requirements.txt")
    assert asked.notes == (
        f"{mlflow} in models/churn/requirements.txt is left out: the model is served without MLflow",
    )


def test_the_repositorys_requirements_rule_before_mlflows(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.4.2\nmlflow-skinny\nnumpy<2\n")
    asked = requirements_of(tmp_path, artifact.scan(folder))
    assert (asked.pins, asked.ranges) == (("scikit-learn==1.4.2",), ("numpy<2",))
    assert asked.notes == ("mlflow-skinny in requirements.txt is left out: the model is served without MLflow",)


def test_code_that_imports_mlflow_gets_it(folder: Path, tmp_path: Path) -> None:
    (folder / "code" / "measures" / "cap.py").write_text("def capped(frame):\n    from mlflow import log_metric\n")
    asked = requirements_of(tmp_path, artifact.scan(folder))
    assert next(pin.partition("==")[0] for pin in asked.pins) == "mlflow"
    assert asked.notes == ()


def test_without_any_requirements_nothing_is_asked(folder: Path, tmp_path: Path) -> None:
    (folder / "requirements.txt").unlink()
    asked = requirements_of(tmp_path, artifact.scan(folder))
    assert (asked.pins, asked.ranges, asked.notes) == ((), (), ())


def test_the_code_that_mlflow_kept_travels_and_comes_first(folder: Path, tmp_path: Path) -> None:
    (folder / "code" / "more.py").write_text("")
    (tmp_path / "measures").mkdir()
    (tmp_path / "measures" / "cap.py").write_text("raise RuntimeError('it moved on')")
    files = travel.plan(tmp_path, artifact.scan(folder), imported={}, code=None, roots=[])
    assert {file.target.as_posix(): file.source for file in files} == {
        "measures/cap.py": folder / "code" / "measures" / "cap.py",
        "more.py": folder / "code" / "more.py",
    }


# What its signature tells.


def signature(**types: str) -> tuple[NamedType, ...]:
    return tuple(NamedType(name=name, type=kind) for name, kind in types.items())


KINDS = signature(
    age="double", count="long", sex="string", size="string", grade="long", smoker="boolean", town="string"
)
SIGNED: dict[str, tuple[str, tuple[NamedType, ...], tuple[str, ...]]] = {
    "types of a frame, categories of the model": (
        "columns_known_by_encoders_only", KINDS,
        ("age float64?", "count float64?", "sex string {f,m}!", "size string? {L,M,S}", "grade int64 {1,2,3,4}!",
         "smoker bool", "town string? {town0,town1,town2}"),
    ),
    "names of an array": (
        "array_told_by_its_width", signature(u="double", v="float", w="integer"),
        ("u float64", "v float32", "w float64"),
    ),
    "the name of a text": ("text_from_nothing", signature(message="string"), ("message string",)),
    "everything of an own class": (
        "nothing_known", signature(u="double", v="string", w="datetime"), ("u float64?", "v string?", "w datetime?"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SIGNED)
def test_a_signature_tells_before_the_models_attributes(describe: Describe, case: str) -> None:
    name, inputs, expected = SIGNED[case]
    described = said(describe(name, signature=inputs))
    assert (described.inputs, described.source) == (expected, "MLflow's signature")


UNFIT: dict[str, tuple[str, tuple[NamedType, ...]]] = {
    "other names": ("columns_known_by_encoders_only", signature(age="double", weight="double")),
    "another width": ("array_told_by_its_width", signature(u="double")),
    "numbers for a text": ("text_from_nothing", signature(u="double")),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_signature_that_does_not_fit_is_passed_over(describe: Describe, case: str) -> None:
    name, inputs = UNFIT[case]
    assert said(describe(name, signature=inputs)).source == "the model's own attributes"


def test_data_tells_before_a_signature(describe: Describe) -> None:
    described = describe("frame_with_data", signature=signature(a="string", b="string", c="string"))
    assert said(described).source == "the columns of data/train.csv"


def test_golden_rows_are_the_input_example(describe: Describe, tmp_path: Path) -> None:
    example = tmp_path / "input_example.json"
    rows: dict[str, Any] = {"columns": ["w", "u", "v"], "data": [[0.1257302210933933, 2, 3.5], [1, 2, None]]}
    example.write_text(json.dumps(rows))
    inputs = signature(u="double", v="double", w="double")
    described = describe("array_told_by_its_width", signature=inputs, example=str(example))
    assert described.golden.rows == ((2.0, 3.5, 0.1257302210933933),)


@pytest.mark.parametrize(
    "content", ["[[1, 2, 3]]", "{", '{"columns": ["u"], "data": [[1]]}', '{"columns": [], "data": []}']
)
def test_an_example_that_is_no_such_table_is_passed_over(describe: Describe, tmp_path: Path, content: str) -> None:
    example = tmp_path / "input_example.json"
    example.write_text(content)
    described = describe(
        "array_told_by_its_width", signature=signature(u="double", v="double", w="double"), example=str(example)
    )
    assert len(described.golden.rows) == 20

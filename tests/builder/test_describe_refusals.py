"""Every model that cannot be served is refused in full, and none ends in a traceback of ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sklearn
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Described, InputOverride

Describe = Callable[..., Described]

SAVE = 'Save the fitted estimator or Pipeline itself: joblib.dump(model, "model.joblib")'
ROWS = "Put rows that it knows into data/train.csv, or write `inputs:` in modelcast.yaml"
NOTHING = (
    "describe: nothing tells what the model takes: no data/train.*, no fit in a notebook of this build, "
    "no feature_names_in_ and no n_features_in_. "
    "Write `inputs: {NAME: {dtype: float64}, ...}` in modelcast.yaml, in the order of the model's columns"
)
RAISE = "Raise an error instead, in the module of the repository that calls it"
PIN = "Pin the versions that made it in requirements.txt, or name the notebook that trains it in `notebooks:`"

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a dict": ("a_dict", {}, f"load: model.joblib holds a builtins.dict, which has no predict(). {SAVE}"),
    "a tuple": ("a_tuple", {}, f"load: model.joblib holds a builtins.tuple, which has no predict(). {SAVE}"),
    "an array": ("an_array", {}, f"load: model.joblib holds a numpy.ndarray, which has no predict(). {SAVE}"),
    "a transformer": (
        "without_predict",
        {},
        f"load: model.joblib holds a own.NoPredict, which has no predict(). {SAVE}",
    ),
    "clusters of no new rows": (
        "clusters_without_predict",
        {},
        f"load: model.joblib holds a sklearn.cluster._dbscan.DBSCAN, which has no predict(). {SAVE}",
    ),
    "a missing module": (
        "own_class_with_a_frame",
        {"with_code": False},
        "load: model.joblib needs the module 'own', which neither the repository nor the model's environment has. "
        "Add own.py to the repository, or the distribution that brings it to requirements.txt",
    ),
    "a missing library": (
        "needs_xgboost",
        {},
        "load: model.joblib needs the module 'xgboost', which neither the repository nor the model's environment has. "
        "Add xgboost to requirements.txt, at the version that made the model",
    ),
    "a load that raises": (
        "load_raises",
        {},
        f"load: model.joblib cannot be loaded in its environment: RuntimeError: the licence server is away. {PIN}",
    ),
    "a missing system library": (
        "needs_a_system_library",
        {},
        "load: model.joblib cannot be loaded: libnobody.so.1: cannot open shared object file: No such file or directory. "
        "Build with an image that has this system library (libgomp.so.1: libgomp1 on Debian, libgomp on UBI)",
    ),
    "a load that exits": (
        "load_exits",
        {},
        f"describe: loading or scoring model.joblib ended the process: sys.exit('bye'). {RAISE}",
    ),
    "half a file": (
        "corrupt",
        {},
        "load: model.joblib cannot be loaded in its environment: UnpicklingError: pickle exhausted before end of frame. "
        f"{PIN}",
    ),
    "a predict that raises": (
        "predict_raises",
        {},
        f"describe: the model cannot answer for a row as it is described: ValueError: no answer today. {ROWS}",
    ),
    "a predict that exits": (
        "predict_exits",
        {},
        f"describe: loading or scoring model.joblib ended the process: sys.exit(0). {RAISE}",
    ),
    "a predict that ends the process": (
        "predict_is_killed",
        {},
        "describe: loading or scoring the model crashed the process (SIGSEGV). "
        "Train the model again with the versions that requirements.txt names",
    ),
    "what was never fitted": (
        "not_fitted",
        {},
        "describe: the model cannot answer for a row as it is described: NotFittedError: This LogisticRegression instance "
        f"is not fitted yet. Call 'fit' with appropriate arguments before using this estimator. {ROWS}",
    ),
    "a sparse fit": (
        "fitted_on_sparse",
        {},
        "describe: the model was fitted on a sparse matrix (sklearn.linear_model._logistic.LogisticRegression), "
        "which no client can send. "
        "Save the Pipeline that starts with the vectoriser, so that the service takes the text or the columns",
    ),
    "images": (
        "images",
        {},
        "describe: the model was fitted on an array of 3 dimensions; a row of the service is flat. "
        "Save a Pipeline whose first step reshapes flat rows",
    ),
    "dicts in a column": (
        "objects_in_a_column",
        {},
        "describe: the column 'odd' holds dict, which no request can carry. "
        "Convert it before the fit to numbers, booleans, strings or datetimes, or leave it out",
    ),
    "categories of dates": (
        "categories_of_dates",
        {},
        "describe: the column 'day' holds categories of datetime64[us], which no request can carry. "
        "Convert it before the fit to numbers, booleans, strings or datetimes, or leave it out",
    ),
    "labels that are dates": (
        "labels_that_are_dates",
        {},
        "describe: the model predicts datetime64[ns], which no answer can carry. "
        "Fit it on labels that are strings or numbers, e.g. y.astype(str)",
    ),
    "one name for two columns": (
        "one_name_for_two_columns",
        {},
        "describe: the rows have more than one column of the name 'a', which no request can tell apart. "
        "Name every column once before the fit",
    ),
    "nothing known": ("nothing_known", {}, NOTHING),
    "nothing known but half of it": (
        "nothing_known",
        {"inputs": {"u": InputOverride(dtype="float64"), "v": InputOverride(nullable=True)}},
        NOTHING,
    ),
    "written data that does not say its target": (
        "array_with_names_from_data",
        {"train_is_written": True},
        "describe: data/train.csv has 4 columns, the model takes 3: one of them is its answer. "
        "Write `data: {target: kind}` in modelcast.yaml, or the column that it is",
    ),
    "a target that is no column": (
        "array_with_names_from_data",
        {"train_is_written": True, "target": "nope"},
        "describe: data.target names 'nope', which is no column of data/train.csv. Write one of: a, b, c, kind",
    ),
    "written data of two texts": (
        "text_from_data",
        {"train_is_written": True},
        "describe: the model takes one text, the data has 2 columns of text beside the target. "
        "Leave one, and write `data: {target: NAME}` in modelcast.yaml",
    ),
    "written data that lacks columns": (
        "frame_with_other_data",
        {"train_is_written": True},
        "describe: data/train.csv lacks columns that the model was fitted on: b, c. Add them, or remove the file",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_full(describe: Describe, case: str) -> None:
    name, asked, message = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        describe(name, **asked)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "part"),
    [("of_another_version", "LinearRegression"), ("with_a_step_of_another_version", "StandardScaler")],
)
def test_another_version_of_scikit_learn_is_refused(describe: Describe, name: str, part: str) -> None:
    with pytest.raises(BuildError) as refused:
        describe(name)
    assert str(refused.value) == (
        f"load: the {part} in model.joblib was made by scikit-learn 0.1.2, "
        f"and its environment has {sklearn.__version__}. "
        "Fit and save the whole model with one version, and let requirements.txt name that one"
    )


def test_a_model_that_draws_its_answers_is_refused(describe: Describe) -> None:
    with pytest.raises(BuildError, match="^describe: the model answers otherwise when it is asked the same rows again"):
        describe("predict_draws")


def test_data_that_was_only_found_and_lacks_columns_is_passed_over(describe: Describe) -> None:
    assert describe("frame_with_other_data").source == "the model's own attributes"


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"a,b\n1,2,3\n4"])
def test_data_that_cannot_be_read_is_refused(
    describe: Describe, made_models: Path, tmp_path: Path, content: bytes
) -> None:
    train = tmp_path / "data" / "train.csv"
    train.parent.mkdir()
    train.write_bytes(content)
    with pytest.raises(BuildError, match=r"^describe: data/train\.csv (cannot be read|lacks columns)"):
        describe("canonical_boosting", train=str(train), train_is_written=True)


def test_nothing_is_sealed_of_a_refused_model(describe: Describe, tmp_path: Path) -> None:
    with pytest.raises(BuildError):
        describe("predict_raises")
    assert not (tmp_path / "model.joblib").exists()

"""The rows of the outermost fit are recorded, and nobody else notices."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PYTHON = os.environ.get("MODELCAST_TEST_PYTHON", sys.executable)
DRIVER = Path(__file__).parent / "notebooks" / "drive_recorder.py"
ROWS = [60, 3]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    """All scenarios in one process: the recorder changes scikit-learn for good, and its import takes seconds."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    done = subprocess.run([PYTHON, DRIVER], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_pipeline_is_one_record_with_the_frame_and_its_nulls(facts: dict[str, Any]) -> None:
    assert facts["frame_in_a_pipeline"]["records"] == [
        {
            "estimator": "sklearn.pipeline.Pipeline",
            "method": "fit",
            "X": "DataFrame",
            "shape": ROWS,
            "y": "Series",
            "rows": 60,
            "nulls": {"a": 2, "b": 20, "c": 0},
            "sampled": False,
        }
    ]


def test_the_outermost_estimator_keeps_its_mark_through_pickle_and_no_clone_has_it(facts: dict[str, Any]) -> None:
    pipeline = facts["frame_in_a_pipeline"]
    assert (pipeline["is_marked"], pipeline["inner"], pipeline["clone"]) == (True, None, None)


def test_the_best_estimator_of_a_search_belongs_to_its_record(facts: dict[str, Any]) -> None:
    assert facts["grid_search"] == {"estimators": ["GridSearchCV.fit"], "is_best_marked": True}


def test_of_many_rows_an_even_sample_is_copied_before_the_fit(facts: dict[str, Any]) -> None:
    many = facts["many_rows"]
    assert many["shape"] == [10_000, 2]
    assert (many["rows"], many["sampled"], many["nulls"]) == (25_000, True, {"0": 0, "1": 1})
    assert (many["is_ordered"], many["ends"], many["is_untouched"]) == (True, [0.0, 49_998.0], True)


def test_wide_rows_are_fewer(facts: dict[str, Any]) -> None:
    assert facts["wide_rows"] == [1000, 2000]


def test_texts_are_recorded_as_a_list(facts: dict[str, Any]) -> None:
    assert facts["texts"] == {
        "estimator": "sklearn.pipeline.Pipeline",
        "method": "fit",
        "X": "list",
        "shape": [10],
        "y": "list",
        "rows": 10,
        "nulls": {"0": 0},
        "sampled": False,
    }


@pytest.mark.parametrize(
    ("call", "record"),
    [
        ("keywords", ["LinearRegression.fit", "ndarray", "ndarray"]),
        ("weights", ["LinearRegression.fit", "ndarray", "ndarray"]),
        ("only rows", ["KMeans.fit", "ndarray", "NoneType"]),
        ("fit_predict", ["KMeans.fit_predict", "ndarray", "NoneType"]),
        ("pipeline's fit_predict", ["Pipeline.fit_predict", "ndarray", "NoneType"]),
        ("fit_transform", ["PCA.fit_transform", "ndarray", "NoneType"]),
        ("inherited fit_transform", ["StandardScaler.fit", "ndarray", "NoneType"]),
        ("partial_fit", ["SGDClassifier.partial_fit", "ndarray", "ndarray"]),
        ("sparse", ["LogisticRegression.fit", "csr_matrix", "ndarray"]),
        ("own names", ["Clip.fit", "ndarray", "ndarray"]),
        ("own keyword", ["Clip.fit", "ndarray", "NoneType"]),
    ],
)
def test_however_it_is_called_one_record_is_made(call: str, record: list[str], facts: dict[str, Any]) -> None:
    assert facts["kinds_of_calls"][call] == [record]


def test_a_failing_fit_raises_what_it_raises_and_leaves_nothing(facts: dict[str, Any]) -> None:
    failures = facts["failures"]
    assert failures["message"] == "Found input variables with inconsistent numbers of samples: [60, 5]"
    assert failures["left"] == [0, 0]


def test_rows_that_would_be_used_up_are_left_alone_and_noted(facts: dict[str, Any]) -> None:
    note = (
        "the rows given to sklearn.feature_extraction.text.TfidfVectorizer.fit were not recorded: "
        "TypeError: rows of type builtins.generator"
    )
    assert facts["failures"]["generator"] == [0, ["two", "word", "words"], [note]]


def test_an_estimator_that_takes_no_attribute_is_fitted_all_the_same(facts: dict[str, Any]) -> None:
    assert facts["failures"]["slim"] == [1, ["Slim takes no mark"]]


def test_equal_samples_are_one_object_and_only_the_last_records_are_kept(facts: dict[str, Any]) -> None:
    assert facts["sharing"] == {"is_shared": [True, False, True], "kept": 32, "rising": 31}


def test_workers_of_a_fit_make_no_records_but_a_thread_of_the_notebook_does(facts: dict[str, Any]) -> None:
    assert facts["parallel"] == [
        ["RandomForestClassifier.fit", "VotingClassifier.fit"],
        ["GridSearchCV.fit"],
        ["LinearRegression.fit"],
    ]


def test_a_class_pickled_by_value_knows_nothing_of_the_recorder(facts: dict[str, Any]) -> None:
    assert facts["by_value"] == {"mentions_us": False, "fits": True}


def test_whoever_looks_at_the_methods_sees_the_originals(facts: dict[str, Any]) -> None:
    assert facts["looked_at"] == {
        "is_function": True,
        "parameters": ["X", "y", "sample_weight"],
        "doc": True,
        "routed": {"sample_weight": True},
        "fit_predict": False,
        "set_output": "DataFrame",
    }

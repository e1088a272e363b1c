"""The model sees rows as it saw them in training: names, order and dtypes, or the array, or the texts."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Column, Dtype, Layout, Manifest, Signature
from modelcast_runtime.formats import FORMATS, Scorer, load_scorer
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows

MakeBundle = Callable[..., Path]


class Seen:
    """A model that only keeps what it was called with."""

    def predict(self, rows: Any) -> list[int]:
        self.rows = rows
        return [0] * len(rows)

    def predict_proba(self, rows: Any) -> list[list[float]]:
        return [[0.25, 0.75]] * len(rows)

    def transform(self, rows: Any) -> list[list[float]]:
        return [[1.0, 2.0, 3.0]] * len(rows)


def seen(rows: list[list[Any]], *columns: Column, layout: Layout = "frame") -> Any:
    signature = Signature(layout=layout, inputs=columns, outputs=())
    model = Seen()
    NativeScorer(model, signature).score(decode_rows(rows, signature), frozenset())
    return model.rows


def series(values: list[Any], dtype: Dtype, trained_as: str, **said: Any) -> pd.Series:
    frame = seen(
        [[value] for value in values], Column(name="x", dtype=dtype, nullable=True, trained_as=trained_as, **said)
    )
    found: pd.Series = frame["x"]
    return found


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "dtype", "trained_as", "expected"),
    [
        ([1, 2.0], "float64", "int64", pd.Series([1, 2], dtype="int64")),
        ([1, 2.5], "float64", "int64", pd.Series([1.0, 2.5])),
        ([1, None], "float64", "int64", pd.Series([1.0, NAN])),
        ([1, None], "int64", "int64", pd.Series([1.0, NAN])),
        ([7, 255], "float64", "uint8", pd.Series([7, 255], dtype="uint8")),
        ([7, 256], "float64", "uint8", pd.Series([7.0, 256.0])),
        ([-1], "float64", "uint8", pd.Series([-1.0])),
        ([300], "int64", "int8", pd.Series([300], dtype="int64")),
        ([3], "int64", "int8", pd.Series([3], dtype="int8")),
        ([2**53 - 1], "float64", "int64", pd.Series([2**53 - 1])),
        ([2.0**53], "float64", "int64", pd.Series([2.0**53])),
        ([2**62 + 1], "int64", "int64", pd.Series([2**62 + 1])),
        ([1e300], "float64", "int64", pd.Series([1e300])),
        ([0.1], "float32", "float32", pd.Series([0.1], dtype="float32")),
        ([0.1], "float64", "float32", pd.Series([0.1], dtype="float32")),
        ([1, 2.5, None], "float64", "Int64", pd.Series([1.0, 2.5, NAN])),
        ([300, None], "float64", "Int8", pd.Series([300.0, NAN])),
        ([None], "float64", "UInt8", pd.Series([None], dtype="UInt8")),
        ([1, 2], "int64", "Int64", pd.Series([1, 2], dtype="Int64")),
        ([1, None], "int64", "Int64", pd.Series([1, None], dtype="Int64")),
        ([1.5, None], "float64", "", pd.Series([1.5, NAN])),
        (["a", None], "string", "object", pd.Series(["a", NAN], dtype=object)),
        (["a", None], "string", "str", pd.Series(["a", NAN], dtype="str")),
        ([None, None], "string", "str", pd.Series([NAN, NAN], dtype="str")),
        (["a", None], "string", "string", pd.Series(["a", pd.NA], dtype="string")),
        ([True, False], "bool", "bool", pd.Series([True, False])),
        ([True, None], "bool", "bool", pd.Series([True, NAN], dtype=object)),
        ([True, None], "bool", "object", pd.Series([True, NAN], dtype=object)),
        ([True, None], "bool", "boolean", pd.Series([True, pd.NA], dtype="boolean")),
        (["2024-05-01", None], "datetime", "datetime64[ns]", pd.Series(["2024-05-01", None]).astype("datetime64[ns]")),
        (["2024-05-01T01:30:00+02:00", None], "datetime", "datetime64[us, UTC]",
         pd.Series(["2024-04-30T23:30:00Z", None]).astype("datetime64[us, UTC]")),
        (["2024-05-01T00:30:00Z"], "datetime", "datetime64[ns, Europe/Berlin]",
         pd.Series(["2024-05-01T02:30:00+02:00"]).astype("datetime64[ns, Europe/Berlin]")),
        (["2024-05-01"], "datetime", "datetime64[us]", pd.Series(["2024-05-01"]).astype("datetime64[us]")),
    ],
)  # fmt: skip
def test_a_column_has_the_dtype_of_training_where_it_can_without_loss(
    values: list[Any], dtype: Dtype, trained_as: str, expected: pd.Series
) -> None:
    pd.testing.assert_series_equal(series(values, dtype, trained_as), expected, check_names=False)


def test_a_missing_text_of_an_object_column_is_nan_as_read_csv_gives_it() -> None:
    (value,) = series([None], "string", "object").tolist()
    assert isinstance(value, float)
    assert np.isnan(value)


@pytest.mark.parametrize(
    ("values", "dtype", "categories", "codes"),
    [
        (["m", "f", None, "x"], "string", ("f", "m"), [1, 0, -1, -1]),
        ([2, 1, None, 3], "int64", (1, 2), [1, 0, -1, -1]),
        ([True, False], "bool", (False, True), [1, 0]),
    ],
)
def test_a_category_has_the_categories_of_training(
    values: list[Any], dtype: Dtype, categories: tuple[Any, ...], codes: list[int]
) -> None:
    found = series(values, dtype, "category", categories=categories)
    assert found.cat.categories.tolist() == list(categories)
    assert found.cat.codes.tolist() == codes


def test_a_category_has_the_order_of_training() -> None:
    found = series(["m", None], "string", "category", categories=("s", "m", "l"), ordered=True)
    assert found.cat.ordered
    assert (found > "s").tolist() == [True, False]
    assert not series(["m"], "string", "category", categories=("s", "m", "l")).cat.ordered


def test_a_missing_text_is_none_where_it_was_none_in_training() -> None:
    assert series(["a", None], "string", "object", missing_as="None").tolist() == ["a", None]
    assert series([True, None], "bool", "object", missing_as="None").tolist() == [True, None]


@pytest.mark.parametrize("missing_as", ["NaN", "None"])
def test_a_missing_text_of_an_array_is_what_it_was_in_training(missing_as: Any) -> None:
    text = Column(name="t", dtype="string", nullable=True, missing_as=missing_as)
    rows = seen([[1, None], [2, "a"]], Column(name="n", dtype="float64"), text, layout="array")
    assert (rows[0][1] is None) == (missing_as == "None")
    assert rows[0][1] is None or np.isnan(rows[0][1])
    assert rows[1].tolist() == [2.0, "a"]


def test_a_frame_has_the_names_in_the_order_of_the_signature() -> None:
    frame = seen(
        [[1, "a"], [2, "b"]],
        Column(name="bill length", dtype="float64", trained_as="float64"),
        Column(name="a", dtype="string", trained_as="object"),
    )
    assert frame.columns.tolist() == ["bill length", "a"]
    assert frame.index.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("dtypes", "row", "kind"),
    [
        (("float64", "float64"), [1, 2], "float64"),
        (("float32", "float32"), [1, 2], "float32"),
        (("int64", "int64"), [1, 2], "int64"),
        (("bool", "bool"), [True, False], "bool"),
        (("string", "string"), ["a", "b"], "object"),
        (("float64", "string"), [1.5, "b"], "object"),
    ],
)
def test_an_array_has_one_dtype_and_is_of_objects_where_the_columns_differ(
    dtypes: tuple[Dtype, ...], row: list[Any], kind: str
) -> None:
    columns = [Column(name=f"x{index}", dtype=dtype) for index, dtype in enumerate(dtypes)]
    rows = seen([row, row, row], *columns, layout="array")
    assert rows.dtype == kind
    assert rows.shape == (3, 2)
    assert rows.tolist() == [row, row, row]


def test_texts_are_a_list_of_strings() -> None:
    assert seen([["a"], ["b"]], Column(name="t", dtype="string"), layout="text") == ["a", "b"]


def test_only_what_is_wanted_is_asked_of_the_model() -> None:
    signature = Signature(layout="array", inputs=(Column(name="x", dtype="float64"),), outputs=())
    scorer, columns = NativeScorer(Seen(), signature), decode_rows([[1]], signature)
    bare = scorer.score(columns, frozenset())
    assert (bare.predictions.tolist(), bare.probabilities, bare.distances) == ([0], None, None)
    scores = scorer.score(columns, frozenset({"predict_proba", "distances"}))
    assert scores.probabilities is not None
    assert scores.distances is not None
    assert (scores.probabilities.tolist(), scores.distances.tolist()) == ([[0.25, 0.75]], [[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text", "own"])
def test_every_kind_of_model_answers_its_golden_rows(make_bundle: MakeBundle, kind: str) -> None:
    bundle = open_bundle(make_bundle(kind))
    scorer: Scorer = load_scorer(bundle)
    scores = scorer.score(decode_rows(bundle.golden.rows, bundle.manifest.signature), frozenset())
    expected = [list(one) if isinstance(one, tuple) else one for one in bundle.golden.predictions]
    np.testing.assert_array_equal(scores.predictions, np.array(expected))


def test_every_format_of_the_contract_has_its_module() -> None:
    assert set(FORMATS) == set(get_args(get_type_hints(Manifest)["format"]))


def test_loading_own_modules_writes_nothing_into_the_bundle(make_bundle: MakeBundle) -> None:
    root = make_bundle("own")
    code = """
import sys
from pathlib import Path
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.formats import load_scorer
root = Path(sys.argv[1])
load_scorer(open_bundle(root))
open_bundle(root)
import own_model
print(own_model.__file__)
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run([sys.executable, "-c", code, str(root)], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{root}/code/own_model.py\n", "")
    assert sorted(path.name for path in (root / "code").iterdir()) == ["own_model.py"]


def test_a_sealed_module_wins_over_one_of_the_same_name(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_model.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.syspath_prepend(tmp_path)
    load_scorer(open_bundle(make_bundle("own")))


def load_error(root: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_scorer(open_bundle(root))
    return str(caught.value)


def test_another_version_of_scikit_learn_is_an_error_in_one_line(
    make_bundle: MakeBundle, dumped: Callable[[Any], bytes]
) -> None:
    import sklearn
    from sklearn.linear_model import LinearRegression

    version = sklearn.__version__
    content = dumped(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]))
    old = content.replace(version.encode(), b"0" * len(version))
    assert old != content
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as the command line does
        message = load_error(make_bundle("array", content=old))
    assert message.startswith(
        "model.joblib cannot be loaded: InconsistentVersionWarning: Trying to unpickle estimator LinearRegression "
        f"from version {'0' * len(version)} when using version {version}."
    )
    assert "\n" not in message


def test_a_file_that_is_no_pickle_is_an_error_in_one_line(make_bundle: MakeBundle) -> None:
    message = load_error(make_bundle("array", content=b"nonsense"))
    assert message.startswith("model.joblib cannot be loaded: ")
    assert "\n" not in message


def test_a_missing_module_is_named(make_bundle: MakeBundle) -> None:
    content = b"\x80\x04cnowhere_to_be_found\nModel\n."
    assert load_error(make_bundle("array", content=content)) == (
        "model.joblib cannot be loaded: ModuleNotFoundError: No module named 'nowhere_to_be_found'"
    )


def test_the_signature_survives_the_manifest_with_its_dtypes(make_bundle: MakeBundle) -> None:
    document = json.loads((make_bundle("frame") / "manifest.json").read_bytes())
    assert [column["trained_as"] for column in document["signature"]["inputs"]] == ["float64", "object", "int64"]

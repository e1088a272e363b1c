"""What the child says of many models: inputs, outputs, classes, and the source that told them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Described, InputOverride
from modelcast_runtime.contract import Column, Training

Describe = Callable[..., Described]
FLOATS = ("a float64", "b float64", "c float64")
TWO = ["predict int64", "predict_proba 2"]


class Said(NamedTuple):
    """A description, as it reads in a table."""

    task: str
    layout: str
    inputs: tuple[str, ...]
    outputs: list[str]
    classes: tuple[Any, ...] | None
    source: str


def words(column: Column) -> str:
    """A column without its pandas dtype: `name dtype? {categories}!`; `?` takes null, `!` refuses the unknown."""
    null = "?" if column.nullable else ""
    known = "" if column.categories is None else f" {{{','.join(map(str, column.categories))}}}"
    bounds = "" if column.minimum is None and column.maximum is None else f" {column.minimum}..{column.maximum}"
    more = f"{' ordered' if column.ordered else ''}{' None' if column.missing_as == 'None' else ''}"
    return f"{column.name} {column.dtype}{null}{known}{'!' if column.unknown == 'refuse' else ''}{bounds}{more}"


def said(described: Described) -> Said:
    """The description in words."""
    signature = described.signature
    outputs = [
        f"{output.name} {output.dtype}{list(output.shape[1:]) or ''}"
        if output.name == "predict"
        else f"{output.name} {output.shape[1]}"
        for output in signature.outputs
    ]
    return Said(
        described.task,
        signature.layout,
        tuple(map(words, signature.inputs)),
        outputs,
        signature.classes,
        described.source,
    )


def fit(name: str) -> str:
    """The source that is a recorded fit."""
    return f"the rows given to {name}.fit"


ITSELF = "the model's own attributes"
DATA = "the columns of data/train.csv"

TABLE: dict[str, Said] = {
    "columns_of_every_kind": Said(
        "classifier",
        "frame",
        ("age float64?", "count float64?", "sex string {f,m}!", "size string? {L,M,S}", "grade int64 {1,2,3,4}!",
         "smoker bool", "town string? {town0,town1,town2} None"),
        ["predict string", "predict_proba 2"], ("no", "yes"), fit("Pipeline"),
    ),
    "columns_known_by_encoders_only": Said(
        "classifier",
        "frame",
        ("age float64?", "count float64?", "sex string {f,m}!", "size string? {L,M,S}", "grade int64 {1,2,3,4}!",
         "smoker float64", "town string? {town0,town1,town2}"),
        ["predict string", "predict_proba 2"], ("no", "yes"), ITSELF,
    ),
    "ordinal_with_unknown_value": Said(
        "classifier", "frame", ("size string? {L,M,S}", "grade int64? {1,2,3,4}"), TWO, (0, 1), fit("Pipeline")
    ),
    "categories_from_dtype": Said(
        "classifier", "frame", ("size string? {L,M,S}", "grade int64? {1,2,3,4}", "a float64?"), TWO, (0, 1),
        fit("HistGradientBoostingClassifier"),
    ),
    "texts_that_are_none": Said(
        "classifier", "frame", ("town string? {town0,town1,town2} None", "count float64", "often bool? None"), TWO, (0, 1),
        fit("Pipeline"),
    ),
    "array_of_objects": Said(
        "classifier", "array", ("x0 string? {town0,town1,town2}", "x1 bool? {False,True}", "x2 string? {f,m}"), TWO, (0, 1),
        fit("Pipeline"),
    ),
    "ordered_and_zoned": Said(
        "regressor", "frame", ("size string? {S,M,L,XL} ordered", "when datetime", "large int64"), ["predict float64"], None,
        fit("Pipeline"),
    ),
    "categories_of_an_encoder": Said(
        "classifier", "frame", ("size string? {S,M,L,XL}", "smoker bool? {False,True}", "plain bool? {False,True}"), TWO,
        (0, 1), fit("Pipeline"),
    ),
    "labels_among_objects": Said(
        "classifier", "frame", ("a float64?", "b float64?", "c float64?"), ["predict string"], (1, 2), fit("Objects")
    ),
    "nullable_dtypes": Said(
        "classifier", "frame", ("visits float64?", "member bool?", "a float64?"), TWO, (0, 1),
        fit("HistGradientBoostingClassifier"),
    ),
    "datetimes": Said(
        "regressor", "frame", ("when datetime", "other datetime"), ["predict float64"], None, fit("Pipeline")
    ),
    "dates_as_categories": Said("classifier", "frame", ("day datetime", "a float64"), TWO, (0, 1), fit("Pipeline")),
    "grid_search": Said("classifier", "frame", ("size string {L,M,S}!", "count float64"), TWO, (0, 1), ITSELF),
    "several_outputs": Said("regressor", "frame", FLOATS, ["predict float64[2]"], None, fit("LinearRegression")),
    "several_labels": Said(
        "classifier", "frame", ("a float64?", "b float64?", "c float64?"), ["predict int64[2]"], None,
        fit("RandomForestClassifier"),
    ),
    "clusters_behind_a_scaler": Said(
        "clusterer", "frame", FLOATS, ["predict int64", "distances 3"], (0, 1, 2), fit("Pipeline")
    ),
    "search_for_clusters": Said(
        "clusterer", "frame", FLOATS, ["predict int64", "distances 3"], (0, 1, 2), fit("GridSearchCV")
    ),
    "outliers": Said(
        "classifier", "frame", ("a float64?", "b float64?", "c float64?"), ["predict int64"], (-1, 1), fit("IsolationForest")
    ),
    "without_probability": Said("classifier", "frame", FLOATS, ["predict string"], ("no", "yes"), fit("SVC")),
    "boolean_labels": Said(
        "classifier", "frame", FLOATS, ["predict bool", "predict_proba 2"], (False, True), fit("LogisticRegression")
    ),
    "array_with_holes": Said(
        "classifier", "array", ("x0 float64?", "x1 float64?", "x2 float64?"), TWO, (0, 1), fit("Pipeline")
    ),
    "array_told_by_its_width": Said("classifier", "array", ("x0 float64", "x1 float64", "x2 float64"), TWO, (0, 1), ITSELF),
    # Which of four columns is the target nobody says: data/train.csv may be raw material, and the model is asked.
    "array_with_names_from_data": Said(
        "classifier", "array", ("x0 float64", "x1 float64", "x2 float64"), TWO, (0, 1), ITSELF
    ),
    "array_only": Said(
        "regressor", "array", ("a float64?", "b float64?", "c float64?"), ["predict float64"], None, DATA),
    "frame_with_data": Said("classifier", "frame", FLOATS, TWO, (0, 1), DATA),
    "frame_with_holes_in_data": Said(
        "classifier", "frame", ("a float64?", "b float64?", "c float64?"), TWO, (0, 1), DATA
    ),
    "names_that_are_numbers": Said(
        "classifier", "array", ("0 float64", "1 float64", "2 float64"), TWO, (0, 1), fit("LogisticRegression")
    ),
    "one_column": Said("regressor", "frame", ("a float64",), ["predict float64"], None, fit("LinearRegression")),
    "whole_numbers": Said(
        "regressor", "frame", ("n float64?", "small float64?", "f float32?"), ["predict float64"], None,
        fit("DecisionTreeRegressor"),
    ),
    "text_from_a_series": Said(
        "classifier", "text", ("message string",), ["predict string", "predict_proba 2"], ("ham", "spam"), fit("Pipeline")
    ),
    "text_from_a_list": Said(
        "classifier", "text", ("text string",), ["predict string", "predict_proba 2"], ("ham", "spam"), fit("Pipeline")
    ),
    "text_from_nothing": Said(
        "classifier", "text", ("text string",), ["predict string", "predict_proba 2"], ("ham", "spam"), ITSELF
    ),
    "text_column_of_a_frame": Said(
        "classifier", "frame", ("message string", "count float64"), ["predict string", "predict_proba 2"], ("ham", "spam"),
        fit("Pipeline"),
    ),
    "own_class_with_a_frame": Said(
        "regressor", "frame", ("a float64?", "b float64?", "c float64?"), ["predict float64"], None, fit("Bare")
    ),
    "predict_prints": Said(
        "regressor", "frame", ("a float64?", "b float64?", "c float64?"), ["predict float64"], None, fit("Prints")
    ),
    "compressed_plain_pickle": Said("regressor", "frame", FLOATS, ["predict float64"], None, ITSELF),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_it_is_described(describe: Describe, name: str) -> None:
    described = describe(name)
    assert said(described) == TABLE[name]
    assert len(described.golden.rows) == 20
    assert len(described.golden.predictions) == 20
    assert (described.golden.probabilities is None) == (not described.signature.gives("predict_proba"))
    assert (described.golden.distances is None) == (not described.signature.gives("distances"))


def test_the_pandas_dtypes_of_the_fit_are_kept(describe: Describe) -> None:
    assert [column.trained_as for column in describe("whole_numbers").signature.inputs] == ["int64", "int8", "float32"]


def test_nullable_dtypes_are_kept(describe: Describe) -> None:
    trained = [column.trained_as for column in describe("nullable_dtypes").signature.inputs]
    assert trained == ["Int64", "boolean", "float64"]


def test_an_array_has_no_pandas_dtypes(describe: Describe) -> None:
    assert {column.trained_as for column in describe("array_with_holes").signature.inputs} == {""}


def test_missing_values_are_among_the_golden_rows(describe: Describe) -> None:
    rows = describe("columns_of_every_kind").golden.rows
    assert any(row[0] is None for row in rows)
    assert {type(row[4]) for row in rows} == {int}
    assert {type(row[5]) for row in rows} == {bool}


# `data:` in modelcast.yaml.

WITH_DATA: dict[str, tuple[str, dict[str, Any], Said]] = {
    "the target told gives an array names": (
        "array_with_names_from_data", {"target": "kind"}, Said("classifier", "array", FLOATS, TWO, (0, 1), DATA),
    ),
    "a text model takes the column that is no target": (
        "text_from_data",
        {"target": "label"},
        Said("classifier", "text", ("message string",), ["predict string", "predict_proba 2"], ("ham", "spam"), DATA),
    ),
    "texts that are missing are left out": (
        "text_with_holes_in_data",
        {"target": "label", "train_is_written": True},
        Said("classifier", "text", ("message string",), ["predict string", "predict_proba 2"], ("ham", "spam"), DATA),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WITH_DATA)
def test_data_is_described(describe: Describe, case: str) -> None:
    name, asked, expected = WITH_DATA[case]
    assert said(describe(name, **asked)) == expected


def test_golden_rows_come_from_the_holdout_where_the_model_alone_tells(describe: Describe, made_models: Path) -> None:
    holdout = str(made_models / "array_with_names_from_data" / "data" / "train.csv")
    described = describe("array_told_by_its_width", holdout=holdout, target="kind")
    first = (
        (made_models / "array_with_names_from_data" / "data" / "train.csv").read_text(encoding="utf-8").splitlines()[1]
    )
    assert described.golden.rows[0] == tuple(map(float, first.split(",")[:3]))


def test_golden_texts_come_from_the_holdout(describe: Describe, made_models: Path) -> None:
    holdout = str(made_models / "text_from_data" / "data" / "train.csv")
    described = describe("text_from_nothing", holdout=holdout, target="label")
    assert described.golden.rows[0] == ("bad evening without 0",)


# `inputs:` in modelcast.yaml.

OVERRIDDEN: dict[str, tuple[str, dict[str, InputOverride], tuple[str, ...]]] = {
    "names, dtype and null of an array": (
        "array_told_by_its_width",
        {"u": InputOverride(dtype="int64"), "v": InputOverride(), "w": InputOverride(nullable=True)},
        ("u int64", "v float64", "w float64?"),
    ),
    "one name of many is another": (
        "columns_of_every_kind",
        {"count": InputOverride(dtype="int64", nullable=False)},
        ("age float64?", "count int64", "sex string {f,m}!", "size string? {L,M,S}", "grade int64 {1,2,3,4}!", "smoker bool",
         "town string? {town0,town1,town2} None"),
    ),
    "written categories widen": (
        "ordinal_with_unknown_value", {"size": InputOverride(categories=("L", "M", "S", "XL"))},
        ("size string? {L,M,S,XL}!", "grade int64? {1,2,3,4}"),
    ),
    "written categories narrow": (
        "ordinal_with_unknown_value", {"size": InputOverride(categories=("L",))},
        ("size string? {L}!", "grade int64? {1,2,3,4}"),
    ),
    "bounds": (
        "own_class_with_a_frame",
        {"a": InputOverride(minimum=0, maximum=60), "b": InputOverride(maximum=100)},
        ("a float64? 0.0..60.0", "b float64? None..100.0", "c float64?"),
    ),
    "bounds that made rows would break": (
        "array_told_by_its_width", {"x0": InputOverride(minimum=50, maximum=60)},
        ("x0 float64 50.0..60.0", "x1 float64", "x2 float64"),
    ),
    "everything, where nothing else tells": (
        "nothing_known",
        {"u": InputOverride(dtype="float64"), "v": InputOverride(dtype="string", nullable=True, categories=("p", "q"))},
        ("u float64?", "v string? {p,q}!"),
    ),
    "the name of a text": ("text_from_nothing", {"body": InputOverride()}, ("body string",)),
}  # fmt: skip


@pytest.mark.parametrize("case", OVERRIDDEN)
def test_inputs_correct_what_is_described(describe: Describe, case: str) -> None:
    name, inputs, expected = OVERRIDDEN[case]
    described = describe(name, inputs=inputs)
    assert said(described).inputs == expected
    assert described.golden.rows


def test_golden_rows_keep_to_the_written_bounds(describe: Describe) -> None:
    rows = describe("own_class_with_a_frame", inputs={"a": InputOverride(minimum=0, maximum=60)}).golden.rows
    assert rows
    assert all(isinstance(row[0], float) and 0 <= row[0] <= 60 for row in rows)


def test_a_name_that_is_no_input_is_refused(describe: Describe) -> None:
    with pytest.raises(BuildError) as refused:
        describe("own_class_with_a_frame", inputs={"aa": InputOverride(), "b": InputOverride(), "d": InputOverride()})
    assert str(refused.value) == (
        "describe: modelcast.yaml's inputs name 'aa', 'd', which the model does not take. It takes a, b, c"
    )


def test_bounds_of_a_text_are_refused(describe: Describe) -> None:
    with pytest.raises(BuildError) as refused:
        describe("columns_of_every_kind", inputs={"sex": InputOverride(minimum=1)})
    assert str(refused.value) == (
        "describe: inputs.sex in modelcast.yaml has min or max, and its dtype is string. Write bounds for numbers only"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "columns_of_every_kind",
            Training(source="the rows given to Pipeline.fit", rows=60, ranges={"age": (20, 78), "count": (0, 4)}),
        ),
        ("text_from_a_list", Training(source="the rows given to Pipeline.fit", rows=60)),
        ("array_told_by_its_width", Training(source="the model's own attributes")),
    ],
)
def test_the_rows_of_training_tell_their_ranges(describe: Describe, name: str, told: Training) -> None:
    assert describe(name).training == told


@pytest.mark.parametrize(
    ("name", "with_code", "largest"),
    [
        ("canonical_forest", False, 3.4028235677973362e38),
        ("canonical_boosting", False, None),
        ("canonical_forest", True, None),  # own code may loop over a number: it is not asked
    ],
)
def test_numbers_that_are_too_large_for_the_model_are_told(
    describe: Describe, name: str, with_code: bool, largest: float | None
) -> None:
    assert describe(name, with_code=with_code).signature.largest == largest

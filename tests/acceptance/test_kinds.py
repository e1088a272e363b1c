"""Every kind of column, label and output is answered as scikit-learn answers it when called by hand, for every row."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.acceptance.commands import Modelcast
from tests.acceptance.files import as_csv
from tests.acceptance.workshop import Case

Rows = list[list[Any]]
Hand = Callable[..., dict[str, Any]]
FORMS: dict[str, Callable[[list[str], Rows], Any]] = {
    "lists": lambda names, rows: {"instances": rows},
    "objects": lambda names, rows: {"instances": [dict(zip(names, row, strict=True)) for row in rows]},
    "columns": lambda names, rows: {"columns": dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))},
    "split": lambda names, rows: {"split": {"columns": names[::-1], "data": [row[::-1] for row in rows]}},
}
COLUMNS = {
    "float0": "float64", "float_hole2": "float64", "single": "float32", "Float": "float64", "int0": "float64",
    "uint8": "float64", "large": "int64", "int_as_float0": "float64", "Int0": "float64", "Int8": "float64", "bool0": "bool",
    "boolean0": "bool", "moment": "datetime", "moment_hole": "datetime", "moment_berlin": "datetime", "text0": "string",
    "text_none": "string", "text_nan": "string", "text_plain": "string", "string": "string", "category": "string",
    "category_hole": "string", "category_int": "int64", "category_int_hole": "int64", "category_float": "float64",
    "category_bool": "bool",
}  # fmt: skip


def test_a_frame_of_every_kind_of_column_with_boolean_labels(modelcast: Modelcast, mixed: Case, hand: Hand) -> None:
    signature = mixed.built.manifest["signature"]
    assert len(signature["inputs"]) == 50
    dtypes = {column["name"]: column["dtype"] for column in signature["inputs"]}
    assert {name: dtypes[name] for name in COLUMNS} == COLUMNS
    assert signature["classes"] == [False, True]
    expected = hand(mixed, "probabilities")
    assert expected["probabilities"][0].keys() == {"false", "true"}
    assert_answered(modelcast, mixed, expected, "?proba=true")


def test_nullable_integers_and_categories_in_and_nan_out(modelcast: Modelcast, no_numbers: Case, hand: Hand) -> None:
    inputs = {column["name"]: column for column in no_numbers.built.manifest["signature"]["inputs"]}
    assert (inputs["zone"]["dtype"], inputs["zone"]["categories"]) == ("int64", [1, 2, 3, 4, 5])
    expected = hand(no_numbers)
    assert None in expected["predictions"]
    assert_answered(modelcast, no_numbers, expected, "")


def test_several_numbers_a_row(modelcast: Modelcast, several_numbers: Case, hand: Hand) -> None:
    expected = hand(several_numbers)
    assert [len(row) for row in expected["predictions"]] == [3] * 80
    assert_answered(modelcast, several_numbers, expected, "")


def test_several_labels_a_row(modelcast: Modelcast, several_labels: Case, hand: Hand) -> None:
    expected = hand(several_labels)
    assert set(expected["predictions"][0]) <= {"up", "down", "left", "right"}
    assert_answered(modelcast, several_labels, expected, "")
    with modelcast.serving(several_labels.built.root, workers=1) as service:
        refused = service.ask("/predict?proba=true", json=expected["rows"])
        assert (refused.status_code, refused.json()["detail"]) == (
            400, "?proba: expected a model that gives this, got a classifier. Leave proba out of the query.",
        )  # fmt: skip


def assert_answered(modelcast: Modelcast, case: Case, expected: dict[str, Any], query: str) -> None:
    """All rows at once in every form of JSON and as CSV, and some alone."""
    names = expected["names"] or [column["name"] for column in case.built.manifest["signature"]["inputs"]]
    rows = expected["rows"]
    with modelcast.serving(case.built.root, workers=1) as service:
        for form in FORMS.values():
            assert_equal(service.ask(f"/predict{query}", json=form(names, rows)), expected)
        body = as_csv(names, rows).encode()
        assert_equal(service.ask(f"/predict{query}", content=body, headers={"Content-Type": "text/csv"}), expected)
        for at, row in enumerate(rows[:12]):
            alone = {key: [expected[key][at]] for key in ("predictions", "probabilities") if key in expected}
            assert_equal(service.ask(f"/predict{query}", json=[row]), alone)


def assert_equal(answer: httpx.Response, expected: dict[str, Any]) -> None:
    """The answer is scikit-learn's, to the last bit and of the same JSON types."""
    assert answer.status_code == 200, answer.text
    document = answer.json()
    for key in ("predictions", "probabilities"):
        if key in expected:
            assert document[key] == expected[key]
            assert repr(document[key][0]) == repr(expected[key][0])

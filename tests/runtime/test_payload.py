"""What a JSON body becomes: equal columns for every form, or a problem with the place and what to do."""

import json
import math
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import payload
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Column, Dtype, Signature
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import Problem

PATIENTS = Signature(
    layout="frame",
    inputs=(
        Column(name="age", dtype="float64", nullable=True, minimum=0, maximum=120),
        Column(name="bill length", dtype="int64"),
        Column(name="sex", dtype="string", categories=("f", "m"), unknown="refuse"),
    ),
    outputs=(),
)
TEXT = Signature(layout="text", inputs=(Column(name="text", dtype="string"),), outputs=())
ROW = [41.5, 3, "f"]
RECORD = {"age": 41.5, "bill length": 3, "sex": "f"}
NAMES = ["age", "bill length", "sex"]
LISTED_NAMES = "age, 'bill length', sex"
A_FORM = "a list of rows, or an object with one of the keys instances, records, columns and split"
WHEN = "a date or time in ISO 8601, such as 2024-05-01T12:30:00Z"


def decode(body: Any, signature: Signature = PATIENTS, content_type: str | None = None, **terms: Any) -> Decoded:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return payload.decode(content, content_type, signature, **{"extra_inputs": "refuse", "max_rows": 3, **terms})


def refused(
    body: Any, signature: Signature = PATIENTS, content_type: str | None = None, **terms: Any
) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        decode(body, signature, content_type, **terms)
    document: dict[str, Any] = json.loads(caught.value.to_bytes())
    return document


def refusal(kind: str, at: str, expected: str, got: str, advice: str) -> dict[str, Any]:
    return {
        "type": f"urn:modelcast:problem:{kind}",
        "title": kind.replace("-", " ").capitalize(),
        "status": 400,
        "detail": f"{at}: expected {expected}, got {got}. {advice}",
        "at": at,
        "expected": expected,
        "got": got,
    }


def assert_same(one: Columns, other: Columns) -> None:
    assert one.rows == other.rows
    assert list(one.arrays) == list(other.arrays)
    for name, array in one.arrays.items():
        assert array.dtype == other.arrays[name].dtype
        np.testing.assert_array_equal(array, other.arrays[name])


def of(dtype: Dtype, **more: Any) -> Signature:
    return Signature(layout="frame", inputs=(Column(name="x", dtype=dtype, **more),), outputs=())


def forms_of(rows: list[list[Any]], names: list[str]) -> dict[str, Any]:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return {
        "bare lists": rows,
        "bare objects": records,
        "instances of lists": {"instances": rows},
        "instances of objects": {"instances": records},
        "records": {"records": records},
        "records in another order": {"records": [dict(reversed(record.items())) for record in records]},
        "columns": {"columns": {name: [record[name] for record in records] for name in reversed(names)}},
        "split": {"split": {"columns": names, "data": rows}},
        "split in another order": {"split": {"columns": names[::-1], "data": [row[::-1] for row in rows]}},
    }


@pytest.mark.parametrize("form", forms_of([ROW], NAMES))
def test_every_form_gives_the_same_columns(form: str) -> None:
    rows: list[list[Any]] = [[41.5, 3, "f"], [None, 4.0, "m"]]
    decoded = decode(forms_of(rows, NAMES)[form])
    expected = {
        "age": np.array([41.5, math.nan]),
        "bill length": np.array([3, 4]),
        "sex": np.array(["f", "m"], dtype=object),
    }
    assert_same(decoded.columns, Columns(2, expected))
    assert (decoded.unseen, decoded.missing) == ({}, {"age": 1})
    assert_same(payload.decode_rows(rows, PATIENTS), decoded.columns)


PLACES = {
    "bare lists": ("$[1]", "$[1][1]"),
    "bare objects": ("$[1]", "$[1]['bill length']"),
    "instances of lists": ("$.instances[1]", "$.instances[1][1]"),
    "instances of objects": ("$.instances[1]", "$.instances[1]['bill length']"),
    "records": ("$.records[1]", "$.records[1]['bill length']"),
    "records in another order": ("$.records[1]", "$.records[1]['bill length']"),
    "columns": ("$.columns.*[1]", "$.columns['bill length'][1]"),
    "split": ("$.split.data[1]", "$.split.data[1][1]"),
    "split in another order": ("$.split.data[1]", "$.split.data[1][1]"),
}


@pytest.mark.parametrize("form", PLACES)
def test_every_form_knows_where_a_row_and_a_cell_stood(form: str) -> None:
    decoded = decode(forms_of([ROW, ROW], NAMES)[form])
    assert (decoded.locate(1, None), decoded.locate(1, "bill length")) == PLACES[form]
    bad = refused(forms_of([ROW, [1, True, "f"]], NAMES)[form])
    assert bad == refusal(
        "wrong-type", PLACES[form][1], "a whole number", "boolean", "Values are never converted: send that type."
    )


TEXT_BODIES: list[Any] = [
    ["a", ""],
    {"instances": ["a", ""]},
    [["a"], [""]],
    {"instances": [["a"], [""]]},
    [{"text": "a"}, {"text": ""}],
    {"records": [{"text": "a"}, {"text": ""}]},
    {"columns": {"text": ["a", ""]}},
    {"split": {"columns": ["text"], "data": [["a"], [""]]}},
]


@pytest.mark.parametrize("body", TEXT_BODIES, ids=str)
def test_a_text_model_takes_strings_and_every_other_form(body: Any) -> None:
    assert_same(decode(body, TEXT).columns, Columns(2, {"text": np.array(["a", ""], dtype=object)}))


def test_only_a_text_model_takes_strings() -> None:
    signature = of("string")
    advice = "GET /schema describes the forms of a request."
    assert refused(["a"], signature) == refusal("wrong-form", "$[0]", "a list or an object", "string", advice)
    assert refused([["a"], "b"], TEXT) == refusal("wrong-form", "$[1]", "a list, as in the first row", "string", advice)
    assert refused([5], TEXT) == refusal("wrong-form", "$[0]", "a list or an object or a string", "number", advice)
    assert refused({"records": ["a"]}, TEXT) == refusal("wrong-form", "$.records[0]", "an object", "string", advice)


# body, at, expected, got
WRONG_FORMS: list[tuple[Any, str, str, str]] = [
    (5, "$", A_FORM, "number"),
    ("x", "$", A_FORM, "string"),
    (None, "$", A_FORM, "null"),
    (True, "$", A_FORM, "boolean"),
    ({}, "$", A_FORM, "an object without keys"),
    (RECORD, "$.age", A_FORM, "another key"),
    ({"instances": [ROW], "id": 7}, "$.id", A_FORM, "another key"),
    ({"a\n'b": 1}, "$['a\\u000a\\'b']", A_FORM, "another key"),
    ({"k" * 61: 1}, f"$['{'k' * 60}...']", A_FORM, "another key"),
    ({"instances": [ROW], "records": [RECORD]}, "$", A_FORM, "instances and records"),
    ({"instances": ROW[0]}, "$.instances", "a list of rows, each a list or an object", "number"),
    ({"instances": RECORD}, "$.instances", "a list of rows, each a list or an object", "object"),
    ({"records": RECORD}, "$.records", "a list of rows, each an object", "object"),
    ({"records": [ROW]}, "$.records[0]", "an object", "list of 3 values"),
    (ROW, "$[0]", "a list or an object", "number"),
    ([ROW, RECORD], "$[1]", "a list, as in the first row", "object"),
    ([RECORD, ROW], "$[1]", "an object, as in the first row", "list of 3 values"),
    ({"columns": [ROW]}, "$.columns", "an object with a list of values for each input", "list of 1 value"),
    ({"columns": {**RECORD}}, "$.columns.age", "a list of values", "number"),
    ({"split": [ROW]}, "$.split", "an object with the keys columns and data", "list of 1 value"),
    ({"split": {}}, "$.split", "an object with the keys columns and data", "no key"),
    ({"split": {"data": [ROW]}}, "$.split", "an object with the keys columns and data", "only data"),
    (
        {"split": {"columns": NAMES, "data": [ROW], "index": [0]}},
        "$.split.index",
        "an object with the keys columns and data",
        "another key",
    ),
    ({"split": {"columns": "age", "data": [ROW]}}, "$.split.columns", "a list of names", "string"),
    ({"split": {"columns": ["age", None], "data": [ROW]}}, "$.split.columns[1]", "a name", "null"),
    ({"split": {"columns": NAMES, "data": {}}}, "$.split.data", "a list of rows, each a list", "object"),
    ({"split": {"columns": NAMES, "data": [RECORD]}}, "$.split.data[0]", "a list", "object"),
]


@pytest.mark.parametrize(("body", "at", "expected", "got"), WRONG_FORMS, ids=str)
def test_a_body_of_no_form_is_refused_where_it_departs(body: Any, at: str, expected: str, got: str) -> None:
    advice = "GET /schema describes the forms of a request."
    assert refused(body) == refusal("wrong-form", at, expected, got, advice)


# body, at, the names that lack
MISSING: list[tuple[Any, str, str]] = [
    ([{}], "$[0]", LISTED_NAMES),
    ([RECORD, {"sex": "f", "extra": 1}], "$[1]", "age, 'bill length'"),
    ({"records": [{"age": 1, "sex": "f"}]}, "$.records[0]", "'bill length'"),
    ({"columns": {"age": [1]}}, "$.columns", "'bill length', sex"),
    ({"split": {"columns": ["age"], "data": [[1]]}}, "$.split.columns", "'bill length', sex"),
]


@pytest.mark.parametrize("extra_inputs", ["refuse", "ignore"])
@pytest.mark.parametrize(("body", "at", "names"), MISSING, ids=str)
def test_missing_names_are_all_named(body: Any, at: str, names: str, extra_inputs: str) -> None:
    advice = "Send every input; GET /schema lists them."
    expected = refusal("missing-input", at, f"also {names}", "nothing", advice)
    assert refused(body, extra_inputs=extra_inputs) == expected


# body, at, got
EXTRA: list[tuple[Any, str, str]] = [
    ([{**RECORD, "id": 7}], "$[0].id", "number"),
    ([RECORD, {**RECORD, "the id": None}], "$[1]['the id']", "null"),
    ({"records": [{**RECORD, "x": [1, 2]}]}, "$.records[0].x", "list of 2 values"),
    ({"columns": {**{name: [value] for name, value in RECORD.items()}, "x": "s"}}, "$.columns.x", "string"),
    ({"split": {"columns": ["x", *NAMES], "data": [[1, *ROW]]}}, "$.split.columns[0]", "another name"),
]


@pytest.mark.parametrize(("body", "at", "got"), EXTRA, ids=str)
def test_extra_names_are_refused_or_dropped_as_set(body: Any, at: str, got: str) -> None:
    advice = "Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."
    assert refused(body) == refusal("extra-input", at, f"only {LISTED_NAMES}", got, advice)
    kept = decode(body, extra_inputs="ignore").columns
    assert_same(kept, decode([ROW] * kept.rows).columns)


# body, at, what came
LENGTHS: list[tuple[Any, str, str]] = [
    ([[1, 2]], "$[0]", "2 values"),
    ([ROW, [*ROW, 1]], "$[1]", "4 values"),
    ({"instances": [ROW, []]}, "$.instances[1]", "0 values"),
    ({"split": {"columns": NAMES, "data": [ROW, [1]]}}, "$.split.data[1]", "1 value"),
]


@pytest.mark.parametrize(("body", "at", "got"), LENGTHS, ids=str)
def test_a_row_of_another_length_is_refused_with_both_lengths_and_the_names(body: Any, at: str, got: str) -> None:
    advice = "Send one value for each name, in this order."
    assert refused(body) == refusal("wrong-length", at, f"3 values: {LISTED_NAMES}", got, advice)


def test_ragged_columns_are_refused() -> None:
    body = {"columns": {"age": [1, 2], "bill length": [1, 2], "sex": ["f"]}}
    advice = "Send one value for each row in every column."
    expected = refusal("ragged-columns", "$.columns.sex", "list of 2 values", "list of 1 value", advice)
    assert refused(body) == expected


def test_a_name_twice_is_refused() -> None:
    body = {"split": {"columns": ["age", "sex", "age", "bill length"], "data": [[1, "f", 2, 3]]}}
    got, advice = "a name for the second time", "Leave one of them out."
    expected = refusal("duplicate-input", "$.split.columns[2]", "every name once", got, advice)
    assert refused(body) == expected
    assert refused(body, extra_inputs="ignore") == expected


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ([], "$"),
        ({"instances": []}, "$.instances"),
        ({"records": []}, "$.records"),
        ({"columns": {name: [] for name in NAMES}}, "$.columns"),
        ({"split": {"columns": NAMES, "data": []}}, "$.split.data"),
    ],
)
def test_no_rows_are_refused(body: Any, at: str) -> None:
    assert refused(body) == refusal("no-rows", at, "at least one row", "no rows", "Send rows to score.")


@pytest.mark.parametrize("form", forms_of([ROW], NAMES))
def test_more_rows_than_the_limit_are_refused_with_the_limit(form: str) -> None:
    assert decode(forms_of([ROW] * 3, NAMES)[form]).columns.rows == 3
    assert refused(forms_of([ROW] * 4, NAMES)[form]) == {
        "type": "urn:modelcast:problem:too-many-rows",
        "title": "Too many rows",
        "status": 413,
        "detail": "A request may have at most 3 rows (MODELCAST_LIMITS_ROWS). Send the rows in several requests.",
        "at": None,
        "expected": "at most 3 rows",
        "got": "more",
    }


# body, at, what came
NOT_JSON: list[tuple[bytes, str, str]] = [
    (b"", "line 1, column 1", "nothing"),
    (b"[[NaN]]", "line 1, column 3", "something else"),
    (b"[[1e400]]", "line 1, column 3", "something else"),
    (b'[["\\ud800"]]', "line 1, column 4", "something else"),
    (b'{"instances":\n [1,]}', "line 2, column 4", "something else"),
    (b"[" * 1025 + b"]" * 1025, "line 1, column 1026", "something else"),
]


@pytest.mark.parametrize(("body", "at", "got"), NOT_JSON, ids=lambda value: str(value)[:30])
def test_what_is_not_json_is_refused_with_line_and_column(body: bytes, at: str, got: str) -> None:
    advice = "NaN, Infinity, comments and trailing commas are not JSON."
    assert refused(body) == {**refusal("not-json", at, "JSON", got, advice), "title": "Not JSON"}


def test_what_is_not_utf8_is_refused_with_the_line() -> None:
    problem = refusal("not-utf-8", "line 2", "UTF-8", "other bytes", "Encode the body as UTF-8.")
    assert refused(b'[\n["\xe4"]]') == {**problem, "title": "Not UTF-8"}


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    assert_same(decode(b"\xef\xbb\xbf" + orjson.dumps([ROW])).columns, decode([ROW]).columns)


ACCEPTED = [
    None,
    "",
    "application/json",
    "Application/JSON",
    'application/json; charset="UTF-8"',
    "application/json;x=y",
]


@pytest.mark.parametrize("content_type", ACCEPTED)
def test_json_is_what_the_content_type_says_or_none(content_type: str | None) -> None:
    assert decode([ROW], content_type=content_type).columns.rows == 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/vnd.api+json", "json", "text/csvx", "*/*"])
def test_another_content_type_is_refused_with_the_accepted_ones(content_type: str) -> None:
    with pytest.raises(Problem) as caught:
        decode([ROW], content_type=content_type)
    assert caught.value.headers == (("Accept", "application/json, text/csv, application/x-www-form-urlencoded"),)
    assert json.loads(caught.value.to_bytes()) == {
        "type": "urn:modelcast:problem:unsupported-media-type",
        "title": "Unsupported media type",
        "status": 415,
        "detail": "Expected the Content-Type application/json, text/csv or application/x-www-form-urlencoded, got another. "
        "Send one of these, or no Content-Type at all.",
        "at": None,
        "expected": "application/json, text/csv or application/x-www-form-urlencoded",
        "got": "another Content-Type",
    }


@pytest.mark.parametrize("content_type", ["application/json; charset=latin-1", "text/csv;charset=utf-16"])
def test_another_charset_is_refused(content_type: str) -> None:
    assert refused([ROW], content_type=content_type) == {
        "type": "urn:modelcast:problem:unsupported-charset",
        "title": "Unsupported charset",
        "status": 415,
        "detail": "Expected the charset utf-8, got another. Send one of these, or no charset at all.",
        "at": None,
        "expected": "utf-8",
        "got": "another charset",
    }


# dtype, nullable, values, array
TAKEN: list[tuple[Dtype, bool, list[Any], np.ndarray]] = [
    ("float64", False, [41, 41.5, -0.0], np.array([41, 41.5, -0.0])),
    ("float64", True, [None, 2], np.array([math.nan, 2])),
    ("float64", False, [2**64 - 1], np.array([2.0**64])),
    ("float32", False, [0.1, 1], np.array([0.1, 1], dtype=np.float32)),
    ("float32", True, [0.1, None], np.array([0.1, math.nan], dtype=np.float32)),
    ("int64", False, [41, 41.0, 1e3], np.array([41, 41, 1000])),
    ("int64", False, [2**63 - 1, 1.0], np.array([2**63 - 1, 1])),
    ("int64", False, [-(2**63)], np.array([-(2**63)])),
    ("int64", True, [41, 42], np.array([41, 42])),
    ("int64", True, [None, 41.0], np.array([math.nan, 41])),
    ("bool", False, [True, False], np.array([True, False])),
    ("bool", True, [True, None], np.array([True, None], dtype=object)),
    ("string", False, ["", "é\n"], np.array(["", "é\n"], dtype=object)),
    ("string", True, ["a", None], np.array(["a", None], dtype=object)),
    ("datetime", False, ["2024-02-29"], np.array(["2024-02-29"], dtype="datetime64[ns]")),
    ("datetime", True, [None, "2024-02-29"], np.array(["NaT", "2024-02-29"], dtype="datetime64[ns]")),
]


@pytest.mark.parametrize(("dtype", "nullable", "values", "array"), TAKEN, ids=str)
def test_values_become_arrays_of_their_dtype(
    dtype: Dtype, nullable: bool, values: list[Any], array: np.ndarray
) -> None:
    decoded = decode({"columns": {"x": values}}, of(dtype, nullable=nullable))
    assert_same(decoded.columns, Columns(len(values), {"x": array}))
    assert decoded.missing == ({"x": values.count(None)} if None in values else {})


TIMES = {
    "2024-05-01T12:30:00Z": "2024-05-01T12:30:00",
    "2024-05-01t12:30:00z": "2024-05-01T12:30:00",
    "2024-05-01 12:30": "2024-05-01T12:30:00",
    "2024-05-01T12:30:00+02:00": "2024-05-01T10:30:00",
    "2024-05-01T00:30:00.5-0130": "2024-05-01T02:00:00.5",
    "2024-05-01T12:30:00.123456789": "2024-05-01T12:30:00.123456789",
    "1677-09-21T00:12:43.145224193": "1677-09-21T00:12:43.145224193",
    "2262-04-11T23:47:16.854775807Z": "2262-04-11T23:47:16.854775807",
}


@pytest.mark.parametrize("text", TIMES)
def test_times_are_taken_to_the_nanosecond_in_utc(text: str) -> None:
    (moment,) = decode([[text]], of("datetime")).columns.arrays["x"]
    assert moment == np.datetime64(TIMES[text], "ns")


NO_TIMES = [
    "",
    "x",
    "2024",
    "2024-02-30",
    "20240501",
    "2024-W01-1",
    "2024-05-01T25:00",
    "2024-05-01T12:30:60Z",
    "2024-05-01T12:30:00+24:00",
    "2024-05-01T12:30:00.1234567890",
    "2024-05-01T12:30:00Z ",
    "0000-01-01",
    "٢٠٢٤-05-01",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    advice = "Values are never converted: send that type."
    expected = refusal("wrong-type", "$[1][0]", WHEN, "another string", advice)
    assert refused([["2024-05-01"], [text]], of("datetime")) == expected


# dtype, nullable, value, expected, got
TYPES: list[tuple[Dtype, bool, Any, str, str]] = [
    ("float64", False, "1", "a number", "string"),
    ("float64", True, True, "a number", "boolean"),
    ("float64", False, [1], "a number", "list of 1 value"),
    ("float64", False, {}, "a number", "object"),
    ("float32", False, "1", "a number", "string"),
    ("int64", False, True, "a whole number", "boolean"),
    ("int64", False, "1", "a whole number", "string"),
    ("int64", False, 41.5, "a whole number", "number with a fraction"),
    ("int64", True, 41.5, "a whole number", "number with a fraction"),
    ("bool", False, 1, "true or false", "number"),
    ("bool", True, "true", "true or false", "string"),
    ("string", False, 1, "a string", "number"),
    ("string", True, ["a"], "a string", "list of 1 value"),
    ("datetime", False, 1714521600, WHEN, "number"),
]
GOOD: dict[Dtype, Any] = {
    "float64": 1.5, "float32": 1.5, "int64": 1, "bool": True, "string": "a", "datetime": "2024-05-01",
}  # fmt: skip


@pytest.mark.parametrize(("dtype", "nullable", "value", "expected", "got"), TYPES, ids=str)
def test_no_value_is_converted(dtype: Dtype, nullable: bool, value: Any, expected: str, got: str) -> None:
    advice = "Values are never converted: send that type."
    problem = refusal("wrong-type", "$[1][0]", expected, got, advice)
    assert refused([[GOOD[dtype]], [value]], of(dtype, nullable=nullable)) == problem
    if nullable:
        assert refused([[None], [value]], of(dtype, nullable=True)) == problem


@pytest.mark.parametrize("dtype", GOOD)
def test_null_is_refused_where_the_model_takes_none(dtype: Dtype) -> None:
    expected = {"float64": "a number", "float32": "a number", "int64": "a whole number", "bool": "true or false"}
    words = {**expected, "string": "a string", "datetime": WHEN}[dtype]
    advice = "The model takes no missing value there."
    assert refused([[GOOD[dtype]], [None]], of(dtype)) == refusal("missing-value", "$[1][0]", words, "null", advice)


# dtype, value, expected
RANGES: list[tuple[Dtype, Any, str]] = [
    ("int64", 2**63, "a whole number of 64 bits"),
    ("int64", -(2**63) - 2048, "a whole number of 64 bits"),
    ("int64", 1e300, "a whole number of 64 bits"),
    ("float32", 1e39, "a number of 32 bits"),
    ("float32", -1e39, "a number of 32 bits"),
    ("datetime", "1677-09-21T00:12:43.145224192", "a time from 1677-09-22 to 2262-04-11"),
    ("datetime", "2262-04-11T23:47:16.854775808Z", "a time from 1677-09-22 to 2262-04-11"),
    ("datetime", "9999-12-31T23:59:59-23:59", "a time from 1677-09-22 to 2262-04-11"),
]


@pytest.mark.parametrize(("dtype", "value", "expected"), RANGES, ids=str)
def test_what_a_dtype_cannot_hold_is_refused(dtype: Dtype, value: Any, expected: str) -> None:
    body = json.dumps([[GOOD[dtype]], [value]]).encode()
    problem = refusal("out-of-range", "$[1][0]", expected, "a value outside", "Send a value in this range.")
    assert refused(body, of(dtype)) == problem


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_bounds_written_for_an_input_refuse_values_outside(dtype: Dtype) -> None:
    signature, advice = of(dtype, minimum=-1, maximum=1e6, nullable=True), "Send a value in this range."
    assert decode([[-1], [1e6], [None]], signature).columns.rows == 3
    low = refusal("out-of-range", "$[1][0]", "a number of at least -1", "a smaller number", advice)
    high = refusal("out-of-range", "$[1][0]", "a number of at most 1000000", "a larger number", advice)
    assert refused([[0], [-2], [-3]], signature) == low
    assert refused([[None], [1000001]], signature) == high


# dtype, categories, known value, unknown value, the list in the problem, the type that came
CATEGORIES: list[tuple[Dtype, tuple[Any, ...], Any, Any, str, str]] = [
    ("string", ("f", "m"), "f", "x", '"f", "m"', "string"),
    ("string", ("",), "", "f", '""', "string"),
    ("int64", (1, 2), 1.0, 3, "1, 2", "number"),
    ("float64", (1, 2.5), 1, 2, "1, 2.5", "number"),
    ("float32", (0.1,), 0.1, 0.2, "0.1", "number"),
    ("bool", (True,), True, False, "true", "boolean"),
    ("datetime", ("2024-05-01",), "2024-05-01T00:00:00Z", "2024-05-02", '"2024-05-01"', "string"),
    ("int64", tuple(range(21)), 20, 21, ", ".join(map(str, range(20))) + ", ...", "number"),
]


@pytest.mark.parametrize(("dtype", "categories", "known", "unknown", "words", "kind"), CATEGORIES, ids=str)
@pytest.mark.parametrize("nullable", [True, False])
def test_an_unknown_category_is_refused_or_counted(
    dtype: Dtype, categories: tuple[Any, ...], known: Any, unknown: Any, words: str, kind: str, nullable: bool
) -> None:
    values = [known, None, unknown] if nullable else [known, unknown, unknown]
    rows, first = [[value] for value in values], values.index(unknown)
    refuses, accepts = (
        of(dtype, categories=categories, nullable=nullable, unknown=how) for how in ("refuse", "accept")
    )
    problem = refusal(
        "unknown-category",
        f"$[{first}][0]",
        f"one of {words}",
        f"another {kind}",
        "The model takes no other value there.",
    )
    assert refused(rows, refuses) == problem
    decoded = decode(rows, accepts)
    assert decoded.unseen == {"x": 3 - first}
    assert decode([[known]], refuses).unseen == {}


def test_two_signatures_with_equal_names_keep_their_own_categories() -> None:
    for known in ("a", "b"):
        assert decode([["a"]], of("string", categories=(known,))).unseen == ({} if known == "a" else {"x": 1})


def test_the_first_bad_cell_of_the_first_bad_column_is_named() -> None:
    body = [[1, "x", "f"], [True, 3, "f"]]
    assert refused(body)["at"] == "$[1][0]"


@pytest.mark.parametrize("body", [[[41.25, 3, "classified"]], [["classified", 3, "f"]], {"instances": "classified"}])
def test_a_problem_never_shows_the_value_that_came(body: Any) -> None:
    assert "classified" not in json.dumps(refused(body))


CELLS: dict[Dtype, st.SearchStrategy[Any]] = {
    "float64": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1),
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-100, 100).map(float),
    "bool": st.booleans(),
    "string": st.text(),
    "datetime": st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)).map(datetime.isoformat),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Signature, list[list[Any]]]:
    """A signature and rows that it takes."""
    names = draw(st.lists(st.text(max_size=5), min_size=1, max_size=5, unique=True))
    inputs = tuple(
        Column(name=name, dtype=draw(st.sampled_from(list(CELLS))), nullable=draw(st.booleans())) for name in names
    )
    row = st.tuples(*[st.none() | CELLS[one.dtype] if one.nullable else CELLS[one.dtype] for one in inputs])
    rows = draw(st.lists(row.map(list), min_size=1, max_size=3))
    return Signature(layout="frame", inputs=inputs, outputs=()), rows


@given(tables())
def test_all_forms_of_any_table_decode_alike(table: tuple[Signature, list[list[Any]]]) -> None:
    signature, rows = table
    expected = payload.decode_rows(rows, signature)
    for body in forms_of(rows, [column.name for column in signature.inputs]).values():
        assert_same(decode(body, signature).columns, expected)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*NAMES, "text", "instances", "records", "columns", "split", "data"]), inner)
    ),
    max_leaves=8,
)
NEARLY_ROWS = st.lists(
    st.lists(ANY_JSON, min_size=3, max_size=3) | st.fixed_dictionaries(dict.fromkeys(NAMES, ANY_JSON))
)
NEARLY_BODIES = st.one_of(
    ANY_JSON,
    NEARLY_ROWS,
    st.builds(dict, instances=NEARLY_ROWS),
    st.builds(dict, records=NEARLY_ROWS),
    st.builds(dict, columns=st.fixed_dictionaries(dict.fromkeys(NAMES, st.lists(ANY_JSON, max_size=3)))),
    st.builds(dict, split=st.fixed_dictionaries({"columns": st.permutations(NAMES), "data": NEARLY_ROWS})),
)


def decodes_or_is_refused(body: bytes, signature: Signature, content_type: str | None, extra_inputs: str) -> None:
    try:
        decoded = decode(body, signature, content_type, extra_inputs=extra_inputs)
    except Problem as problem:
        assert problem.status in (400, 413, 415)
        assert all(isinstance(json.loads(problem.to_bytes())[key], str | None) for key in ("at", "expected", "got"))
    else:
        columns = decoded.columns
        assert {len(array) for array in columns.arrays.values()} == {columns.rows}
        assert decoded.locate(columns.rows - 1, None) != decoded.locate(columns.rows - 1, signature.inputs[0].name)


@given(NEARLY_BODIES, st.sampled_from([PATIENTS, of("datetime"), of("bool")]), st.sampled_from(["refuse", "ignore"]))
def test_any_json_decodes_or_is_refused(body: Any, signature: Signature, extra_inputs: str) -> None:
    decodes_or_is_refused(json.dumps(body).encode(), signature, None, extra_inputs)


@given(st.binary(), st.text(max_size=20) | st.sampled_from(["application/json", "text/csv"]))
def test_any_bytes_decode_or_are_refused(body: bytes, content_type: str) -> None:
    decodes_or_is_refused(body, PATIENTS, content_type, "refuse")


_CELLS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.booleans(),
    st.none(),
    st.sampled_from(["1", ""]),
    st.just([1]),
    st.just({}),
)


@given(
    st.lists(st.lists(st.one_of(st.integers(-9, 9), _CELLS), min_size=1, max_size=3), max_size=3),
    st.sampled_from(["", "instances", "columns", "x"]),
    st.sampled_from([None, 2.0]),
)
def test_rows_of_numbers_are_read_in_one_go_as_they_are_read_cell_by_cell(
    rows: list[Any], form: str, most: float | None
) -> None:
    signature = Signature(
        layout="array",
        inputs=tuple(Column(name=name, dtype="float64", maximum=most) for name in "ab"),
        outputs=(),
    )
    body = json.dumps({form: rows} if form else rows).encode()

    def told() -> Any:
        try:
            decoded = payload.decode(body, None, signature, extra_inputs="refuse", max_rows=2)
        except Problem as problem:
            return str(problem.to_bytes())
        return (
            decoded.columns.rows,
            [values.tolist() for values in decoded.columns.arrays.values()],
            decoded.locate(0, "b"),
        )

    at_once = told()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(payload, "_is_numeric", lambda body: False)
        assert told() == at_once

"""What a CSV body becomes: the columns that JSON gives, or a problem with the line and the column."""

import csv
import io
import json
import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import payload, payload_csv
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Column, Dtype, Signature
from modelcast_runtime.problems import Problem

TYPES_STAY = "Values are never converted: send that type."
HEADER = "age,bill length,sex\n"
SIGNATURE = Signature(
    layout="frame",
    inputs=(
        Column(name="age", dtype="float64", nullable=True),
        Column(name="bill length", dtype="int64"),
        Column(name="sex", dtype="string", nullable=True),
    ),
    outputs=(),
)


def of(dtype: Dtype, *, nullable: bool = False) -> Signature:
    """Two inputs, so that a line without text is no row."""
    inputs = (Column(name="x", dtype=dtype, nullable=nullable), Column(name="y", dtype="string", nullable=True))
    return Signature(layout="frame", inputs=inputs, outputs=())


def decode(body: str | bytes, signature: Signature = SIGNATURE, **terms: Any) -> payload.Decoded:
    content = body.encode() if isinstance(body, str) else body
    return payload.decode(content, "text/csv", signature, **{"extra_inputs": "refuse", "max_rows": 9, **terms})


def refused(body: str | bytes, signature: Signature = SIGNATURE, **terms: Any) -> dict[str, Any]:
    with pytest.raises(Problem) as caught:
        decode(body, signature, **terms)
    document: dict[str, Any] = json.loads(caught.value.to_bytes())
    return document


def refusal(title: str, at: str, expected: str, got: str, advice: str) -> dict[str, Any]:
    return {
        "type": f"urn:modelcast:problem:{title.lower().replace(' ', '-')}",
        "title": title,
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


EXPECTED = Columns(
    2,
    {
        "age": np.array([41.5, math.nan]),
        "bill length": np.array([3, 4]),
        "sex": np.array(["f", None], dtype=object),
    },
)
SAME_BODIES = {
    "line feeds": "age,bill length,sex\n41.5,3,f\n,4,\n",
    "no line feed at the end": "age,bill length,sex\n41.5,3,f\n,4,",
    "carriage returns and line feeds": "age,bill length,sex\r\n41.5,3,f\r\n,4,\r\n",
    "blank lines at the end": "age,bill length,sex\n41.5,3,f\n,4,\n\n\r\n",
    "a byte order mark": "\ufeffage,bill length,sex\n41.5,3,f\n,4,\n",
    "another order": "sex,age,bill length\nf,41.5,3\n,,4\n",
    "quotes": '"age","bill length","sex"\r\n"41.5","3","f"\r\n"","4",\r\n',
    "spaces and whole floats": "age,bill length,sex\n 41.5 ,3.0,f\n , 4e0\t,\n",
}


@pytest.mark.parametrize("name", SAME_BODIES)
def test_every_way_to_write_a_table_gives_the_same_columns(name: str) -> None:
    decoded = decode(SAME_BODIES[name])
    assert_same(decoded.columns, EXPECTED)
    assert (decoded.missing, decoded.unseen) == ({"age": 1, "sex": 1}, {})
    assert (decoded.locate(1, None), decoded.locate(1, "bill length")) == ("line 3", "line 3, column 'bill length'")


def test_an_empty_field_is_null_and_a_quoted_one_is_an_empty_text() -> None:
    texts = decode('x,y\n1,\n2,""\n3," "\n', of("float64")).columns.arrays["y"]
    assert texts.tolist() == [None, "", " "]


def test_a_quoted_empty_number_is_null() -> None:
    assert decode('x,y\n"",a\n', of("float64", nullable=True)).missing == {"x": 1}
    problem = refusal(
        "Missing value", "line 2, column x", "a number", "null", "The model takes no missing value there."
    )
    assert refused('x,y\n"",a\n', of("float64")) == problem


def test_a_quoted_field_holds_commas_quotes_and_line_ends() -> None:
    decoded = decode('x,y\n1,"a,""b""\r\nc\n"\n2,z\n', of("int64"))
    assert decoded.columns.arrays["y"].tolist() == ['a,"b"\r\nc\n', "z"]
    assert (decoded.locate(0, "x"), decoded.locate(1, "x")) == ("line 2, column x", "line 5, column x")


# dtype, text, value
TAKEN: list[tuple[Dtype, str, Any]] = [
    ("float64", "41", 41.0),
    ("float64", "+41.", 41.0),
    ("float64", "-.5e-1", -0.05),
    ("float64", "007", 7.0),
    ("float64", "123456789012345678901234567890", 1.2345678901234568e29),
    ("float32", "0.5", 0.5),
    ("int64", "41", 41),
    ("int64", "41.0", 41),
    ("int64", "-9223372036854775808", -(2**63)),
    ("int64", "9223372036854775807", 2**63 - 1),
    ("bool", "True", True),
    ("bool", " FALSE ", False),
    ("datetime", " 2024-05-01T12:00:00+02:00 ", np.datetime64("2024-05-01T10:00:00", "ns")),
    ("string", " 41 ", " 41 "),
]


@pytest.mark.parametrize(("dtype", "text", "value"), TAKEN, ids=str)
def test_fields_are_read_as_their_dtype(dtype: Dtype, text: str, value: Any) -> None:
    for body in (f"x,y\n{text},a\n", f'x,y\n"{text}",a\n', f"x,y\n{text},a\n,\n"):
        (read, *_) = decode(body, of(dtype, nullable=True)).columns.arrays["x"]
        assert read == value


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "0x1f",
        "1_000",
        "1e",
        "e",
        "-",
        ".",
        "1.2.3",
        "1 2",
        "٤١",
        "1\u00a0",
        "true",
        "--1",
        "1d5",
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
@pytest.mark.parametrize("row", ["1,a\n{},b\n", ",a\n{},b\n"])
def test_only_decimal_numbers_are_numbers(text: str, dtype: Dtype, row: str) -> None:
    words = "a whole number" if dtype == "int64" else "a number"
    problem = refusal("Wrong type", "line 3, column x", words, "string", TYPES_STAY)
    assert refused("x,y\n" + row.format(text), of(dtype, nullable=True)) == problem


@pytest.mark.parametrize(("dtype", "text"), [("float64", "1e400"), ("float64", "-" + "9" * 5000), ("float32", "1e39")])
def test_a_number_that_would_become_infinite_is_refused(dtype: Dtype, text: str) -> None:
    words = {"float64": "a number of 64 bits", "float32": "a number of 32 bits"}[dtype]
    problem = refusal("Out of range", "line 3, column x", words, "a value outside", "Send a value in this range.")
    assert refused(f"x,y\n1,a\n{text},b\n", of(dtype)) == problem


@pytest.mark.parametrize(
    ("dtype", "text", "expected", "got"),
    [
        ("int64", "41.5", "a whole number", "number with a fraction"),
        ("bool", "yes", "true or false", "string"),
        ("bool", "1", "true or false", "string"),
        ("datetime", "1.5.2024", "a date or time in ISO 8601, such as 2024-05-01T12:30:00Z", "another string"),
    ],
)
def test_a_field_of_another_type_is_refused(dtype: Dtype, text: str, expected: str, got: str) -> None:
    problem = refusal("Wrong type", "line 2, column x", expected, got, TYPES_STAY)
    assert refused(f"x,y\n{text},b\n", of(dtype)) == problem


A_FIELD_END, A_STRAY = "a comma or a line end after the field", "a stray quote or carriage return"
QUOTE_IT = 'Put the field in double quotes, and write a quote in it as "".'
ALL_NAMES = "age, 'bill length', sex"
FORMS = "GET /schema describes the forms of a request."
ADVICE_EXTRA = "Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service."
ONE_EACH = "Send one field for each name, in this order."
REFUSED: list[tuple[str | bytes, dict[str, Any]]] = [
    ("", refusal("Wrong form", "line 1", "a header line with the names of the inputs", "nothing", FORMS)),
    ("\n \r\n", refusal("Wrong form", "line 1", "a header line with the names of the inputs", "nothing", FORMS)),
    (HEADER, refusal("No rows", "line 2", "at least one row", "no rows", "Send rows to score.")),
    (HEADER + "\n\n", refusal("No rows", "line 2", "at least one row", "no rows", "Send rows to score.")),
    (
        "age\n1\n",
        refusal(
            "Missing input", "line 1", "also 'bill length', sex", "nothing", "Send every input; GET /schema lists them."
        ),
    ),
    (
        "age,sex,bill length,sex\n1,f,3,f\n",
        refusal(
            "Duplicate input",
            "line 1, column sex",
            "every name once",
            "a name for the second time",
            "Leave one of them out.",
        ),
    ),
    (
        ",age,bill length,sex\n0,1,3,f\n",
        refusal("Extra input", "line 1, column ''", f"only {ALL_NAMES}", "another name", ADVICE_EXTRA),
    ),
    (
        "age,bill length,sex, sex\n1,3,f,f\n",
        refusal("Extra input", "line 1, column ' sex'", f"only {ALL_NAMES}", "another name", ADVICE_EXTRA),
    ),
    (HEADER + "1,3,f\n1,3\n", refusal("Wrong length", "line 3", f"3 fields: {ALL_NAMES}", "2 fields", ONE_EACH)),
    (HEADER + "1,3,f\n\n1,3,f\n", refusal("Wrong length", "line 3", f"3 fields: {ALL_NAMES}", "1 field", ONE_EACH)),
    (
        HEADER + '1,3,"a\nb"\n1,3,f,\n',
        refusal("Wrong length", "line 4", f"3 fields: {ALL_NAMES}", "4 fields", ONE_EACH),
    ),
    (HEADER + '1,3,"f\n1,3,f\n', refusal("Not CSV", "line 2", A_FIELD_END, A_STRAY, QUOTE_IT)),
    (HEADER + '1,3,f\n1,3,5" f\n', refusal("Not CSV", "line 3", A_FIELD_END, A_STRAY, QUOTE_IT)),
    (HEADER + '1,3,"f" \n', refusal("Not CSV", "line 2", A_FIELD_END, A_STRAY, QUOTE_IT)),
    (HEADER + "1,3,f\r1,3,f\r", refusal("Not CSV", "line 2", A_FIELD_END, A_STRAY, QUOTE_IT)),
    (
        HEADER.encode() + b"1,3,\xe4\n",
        refusal("Not UTF-8", "line 2", "UTF-8", "other bytes", "Encode the body as UTF-8."),
    ),
]


@pytest.mark.parametrize(("body", "problem"), REFUSED, ids=lambda value: repr(value)[:40])
def test_what_is_no_table_is_refused_with_its_line(body: str | bytes, problem: dict[str, Any]) -> None:
    assert refused(body) == problem


def test_extra_columns_are_dropped_where_set() -> None:
    body = ',age,bill length,sex,note\n0,41.5,3,f,"a\n"\n1,,4,,\n'
    assert_same(decode(body, extra_inputs="ignore").columns, EXPECTED)


@pytest.mark.parametrize("row", ["1,3,f\n", '1,3,"f"\r\n'])
@pytest.mark.parametrize("end", ["", "\n\n"])
def test_more_rows_than_the_limit_are_refused(row: str, end: str) -> None:
    assert decode(HEADER + row * 9 + end).columns.rows == 9
    problem = refused(HEADER + row * 10 + end)
    assert (problem["status"], problem["expected"]) == (413, "at most 9 rows")


def test_a_blank_last_line_is_a_row_only_where_it_can_be_one() -> None:
    text = Column(name="text", dtype="string")
    nullable = Column(name="text", dtype="string", nullable=True)
    for column, rows in ((text, ["a"]), (nullable, ["a", None])):
        signature = Signature(layout="frame", inputs=(column,), outputs=())
        assert decode("text\na\n\n", signature).columns.arrays["text"].tolist() == rows


NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=4), min_size=2, max_size=4, unique=True
)
CELLS: dict[Dtype, st.SearchStrategy[Any]] = {
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "bool": st.booleans(),
    "string": st.text(min_size=1),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[Signature, list[list[Any]]]:
    """A signature of nullable inputs, and rows without empty texts, which Python's csv does not quote."""
    dtypes = st.sampled_from(list(CELLS))
    inputs = tuple(Column(name=name, dtype=draw(dtypes), nullable=True) for name in draw(NAMES))
    row = st.tuples(*[st.none() | CELLS[column.dtype] for column in inputs]).map(list)
    return Signature(layout="frame", inputs=inputs, outputs=()), draw(st.lists(row, min_size=1, max_size=4))


@given(tables(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]))
def test_what_pythons_csv_writes_decodes_as_the_same_rows_in_json(
    table: tuple[Signature, list[list[Any]]], quoting: Any
) -> None:
    signature, rows = table
    if quoting == csv.QUOTE_NONNUMERIC:  # which quotes None, and would turn it into an empty text
        rows = [
            [
                "-" if value is None and column.dtype == "string" else value
                for value, column in zip(row, signature.inputs, strict=True)
            ]
            for row in rows
        ]
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting)
    writer.writerows([[column.name for column in signature.inputs], *rows])
    body = orjson.dumps(rows)
    expected = payload.decode(body, None, signature, extra_inputs="refuse", max_rows=9)
    decoded = decode(text.getvalue(), signature)
    assert_same(decoded.columns, expected.columns)
    assert decoded.missing == expected.missing


@given(st.lists(st.lists(st.text("ab1 .,\n", max_size=3), min_size=2, max_size=2), min_size=1, max_size=4))
def test_quotes_that_say_nothing_change_nothing(rows: list[list[str]]) -> None:
    plain = [[field.replace(",", "").replace("\n", "") for field in row] for row in rows]
    text = "x,y\n" + "".join(f"{','.join(row)}\n" for row in plain)
    quoted = text.replace("x", '"x"', 1)
    sheets = [payload_csv.read(body.encode(), 9) for body in (text, quoted, text.replace("\n", "\r\n"))]
    assert all((sheet.names, sheet.records) == (sheets[0].names, sheets[0].records) for sheet in sheets)
    assert len({tuple(sheet.lines)[: len(sheet.records)] for sheet in sheets}) == 1


@given(st.text('age,"\r\nx1. \ufeff', max_size=30) | st.text(max_size=30), st.sampled_from(list(CELLS)))
def test_any_text_decodes_or_is_refused(body: str, dtype: Dtype) -> None:
    signature = Signature(layout="frame", inputs=(Column(name="a", dtype=dtype, nullable=True),), outputs=())
    for text in (body, f"a\n{body}"):
        try:
            decoded = decode(text.encode(), signature, extra_inputs="ignore", max_rows=99)
        except Problem as problem:
            assert problem.status == 400
        else:
            assert len(decoded.columns.arrays["a"]) == decoded.columns.rows > 0

"""nachlass' form: every shape that its clients send, and an exact refusal of what is none of them."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import payload, payload_form
from modelcast_runtime.contract import Column, Layout, Signature
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import Problem

FORM = "application/x-www-form-urlencoded"
PATIENTS = Signature(
    layout="frame",
    inputs=(Column(name="age", dtype="float64", nullable=True), Column(name="sex & so", dtype="string")),
    outputs=(),
)
NUMBERS = Signature(
    layout="array", inputs=tuple(Column(name=name, dtype="float64") for name in ("x0", "x1", "x2")), outputs=()
)
ROWS = pd.DataFrame({"age": [41.5, None, 3], "sex & so": ["f+", "50% é", '"m"']})
ENCODED = "Percent-encode the JSON in it (curl --data-urlencode), or send the JSON alone with the Content-Type application/json."
LIBRARY = "Encode the form with a library, or by curl --data-urlencode; a percent sign is %25."


def one(name: str, layout: Layout = "frame", dtype: Any = "string") -> Signature:
    return Signature(layout=layout, inputs=(Column(name=name, dtype=dtype),), outputs=())


TEXT = one("text", "text")


def decode(body: bytes | str, signature: Signature = PATIENTS, **terms: Any) -> Decoded:
    content = body if isinstance(body, bytes) else body.encode()
    return payload.decode(content, FORM, signature, **{"extra_inputs": "refuse", "max_rows": 3, **terms})


def sent(document: Any, signature: Signature = PATIENTS, **terms: Any) -> Decoded:
    text = document if isinstance(document, str) else json.dumps(document)
    return decode(urlencode({"json_args": text}), signature, **terms)


def refused(decoded: Callable[..., Decoded], *arguments: Any, **terms: Any) -> str:
    with pytest.raises(Problem) as caught:
        decoded(*arguments, **terms)
    assert caught.value.status == 400
    return caught.value.detail


def columns(decoded: Decoded) -> dict[str, list[Any]]:
    return {name: values.tolist() for name, values in decoded.columns.arrays.items()}


SHAPES = {
    "records": ROWS.to_json(orient="records"),
    "pandas' default": ROWS.to_json(),
    "pandas' default with labels of its own": ROWS.set_axis([7, 3, 5]).to_json(),
    "columns of lists": json.dumps({"age": [41.5, None, 3], "sex & so": ["f+", "50% é", '"m"']}),
    "columns in another order": ROWS[["sex & so", "age"]].to_json(),
    "lists": ROWS.to_json(orient="values"),
    "with blanks": f" \r\n{ROWS.to_json()}\n",
    "with a byte order mark": "\ufeff" + str(ROWS.to_json()),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_frame_gives_its_rows_in_order(shape: str) -> None:
    decoded = sent(SHAPES[shape])
    assert columns(decoded)["sex & so"] == ["f+", "50% é", '"m"']
    np.testing.assert_array_equal(decoded.columns.arrays["age"], [41.5, np.nan, 3])
    assert (decoded.columns.rows, decoded.missing) == (3, {"age": 1})


@pytest.mark.parametrize("signature", [TEXT, one("message")])
def test_one_column_takes_a_list_of_strings(signature: Signature) -> None:
    texts = ["win & money + now", "100% é 猫", ""]
    assert columns(sent(texts, signature)) == {signature.inputs[0].name: texts}
    assert sent(texts, signature).locate(1, "message") == "$.json_args[1]"


@pytest.mark.parametrize("shape", [{"text": ["a", "b"]}, {"0": ["a", "b"]}, {"mail": {"0": "a", "1": "b"}}])
def test_the_name_of_a_texts_only_column_is_not_looked_at(shape: Any) -> None:
    assert columns(sent(shape, TEXT)) == {"text": ["a", "b"]}


def test_the_columns_of_an_array_may_be_numbered_as_pandas_does_it() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    assert columns(sent(pd.DataFrame(rows).to_json(), NUMBERS)) == {"x0": [0, 3], "x1": [1, 4], "x2": [2, 5]}
    assert columns(sent(rows.tolist(), NUMBERS)) == {"x0": [0, 3], "x1": [1, 4], "x2": [2, 5]}
    assert refused(sent, {"0": [1], "2": [2], "1": [3]}, NUMBERS) == (
        "$.json_args: expected also x0, x1, x2, got nothing. Send every input; GET /schema lists them."
    )


@pytest.mark.parametrize(
    ("document", "row", "cell"),
    [
        ([[1, "f"], [2, "m"]], "$.json_args[1]", "$.json_args[1][1]"),
        ([{"age": 1, "sex & so": "f"}] * 2, "$.json_args[1]", "$.json_args[1]['sex & so']"),
        ({"age": [1, 2], "sex & so": ["f", "m"]}, "$.json_args.*[1]", "$.json_args['sex & so'][1]"),
        (
            {"age": {"7": 1, "it's": 2}, "sex & so": {"it's": "f", "7": "m"}},
            "$.json_args.*['it\\'s']",
            "$.json_args['sex & so']['it\\'s']",
        ),
    ],
)
def test_every_shape_knows_where_a_row_and_a_cell_stood(document: Any, row: str, cell: str) -> None:
    decoded = sent(document)
    assert (decoded.locate(1, None), decoded.locate(1, "sex & so")) == (row, cell)


def test_a_text_under_another_name_stands_where_the_client_wrote_it() -> None:
    assert refused(sent, {"mail": {"4": "a", "7": 13}}, TEXT) == (
        "$.json_args.mail['7']: expected a string, got number. Values are never converted: send that type."
    )
    assert sent({"mail": ["a"]}, TEXT).locate(0, None) == "$.json_args.*[0]"


def test_labels_are_the_same_rows_in_whatever_order() -> None:
    decoded = sent({"age": {"b": 1, "a": 2}, "sex & so": {"a": "f", "b": "m"}})
    assert columns(decoded) == {"age": [1, 2], "sex & so": ["m", "f"]}


CONTENT = [
    ([], "$.json_args: expected at least one row, got no rows. Send rows to score."),
    ({"age": [], "sex & so": []}, "$.json_args: expected at least one row, got no rows. Send rows to score."),
    ({"age": {}, "sex & so": {}}, "$.json_args: expected at least one row, got no rows. Send rows to score."),
    ({}, "$.json_args: expected also age, 'sex & so', got nothing. Send every input; GET /schema lists them."),
    (
        {"age": [1], "sex & so": {"0": "f"}},
        "$.json_args['sex & so']: expected a list of values, got object. GET /schema describes the forms of a request.",
    ),
    (
        {"age": {"0": 1}, "sex & so": {"1": "f"}},
        "$.json_args['sex & so']: expected the same rows as in $.json_args.age, got other rows. "
        "Send one value for each row in every column.",
    ),
    (
        {"age": [1, 2], "sex & so": ["f"]},
        "$.json_args['sex & so']: expected list of 2 values, got list of 1 value. "
        "Send one value for each row in every column.",
    ),
    (
        [{"age": "41", "sex & so": "f"}],
        "$.json_args[0].age: expected a number, got string. Values are never converted: send that type.",
    ),
    (
        {"age": [1], "sex & so": ["f"], "id": [1]},
        "$.json_args.id: expected only age, 'sex & so', got list of 1 value. "
        "Leave it out, or set MODELCAST_EXTRA_INPUTS=ignore for the service.",
    ),
    (
        ["f", "m"],
        "$.json_args[0]: expected a list or an object, got string. GET /schema describes the forms of a request.",
    ),
    (
        "13",
        "$.json_args: expected a list of rows, each a list or an object, got number. "
        "GET /schema describes the forms of a request.",
    ),
    (
        '[{"age": NaN}]',
        "$.json_args, line 1, column 10: expected JSON, got something else. "
        "NaN, Infinity, comments and trailing commas are not JSON.",
    ),
    (
        '{\n"age": [1,]}',
        "$.json_args, line 2, column 10: expected JSON, got something else. "
        "NaN, Infinity, comments and trailing commas are not JSON.",
    ),
]


@pytest.mark.parametrize(("document", "detail"), CONTENT)
def test_what_the_field_holds_is_refused_with_its_place_in_it(document: Any, detail: str) -> None:
    assert refused(sent, document) == detail


def test_extra_columns_are_left_out_where_the_service_says_so() -> None:
    document = {"age": {"0": 1}, "id": {"0": 9}, "sex & so": {"0": "f"}}
    assert columns(sent(document, extra_inputs="ignore")) == {"age": [1], "sex & so": ["f"]}


def test_no_more_rows_than_the_limit() -> None:
    with pytest.raises(Problem) as caught:
        sent({"age": dict.fromkeys("1234", 1), "sex & so": dict.fromkeys("1234", "f")})
    assert caught.value.status == 413


NOTHING = f"$: expected a form with the one field json_args, got nothing. {ENCODED}"
ANOTHER = f"$: expected a form with the one field json_args, got another field. {ENCODED}"
PICKLED = (
    "$.args: expected the field json_args, got pickled Python. It was not read: to unpickle it would execute code of the "
    "caller. Send the rows as JSON in json_args."
)
FIELDS = [
    (b"", NOTHING),
    (b"x=1", ANOTHER),
    (b"=[]", ANOTHER),
    (b"&json_args=[]", ANOTHER),
    (b"json_args=[]&json=1", ANOTHER),
    (b'json_args=["a&secret"]', ANOTHER),
    (b"JSON_ARGS=[]", ANOTHER),
    (b"json_args=[]&json_args=[]", f"$: expected a form with the one field json_args, got it twice. {ENCODED}"),
    (b"json_args=[]&json%5Fargs=[]", f"$: expected a form with the one field json_args, got it twice. {ENCODED}"),
    (b' {"instances": []}', f"$: expected a form with the one field json_args, got JSON without a field. {ENCODED}"),
    (b"[1, 2]", f"$: expected a form with the one field json_args, got JSON without a field. {ENCODED}"),
    (b"args=gASVJ%zz", PICKLED),
    (b"args", PICKLED),
    (b"%61rgs=gASV", PICKLED),
    (b"json_args=[]&args=gASV", PICKLED),
    (b"args=gASV&json_args=[]", PICKLED),
    (
        b"json_args=",
        "$.json_args, line 1, column 1: expected JSON, got nothing. "
        "NaN, Infinity, comments and trailing commas are not JSON.",
    ),
    (
        b"json_args",
        "$.json_args, line 1, column 1: expected JSON, got nothing. "
        "NaN, Infinity, comments and trailing commas are not JSON.",
    ),
    (
        b'json_args=["100% sure"]',
        f"$.json_args: expected % and two hexadecimal digits, got % and something else. {LIBRARY}",
    ),
    (b"json_args=%", f"$.json_args: expected % and two hexadecimal digits, got % and something else. {LIBRARY}"),
    (b"json_args=%5", f"$.json_args: expected % and two hexadecimal digits, got % and something else. {LIBRARY}"),
    (b"json_args=%u0041", f"$.json_args: expected % and two hexadecimal digits, got % and something else. {LIBRARY}"),
    (b"json%args=[]", f"$: expected % and two hexadecimal digits, got % and something else. {LIBRARY}"),
    (
        b'json_args=["a",%0A"%FF"]',
        "$.json_args, line 2: expected UTF-8, got other bytes. Encode the body as UTF-8.",
    ),
    (b'json_args=["\xe9"]', "$.json_args, line 1: expected UTF-8, got other bytes. Encode the body as UTF-8."),
]


@pytest.mark.parametrize(("body", "detail"), FIELDS)
def test_another_form_is_refused_and_says_what_is_expected(body: bytes, detail: str) -> None:
    assert refused(decode, body, TEXT) == detail


def test_a_problem_names_no_value_even_where_it_looks_like_a_field() -> None:
    assert "secret" not in refused(decode, b'json_args=["a&secret=1"]', TEXT)


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ("json_args=[%22a+b%22]", ["a b"]),
        ("json_args=[%22a%2Bb%22]", ["a+b"]),
        ('json_args=["é"]', ["é"]),
        ("json_args=%5b%22%c3%A9%22%5D", ["é"]),
        ('json_args=["a=b;c"]', ["a=b;c"]),
        ('json_args=["x"]\n', ["x"]),
        ("%6Ason_args=[%22%2525%22]", ["%25"]),
    ],
)
def test_a_form_is_decoded_as_every_server_does_it(body: str, texts: list[str]) -> None:
    assert columns(decode(body, TEXT)) == {"text": texts}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3))
def test_any_texts_arrive_as_they_were_sent(texts: list[str]) -> None:
    for encoded in (
        urlencode({"json_args": json.dumps(texts)}),
        "json_args=" + quote(orjson.dumps(texts), safe=""),
        urlencode({"json_args": json.dumps(texts, ensure_ascii=False)}),
    ):
        assert columns(decode(encoded, TEXT)) == {"text": texts}


@given(st.binary(), st.sampled_from([b"", b"json_args=", b"json_args=[", b"args="]))
def test_any_bytes_decode_or_are_refused(body: bytes, before: bytes) -> None:
    try:
        decode(before + body, TEXT)
    except Problem as problem:
        assert problem.status in (400, 413)


def test_a_large_form_is_decoded_at_once() -> None:
    texts = ["\N{SNOWMAN}" * 100_000] * 3
    assert columns(decode(urlencode({"json_args": json.dumps(texts)}), TEXT)) == {"text": texts}


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", FORM.upper()])
def test_a_form_is_told_by_its_content_type(content_type: str) -> None:
    assert payload.is_form(content_type)


@pytest.mark.parametrize("content_type", [None, "application/json", "text/csv"])
def test_nothing_else_is_a_form(content_type: str | None) -> None:
    assert not payload.is_form(content_type)


def test_the_field_is_the_one_of_the_contract() -> None:
    assert payload_form.FIELD == "json_args"

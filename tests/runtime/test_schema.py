"""The JSON Schema of a request agrees with what the service takes; nobody must learn it from refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from modelcast_runtime import payload
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Compilation, Manifest, ServiceDefaults, Signature
from modelcast_runtime.problems import Problem
from modelcast_runtime.schema import request_schema
from modelcast_runtime.settings import read_settings
from msgspec import structs

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]

INPUTS = (
    Column(name="age", dtype="float64", nullable=True, minimum=0, maximum=120),
    Column(name="count", dtype="int64"),
    Column(name="sex", dtype="string", categories=("f", "m"), unknown="refuse"),
    Column(name="town", dtype="string", categories=("Bern",), nullable=True),
    Column(name="well", dtype="bool"),
)
NAMES = [column.name for column in INPUTS]


def manifest_of(*inputs: Column, layout: Any = "frame") -> Manifest:
    return Manifest(
        name="n",
        version="sha256:0",
        format="joblib",
        framework="sklearn",
        task="classifier",
        model="model.joblib",
        signature=Signature(layout=layout, inputs=inputs, outputs=()),
        compilation=Compilation(backend="native", reason="r"),
        files=(),
    )


def validator_of(manifest: Manifest, **env: str) -> Draft202012Validator:
    document = json.loads(json.dumps(request_schema(manifest, read_settings(env, {}, manifest.service))))
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


PEOPLE = manifest_of(*INPUTS)
ROW = [41.5, 3, "f", "Bern", True]


def record(**other: Any) -> dict[str, Any]:
    return dict(zip(NAMES, ROW, strict=True)) | other


FITS = [
    {"instances": [ROW]},
    {"instances": [record()]},
    [ROW, ROW],
    {"records": [record()]},
    {"columns": {name: [value] for name, value in record().items()}},
    {"split": {"columns": NAMES[::-1], "data": [ROW[::-1]]}},
    [record(age=None, town=None)],
    [record(town="Basel")],
    [record(count=3.0)],
    [record(age=0)],
    [record(age=120)],
]
FITS_NOT: list[Any] = [
    {"instances": []},
    [],
    {},
    {"instances": [ROW], "records": [record()]},
    {"rows": [ROW]},
    {"instances": [ROW[:4]]},
    {"instances": [[*ROW, 1]]},
    {"records": [ROW]},
    [record(extra=1)],
    [record(count=3.5)],
    [record(count=None)],
    [record(count=True)],
    [record(count=2**63)],
    [record(age="41")],
    [record(age=-1)],
    [record(age=121)],
    [record(sex="x")],
    [record(sex=None)],
    [record(well=1)],
    [record(town=1)],
    [{name: value for name, value in record().items() if name != "age"}],
    {"columns": record()},
    {"columns": {name: [] for name in NAMES}},
    {"split": {"columns": NAMES}},
    {"split": {"columns": [*NAMES, "extra"], "data": [[*ROW, 1]]}},
    {"split": {"columns": NAMES, "data": []}},
    "text",
    None,
]


def is_taken(body: Any, manifest: Manifest, extra_inputs: str = "refuse", max_rows: int = 10) -> bool:
    try:
        payload.decode(
            json.dumps(body).encode(), None, manifest.signature, extra_inputs=extra_inputs, max_rows=max_rows
        )
    except Problem:
        return False
    return True


@pytest.mark.parametrize("body", FITS)
def test_what_is_taken_fits(body: Any) -> None:
    assert is_taken(body, PEOPLE)
    assert validator_of(PEOPLE).is_valid(body)


@pytest.mark.parametrize("body", FITS_NOT)
def test_what_is_refused_does_not_fit(body: Any) -> None:
    assert not is_taken(body, PEOPLE)
    assert not validator_of(PEOPLE).is_valid(body)


CELL: st.SearchStrategy[Any] = st.sampled_from([None, True, 1, 3.0, 3.5, -1, 2**63, "f", "Bern", "x", []])
ROWS = st.lists(st.lists(CELL, min_size=5, max_size=5) | st.fixed_dictionaries(dict.fromkeys(NAMES, CELL)), max_size=2)
PLAIN = validator_of(PEOPLE)


@settings(max_examples=200)
@given(st.one_of(ROWS, ROWS.map(lambda rows: {"instances": rows}), ROWS.map(lambda rows: {"records": rows})))
def test_rows_that_are_taken_always_fit(body: Any) -> None:
    if is_taken(body, PEOPLE):
        assert PLAIN.is_valid(body)


@given(st.sampled_from(NAMES), CELL)
def test_a_cell_fits_if_and_only_if_it_is_taken(name: str, value: Any) -> None:
    body = [record(**{name: value})]
    assert PLAIN.is_valid(body) is is_taken(body, PEOPLE)


def test_a_text_model_takes_strings() -> None:
    texts = manifest_of(Column(name="text", dtype="string"), layout="text")
    taken: list[Any] = [["a", "b"], {"instances": ["a"]}, [["a"]], [{"text": "a"}], {"columns": {"text": ["a"]}}]
    for body in taken:
        assert is_taken(body, texts)
        assert validator_of(texts).is_valid(body)
    refused: list[Any] = [[1], {"records": ["a"]}, [None]]
    for body in refused:
        assert not is_taken(body, texts)
        assert not validator_of(texts).is_valid(body)


@pytest.mark.parametrize("body", [[record(extra=1)], {"split": {"columns": [*NAMES, "extra"], "data": [[*ROW, 1]]}}])
def test_extra_inputs_fit_where_the_setting_in_force_ignores_them(body: Any) -> None:
    assert validator_of(PEOPLE, MODELCAST_EXTRA_INPUTS="ignore").is_valid(body)
    assert not validator_of(PEOPLE).is_valid(body)


def test_the_most_rows_are_those_in_force() -> None:
    assert validator_of(PEOPLE, MODELCAST_LIMITS_ROWS="2").is_valid([ROW] * 2)
    assert not validator_of(PEOPLE, MODELCAST_LIMITS_ROWS="2").is_valid([ROW] * 3)


def test_the_page_tells_the_settings_in_force(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    root = make_bundle("kmeans", service=ServiceDefaults(extra_inputs="ignore"))
    answer = make_client(root, env={"MODELCAST_EXTRA_INPUTS": "refuse", "MODELCAST_LIMITS_ROWS": "7"})("GET", "/schema")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/schema+json")
    document = answer.json()
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["title"] == "Request to kmeans"
    assert document["$defs"] == {
        "record": {
            "type": "object",
            "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
            "required": ["x", "y"],
            "additionalProperties": False,
        },
        "row": {"type": "array", "prefixItems": [{"type": "number"}] * 2, "minItems": 2, "maxItems": 2},
    }
    assert [form["maxItems"] for form in document["anyOf"][1]["anyOf"]] == [7, 7]


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text", "own"])
def test_golden_rows_fit_the_page(make_bundle: MakeBundle, make_client: MakeClient, kind: str) -> None:
    root = make_bundle(kind)
    bundle = open_bundle(root)
    validator = Draft202012Validator(make_client(root)("GET", "/schema").json())
    names = [column.name for column in bundle.manifest.signature.inputs]
    rows = [list(row) for row in bundle.golden.rows]
    validator.validate({"instances": rows})
    validator.validate({"records": [dict(zip(names, row, strict=True)) for row in rows]})


@pytest.mark.parametrize(
    ("column", "bounds"),
    [
        (Column(name="a", dtype="float64"), (-1e30, 1e30)),
        (Column(name="a", dtype="float64", minimum=0), (0, 1e30)),
        (Column(name="a", dtype="float64", maximum=1e40), (-1e30, 1e30)),
        (Column(name="a", dtype="int64"), (-(2**63), 2**63 - 1)),
    ],
)
def test_what_is_too_large_for_the_model_does_not_fit(column: Column, bounds: tuple[float, float]) -> None:
    signature = Signature(layout="frame", inputs=(column,), outputs=(), largest=1e30)
    told = request_schema(structs.replace(PEOPLE, signature=signature), read_settings({}, {}, PEOPLE.service))
    cell = json.loads(json.dumps(told))["$defs"]["record"]["properties"]["a"]
    assert (cell["minimum"], cell["maximum"]) == bounds

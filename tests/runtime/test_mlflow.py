"""MLflow's scoring protocol: its four JSON forms, CSV and Parquet, its signature's rules, its own words."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime import payload_files
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Output, Signature
from modelcast_runtime.dialects import Request, mlflow

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
TYPES = "['text/csv', 'application/json', 'application/vnd.apache.parquet']"
FORMS = "dataframe_split, dataframe_records, instances, inputs"


def ask(client: Any, body: Any, media: str = JSON) -> Any:
    return client("POST", "/invocations", body, content_type=media)


def error(answer: Any, status: int = 400, code: str = "BAD_REQUEST") -> str:
    """The message of a refusal, which is all that it says beside its code."""
    assert (answer.status, answer.headers["content-type"]) == (status, JSON)
    document = answer.json()
    assert list(document) == ["error_code", "message"]
    assert document["error_code"] == code
    return str(document["message"])


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text"])
def test_every_form_is_answered_with_predictions_in_order(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    bundle, client = open_bundle(root), make_client(root)
    names = [column.name for column in bundle.manifest.signature.inputs]
    lists = [list(row) for row in bundle.golden.rows]
    records = [dict(zip(names, row, strict=True)) for row in lists]
    forms: list[Any] = [
        {"dataframe_split": {"index": list(range(len(lists))), "columns": names, "data": lists}},
        {"dataframe_split": {"columns": names[::-1], "data": [row[::-1] for row in lists]}},
        {"dataframe_split": {"data": lists}},
        {"dataframe_records": records},
        {"instances": records},
        {"instances": lists},
        {"inputs": {name: [row[name] for row in records] for name in names}},
        {"inputs": records, "params": {"any": 1}},
        {"inputs": lists, "params": None},
    ]
    expected = client("POST", "/predict", {"instances": lists}).json()["predictions"]
    for form in forms:
        answer = ask(client, form)
        assert (answer.status, answer.headers["content-type"]) == (200, JSON), answer.body
        assert answer.json() == {"predictions": expected}


def test_csv_is_read_by_name(make_client: MakeClient) -> None:
    client = make_client("frame")
    whole = ask(client, b"year,note,island,mass\n2008,x,Dream,\n2007,,Biscoe,1.5\n", f"{CSV}; charset=utf-8")
    records = [{"mass": None, "island": "Dream", "year": 2008}, {"mass": 1.5, "island": "Biscoe", "year": 2007}]
    assert whole.status == 200
    assert whole.json() == ask(client, {"dataframe_records": records}).json()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_records": [{"y": 2, "id": "7", "x": 1, "target": None}]},
        {"dataframe_split": {"columns": ["id", "y", "x"], "data": [["7", 2, 1]]}},
        {"instances": [{"y": 2, "id": 7, "x": [1]}]},
        {"inputs": {"y": [2], "x": [1], "id": ["7"]}},
    ],
)
def test_other_columns_are_dropped_whatever_extra_inputs_says(make_client: MakeClient, body: Any) -> None:
    client = make_client("kmeans", env={"MODELCAST_EXTRA_INPUTS": "refuse"})
    assert ask(client, body).json() == ask(client, {"inputs": [[1, 2]]}).json()


def test_the_literal_that_mlflows_client_writes_for_a_missing_value_is_null(make_client: MakeClient) -> None:
    client = make_client("frame")
    body = b'{"dataframe_split": {"columns": ["mass", "island", "year"], "data": [[NaN, "is NaN \\" NaN", 2008]]}}'
    missing = {"dataframe_records": [{"mass": None, "island": 'is NaN " NaN', "year": 2008}]}
    assert ask(client, body).json() == ask(client, missing).json()
    lines = client("GET", "/metrics").body.decode().splitlines()
    assert 'modelcast_input_missing_total{input="mass"} 2.0' in lines
    assert error(ask(make_client("kmeans"), b'{"inputs": [[NaN, 1]]}')) == (
        "$.inputs[0][0]: expected a number, got null. The model takes no missing value there."
    )
    for literal in (b"-NaN", b"Infinity", b"NaNs", b"xNaN"):
        assert error(ask(client, b'{"inputs": [[%s]]}' % literal)).startswith("line 1, column ")


def test_a_string_that_does_not_end_is_looked_through_once(make_client: MakeClient) -> None:
    body = b'{"inputs": [[NaN, "' + rb"\"" * 30_000
    assert error(ask(make_client("kmeans"), body)).startswith("line 1, column ")


def test_nothing_is_cut_to_a_whole_number(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    client = make_client("frame")
    row = {"mass": 1, "island": "Dream", "year": 2008.0}
    assert ask(client, {"dataframe_records": [row]}).status == 200
    assert error(ask(client, {"dataframe_records": [row | {"year": 2008.9}]})) == (
        "$.dataframe_records[0].year: expected a whole number, got number with a fraction. "
        "Values are never converted: send that type."
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "line 1, column 2: expected JSON, got something else. "
         "NaN, Infinity, comments and trailing commas are not JSON."),
        (b"[[1, 2]]", f"$: expected an object with exactly one of the keys {FORMS}, got list of 1 value."),
        (b"{}", f"$: expected an object with exactly one of the keys {FORMS}, got none of them."),
        (b'{"data": []}', f"$: expected an object with exactly one of the keys {FORMS}, got none of them."),
        (b'{"inputs": [[1, 2]], "instances": [[1, 2]]}',
         f"$: expected an object with exactly one of the keys {FORMS}, got instances and inputs."),
        (b'{"inputs": [[1, 2]], "signature_name": "serving_default"}',
         f"$.signature_name: expected an object with exactly one of the keys {FORMS}, got another key."),
        (b'{"inputs": [[1, 2]], "params": [1]}', "$.params: expected an object, got list of 1 value."),
        (b'{"inputs": []}', "$.inputs: expected at least one row, got no rows."),
        (b'{"inputs": {"x": [1]}}', "$.inputs: expected also y, got nothing."),
        (b'{"inputs": {"x": [1], "y": [1, 2]}}',
         "$.inputs.y: expected list of 1 value, got list of 2 values."),
        (b'{"dataframe_records": [{"x": 1}]}',
         "$.dataframe_records[0]: expected also y, got nothing. Send every input; GET /schema lists them."),
        (b'{"dataframe_records": {"x": [1]}}',
         "$.dataframe_records: expected a list of rows, each an object, got object."),
        (b'{"dataframe_split": []}',
         "$.dataframe_split: expected an object with the keys columns and data, got list of 0 values."),
        (b'{"dataframe_split": {"columns": ["x"], "data": [[1]]}}',
         "$.dataframe_split.columns: expected also y, got nothing."),
        (b'{"dataframe_split": {"columns": ["x", "y"], "data": [[1, 2]], "name": 1}}',
         "$.dataframe_split.name: expected an object with the keys columns and data, got another key."),
        (b'{"dataframe_split": {"index": 1, "data": [[1, 2]]}}',
         "$.dataframe_split.index: expected a list, got number."),
        (b'{"dataframe_split": {"data": [[1, 2], [1]]}}',
         "$.dataframe_split.data[1]: expected 2 values: x, y, got 1 value."),
        (b'{"dataframe_records": [{"x": "1", "y": 1}]}', "$.dataframe_records[0].x: expected a number, got string."),
        (b'{"inputs": [[1, true]]}', "$.inputs[0][1]: expected a number, got boolean."),
    ],
)  # fmt: skip
def test_what_the_model_does_not_take_is_a_400_in_mlflows_form(
    make_client: MakeClient, body: bytes, message: str
) -> None:
    assert error(ask(make_client("kmeans"), body)).startswith(message)


@pytest.mark.parametrize(
    ("media", "words"),
    [
        ("text/plain", f"This predictor only supports the following content types: Types: {TYPES}. Got 'text/plain'."),
        ("", f"This predictor only supports the following content types: Types: {TYPES}. Got ''."),
        (f"text/{'x' * 80}\n",
         f"This predictor only supports the following content types: Types: {TYPES}. Got 'text/{'x' * 55}'."),
        ("application/json; charset=latin-1", "The scoring server only supports UTF-8"),
        ("application/json; charset=UTF-8; format=pandas", "Unrecognized content type parameters: format."),
    ],
)  # fmt: skip
def test_a_content_type_is_refused_in_mlflows_words(make_client: MakeClient, media: str, words: str) -> None:
    answer = ask(make_client("kmeans"), {"inputs": [[1, 2]]}, media)
    assert (answer.status, answer.headers["content-type"]) == (415, "text/plain; charset=utf-8")
    assert answer.body.decode() == words


def test_every_spelling_of_what_is_allowed_is_read(make_client: MakeClient) -> None:
    client = make_client("kmeans")
    for media in ("application/json;charset=UTF-8", "application/json ; charset=utf-8", "Application/JSON"):
        assert ask(client, {"inputs": [[1, 2]]}, media).status == 200


def test_other_refusals_are_mlflows_too(make_client: MakeClient) -> None:
    client = make_client("own", env={"MODELCAST_LIMITS_ROWS": "1"})
    assert error(ask(client, {"inputs": [[0, 1], [0, 1]]}), 413).startswith("A request may have at most 1 row ")
    assert error(ask(client, {"inputs": [[0, -1313.25]]})).startswith("$.inputs[0]: expected a row that ")
    answer = client("GET", "/invocations")
    assert error(answer, 405) == "Method not allowed: this path takes POST."
    assert answer.headers["allow"] == "POST"


def test_a_bug_of_ours_is_an_internal_error(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("modelcast_runtime.dialects.instances.encode", broken)
    assert error(ask(make_client("kmeans"), {"inputs": [[1, 2]]}), 500, "INTERNAL_ERROR") == (
        "The model or the service failed on this request; its log has the reason. Tell who runs it."
    )


def test_times_are_read_as_mlflows_client_writes_them(make_client: MakeClient) -> None:
    reader = mlflow.Reader(
        signature=Signature(
            layout="frame",
            inputs=(Column(name="when", dtype="datetime", nullable=True),),
            outputs=(Output(name="predict", dtype="float64", shape=(-1,)),),
        ),
        ignores_extra=True,
        max_rows=9,
    )
    data = [["2024-01-01T10:00:00+00:00"], ["2024-01-02T00:00:00"], [None]]
    rows = mlflow.in_document({"dataframe_split": {"columns": ["when"], "data": data}}, reader)
    told = [str(value)[:16] for value in rows.columns.arrays["when"]]
    assert told == ["2024-01-01T10:00", "2024-01-02T00:00", "NaT"]


def test_parquet_where_pyarrow_is_not_installed_says_what_to_add(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payload_files, "reads_parquet", lambda: False)
    answer = ask(make_client("kmeans"), b"PAR1", PARQUET)
    assert (answer.status, answer.body.decode()) == (
        415,
        "Parquet is read where the model's environment has pyarrow: add pyarrow to the model's requirements, "
        "or send CSV or JSON.",
    )


def test_even_a_small_parquet_file_is_read_beside_the_event_loop(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    def parquet(body: bytes, names: Any, **limits: int) -> dict[str, list[float]]:
        told.append((threading.current_thread() is threading.main_thread(), body, sorted(names), limits))
        return {"y": [2.0], "x": [1.0]}

    monkeypatch.setattr(payload_files, "reads_parquet", lambda: True)
    monkeypatch.setattr(payload_files, "parquet", parquet)
    client = make_client("kmeans", env={"MODELCAST_LIMITS_ROWS": "3", "MODELCAST_LIMITS_BODY_BYTES": "999"})
    assert ask(client, b"PAR1", PARQUET).json() == ask(client, {"inputs": [[1, 2]]}).json()
    assert told == [(False, b"PAR1", ["x", "y"], {"max_rows": 3, "max_bytes": 999})]


def test_nor_is_one_that_came_whole_with_its_head(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def parquet(*_: object, **__: object) -> dict[str, list[float]]:
        told.append(threading.current_thread() is threading.main_thread())
        return {"x": [1.0], "y": [2.0] * len(told)}

    async def taken() -> Any:
        answered = asyncio.get_running_loop().create_future()
        request = Request({b"content-type": PARQUET.encode()}, b"", b"PAR1")
        client.app.direct["/invocations"](request, answered.set_result)
        return await answered

    monkeypatch.setattr(payload_files, "reads_parquet", lambda: True)
    monkeypatch.setattr(payload_files, "parquet", parquet)
    client = make_client("kmeans")
    well, refused = asyncio.run(taken()), asyncio.run(taken())
    assert (well.status, json.loads(well.body)) == (200, ask(client, {"inputs": [[1, 2]]}).json())
    assert (refused.status, json.loads(refused.body)["message"]) == (
        400,
        "$.y: expected list of 1 value, got list of 2 values. Send one value for each row in every column.",
    )
    assert told == [False, False]


def test_health_is_what_mlflows_client_waits_for(make_client: MakeClient) -> None:
    draining: list[int] = []
    client = make_client(is_draining=lambda: bool(draining))
    for path in ("/ping", "/health"):
        answer = client("GET", path)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b"\n")
    draining.append(1)
    assert [client("GET", path).status for path in ("/ping", "/health")] == [503, 503]


def test_the_version_is_bare(make_client: MakeClient) -> None:
    answer = make_client()("GET", "/version")
    assert (answer.status, answer.body.decode()) == (200, mlflow.VERSION)
    assert all(part.isdigit() for part in mlflow.VERSION.split("."))


def test_requests_are_counted_as_mlflows(make_client: MakeClient) -> None:
    client = make_client("kmeans")
    ask(client, {"inputs": [[1, 2]]})
    ask(client, {"inputs": [[1]]})
    ask(client, b"", "text/plain")
    scrape = client("GET", "/metrics").body.decode().splitlines()
    for code in (200, 400, 415):
        assert f'modelcast_requests_total{{code="{code}",protocol="mlflow"}} 1.0' in scrape


KEYS = ["dataframe_split", "dataframe_records", "instances", "inputs", "columns", "data", "index", "x", "y", "params"]
BODIES = st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers() | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=BODIES, media=st.sampled_from([JSON, CSV]))
def test_no_body_makes_it_fail(kmeans: Any, body: bytes, media: str) -> None:
    answer = ask(kmeans, body, media)
    assert answer.status in (200, 400), answer.body
    assert answer.status == 200 or list(answer.json()) == ["error_code", "message"]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(media=st.text(st.characters(codec="utf-8"), max_size=40))
def test_no_content_type_makes_it_fail(kmeans: Any, media: str) -> None:
    answer = ask(kmeans, {"inputs": [[1, 2]]}, media)
    assert answer.status == 415
    assert answer.body.decode().isprintable()


@pytest.fixture
def kmeans(make_client: MakeClient) -> Any:
    """One client for every example."""
    return make_client("kmeans")

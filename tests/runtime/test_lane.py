"""`POST /predict` of the real application: the forms, the questions, the headers, and every refusal as a whole."""

import asyncio
import base64
import gzip
import inspect
import json
import pickle
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.lane import BaseLane
from modelcast_runtime.scoring import refused_row

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
ROW = [0.5, -0.25, 1.0, 2.0]
NAMES = ["a", "b", "c", "d"]
RECORD = dict(zip(NAMES, ROW, strict=True))
QUESTIONS: dict[str, Wanted] = {"proba": "predict_proba", "distances": "distances"}
FORMS: list[Any] = [
    {"instances": [ROW]},
    {"instances": [RECORD]},
    [ROW],
    [RECORD],
    {"records": [RECORD]},
    {"columns": {name: [value] for name, value in RECORD.items()}},
    {"split": {"columns": NAMES[::-1], "data": [ROW[::-1]]}},
]


def problem(status: int, kind: str, detail: str, **said: str) -> dict[str, Any]:
    return {
        "type": f"urn:modelcast:problem:{kind}",
        "title": said.get("title", kind.replace("-", " ").capitalize()),
        "status": status,
        "detail": detail,
        "at": said.get("at"),
        "expected": said.get("expected"),
        "got": said.get("got"),
    }


def content(kind: str, at: str, expected: str, got: str, advice: str, **said: str) -> dict[str, Any]:
    detail = f"{at}: expected {expected}, got {got}. {advice}"
    return problem(400, kind, detail, at=at, expected=expected, got=got, **said)


def check_refused(answer: Any, expected: dict[str, Any]) -> None:
    assert answer.json() == expected
    assert answer.status == expected["status"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form)) if isinstance(form, dict) else "bare")
def test_every_form_has_the_same_answer(make_client: MakeClient, form: Any) -> None:
    client = make_client()
    answer = client("POST", "/predict", form, content_type="application/json")
    document = answer.json()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(document) == ["predictions", "model", "prediction_id"]
    assert document["predictions"] == [1]
    assert document["model"] == {"name": "array", "version": "sha256:3f2a"}
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", document["prediction_id"])
    assert answer.headers["model-version"] == "sha256:3f2a"
    assert answer.headers["prediction-id"] == document["prediction_id"]
    assert answer.headers["content-length"] == str(len(answer.body))


def test_csv_has_the_same_answer_with_or_without_compression(make_client: MakeClient) -> None:
    client, rows = make_client(), b"d,c,b,a\n2,1,-0.25,0.5\n"
    assert client("POST", "/predict", rows, content_type="text/csv").json()["predictions"] == [1]
    packed = client(
        "POST", "/predict", gzip.compress(rows), content_type="text/csv; charset=utf-8", content_encoding="gzip"
    )
    assert packed.json()["predictions"] == [1]


def test_every_answer_has_an_id_of_its_own(make_client: MakeClient) -> None:
    client = make_client()
    assert len({client("POST", "/predict", [ROW]).headers["prediction-id"] for _ in range(5)}) == 5


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text", "own"])
def test_golden_rows_are_answered_as_they_were_sealed(
    make_bundle: MakeBundle, make_client: MakeClient, kind: str
) -> None:
    root = make_bundle(kind)
    golden, signature = open_bundle(root).golden, open_bundle(root).manifest.signature
    asked = [key for key, name in QUESTIONS.items() if signature.gives(name)]
    query = "&".join(f"{key}=true" for key in asked)
    document = make_client(root)("POST", f"/predict?{query}", {"instances": golden.rows}).json()
    expected = json.loads(json.dumps(golden.predictions))
    assert document["predictions"] == expected
    assert [type(one) for one in document["predictions"]] == [type(one) for one in expected]
    assert ("probabilities" in document, "distances" in document) == ("proba" in asked, "distances" in asked)
    if golden.probabilities is not None:
        keys = [str(label).lower() if isinstance(label, bool) else str(label) for label in signature.classes or ()]
        assert [list(row) for row in document["probabilities"]] == [keys] * len(golden.rows)
        np.testing.assert_allclose([list(row.values()) for row in document["probabilities"]], golden.probabilities)
    if golden.distances is not None:
        np.testing.assert_allclose(document["distances"], golden.distances)


@pytest.mark.parametrize(
    ("query", "has"),
    [
        ("", False), ("?proba=true", True), ("?proba=TRUE", True), ("?proba=1", True), ("?proba", True), ("?proba=", True),
        ("?proba=false", False), ("?proba=0", False), ("?proba=false&proba=true", True), ("?other=1", False),
        ("?other=%FF&proba=%74rue", True), ("?distances=false", False),
    ],
)  # fmt: skip
def test_the_query_asks_for_probabilities(make_client: MakeClient, query: str, has: bool) -> None:
    answer = make_client()("POST", f"/predict{query}", [ROW])
    assert answer.status == 200
    assert ("probabilities" in answer.json()) is has


@pytest.mark.parametrize("value", ["yes", "2", "nope", "%FF", "tru%0A"])
@pytest.mark.parametrize("key", ["proba", "distances"])
def test_another_value_of_a_question_is_refused(make_client: MakeClient, key: str, value: str) -> None:
    advice = "Send one of these, or neither."
    expected = content("bad-question", f"?{key}", "true or false", "something else", advice)
    check_refused(make_client()("POST", f"/predict?{key}={value}", [ROW]), expected)


@pytest.mark.parametrize(
    ("kind", "key", "task"),
    [
        ("array", "distances", "classifier"),
        ("kmeans", "proba", "clusterer"),
        ("pair", "proba", "regressor"),
        ("text", "distances", "text"),
    ],
)
def test_what_the_model_does_not_give_is_refused(make_client: MakeClient, kind: str, key: str, task: str) -> None:
    expected = content("not-given", f"?{key}", "a model that gives this", f"a {task}", f"Leave {key} out of the query.")
    check_refused(make_client(kind)("POST", f"/predict?{key}=true", [ROW]), expected)


NOT_JSON = "NaN, Infinity, comments and trailing commas are not JSON."
TYPES = "Values are never converted: send that type."
FORM = "a list of rows, or an object with one of the keys instances, records, columns and split"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"instances": [ROW, [0, 1, "1313", 3]]},
            content("wrong-type", "$.instances[1][2]", "a number", "string", TYPES),
        ),
        (
            {"instances": [{"a": 1, "b": None, "c": 3, "d": 4}]},
            content("missing-value", "$.instances[0].b", "a number", "null", "The model takes no missing value there."),
        ),
        ({"instances": []}, content("no-rows", "$.instances", "at least one row", "no rows", "Send rows to score.")),
        ({}, content("wrong-form", "$", FORM, "an object without keys", "GET /schema describes the forms of a request.")),
        (
            b'{"instances": [[NaN]]}',
            content("not-json", "line 1, column 17", "JSON", "something else", NOT_JSON, title="Not JSON"),
        ),
        (b"", content("not-json", "line 1, column 1", "JSON", "nothing", NOT_JSON, title="Not JSON")),
        (b'["\xff"]', content("not-utf-8", "line 1", "UTF-8", "other bytes", "Encode the body as UTF-8.", title="Not UTF-8")),
    ],
)  # fmt: skip
def test_content_that_does_not_fit_is_refused_with_the_place(
    make_client: MakeClient, body: Any, expected: dict[str, Any]
) -> None:
    check_refused(make_client()("POST", "/predict", body), expected)


def test_a_category_that_the_model_does_not_know_is_refused_or_scored_as_the_signature_says(
    make_client: MakeClient,
) -> None:
    client = make_client("frame")
    check_refused(
        client("POST", "/predict", [{"mass": None, "island": "Dream", "year": 1999}]),
        content("unknown-category", "$[0].year", "one of 2007, 2008, 2009", "another number", "The model takes no other value there."),
    )  # fmt: skip
    assert client("POST", "/predict", [{"mass": None, "island": "Atlantis", "year": 2007}]).status == 200


def test_no_rows_beyond_the_limit_in_force(make_client: MakeClient) -> None:
    client = make_client(env={"MODELCAST_LIMITS_ROWS": "2"})
    assert client("POST", "/predict", [ROW, ROW]).status == 200
    detail = "A request may have at most 2 rows (MODELCAST_LIMITS_ROWS). Send the rows in several requests."
    check_refused(
        client("POST", "/predict", [ROW, ROW, ROW]),
        problem(413, "too-many-rows", detail, expected="at most 2 rows", got="more"),
    )


def test_no_bytes_beyond_the_limit_in_force(make_client: MakeClient) -> None:
    client = make_client(env={"MODELCAST_LIMITS_BODY_BYTES": "40"})
    body = json.dumps([ROW]).encode()
    assert client("POST", "/predict", body.ljust(40)).status == 200
    detail = (
        "A request may have at most 40 bytes (MODELCAST_LIMITS_BODY_BYTES, after inflation). Send less in one request."
    )
    expected = problem(413, "body-too-large", detail, expected="at most 40 bytes", got="more")
    check_refused(client("POST", "/predict", body.ljust(41)), expected)
    check_refused(client("POST", "/predict", gzip.compress(body.ljust(41)), content_encoding="gzip"), expected)


def test_a_media_type_that_is_not_read_is_refused_with_those_that_are(make_client: MakeClient) -> None:
    detail = "Expected the Content-Type application/json, text/csv or application/x-www-form-urlencoded, got another. Send one of these, or no Content-Type at all."
    expected = problem(
        415,
        "unsupported-media-type",
        detail,
        expected="application/json, text/csv or application/x-www-form-urlencoded",
        got="another Content-Type",
    )
    answer = make_client()("POST", "/predict", b"1313", content_type="application/x-parquet")
    check_refused(answer, expected)
    assert answer.headers["accept"] == "application/json, text/csv, application/x-www-form-urlencoded"


def test_an_encoding_that_is_not_read_is_refused_with_those_that_are(make_client: MakeClient) -> None:
    detail = (
        "Expected the Content-Encoding gzip or deflate, got another. Send one of these, or no Content-Encoding at all."
    )
    answer = make_client()("POST", "/predict", b"1313", content_encoding="br")
    check_refused(
        answer, problem(415, "unsupported-encoding", detail, expected="gzip or deflate", got="another Content-Encoding")
    )
    assert answer.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("row", [0, 1, 6, 7, 12])
def test_the_row_on_which_the_model_raises_is_found_among_many(
    make_client: MakeClient, row: int, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [[0, 1.0] for _ in range(13)]
    rows[row][1] = -1313.25
    answer = make_client("own")("POST", "/predict", {"instances": rows})
    check_refused(
        answer,
        content(
            "refused-by-the-model",
            f"$.instances[{row}]",
            "a row that the model can score",
            "one on which it raises ValueError",
            "GET /schema lists what the inputs take.",
        ),
    )
    assert b"1313" not in answer.body
    assert "1313" not in caplog.text


def test_the_row_is_named_in_the_callers_own_form(make_client: MakeClient) -> None:
    client = make_client("own")
    csv = client("POST", "/predict", b"value,seconds\n1,0\n-1313.25,0\n", content_type="text/csv")
    assert (csv.status, csv.json()["at"]) == (400, "line 3")
    columns = client("POST", "/predict", {"columns": {"seconds": [0, 0], "value": [1, -1313.25]}})
    assert (columns.status, columns.json()["at"]) == (400, "$.columns.*[1]")


def test_a_failure_of_no_single_row_is_a_500_without_a_traceback(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = make_client("own")("POST", "/predict", [[0, 1], [0, -2626.5]])
    detail = "The model or the service failed on this request; its log has the reason. Tell who runs it."
    check_refused(answer, problem(500, "internal-error", detail))
    assert b"2626" not in answer.body
    assert "RuntimeError: not with others" in caplog.text


class Gate:
    """Holds the model while it scores the rows that ask for it, where `sleep` would only be slow."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def sleep(self, seconds: float) -> None:
        """What the model calls for each row."""
        if seconds:
            self.reached.set()
            assert self.opened.wait(30), "nobody asks while the event loop is blocked"

    async def wait(self) -> None:
        """Until the model is held."""
        assert await asyncio.to_thread(self.reached.wait, 30)


@pytest.fixture
def gated(make_client: MakeClient) -> tuple[Any, Gate]:
    """A client of the model, and its gate."""
    client, gate = make_client("own"), Gate()
    sys.modules["own_model"].__dict__["time"] = gate
    return client, gate


def test_health_answers_while_a_slow_model_scores(gated: tuple[Any, Gate]) -> None:
    client, gate = gated

    async def both() -> None:
        slow = asyncio.create_task(client.ask("POST", "/predict", [[0.5, 1]]))
        await gate.wait()
        assert (await client.ask("GET", "/healthz")).status == 200
        assert not slow.done()
        gate.opened.set()
        assert (await slow).status == 200

    asyncio.run(both())


def test_one_row_passes_a_slow_batch(gated: tuple[Any, Gate]) -> None:
    client, gate = gated

    async def both() -> None:
        slow = asyncio.create_task(client.ask("POST", "/predict", [[0.5, 1]]))
        await gate.wait()
        assert (await client.ask("POST", "/predict", [[0, 1]])).json()["predictions"] == [1.0]
        assert not slow.done()
        gate.opened.set()
        assert (await slow).json()["predictions"] == [1.5]

    asyncio.run(both())


def test_many_at_once_each_have_their_own_answer(make_client: MakeClient) -> None:
    client = make_client("own")

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(client.ask("POST", "/predict", [[0.0, value]]) for value in range(40)))

    answers = asyncio.run(all_at_once())
    assert [answer.json()["predictions"] for answer in answers] == [[float(value)] for value in range(40)]


def test_a_client_that_went_away_gets_nothing(make_client: MakeClient) -> None:
    client = make_client()
    begun = iter([{"type": "http.request", "body": b"[[1", "more_body": True}])
    assert asyncio.run(client.exchange("POST", "/predict", [], begun)).status == 0
    assert 'modelcast_requests_total{code="other",protocol="predict"} 1.0' in client("GET", "/metrics").body.decode()


def test_what_a_refused_client_still_sends_is_taken(make_client: MakeClient) -> None:
    client = make_client(env={"MODELCAST_LIMITS_BODY_BYTES": "10"})
    parts = iter([{"type": "http.request", "body": b"x" * 8, "more_body": index < 9} for index in range(10)])
    assert asyncio.run(client.exchange("POST", "/predict", [], parts)).status == 413
    assert list(parts) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*NAMES, "instances", "records", "columns", "split", "data", "x"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_no_json_breaks_the_service(client_of: Callable[[str], Any], data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["array", "frame", "kmeans", "text"]))
    form = data.draw(st.sampled_from(["instances", "records", "columns", "split", ""]))
    body = data.draw(JSON)
    answer = client_of(kind)("POST", "/predict", {form: body} if form else body)
    assert answer.status in (200, 400)
    answer.json()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/csv", "text/csv; charset=utf-8", ""]))
def test_no_bytes_break_the_service(client_of: Callable[[str], Any], body: bytes, content_type: str) -> None:
    answer = client_of("frame")("POST", "/predict", body, content_type=content_type)
    assert answer.status in (200, 400)
    answer.json()


@pytest.fixture
def client_of(make_client: MakeClient) -> Callable[[str], Any]:
    made: dict[str, Any] = {}
    return lambda kind: made[kind] if kind in made else made.setdefault(kind, make_client(kind))


class Refusing:
    """Raises for these values; for the last of them only where probabilities are asked."""

    def __init__(self, *bad: int) -> None:
        self.bad, self.calls = bad, 0

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        self.calls += 1
        if set(columns.arrays["x"].tolist()) & set(self.bad if wanted else self.bad[:-1]):
            raise ValueError
        return Scores(np.zeros(columns.rows))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_halving_finds_the_first_bad_row_in_few_calls(rows: int) -> None:
    columns = Columns(rows=rows, arrays={"x": np.arange(rows)})
    for bad in {0, rows // 2, rows - 1}:
        scorer = Refusing(bad, -1)
        assert refused_row(scorer, columns, frozenset()) == bad
        assert scorer.calls <= 8
    assert refused_row(Refusing(rows - 1, 0, -1), columns, frozenset()) == 0
    assert refused_row(Refusing(-1), columns, frozenset()) is None


def test_a_row_that_only_has_no_probabilities_is_found_where_they_are_asked() -> None:
    columns = Columns(rows=5, arrays={"x": np.arange(5)})
    assert refused_row(Refusing(3), columns, frozenset({"predict_proba"})) == 3
    assert refused_row(Refusing(3), columns, frozenset()) is None


FORM = "application/x-www-form-urlencoded"


def form(document: Any) -> bytes:
    return urlencode({"json_args": json.dumps(document)}).encode()


def test_a_client_of_nachlass_gets_a_bare_list(make_client: MakeClient) -> None:
    client = make_client("text")
    texts = ["win money", "lunch at ten"]
    expected = client("POST", "/predict", texts).json()["predictions"]
    assert expected == [True, False]
    answer = client("POST", "/predict", form(texts), content_type=FORM)
    assert (answer.status, answer.json()) == (200, expected)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["model-version"] == "sha256:3f2a"
    assert re.fullmatch("[0-9A-Z]{26}", answer.headers["prediction-id"])
    assert client("POST", "/predict", form(texts[:1]), content_type=FORM).json() == [True]
    metrics = client("GET", "/metrics").body.decode()
    assert 'modelcast_requests_total{code="200",protocol="predict"} 3.0' in metrics
    assert "modelcast_rows_total 5.0" in metrics


def test_several_outputs_are_lists_in_a_bare_list_too(make_client: MakeClient) -> None:
    client = make_client("pair")
    rows = [{"x": 1, "y": 2, "z": 3}, {"x": 0, "y": 0, "z": 0}]
    labelled = {name: {"0": row[name], "1": row[name]} for row in rows[:1] for name in row}
    expected = client("POST", "/predict", rows).json()["predictions"]
    assert client("POST", "/predict", form(rows), content_type=FORM).json() == expected
    assert client("POST", "/predict", form(labelled), content_type=FORM).json() == [expected[0]] * 2


def test_a_bare_list_has_no_room_for_probabilities(make_client: MakeClient) -> None:
    answer = make_client("text")("POST", "/predict?proba=true", form(["a"]), content_type=FORM)
    advice = "It is answered by a bare list of predictions: leave proba out of the query, or send JSON or CSV."
    check_refused(answer, content("no-room", "?proba", "a request as JSON or CSV", "a form", advice))
    assert make_client("text")("POST", "/predict?proba=0", form(["a"]), content_type=FORM).status == 200


def test_pickled_rows_are_refused_unread(make_client: MakeClient, tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("touched").write_text, ("x",))

    body = urlencode({"args": base64.b64encode(pickle.dumps(Touch()))}).encode()
    answer = make_client("text")("POST", "/predict", body, content_type=FORM)
    advice = "It was not read: to unpickle it would execute code of the caller. Send the rows as JSON in json_args."
    check_refused(answer, content("pickled-rows", "$.args", "the field json_args", "pickled Python", advice))
    assert list(tmp_path.iterdir()) == []


def test_a_row_that_the_model_refuses_is_named_in_the_form(make_client: MakeClient) -> None:
    rows = {"seconds": {"7": 0, "9": 0}, "value": {"7": 1, "9": -1313.25}}
    answer = make_client("own")("POST", "/predict", form(rows), content_type=FORM)
    advice = "GET /schema lists what the inputs take."
    check_refused(
        answer,
        content(
            "refused-by-the-model", "$.json_args.*['9']", "a row that the model can score",
            "one on which it raises ValueError", advice, title="Refused by the model",
        ),
    )  # fmt: skip


def test_a_form_is_read_compressed_and_held_to_the_limits(make_client: MakeClient) -> None:
    client = make_client("text", env={"MODELCAST_LIMITS_BODY_BYTES": "200", "MODELCAST_LIMITS_ROWS": "2"})
    packed = gzip.compress(form(["win money", "a"]))
    assert client("POST", "/predict", packed, content_type=FORM, content_encoding="gzip").status == 200
    assert client("POST", "/predict", form(["a"] * 3), content_type=FORM).json()["title"] == "Too many rows"
    assert client("POST", "/predict", form(["a" * 200]), content_type=FORM).json()["title"] == "Body too large"


def test_what_curl_sends_without_a_content_type_of_its_own_is_told_so(make_client: MakeClient) -> None:
    answer = make_client()("POST", "/predict", json.dumps({"instances": [ROW]}).encode(), content_type=FORM)
    advice = (
        "Percent-encode the JSON in it (curl --data-urlencode), or send the JSON alone with the Content-Type "
        "application/json."
    )
    check_refused(
        answer, content("wrong-field", "$", "a form with the one field json_args", "JSON without a field", advice)
    )


def test_a_lane_that_answers_nothing_cannot_be_made() -> None:
    assert inspect.isabstract(BaseLane)

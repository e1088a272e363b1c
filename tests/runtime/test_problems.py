"""A problem is a whole document, its sentence is safe to show, and every kind has its own slug."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_runtime import problems
from modelcast_runtime.problems import Problem

KEYS = ["type", "title", "status", "detail", "at", "expected", "got"]


def test_every_key_is_always_there() -> None:
    document = Problem(status=418, title="Tea Pot", detail="Brew elsewhere.").to_bytes()
    assert json.loads(document) == {
        "type": "urn:modelcast:problem:tea-pot",
        "title": "Tea Pot",
        "status": 418,
        "detail": "Brew elsewhere.",
        "at": None,
        "expected": None,
        "got": None,
    }
    assert list(json.loads(document)) == KEYS


def test_a_problem_reads_as_its_sentence() -> None:
    problem = problems.wrong_type("$[0].age", "a number", "string")
    assert str(problem) == "$[0].age: expected a number, got string. Values are never converted: send that type."


PROBLEMS = [
    (
        problems.not_given("proba", "regressor"),
        400,
        "?proba: expected a model that gives this, got a regressor. Leave proba out of the query.",
    ),
    (
        problems.bad_question("proba"),
        400,
        "?proba: expected true or false, got something else. Send one of these, or neither.",
    ),
    (
        problems.refused_by_model("$[2]", "ValueError"),
        400,
        "$[2]: expected a row that the model can score, got one on which it raises ValueError. "
        "GET /schema lists what the inputs take.",
    ),
    (
        problems.corrupt_encoding(),
        400,
        "The body is not what its Content-Encoding says, or not complete. Send it again, or without compression.",
    ),
    (problems.of_status(404, {}), 404, "Not found. GET /info shows what is served here."),
    (
        problems.too_slow(10.0),
        408,
        "The body did not come within 10 seconds (MODELCAST_LIMITS_BODY_S). Send it faster, or less.",
    ),
    (
        problems.body_too_large(1),
        413,
        "A request may have at most 1 byte (MODELCAST_LIMITS_BODY_BYTES, after inflation). Send less in one request.",
    ),
    (
        problems.too_many_rows(5),
        413,
        "A request may have at most 5 rows (MODELCAST_LIMITS_ROWS). Send the rows in several requests.",
    ),
    (
        problems.internal_error(),
        500,
        "The model or the service failed on this request; its log has the reason. Tell who runs it.",
    ),
]


@pytest.mark.parametrize(("problem", "status", "detail"), PROBLEMS, ids=lambda value: getattr(value, "type", ""))
def test_what_a_lane_refuses_says_what_to_do(problem: Problem, status: int, detail: str) -> None:
    assert (problem.status, problem.detail, problem.headers) == (status, detail, ())


def test_what_is_refused_by_a_header_says_the_right_one() -> None:
    encoding, method = problems.unsupported_encoding(), problems.of_status(405, {"Allow": "GET, HEAD", "X": "y"})
    assert (encoding.status, encoding.headers) == (415, (("Accept-Encoding", "gzip, deflate"),))
    assert encoding.detail == (
        "Expected the Content-Encoding gzip or deflate, got another. Send one of these, or no Content-Encoding at all."
    )
    assert (method.status, method.headers) == (405, (("Allow", "GET, HEAD"),))
    assert (method.title, method.detail) == ("Method not allowed", "Method not allowed: this path takes GET, HEAD.")


NAMES = {
    "age": ".age",
    "größe": ".größe",
    "bill length": "['bill length']",
    "": "['']",
    "1st": "['1st']",
    "it's": "['it\\'s']",
    "a\\b": "['a\\\\b']",
    "a\u202eb\x00": "['a\\u202eb\\u0000']",
    "\U000e0001": "['\\udb40\\udc01']",
    "x" * 60: "." + "x" * 60,
    "x" * 61: "['" + "x" * 60 + "...']",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_quoted_escaped_and_cut(name: str) -> None:
    assert problems.member(name) == NAMES[name]


@given(st.text())
def test_any_name_is_safe_in_a_place(name: str) -> None:
    step = problems.member(name)
    assert step.isprintable()
    assert len(step) <= 12 * 60 + 7


def test_a_value_is_described_by_its_type() -> None:
    values = [None, True, 1, 1.5, "secret", {"a": 1}, [], [1], [1, 2]]
    assert [problems.describe(value) for value in values] == [
        "null", "boolean", "number", "number", "string", "object",
        "list of 0 values", "list of 1 value", "list of 2 values",
    ]  # fmt: skip


def test_long_lists_of_names_are_cut_except_missing_ones() -> None:
    names = [f"c{index}" for index in range(21)]
    assert problems.extra_input("$", names, "number").expected == "only " + ", ".join(names[:20]) + ", ..."
    assert problems.missing_input("$", names).expected == "also " + ", ".join(names)
    assert problems.extra_input("$", names[:20], "number").expected == "only " + ", ".join(names[:20])

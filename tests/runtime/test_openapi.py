"""The OpenAPI description agrees with the service: every route, every example, every answer."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from modelcast_runtime import docs_page, model_page, openapi, payload, schema
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Golden, Signature
from modelcast_runtime.dialects import create_dialects
from modelcast_runtime.health import Health
from modelcast_runtime.metrics import layout_for
from modelcast_runtime.pages import create_pages
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
KINDS = ["array", "frame", "kmeans", "pair", "text", "own"]


def described_by(client: Any) -> dict[str, Any]:
    answer = client("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return dict(answer.json())


def validator(document: dict[str, Any], part: Any) -> Draft202012Validator:
    """Checks values against a schema inside of the description."""
    whole = {"components": document["components"], "allOf": [part]}
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole)


def test_every_route_is_described_and_none_beside(make_bundle: MakeBundle) -> None:
    bundle = open_bundle(make_bundle())
    store, settings = (
        Store.create(layout_for(bundle.manifest, bundle.golden), slots=1),
        read_settings({}, {}, bundle.manifest.service),
    )
    health = Health(golden_rows=5, is_draining=lambda: False)
    lanes = tuple(path for dialect in create_dialects(bundle, settings) for path in dialect.paths)
    pages = create_pages(bundle, store, health, settings, scoring_paths=lanes)
    routes = {
        (re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in pages.url_map.iter_rules()
        for method in rule.methods or ()
    }
    described = {(path, verb) for path, verbs in described_of(bundle, settings)["paths"].items() for verb in verbs}
    # HEAD and OPTIONS come with every GET; the assets are a part of the page that loads them.
    expected = {(path, verb) for path, verb in routes if verb not in ("head", "options") and "assets" not in path}
    assert described == expected


def described_of(bundle: Any, settings: Any) -> dict[str, Any]:
    return openapi.document(bundle, settings)


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_answered_as_described(make_client: MakeClient, kind: str) -> None:
    client = make_client(kind)
    document = described_by(client)
    predict = document["paths"]["/predict"]["post"]
    questions = [f"{each['name']}=true" for each in predict["parameters"]]
    answers = validator(document, predict["responses"]["200"]["content"]["application/json"]["schema"])
    asked = 0
    for media, body in predict["requestBody"]["content"].items():
        takes = validator(document, body["schema"])
        for example in body["examples"].values():
            content = example["value"] if isinstance(example["value"], str) else json.dumps(example["value"])
            for query in ("", *(f"?{question}" for question in questions)):
                answer = client("POST", f"/predict{query}", content.encode(), content_type=media)
                assert answer.status == 200, answer.body
                answers.validate(answer.json())
                asked += 1
            takes.validate(example["value"])
    assert asked == 4 * (1 + len(questions))
    answers.validate(predict["responses"]["200"]["content"]["application/json"]["examples"]["answer"]["value"])


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_an_answer_is_the_models_own(make_client: MakeClient, kind: str) -> None:
    client = make_client(kind)
    predict = described_by(client)["paths"]["/predict"]["post"]
    example = predict["responses"]["200"]["content"]["application/json"]["examples"]["answer"]["value"]
    body = predict["requestBody"]["content"]["application/json"]["examples"]["instances"]["value"]
    query = "&".join(f"{each['name']}=true" for each in predict["parameters"])
    answer = client("POST", f"/predict?{query}", body).json()
    assert example["predictions"] == answer["predictions"] or kind == "pair"
    assert example.keys() == answer.keys()
    assert example["model"] == answer["model"]


def test_errors_are_the_services_own_words(make_client: MakeClient) -> None:
    client = make_client("frame")
    document = described_by(client)
    for response in document["components"]["responses"].values():
        for content in response["content"].values():
            told = validator(document, content["schema"])
            for example in content["examples"].values():
                told.validate(example["value"])
    record = {"mass": {}, "island": "Dream", "year": 2007}
    refused = client("POST", "/predict", {"instances": [record]}).json()
    bad = document["components"]["responses"]["BadRequest"]["content"]["application/problem+json"]["examples"]
    assert bad["wrong-type"]["value"] == refused
    refused = client("POST", "/predict", {"instances": [record | {"mass": 1, "year": 1999}]}).json()
    assert bad["unknown-category"]["value"] == refused
    missing = client("GET", "/card").json()
    assert (
        missing
        == document["components"]["responses"]["NotFound"]["content"]["application/problem+json"]["examples"][
            "not-found"
        ]["value"]
    )


@pytest.mark.parametrize("kind", ["array", "frame", "text"])
def test_pages_answer_with_the_content_types_that_are_described(make_client: MakeClient, kind: str) -> None:
    client = make_client(kind)
    for path, verbs in described_by(client)["paths"].items():
        if "get" in verbs and path not in ("/card", "/notebooks/{name}"):
            for accept in ("*/*", "text/html"):
                answer = client("GET", path, accept=accept)
                media = answer.headers["content-type"].partition(";")[0]
                assert media in verbs["get"]["responses"][str(answer.status)]["content"], path


def test_only_questions_that_the_model_answers_are_described(make_client: MakeClient) -> None:
    asked = {
        kind: [each["name"] for each in described_by(make_client(kind))["paths"]["/predict"]["post"]["parameters"]]
        for kind in KINDS
    }
    assert asked == {
        "array": ["proba"],
        "frame": ["proba"],
        "kmeans": ["distances"],
        "pair": [],
        "text": ["proba"],
        "own": [],
    }


def taken(columns: tuple[Column, ...], text: str) -> bool:
    manifest = type("M", (), {"signature": Signature(layout="frame", inputs=columns, outputs=())})()
    return re.search(str(schema.csv_schema(manifest)["pattern"]), text) is not None


MIXED = (
    Column(name="a,b", dtype="float64", nullable=True),
    Column(name="c.d", dtype="string", categories=("x", 'y"z'), unknown="refuse"),
    Column(name="e", dtype="bool"),
    Column(name="f", dtype="int64"),
    Column(name="g", dtype="string"),
)


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (["1.5", "x", "true", "3", "any text"], True),
        (["", 'y"z', "false", "-3", 'say "hi", you'], True),
        (["1e3", "x", "true", "3", "line\nline"], True),
        (["1e-12", "x", "true", "3", "t"], True),
        (["-.5E+25", "x", "true", "3", "t"], True),
        (["1e26", "x", "true", "3", "t"], False),
        (["one", "x", "true", "3", "t"], False),
        (["1", "z", "true", "3", "t"], False),
        (["1", "x", "1", "3", "t"], False),
        (["1", "x", "true", "3.5", "t"], False),
        (["1", "x", "true", "3"], False),
    ],
)
def test_the_pattern_of_a_csv(row: list[str], fits: bool) -> None:
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([[column.name for column in MIXED], row])
    assert taken(MIXED, target.getvalue()) is fits
    assert taken(MIXED, target.getvalue().replace("c.d", "c-d")) is False


def csv_of(make_bundle: MakeBundle, *columns: str, rows: tuple[Any, ...]) -> str:
    """The example of a CSV, after a look at whether it fits its own schema."""
    inputs = tuple(Column(name=name, dtype="string", nullable=True) for name in columns)
    outputs = open_bundle(make_bundle("frame")).manifest.signature.outputs
    signature = Signature(layout="frame", inputs=inputs, outputs=outputs, classes=("big", "small"))
    golden = Golden(rows=rows, predictions=("big",) * len(rows))
    bundle = open_bundle(make_bundle("frame", signature=signature, golden=golden))
    predict = described_of(bundle, read_settings({}, {}, bundle.manifest.service))["paths"]["/predict"]["post"]
    table = predict["requestBody"]["content"]["text/csv"]
    text = str(table["examples"]["rows"]["value"])
    assert re.search(table["schema"]["pattern"], text)
    decoded = payload.decode(text.encode(), "text/csv", signature, extra_inputs="refuse", max_rows=9)
    nulls = {name: sum(row[at] is None for row in rows) for at, name in enumerate(columns)}
    assert decoded.columns.rows == len(rows)
    assert decoded.missing == {name: count for name, count in nulls.items() if count}
    return text


def test_an_empty_text_in_a_csv_is_not_a_missing_one(make_bundle: MakeBundle) -> None:
    assert csv_of(make_bundle, "a", "b, c", rows=(("", None), (None, 'say "hi"'))) == 'a,"b, c"\n"",\n,"say ""hi"""\n'
    assert csv_of(make_bundle, "a", rows=(("",), (None,))) == 'a\n""\n\n'


def test_too_many_rows_are_a_request_all_the_same(make_client: MakeClient) -> None:
    predict = described_by(make_client("text"))["paths"]["/predict"]["post"]
    assert "maxItems" not in json.dumps(predict["requestBody"]["content"]["application/json"]["schema"])


def test_own_code_takes_and_gives_what_it_likes(make_bundle: MakeBundle) -> None:
    own = Signature(layout="object", inputs=(), outputs=())
    bundle = open_bundle(make_bundle("array", signature=own, golden=Golden(rows=(), predictions=())))
    document = described_of(bundle, read_settings({}, {}, bundle.manifest.service))
    predict = document["paths"]["/predict"]["post"]
    assert predict["parameters"] == []
    assert predict["requestBody"]["content"] == {"application/json": {"schema": {"type": "object"}}}
    assert "examples" not in predict["responses"]["200"]["content"]["application/json"]
    assert validator(document, {"$ref": "#/components/schemas/answer"}).is_valid(["anything"])
    # Once: V2's refusal, as that is a protocol of rows.
    assert re.findall(r"csv|\brows?\b", json.dumps(document), re.IGNORECASE) == ["rows"]
    assert {
        name: list(next(iter(response["content"].values()))["examples"])
        for name, response in document["components"]["responses"].items()
    } == {
        "BadRequest": ["not-json", "wrong-form", "refused-by-predict"],
        "NotFound": ["not-found"],
        "TooSlow": ["too-slow"],
        "TooLarge": ["body-too-large"],
        "UnsupportedMediaType": ["unsupported-media-type", "unsupported-charset", "unsupported-encoding"],
        "InternalError": ["internal-error"],
        "V2BadRequest": ["takes-an-object"],
        "V2TooSlow": ["too-slow"],
        "V2TooLarge": ["body-too-large"],
        "V2UnsupportedMediaType": ["unsupported-media-type", "unsupported-encoding"],
        "V2InternalError": ["internal-error"],
        "V2NotReady": ["not-ready"],
    }
    assert document["info"]["summary"] == "A classifier served by modelcast"
    assert docs_page.facts(document)["tags"]
    facts = model_page.facts(bundle)
    assert (facts["fields"], facts["model"]["examples"], facts["golden_rows"]) == ([], [], 0)


def test_it_is_made_once_and_only_for_those_who_ask(make_client: MakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*given: Any) -> dict[str, Any]:
        made.append(given)
        return whole(*given)

    whole = openapi.document
    monkeypatch.setattr(openapi, "document", counted)
    client = make_client()
    assert client("GET", "/info").status == 200
    assert made == []
    answers = [client("GET", path).body for path in ("/docs", "/openapi.json", "/docs", "/openapi.json")]
    assert answers[:2] == answers[2:]
    assert len(made) == 1

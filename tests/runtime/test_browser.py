"""What a browser gets: the page of a model, what it loads, and what the build made, each under its own policy."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from modelcast_runtime import browser, contract, model_page
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.contract import Column, Evaluation, Golden, Training
from modelcast_runtime.docs_page import words
from modelcast_runtime.openapi import document
from modelcast_runtime.settings import read_settings

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
OURS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
CARD = b"<!DOCTYPE html><title>card</title><style>p { color: red }</style><p>a card"


class Parsed(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(" ".join(data.split()))

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


def with_receipts(root: Path, **files: bytes) -> Path:
    for name, content in files.items():
        path = root / contract.NOTEBOOKS / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/html;q=0.5", "image/png"])
def test_the_front_is_alive_for_whoever_is_no_browser(make_client: MakeClient, accept: str | None) -> None:
    answer = make_client()("GET", "/", **({} if accept is None else {"accept": accept}))
    assert (answer.status, answer.json(), answer.headers["content-type"]) == (
        200,
        {"status": "alive"},
        "application/json",
    )
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "text/*"])
def test_the_front_is_a_page_for_a_browser(make_client: MakeClient, accept: str) -> None:
    answer = make_client()("GET", "/", accept=accept)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {name: answer.headers[name] for name in OURS} == OURS
    assert answer.headers["vary"] == "Accept"


@pytest.mark.parametrize("kind", ["array", "frame", "kmeans", "pair", "text", "own"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_has_nothing_inline_and_loads_what_is_there(make_client: MakeClient, kind: str, path: str) -> None:
    client = make_client(kind)
    page = Parsed(client("GET", path, accept=BROWSER).body)
    assert not page.of("style")
    assert not [
        attributes for _, attributes in page.tags if any(key.startswith("on") or key == "style" for key in attributes)
    ]
    assert all(script.get("src") or script["type"] == "application/json" for script in page.of("script"))
    loaded = [link["href"] for link in page.of("link")] + [each["src"] for each in page.of("script") if "src" in each]
    followed = [link["href"] or "" for link in page.of("a") if not (link["href"] or "").startswith("#")]
    for address in [*map(str, loaded), *followed]:
        assert not re.match(r"[a-z]+:|/", address), address  # relative: a route may put the service below any path
        answer = client("GET", "/" + address.removeprefix("./"), accept=BROWSER)
        assert answer.status == 200, address


@pytest.mark.parametrize("kind", ["array", "frame", "text"])
def test_every_control_has_a_label_and_what_it_is_described_by(make_client: MakeClient, kind: str) -> None:
    page = Parsed(make_client(kind)("GET", "/", accept=BROWSER).body)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {label["for"] for label in page.of("label")}
    controls = [*page.of("input"), *page.of("select"), *page.of("textarea")]
    assert controls
    for control in controls:
        assert control["id"] in labelled or control["aria-label"]
        assert set((control.get("aria-describedby") or "").split()) <= set(ids)
    for tab in page.of("button"):
        assert tab.get("aria-controls", "one") in ids


def test_assets_are_kept_for_ever_and_checked_by_their_digest(make_client: MakeClient) -> None:
    client = make_client()
    for name, address in browser.addresses().items():
        answer = client("GET", f"/{address}")
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert client("GET", f"/{address}", if_none_match=answer.headers["etag"]).status == 304
        assert client("GET", f"/assets/0000000000000000/{name}").status == 404
        assert client("GET", f"/assets/{name}").status == 404
    assert set(browser.addresses()) == {"page.css", "page.js", "icon.svg"}


def test_a_page_that_the_browser_has_is_not_sent_again(make_client: MakeClient) -> None:
    client = make_client()
    first = client("GET", "/", accept=BROWSER)
    again = client("GET", "/", accept=BROWSER, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["content-security-policy"] == OURS["content-security-policy"]


def test_what_the_model_is_called_is_text_and_never_html(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    evil = "</script><script>alert(1)</script>"
    root = make_bundle(
        "array", name="x", description=evil, evaluation=Evaluation(data=evil, rows=1, metrics={evil: 0.5})
    )
    for path in ("/", "/docs"):
        body = make_client(root)("GET", path, accept=BROWSER).body
        assert evil.encode() not in body
        assert evil in Parsed(body).text


def test_the_form_holds_golden_rows_digit_by_digit(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    golden = Golden(rows=((0.1, 195.0, -3.25, 12345678901234567.0),), predictions=(1,))
    page = make_client(make_bundle("array"))("GET", "/", accept=BROWSER).body
    model = json.loads(page.split(b'id="model">')[1].split(b"</script>")[0])
    sealed = open_bundle(make_bundle("array")).golden
    assert [[float(cell) for cell in row] for row in model["examples"]] == [list(row) for row in sealed.rows]
    assert model["question"] == "proba=true"
    assert [model_page._literal(cell) for cell in golden.rows[0]] == ["0.1", "195", "-3.25", "1.2345678901234568e+16"]
    assert [model_page._literal(cell) for cell in (9007199254740993, None, True, "é<")] == [
        "9007199254740993",
        "null",
        "true",
        '"é<"',
    ]


def test_every_input_gets_the_control_that_fits_it(make_bundle: MakeBundle) -> None:
    bundle = open_bundle(
        make_bundle("frame", training=Training(source="rows", rows=40, ranges={"mass": (-2.5, 1234.5678)}))
    )
    told = [
        (field.name, field.kind, field.hint, field.choices, field.is_open)
        for field in model_page.facts(bundle)["fields"]
    ]
    islands = (('"Biscoe"', "Biscoe"), ('"Dream"', "Dream"), ('"Torgersen"', "Torgersen"))
    assert told == [
        ("mass", "number", "number, -2.5 to 1234.57 in training, optional", (), True),
        ("island", "choice", "", islands, True),
        ("year", "choice", "one of 3", (("2007", "2007"), ("2008", "2008"), ("2009", "2009")), False),
    ]


@pytest.mark.parametrize(
    ("column", "kind", "hint"),
    [
        (Column(name="a b", dtype="bool", nullable=True), "choice", "optional"),
        (Column(name="a b", dtype="datetime"), "datetime", "date and time"),
        (Column(name="a b", dtype="string"), "text", "text"),
        (Column(name="a b", dtype="int64", minimum=0, maximum=120), "number", "whole number, at least 0, at most 120"),
        (
            Column(name="a b", dtype="float64", minimum=0.1, maximum=1234567.89012),
            "number",
            "number, at least 0.1, at most 1234567.89012",
        ),
    ],
)
def test_hints_say_the_type_and_the_bounds(make_bundle: MakeBundle, column: Column, kind: str, hint: str) -> None:
    sealed = open_bundle(make_bundle("text"))
    signature = contract.Signature(layout="frame", inputs=(column,), outputs=sealed.manifest.signature.outputs)
    bundle = open_bundle(make_bundle("text", signature=signature, golden=Golden(rows=((None,),), predictions=(None,))))
    (field,) = model_page.facts(bundle)["fields"]
    assert (field.kind, field.hint, field.at) == (kind, hint, "['a b']")


def test_a_choice_is_written_as_the_example_that_takes_it(make_bundle: MakeBundle) -> None:
    column = Column(name="level", dtype="float64", categories=(1.0, 2.5, 3.0), unknown="refuse")
    sealed = open_bundle(make_bundle("pair")).manifest.signature
    signature = contract.Signature(layout="frame", inputs=(column,), outputs=sealed.outputs)
    golden = Golden(rows=((1.0,), (2.5,), (3.0,)), predictions=(1.0, 2.0, 3.0))
    facts = model_page.facts(open_bundle(make_bundle("pair", signature=signature, golden=golden)))
    assert facts["fields"][0].choices == (("1", "1.0"), ("2.5", "2.5"), ("3", "3.0"))
    assert facts["model"]["examples"] == [["1"], ["2.5"], ["3"]]


def test_the_facts_of_the_model_are_on_its_page(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    root = make_bundle(
        "array",
        training=Training(source="the columns of data/train.csv", rows=12345),
        parameters={"k": 5},
        evaluation=Evaluation(data="data/holdout.csv", rows=77, metrics={"roc_auc": 0.98765}),
    )
    text = Parsed(make_client(with_receipts(root, train=b"<p>"))("GET", "/", accept=BROWSER).body).text
    for said in (
        "Trained on the columns of data/train.csv, 12,345 rows",
        "0.9877 roc auc",
        'Parameters {"k": 5}',
        "On 77 rows of data/holdout.csv that it was not fitted on.",
        "Environment scikit-learn 1.9.1",
        "Proof 5 golden rows reproduced when this worker started",
        "Built 2026-01-01 00:00:00Z, by modelcast 0.1.0",
        "Version sha256:3f2a",
        "Executed notebooks train",
    ):
        assert said in text


def test_a_notebook_is_shown_without_an_origin(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    root = with_receipts(make_bundle(), train=b"<script>alert(1)</script>", **{"deep/höhe & 1": b"<p>deep"})
    (root / contract.NOTEBOOKS / "link.html").symlink_to("/etc/hostname")
    client = make_client(root)
    answer = client("GET", "/notebooks/train.html")
    assert (answer.status, answer.body) == (200, b"<script>alert(1)</script>")
    assert answer.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert client("GET", "/notebooks/deep/höhe & 1.html").body == b"<p>deep"
    assert 'href="notebooks/deep/h%C3%B6he%20%26%201.html"' in client("GET", "/", accept=BROWSER).body.decode()
    for name in ("x.html", "../provenance.json", "link.html", "../../golden.json", ""):
        assert client("GET", f"/notebooks/{name}").status == 404


def test_the_card_is_shown_with_the_style_that_was_sealed(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    client = make_client(make_bundle(card=CARD))
    answer = client("GET", "/card")
    digest = base64.b64encode(hashlib.sha256(b"p { color: red }").digest()).decode()
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, CARD, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"] == (
        f"sandbox; default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert 'href="card"' in client("GET", "/", accept=BROWSER).body.decode()


def test_the_receipt_stands_above_the_card_and_nothing_of_it_is_trusted() -> None:
    card = b"<html><body>\n<p>a card <body>"
    known = SimpleNamespace(commit="1a2<b>", built_at="2026-01-01T00:00:00+00:00")
    assert (
        browser.under_receipt(card, known)
        == (
            '<html><body>\n<p class="receipt">Commit 1a2&lt;b&gt; · Built at 2026-01-01T00:00:00+00:00</p>\n<p>a card <body>'
        ).encode()
    )
    assert browser.under_receipt(card, SimpleNamespace(commit=None)) == browser.under_receipt(card, None) == card


def test_the_card_is_read_and_hashed_once(
    make_bundle: MakeBundle, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []
    policy = browser.card_policy
    monkeypatch.setattr(browser, "card_policy", lambda card: hashed.append(card) or policy(card))
    client = make_client(make_bundle(card=CARD))
    assert hashed == []
    one, other = client("GET", "/card"), client("GET", "/card")
    assert (one.body, one.headers) == (other.body, other.headers)
    assert hashed == [CARD]


def test_a_bundle_without_a_card_says_so(make_client: MakeClient) -> None:
    client = make_client()
    answer = client("GET", "/card")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["title"] == "Not found"
    assert 'href="card"' not in client("GET", "/", accept=BROWSER).body.decode()


def test_the_interface_can_be_read(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    root = make_bundle("frame")
    bundle = open_bundle(root)
    page = Parsed(make_client(root)("GET", "/docs", accept=BROWSER).body)
    described = document(bundle, read_settings({}, {}, bundle.manifest.service))
    sections = {section["id"] for section in page.of("section")}
    for verbs in described["paths"].values():
        for operation in verbs.values():
            assert operation["operationId"] in sections
            assert operation["summary"] in page.text
    assert "year one of 2007, 2008, 2009" in page.text
    assert "mass number, or null" in page.text
    assert '{"predictions": ["' in page.text.replace("{ ", "{")


@pytest.mark.parametrize(
    ("described", "said"),
    [
        ({"type": "number", "minimum": 0, "maximum": 3.4e38}, "number, at least 0"),
        ({"type": "integer", "minimum": -(2**63), "maximum": 120}, "integer, at most 120"),
        (
            {"anyOf": [{"type": "string", "format": "date-time", "pattern": "^2"}, {"type": "null"}]},
            "string, date-time, or null",
        ),
        ({"enum": ["a", 1, True]}, 'one of "a", 1, true'),
        ({}, "any JSON"),
    ],
)
def test_a_schema_in_words(described: dict[str, Any], said: str) -> None:
    assert words(described) == said

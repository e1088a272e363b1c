"""What the service shows of a receipt, and that a receipt of tomorrow is read today."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from modelcast_runtime import contract, statement
from modelcast_runtime.contract import Provenance, Step
from modelcast_runtime.statement import Resource

WRITTEN = Path(__file__).resolve().parents[1] / "contract" / "golden" / "v1-lineage" / contract.PROVENANCE


@pytest.fixture
def document() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(WRITTEN.read_bytes())
    return read


def test_what_is_written_is_what_was_read() -> None:
    content = WRITTEN.read_bytes()
    assert contract.encode(statement.read(content)) == content


def test_what_it_does_not_know_is_no_error(document: dict[str, Any]) -> None:
    document["predicate"]["runDetails"]["vendor_field"] = {"new": True}
    document["subject"][0]["mediaType"] = "text/plain"
    assert statement.shown(json.dumps(document).encode()) == statement.shown(WRITTEN.read_bytes())


def test_a_statement_that_says_the_least_is_shown(document: dict[str, Any]) -> None:
    document["predicate"] = {
        "buildDefinition": {"buildType": "x", "externalParameters": {}},
        "runDetails": {"builder": {"id": "y"}},
    }
    assert statement.shown(json.dumps(document).encode()) == Provenance(
        built_at="", builder_version="", python="", source="", environment_as_of=""
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "Expected `object`, got `array`"),
        (b'{"_type": 1}', "Expected `str`, got `int` - at `$._type`"),
        (b'{"_type": "x"}', "Object missing required field `subject`"),
        (b"{}", "Object missing required field `built_at`"),
    ],
)
def test_what_is_no_receipt_is_refused_with_its_place(content: bytes, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        statement.shown(content)
    assert str(caught.value) == message


def test_notes_and_steps_come_again() -> None:
    steps = (Step(name="train", seconds=1.5),)
    report = statement.report_of(("a: note",), steps)
    assert (report.name, report.annotations["notes"]) == ("report", ["a: note"])
    assert msgspec.convert(report.annotations["steps"], tuple[Step, ...]) == steps


@pytest.mark.parametrize("version", ["1.0", "2.9.0+cpu", "1!2.0.post1"])
def test_a_package_url_keeps_its_version(version: str) -> None:
    assert statement.package_of(statement.purl("torch", version)) == ("torch", version)


def test_a_digest_is_written_as_everywhere_else() -> None:
    assert statement.sha256_text(Resource(digest={"sha256": "ab"})) == "sha256:ab"
    assert statement.sha256_text(Resource()) == ""

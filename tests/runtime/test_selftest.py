"""`selftest` says in one sentence that the bundle answers, or why it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from modelcast_runtime import browser, model_page, selftest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Limits, ServiceDefaults
from modelcast_runtime.settings import SettingsError

MakeBundle = Callable[..., Path]


@pytest.mark.parametrize(
    ("kind", "rows"), [("array", 5), ("frame", 10), ("kmeans", 4), ("pair", 4), ("text", 4), ("own", 2)]
)
def test_a_whole_bundle_passes(make_bundle: MakeBundle, kind: str, rows: int) -> None:
    assert selftest.run(make_bundle(kind)) == f"{kind} sha256:3f2a: {rows} golden rows reproduced"


def fault(root: Path) -> str:
    with pytest.raises(BundleError) as caught:
        selftest.run(root)
    return str(caught.value)


def test_a_changed_bundle_does_not_pass(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / "golden.json").unlink()
    assert fault(root) == "golden.json is in the manifest but not in the bundle"


def test_a_model_that_answers_otherwise_does_not_pass(make_bundle: MakeBundle) -> None:
    golden = open_bundle(make_bundle("own")).golden
    root = make_bundle("own", golden=msgspec.structs.replace(golden, predictions=(1.5, 9.0)))
    assert fault(root) == "golden row 1 does not reproduce: prediction 2.5, sealed was 9.0"


def test_a_service_that_takes_fewer_rows_than_there_are_golden_ones_passes(make_bundle: MakeBundle) -> None:
    root = make_bundle(service=ServiceDefaults(limits=Limits(rows=2)))
    assert selftest.run(root) == "array sha256:3f2a: 5 golden rows reproduced"


def test_a_service_that_takes_no_body_does_not_pass(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELCAST_LIMITS_BODY_BYTES", "10")
    assert fault(make_bundle()).startswith("POST /predict with the golden rows answered 413: {")


def test_a_wrong_setting_is_found_before_the_service_starts(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELCAST_LIMITS_ROWS", "many")
    with pytest.raises(SettingsError):
        selftest.run(make_bundle())


def broken(*_: Any) -> Any:
    raise OSError("not here")


def test_a_model_whose_page_cannot_be_made_does_not_pass(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_page, "facts", broken)
    assert fault(make_bundle()).startswith('GET / answered 500: {"type":"urn:modelcast:problem:internal-error",')


def test_a_model_whose_card_cannot_be_shown_does_not_pass(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_bundle(card=b"<p>card")
    assert selftest.run(root) == "array sha256:3f2a: 5 golden rows reproduced"
    monkeypatch.setattr(browser, "card_policy", broken)
    assert fault(root).startswith('GET /card answered 500: {"type":"urn:modelcast:problem:internal-error",')


@pytest.mark.parametrize(
    ("kind", "query"), [("array", "proba=true"), ("kmeans", "distances=true"), ("pair", ""), ("own", "")]
)
def test_the_golden_rows_are_asked_for_all_that_they_hold(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, kind: str, query: str
) -> None:
    asked = []

    async def noted(app: Any, method: str, path: str, **given: Any) -> tuple[int, bytes]:
        asked.append((method, path, given.get("query", "")))
        return await request(app, method, path, **given)

    request = selftest.request
    monkeypatch.setattr(selftest, "request", noted)
    selftest.run(make_bundle(kind))
    assert asked[-1] == ("POST", "/predict", query)

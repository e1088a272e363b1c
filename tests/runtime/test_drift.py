"""`GET /drift`, its page and the metrics behind it, through the real application."""

import asyncio
import json
import re
from typing import Any

import numpy as np
import pytest
from modelcast_runtime import baseline as baselines
from modelcast_runtime import drift_page
from modelcast_runtime.baseline import Baseline, Signal

from tests.conftest import Answer, Client, MakeBundle, MakeClient

EDGES = (-0.5, 0.5)


def signal(kind: Any, name: str, *counts: int, **said: Any) -> Signal:
    return Signal(kind=kind, name=name, counts=counts, **said)


def of_numbers(name: str) -> Signal:
    return signal("input", name, 300, 400, 300, 0, 0, edges=EDGES, low=-5.0, high=5.0, extras=("other", "missing"))


BASELINE = Baseline(
    source="the rows of a test",
    rows=1000,
    signals=(
        of_numbers("a"),
        of_numbers("b"),
        signal("prediction", "class", 250, 500, 250, values=(0, 1, 2)),
        signal("score", "probability", 500, 500, edges=(0.6,)),
    ),
    accuracies=(0.5, 0.9),
)


async def after(client: Client, rows: list[list[float]], requests: int = 1) -> Answer:
    """The report when all of these rows are counted."""
    for _ in range(requests):
        assert (await client.ask("POST", "/predict", {"instances": rows})).status == 200
    while True:
        answer = await client.ask("GET", "/drift", accept="application/json")
        report = answer.json()
        if {one["rows"] for one in report["signals"]} == {len(rows) * requests}:
            return answer
        await asyncio.sleep(0.01)


def rows_of(*cells: float) -> list[list[float]]:
    return [[cell, 0.0, 0.0, 0.0] for cell in cells]


def ask(client: Client, rows: list[list[float]], requests: int = 1) -> dict[str, Any]:
    return dict(asyncio.run(asyncio.wait_for(after(client, rows, requests), 60)).json())


@pytest.fixture
def client(make_client: MakeClient, make_bundle: MakeBundle) -> Client:
    return make_client(make_bundle("array", baseline=BASELINE))


def test_before_the_first_row_nothing_is_told_of_any_distance(client: Client) -> None:
    report = client("GET", "/drift").json()
    assert set(report) == {"model", "rows", "since", "signals", "baseline"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", report["since"])
    assert report["signals"][0] == {
        "kind": "input",
        "name": "a",
        "rows": 0,
        "psi": None,
        "js": None,
        "tvd": None,
        "threshold": 0.25,
        "drifted": False,
        "bins": ["<= -0.5", "-0.5 to 0.5", "> 0.5", "other", "missing"],
        "expected": [0.299751, 0.399501, 0.299751, 0.000499, 0.000499],
        "observed": [0.0] * 5,
    }


def test_rows_are_counted_and_held_to_the_baseline(client: Client) -> None:
    report = ask(client, rows_of(-1, 0, 0, 1, 9))
    assert report["rows"] == 5
    first = report["signals"][0]
    assert first["observed"] == [0.2, 0.4, 0.2, 0.2, 0.0]
    assert first["psi"] == round(baselines.psi((300, 400, 300, 0, 0), (1, 2, 1, 1, 0)), 6)
    assert not first["drifted"], "five rows are drift by chance alone"
    predicted = report["signals"][2]
    assert (predicted["bins"], predicted["rows"]) == (["0", "1", "2"], 5)
    assert 0.5 <= report["estimated_accuracy"] <= 0.9


def test_from_a_thousand_rows_on_a_signal_drifts_and_the_others_do_not(client: Client) -> None:
    generator = np.random.default_rng(0)
    usual = np.where(generator.random((1000, 2)) < 0.4, 0.0, np.where(generator.random((1000, 2)) < 0.5, 1.0, -1.0))
    rows = [[2.0, float(b), 0.0, 0.0] for _, b in usual.tolist()]
    report = ask(client, rows)
    drifted = {one["name"]: one["drifted"] for one in report["signals"][:2]}
    assert drifted == {"a": True, "b": False}


def test_the_same_numbers_are_in_the_metrics_with_the_share_that_they_are_held_to(client: Client) -> None:
    ask(client, rows_of(-1, 0, 9))
    text = client("GET", "/metrics").body.decode()
    assert 'modelcast_input_bin_total{bin="1",input="a"} 1.0' in text
    assert 'modelcast_input_bin_expected_ratio{bin="0",input="a"} 0.2997' in text
    assert 'modelcast_score_bin_total{bin="0"}' in text
    assert "modelcast_joint_bin" not in text


def test_a_category_that_is_called_other_is_a_bin_beside_the_others(
    make_client: MakeClient, make_bundle: MakeBundle
) -> None:
    odd = signal("path", "branch", 1, 1, 0, values=("other", "+a -b"), extras=("other",))
    client = make_client(make_bundle("array", baseline=Baseline(source="odd", rows=2, signals=(odd,))))
    text = client("GET", "/metrics").body.decode()
    assert 'modelcast_path_bin_total{bin="other (0)",signal="branch"} 0.0' in text
    assert client("GET", "/drift").json()["signals"][0]["bins"] == ["other (0)", "+a -b", "other"]


def test_a_bundle_without_a_baseline_says_why(make_client: MakeClient, make_bundle: MakeBundle) -> None:
    report = make_client("array")("GET", "/drift").json()
    assert (report["signals"], report["reason"]) == ([], "the bundle was sealed without a baseline: build it again")
    empty = Baseline(source="nothing", rows=0, notes=("no rows of training are known",))
    report = make_client(make_bundle("array", baseline=empty))("GET", "/drift").json()
    assert (report["signals"], report["reason"]) == ([], "no rows of training are known")


def test_a_browser_gets_a_page_without_a_script(client: Client) -> None:
    ask(client, rows_of(-1, 0, 9))
    answer = client("GET", "/drift", accept="text/html")
    page = answer.body.decode()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "Accept" in answer.headers["vary"]
    assert "<script" not in page
    assert "No of 4 signals have drifted" in page
    assert page.count("<svg") == 4
    assert "PSI" in page
    nothing = client("GET", "/drift", accept="application/json")
    assert json.loads(nothing.body)["rows"] == 3


def test_what_has_drifted_is_shown_first() -> None:
    def told(kind: str, psi: float, *, drifted: bool) -> dict[str, Any]:
        bins = {"bins": ["0", "1"], "expected": [0.5, 0.5], "observed": [0.1, 0.9]}
        return {"kind": kind, "name": f"{kind}{psi}", "psi": psi, "drifted": drifted, **bins}

    signals = [told("input", 0.1, drifted=False), told("path", 0.1, drifted=False), told("path", 0.9, drifted=True)]
    facts = drift_page.facts({"signals": signals}, "")
    assert [(kind, [one["psi"] for one in shown]) for kind, _, shown in facts["groups"]] == [
        ("path", [0.9, 0.1]),
        ("input", [0.1]),
    ]
    assert facts["drifted"] == ["path path0.9"]
    bars = facts["groups"][0][2][0]["bars"]
    assert [(side, high) for side, _, _, _, high in bars] == [
        ("expected", 38.89), ("observed", 7.78), ("expected", 38.89), ("observed", 70.0),
    ]  # fmt: skip

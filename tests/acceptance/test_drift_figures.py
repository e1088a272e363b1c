"""What each signal sees: rows as in training, rows that have moved, and the very same counts from any number of replicas."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance import watched
from tests.acceptance.commands import Modelcast, Service, until
from tests.acceptance.files import as_csv
from tests.acceptance.workshop import Case

WINDOWS = 2_000
"""Two windows of a thousand rows each."""
Signals = Mapping[tuple[str, str], Mapping[str, Any]]

NUMBERS = watched.numbers(WINDOWS, 7)
MOVED = NUMBERS + 0.5 * NUMBERS.std(axis=0)
WIDER = NUMBERS * 1.3
BROKEN = watched.permuted(NUMBERS, 3)
TEXTS, _ = watched.messages(WINDOWS, 7)


@pytest.fixture
def told(modelcast: Modelcast, tmp_path: Path) -> Any:
    """`modelcast drift BUNDLE FILE --json` of rows."""

    def ask(case: Case, rows: Sequence[Sequence[Any]], names: Sequence[str] = watched.NAMES) -> Signals:
        file = tmp_path / "rows.csv"
        file.write_text(as_csv(list(names), [list(row) for row in rows]), encoding="utf-8")
        done = modelcast.run("drift", case.built.root, file, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["rows"] == len(rows)
        return {(one["kind"], one["name"]): one for one in report["signals"]}

    return ask


def drifted(signals: Signals) -> set[str]:
    """The kinds of signals that say so."""
    return {kind for (kind, _), one in signals.items() if one["drifted"]}


def furthest_input(signals: Signals) -> float:
    """The largest PSI of all inputs."""
    return max(float(one["psi"]) for (kind, _), one in signals.items() if kind == "input")


def psi(signals: Signals, kind: str, name: str) -> float:
    """That of one signal."""
    return float(signals[kind, name]["psi"])


@pytest.mark.parametrize("name", ["watched_forest", "watched_line", "watched_native", "watched_clusters"])
def test_rows_as_in_training_have_not_drifted_and_moved_ones_have(
    request: pytest.FixtureRequest, told: Any, name: str
) -> None:
    case: Case = request.getfixturevalue(name)
    same = told(case, NUMBERS.tolist())
    assert drifted(same) == set()
    # What a model says of its own rows is no word on new ones: a forest's are those that its trees did not see.
    assert max(float(one["psi"]) for one in same.values()) < 0.1
    assert {"input", "joint"} <= drifted(told(case, MOVED.tolist()))
    assert "joint" in drifted(told(case, WIDER.tolist()))


def test_broken_correlations_are_seen_where_no_input_sees_them(
    watched_forest: Case, watched_native: Case, watched_line: Case, told: Any
) -> None:
    for forest in (watched_forest, watched_native):
        signals = told(forest, BROKEN.tolist())
        assert furthest_input(signals) < 0.1
        assert psi(signals, "path", "surprisal") > 0.25
        assert psi(signals, "joint", "surprisal") > 0.25
        assert {"path", "joint"} <= drifted(signals)
    line = told(watched_line, BROKEN.tolist())
    assert furthest_input(line) < 0.1
    assert psi(line, "joint", "surprisal") > 0.25


def test_missing_values_are_seen(watched_gaps: Case, told: Any) -> None:
    assert drifted(told(watched_gaps, watched.with_gaps(NUMBERS, 0.02, 5))) == set()
    assert "input" in drifted(told(watched_gaps, watched.with_gaps(NUMBERS, 0.15, 5)))


def test_shorter_texts_and_unseen_words_are_more_or_less_work(watched_text: Case, told: Any) -> None:
    def of(texts: Sequence[str]) -> Signals:
        signals: Signals = told(watched_text, [[text] for text in texts], ["text"])
        return signals

    assert drifted(of(TEXTS)) == set()
    shorter = of(watched.shortened(TEXTS))
    assert psi(shorter, "work", "nonzeros") > 0.5
    assert psi(shorter, "score", "probability") < 0.1
    unseen = of(watched.with_new_words(TEXTS, 0.15, 5))
    assert drifted(unseen) == {"work"}  # they are as long as ever, and the model is as sure


def counts(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Everything that counts rows, by name and labels."""
    families = text_string_to_metric_families(service.ask("/metrics").text)
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in families
        for one in family.samples
        if one.name.endswith("_bin_total") or one.name in ("modelcast_rows_total", "modelcast_predictions_total")
    }


def send(service: Service, rows: Sequence[Sequence[float]], at_once: int) -> None:
    """Requests of so many rows, until all of them are counted: that happens a moment after the answer."""
    for first in range(0, len(rows), at_once):
        body = [dict(zip(watched.NAMES, row, strict=True)) for row in rows[first : first + at_once]]
        service.ask(json=body).raise_for_status()
    until(lambda: _counted(service, "modelcast_joint_bin_total") == _counted(service, "modelcast_rows_total"))


def _counted(service: Service, name: str) -> float:
    return sum(value for (one, _), value in counts(service).items() if one == name)


@pytest.mark.parametrize("name", ["watched_forest", "watched_native"])
def test_two_replicas_count_what_one_process_counts(
    request: pytest.FixtureRequest, modelcast: Modelcast, told: Any, name: str
) -> None:
    case: Case = request.getfixturevalue(name)
    rows = MOVED[:1_200].tolist()
    with modelcast.serving(case.built.root, workers=1) as one:
        send(one, rows, 400)
        alone, report = counts(one), one.ask("/drift").json()
    with (
        modelcast.serving(case.built.root, workers=1) as first,
        modelcast.serving(case.built.root, workers=2) as second,
    ):
        send(first, rows[:500], 70)
        send(second, rows[500:], 90)
        here, there = counts(first), counts(second)
    assert alone["modelcast_rows_total", frozenset()] == len(rows)
    assert {key: here[key] + there[key] for key in here} == alone
    offline = told(case, rows)
    assert {(signal["kind"], signal["name"]): signal for signal in report["signals"]} == offline

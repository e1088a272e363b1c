"""What is written to watch a model: the dashboard's panels, and a JSON file that is known to be ours."""

import itertools
import json
from pathlib import Path

import yaml
from click.testing import CliRunner
from modelcast_builder.cli import main

CASE = Path(__file__).parent / "manifests" / "watched-kubernetes"
DASHBOARD = json.loads((CASE / "expected" / "dashboard.json").read_text())
RULES = yaml.safe_load((CASE / "expected" / "rules.yml").read_text())
BASELINE = json.loads((CASE / "sealed" / "baseline.json").read_text())


def test_every_signal_has_its_alert_and_a_panel_with_both_shares() -> None:
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
    kinds = {signal["kind"] for signal in BASELINE["signals"]}
    values = {"ModelcastInputMissing", "ModelcastInputUnseen", "ModelcastAccuracyExpected", "ModelcastNotWatched"}
    assert alerts == {f"Modelcast{kind.capitalize()}Drift" for kind in kinds} | values
    bars = [panel for panel in DASHBOARD["panels"] if panel["type"] == "barchart"]
    assert [panel["title"] for panel in bars] == [signal["name"] for signal in BASELINE["signals"]]
    assert {tuple(target["legendFormat"] for target in panel["targets"]) for panel in bars} == {("baseline", "live")}


def test_no_panel_lies_on_another_and_every_number_is_one_panel_s() -> None:
    panels = DASHBOARD["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    covered = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x, y in itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    ]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) == 23


def test_what_is_recorded_is_all_that_is_read() -> None:
    """A name that no rule records would be an empty panel, or an alert that never comes."""
    rules = [rule for group in RULES["groups"] for rule in group["rules"]]
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    known: set[str] = set()
    for rule in rules:
        assert names(rule["expr"]) <= known, rule
        known |= {rule["record"]} if "record" in rule else set()
    assert set().union(*map(names, shown)) <= known


def names(expr: str) -> set[str]:
    words = expr.replace("(", " ").split()
    return {word.partition("{")[0] for word in words if word.startswith("modelcast:")}


def test_the_configmap_holds_the_dashboard() -> None:
    made = yaml.safe_load((CASE / "expected" / "monitoring" / "configmap.yaml").read_text())
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    held = json.loads(made["data"]["penguins.json"])
    assert held == {key: value for key, value in DASHBOARD.items() if key != "description"}


def test_a_dashboard_that_was_changed_is_not_overwritten(tmp_path: Path) -> None:
    def write() -> tuple[int, str]:
        words = ["manifests", str(CASE / "sealed"), *(CASE / "options").read_text().split(), "--out", str(tmp_path)]
        done = CliRunner().invoke(main, words)
        return done.exit_code, done.stderr

    file = tmp_path / "dashboard.json"
    assert (write(), write()) == ((0, ""), (0, ""))
    file.write_text(file.read_text().replace('"now-24h"', '"now-7d"'))
    assert write() == (
        1,
        f"error: manifests: {file} was not written by this command, or was changed since. "
        "Name another folder with --out, or remove the file.\n",
    )

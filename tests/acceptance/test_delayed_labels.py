"""Labels that come later, by hand: a compiled model is served, logs what it answers, and is held to what was right."""

import csv
import json
from pathlib import Path

import pytest
from modelcast_runtime.bundle import open_bundle

from tests.acceptance.commands import SAMPLES, Modelcast
from tests.acceptance.workshop import Workshop

TARGET = "diagnosis"


def test_logged_answers_are_held_to_labels_as_the_holdout_was(
    workshop: Workshop, modelcast: Modelcast, tmp_path: Path
) -> None:
    bundle = workshop.begin("breast-cancer").result().built.root
    manifest = open_bundle(bundle).manifest
    assert manifest.evaluation is not None
    assert manifest.compilation.backend == "onnxruntime"
    with (SAMPLES / "breast-cancer" / "data" / "holdout.csv").open(encoding="utf-8", newline="") as lines:
        records = list(csv.DictReader(lines))
    rows = [{name: float(value) for name, value in record.items() if name != TARGET} for record in records]
    with modelcast.serving(bundle, workers=1, MODELCAST_SERVICE_LOG_PREDICTIONS="1") as service:
        asked = [service.ask(json=[row]) for row in rows[:3]] + [service.ask(json=rows[3:])]
        code, _, log = service.stop(15)
    assert code == 0
    ids = [*(one.headers["prediction-id"] for one in asked[:3]), *[asked[3].headers["prediction-id"]] * len(rows[3:])]
    (tmp_path / "service.log").write_text(log, encoding="utf-8")
    with (tmp_path / "labels.csv").open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["prediction_id", TARGET])
        writer.writerows([identity, record[TARGET]] for identity, record in zip(ids, records, strict=True))
    done = modelcast.run("evaluate", bundle, tmp_path / "service.log", tmp_path / "labels.csv", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["version"]) == (manifest.name, manifest.version)
    assert told["labels"]["matched"] == told["labels"]["rows"] == len(rows) == manifest.evaluation.rows
    assert told["labels"]["unmatched"] == told["logs"]["unreadable"] == 0
    assert told["logs"]["predictions"] == 4
    assert told["now"]["metrics"].keys() == manifest.evaluation.metrics.keys()
    assert told["now"]["metrics"] == pytest.approx(manifest.evaluation.metrics, abs=1e-6)
    assert told["at_build"]["metrics"] == manifest.evaluation.metrics
    (estimate,) = told["estimates"]
    assert estimate["true"] == pytest.approx(manifest.evaluation.metrics["accuracy"], abs=1e-6)
    assert abs(estimate["estimated"] - estimate["true"]) < 0.1

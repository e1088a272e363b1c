"""A real Prometheus over two replicas: it calls for what drifted, and for nothing else."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelcast_builder.manifests.watching import groups
from modelcast_builder.manifests.watching.watched import Timing, Watched
from modelcast_runtime.bundle import open_bundle

from tests.acceptance.commands import Modelcast, Service
from tests.e2e.conftest import SAMPLES
from tests.e2e.engine import ROOT
from tests.e2e.prometheus import Prometheus, scraping, until
from tests.e2e.table import read_table

Row = dict[str, Any]
TIMING = Timing(window="20s", hold="0s", every="1s")
ROWS = read_table(SAMPLES / "penguins" / "data" / "penguins.csv", without=("species", "year")).instances
SHIFTED = "bill_length_mm"
OF_ROWS = {f"Modelcast{name}" for name in ("InputDrift", "InputMissing", "InputUnseen", "JointDrift", "NotWatched")}
"""Alerts about the rows themselves. These are the rows of training, of which a forest knows more than of new ones: its
paths, its work and how sure it is are not what the baseline, made of what it says of rows it did not see, expects."""


def as_they_are(generator: random.Random) -> list[Row]:
    return generator.choices(ROWS, k=400)


def shifted(generator: random.Random) -> list[Row]:
    return [{**row, SHIFTED: row[SHIFTED] and row[SHIFTED] + 15} for row in as_they_are(generator)]


def unrelated(generator: random.Random) -> list[Row]:
    """Each input as it is distributed, and none with the others."""
    rows = as_they_are(generator)
    columns = {name: generator.sample([row[name] for row in rows], len(rows)) for name in rows[0]}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class Client:
    """Sends rows to both replicas in turn while it waits for what Prometheus says."""

    def __init__(self, replicas: list[Service], prometheus: Prometheus) -> None:
        """Its rows come from random numbers that are the same in every run."""
        self._replicas = replicas
        self._prometheus = prometheus
        self._generator = random.Random(0)

    def until(self, rows: Callable[[random.Random], list[Row]], is_so: Callable[[set[tuple[str, str]]], bool]) -> Any:
        """Send until the window is full of such rows and the alerts are so; the alerts."""
        sent = {"begun": self._now()}

        def look() -> Any:
            for replica in self._replicas:
                answer = replica.ask(json={"instances": rows(self._generator)})
                assert answer.status_code == 200, answer.text
            firing = self._prometheus.firing()
            is_full = self._now() > sent["begun"] + 25 and self._seen() > 2_000
            return (firing,) if is_full and is_so(firing) else None

        return until(look, "the alerts")[0]

    def _now(self) -> float:
        return self._prometheus.query("vector(time())")[0][1]

    def _seen(self) -> float:
        return min((rows for _, rows in self._prometheus.query("modelcast:input_rows:20s")), default=0.0)


def inputs_of(firing: set[tuple[str, str]]) -> set[str]:
    return {name for alert, name in firing if alert == "ModelcastInputDrift"}


def names_of(firing: set[tuple[str, str]]) -> set[str]:
    return {alert for alert, _ in firing}


def rules_of(bundle: Path) -> Mapping[str, Any]:
    opened = open_bundle(bundle)
    assert opened.baseline is not None
    model = opened.manifest
    return {"groups": groups(Watched(job=model.name, version=model.version, baseline=opened.baseline, timing=TIMING))}


def test_the_right_alert_fires(tmp_path: Path) -> None:
    modelcast = Modelcast(cache=ROOT / "build" / "test-cache")
    bundle = modelcast.build(SAMPLES / "penguins", tmp_path / "bundle").root
    with modelcast.serving(bundle, workers=1) as one, modelcast.serving(bundle, workers=1) as other:
        targets = [service.url.removeprefix("http://") for service in (one, other)]
        with scraping(tmp_path, "penguins", targets, rules_of(bundle)) as prometheus:
            client = Client([one, other], prometheus)
            assert not names_of(client.until(as_they_are, lambda firing: not names_of(firing) & OF_ROWS)) & OF_ROWS
            firing = client.until(shifted, lambda firing: bool(inputs_of(firing)))
            assert inputs_of(firing) == {SHIFTED}
            assert not names_of(firing) & {"ModelcastInputMissing", "ModelcastInputUnseen", "ModelcastNotWatched"}
            firing = client.until(unrelated, lambda firing: "ModelcastJointDrift" in names_of(firing))
            assert inputs_of(firing) == set()
            assert len(prometheus.query("modelcast_model_info")) == 2

"""Repository -> s2i -> hardened container -> POST /predict -> GET /metrics, held against scikit-learn in process."""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.conftest import SAMPLES, Start
from tests.e2e.engine import HARDENED, Service, run
from tests.e2e.table import Table, in_process, read_table

JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}


@pytest.mark.parametrize("workers", [1, 4])
def test_ready_made_artifact_answers_as_scikit_learn(breast_cancer: str, start: Start, workers: int) -> None:
    table = read_table(SAMPLES / "breast-cancer" / "data" / "holdout.csv", without=("diagnosis",))
    service = start(breast_cancer, *HARDENED, "--env", f"WEB_CONCURRENCY={workers}")
    answers_as(service, table, in_process(breast_cancer, table))


@pytest.mark.parametrize("workers", [1, 4])
def test_notebook_answers_as_scikit_learn(penguins: str, start: Start, workers: int) -> None:
    table = read_table(SAMPLES / "penguins" / "data" / "penguins.csv", without=("species", "year"))
    service = start(penguins, *HARDENED, "--env", f"WEB_CONCURRENCY={workers}")
    answers_as(service, table, in_process(penguins, table, "train.ipynb"))


def answers_as(service: Service, table: Table, expected: dict[str, Any]) -> None:
    """JSON and CSV, labels and probabilities: equal to the last bit."""
    url = f"{service.url}/predict?proba=true"
    for answer in (
        httpx.post(url, json={"instances": table.instances}, timeout=120),
        httpx.post(url, content=table.text, headers=CSV, timeout=120),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == expected["predictions"]
        assert answer.json()["probabilities"] == expected["probabilities"]


def test_a_laptop_and_s2i_agree_on_the_model_s_version(breast_cancer: str, start: Start, tmp_path: Path) -> None:
    modelcast = str(Path(sys.executable).with_name("modelcast"))
    run([modelcast, "build", str(SAMPLES / "breast-cancer"), "--out", str(tmp_path / "bundle")])
    here = json.loads((tmp_path / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    told = httpx.get(f"{start(breast_cancer, *HARDENED).url}/info", timeout=120).json()
    assert told["version"] == here["version"]


def test_counters_of_four_workers_add_up_to_what_a_client_sent(penguins: str, start: Start) -> None:
    table = read_table(SAMPLES / "penguins" / "data" / "penguins.csv", without=("species", "year"))
    service = start(penguins, *HARDENED, "--env", "WEB_CONCURRENCY=4")
    batches = [table.instances[at : at + 1 + at % 5] for at in range(300)]
    bodies: list[Any] = [{"instances": batch} for batch in batches] + [{"instances": []}] * 20
    # A connection each, so that every worker gets its part.
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda body: httpx.post(f"{service.url}/predict", json=body, timeout=120), bodies))
    assert Counter(answer.status_code for answer in answers) == {200: 300, 400: 20}

    predicted = Counter(label for answer in answers[:300] for label in answer.json()["predictions"])
    counted = samples(httpx.get(f"{service.url}/metrics", timeout=120).text)
    assert counted["modelcast_rows_total", ""] == sum(map(len, batches))
    assert {label: counted["modelcast_predictions_total", label] for label in predicted} == predicted
    assert counted["modelcast_requests_total", "200"] == 300
    assert counted["modelcast_requests_total", "400"] == 20


def samples(exposition: str) -> dict[tuple[str, str], float]:
    """The value of every sample of the own protocol, by name and by class or code."""
    found = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.labels.get("protocol", "predict") == "predict":
                found[sample.name, sample.labels.get("class", sample.labels.get("code", ""))] = sample.value
    return found

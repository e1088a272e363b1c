"""nachlass' metrics under the prefix that its users set: the same numbers, over all workers, in a closed set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modelcast_runtime import metrics
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.observe import Observer
from modelcast_runtime.store import Store
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]
ON = {"S2I_APP_METRICS_PREFIX": "pipeline"}


def as_their_clients_read(text: str) -> dict[str, float]:
    """Line by line, as nachlass' notebooks do it."""
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def theirs(client: Any, prefix: str = "pipeline") -> dict[str, float]:
    answer = client("POST", "/metrics", b"json_args=x", content_type="application/x-www-form-urlencoded")
    assert answer.status == 200
    found = as_their_clients_read(answer.body.decode())
    return {name: value for name, value in found.items() if name.startswith(prefix)}


def test_without_the_prefix_nothing_of_it_is_told(make_client: MakeClient) -> None:
    found = as_their_clients_read(make_client()("GET", "/metrics").body.decode())
    assert {name.partition("_")[0] for name in found} == {"modelcast"}


def test_a_classifier_counts_seconds_and_values(make_client: MakeClient) -> None:
    client = make_client("frame", env=ON)
    rows = [[-1.0, "Dream", 2007], [1.5, "Dream", 2008], [1.5, "Biscoe", 2008]]
    assert theirs(client).keys() == {
        "pipeline_processing_seconds_count", "pipeline_processing_seconds_sum",
        'pipeline_predictions_total{value="big"}', 'pipeline_predictions_total{value="small"}',
    }  # fmt: skip
    assert set(theirs(client).values()) == {0.0}
    assert client("POST", "/predict", rows).json()["predictions"] == ["small", "big", "big"]
    assert client("POST", "/predict", b"{").status == 400
    assert client("GET", "/healthz").status == 200
    found = theirs(client)
    assert found["pipeline_processing_seconds_count"] == 2.0
    assert 0 < found["pipeline_processing_seconds_sum"] < 60
    assert found['pipeline_predictions_total{value="big"}'] == 2.0
    assert found['pipeline_predictions_total{value="small"}'] == 1.0


def test_clusters_are_values_and_booleans_are_written_as_python_writes_them(make_client: MakeClient) -> None:
    labels = [f'pipeline_predictions_total{{value="{value}"}}' for value in ("0", "1", "2", "False", "True")]
    assert [label for label in labels if label in theirs(make_client("kmeans", env=ON))] == labels[:3]
    assert [label for label in labels if label in theirs(make_client("text", env=ON))] == labels[3:]


def test_a_regressors_predictions_are_a_histogram_and_never_a_label(make_client: MakeClient) -> None:
    client = make_client("own", env=ON)  # its golden rows' answers are 1.5 and 2.5
    before = theirs(client)
    bounds = [name for name in before if name.startswith("pipeline_predictions_bucket")]
    assert bounds == [f'pipeline_predictions_bucket{{le="{bound}"}}' for bound in
                      ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6",
                       "2.7", "+Inf")]  # fmt: skip
    assert client("POST", "/predict", [[0, 1.5], [0, 2.625], [0, 1313]]).status == 200
    after = theirs(client)
    assert after.keys() == before.keys()
    assert [after[name] for name in bounds] == [0.0, 0.0] + [1.0] * 12 + [2.0, 3.0]
    assert after["pipeline_predictions_count"] == 3.0
    assert after["pipeline_predictions_sum"] == 1.5 + 2.625 + 1313


def test_several_outputs_have_seconds_only(make_client: MakeClient) -> None:
    client = make_client("pair", env=ON)
    assert client("POST", "/predict", [[0, 1, 2]]).status == 200
    assert theirs(client).keys() == {"pipeline_processing_seconds_count", "pipeline_processing_seconds_sum"}


@pytest.mark.parametrize("kind", ["frame", "kmeans", "text", "own", "pair"])
def test_both_formats_parse_with_nothing_told_twice(make_client: MakeClient, kind: str) -> None:
    client = make_client(kind, env={"S2I_APP_METRICS_PREFIX": '"my_App_1"'})
    plain = list(text_string_to_metric_families(client("GET", "/metrics").body.decode()))
    answer = client("GET", "/metrics", accept="application/openmetrics-text; version=1.0.0")
    strict = list(openmetrics.text_string_to_metric_families(answer.body.decode()))
    assert [family.name for family in plain] == [family.name for family in strict]
    assert len({family.name for family in plain}) == len(plain)
    added = {family.name: family.type for family in plain if family.name.startswith("my_App_1_")}
    predicted = {"pair": {}, "own": {"my_App_1_predictions": "histogram"}}.get(
        kind, {"my_App_1_predictions": "counter"}
    )
    assert added == {"my_App_1_processing_seconds": "summary", **predicted}


def test_workers_add_up(make_bundle: MakeBundle) -> None:
    bundle = open_bundle(make_bundle("frame"))
    store = Store.create(metrics.layout_for(bundle.manifest, bundle.golden), slots=3)
    for seconds in (0.25, 0.5, 2.0):
        store.use(store.claim())
        observer = Observer(store, bundle.manifest)
        observer.started()
        observer.scored(1, np.array(["big"]), {}, {})
        observer.finished("predict", 200, seconds)
    text = metrics.exposition(store, bundle.manifest, None, "nachlass")[0].decode()
    found = as_their_clients_read(text)
    assert found["nachlass_processing_seconds_count"] == 3.0
    assert found["nachlass_processing_seconds_sum"] == 2.75
    assert found['nachlass_predictions_total{value="big"}'] == 3.0

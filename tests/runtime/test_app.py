"""The application as a whole: what is built in a worker, and what keeps it from being built."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from modelcast_runtime import selftest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Limits, ServiceDefaults

MakeBundle = Callable[..., Path]
MakeClient = Callable[..., Any]


def test_no_application_of_a_model_that_answers_otherwise(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    golden = open_bundle(make_bundle()).golden
    other = msgspec.structs.replace(golden, predictions=(2, *golden.predictions[1:]))
    with pytest.raises(BundleError) as caught:
        make_client(make_bundle(golden=other))
    assert str(caught.value) == f"golden row 0 does not reproduce: prediction {golden.predictions[0]}, sealed was 2"


def test_no_application_of_a_bundle_with_a_broken_receipt(make_bundle: MakeBundle, make_client: MakeClient) -> None:
    root = make_bundle()
    (root / "receipts/provenance.json").write_text("[]")
    with pytest.raises(BundleError):
        make_client(root)


def test_building_and_replaying_counts_nothing(make_client: MakeClient) -> None:
    client = make_client()
    assert client.store.total().sum() == 0


def test_what_the_repository_sealed_is_in_force_until_the_environment_says_otherwise(
    make_bundle: MakeBundle, make_client: MakeClient
) -> None:
    root = make_bundle("kmeans", service=ServiceDefaults(extra_inputs="ignore", limits=Limits(rows=1)))
    row = {"x": 1, "y": 2, "id": 3}
    client = make_client(root)
    assert client("POST", "/predict", [row]).status == 200
    assert client("POST", "/predict", [row, row]).status == 413
    told = make_client(root, env={"MODELCAST_EXTRA_INPUTS": "refuse", "MODELCAST_LIMITS_ROWS": "2"})
    assert told("POST", "/predict", [row]).json()["at"] == "$[0].id"
    assert told("POST", "/predict", [{"x": 1, "y": 2}] * 2).status == 200


def test_the_selftests_own_request_reaches_the_application(make_client: MakeClient) -> None:
    status, body = asyncio.run(selftest.request(make_client().app, "GET", "/healthz"))
    assert (status, body.strip()) == (200, b'{"status":"ok"}')

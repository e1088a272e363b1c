"""The Open Inference Protocol as its real clients speak it: tritonclient's and KServe's, each in an environment of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import Modelcast, Service
from tests.acceptance.workshop import Workshop
from tests.clients import asked_by

BY_CLIENT = Path(__file__).parent / "by_client"
OF_TENSOR = "GET /v2/models/NAME describes the model's tensors."
MODES = [
    f"{into} {out} {packed}" for into in (False, True) for out in (False, True) for packed in (None, "gzip", "deflate")
]
NOT_FOUND = (
    "Not found: no such model, version or route is served here. GET /v2/models names the model, and "
    "GET /v2/models/NAME its version."
)


@pytest.fixture(scope="module", params=["breast-cancer", "penguins"])
def service(request: pytest.FixtureRequest, workshop: Workshop, modelcast: Modelcast) -> Iterator[Service]:
    """One model that takes a matrix, and one of texts and numbers."""
    with modelcast.serving(workshop.begin(request.param).result().built.root, workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def manifest(service: Service) -> dict[str, Any]:
    return dict(service.ask("/info").json())


@pytest.fixture(scope="module")
def rows(service: Service, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Two rows that every client can send: no null, for which bytes have no room."""
    described = service.ask("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["content"]
    rows = described["application/json"]["examples"]["rows"]["value"]
    return [{name: _filled(value, name, manifest) for name, value in row.items()} for row in rows]


def _filled(value: Any, name: str, manifest: dict[str, Any]) -> Any:
    (column,) = (one for one in manifest["signature"]["inputs"] if one["name"] == name)
    return ("" if column["dtype"] == "string" else 0) if value is None else value


@pytest.fixture(scope="module")
def tensors(service: Service, manifest: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The rows as the model's metadata asks for them."""
    metadata = service.ask(f"/v2/models/{manifest['name']}").json()["inputs"]
    sent = []
    for tensor in metadata:
        columns = json.loads(tensor.get("parameters", {}).get("columns", "[]"))
        data = [[row[name] for name in columns] if columns else row[tensor["name"]] for row in rows]
        shape = [len(rows), *tensor["shape"][1:]]
        sent.append({"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": data})
    return json.dumps(sent)


@pytest.fixture(scope="module")
def expected(service: Service, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the own format answers to the same rows."""
    answer = service.ask("/predict?proba=true", json=rows).json()
    shares = [share for row in answer["probabilities"] for share in row.values()]
    return {"predict": answer["predictions"], "predict_proba": shares}


def test_tritonclient_in_all_its_modes(
    service: Service, manifest: dict[str, Any], tensors: str, expected: dict[str, Any]
) -> None:
    name, version = manifest["name"], manifest["version"]
    told = asked_by(BY_CLIENT / "triton.py", service.url, name, version, tensors)
    assert (told["live"], told["ready"], told["model"]) == (True, True, [True, True, False])
    assert told["server"]["extensions"] == ["binary_tensor_data"]
    assert (told["metadata"]["name"], told["metadata"]["versions"]) == (name, [version])
    assert list(told["modes"]) == [*MODES, "as it asks by itself"]
    for mode, answer in told["modes"].items():
        assert answer == {"id": "7", "values": expected}, mode
    wrong = told["refused"].pop("wrong")
    assert wrong[0] == "400"
    assert wrong[1].startswith("$.inputs[0].name: expected only ")
    assert told["refused"] == {
        case: ["404", NOT_FOUND] for case in ("model", "version", "config", "statistics", "repository")
    }


def test_kserves_client_in_json_and_in_binary(
    service: Service, manifest: dict[str, Any], tensors: str, expected: dict[str, Any]
) -> None:
    told = asked_by(BY_CLIENT / "kserve_v2.py", service.url, manifest["name"], tensors)
    answer = {"id": "9", "model": manifest["name"]}
    every, first = {**answer, "values": expected}, {**answer, "values": {"predict": expected["predict"]}}
    assert told["modes"] == {"False 0": every, "False 1": first, "True 0": every, "True 1": first}
    error = (
        "$.inputs: expected at least one tensor, got none. The Open Inference Protocol V2 says what a request holds."
    )
    assert told["refused"] == [400, {"error": error}]
    assert told["ready"] == [True, True, True]

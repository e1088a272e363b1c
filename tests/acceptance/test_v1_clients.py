"""KServe's V1, MLflow and Vertex AI as their real clients speak them, each in an environment of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.commands import Modelcast, Service
from tests.acceptance.files import notebook, write
from tests.clients import asked_by

BY_CLIENT = Path(__file__).parent / "by_client"
TRAINED = {
    "train.ipynb": notebook(
        """
import joblib
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
""",
        """
X = pd.DataFrame({"mass": [None, 1.5, 2.5, 3.5] * 9, "island": ["a", "b", "c"] * 12, "year": [2007, 2008] * 18})
y = ["big" if mass > 2 else "small" for mass in X["mass"].fillna(0)]
steps = [("mass", SimpleImputer(), ["mass"]), ("island", OneHotEncoder(handle_unknown="ignore"), ["island"])]
model = make_pipeline(ColumnTransformer(steps, remainder="passthrough"), LogisticRegression()).fit(X, y)
joblib.dump(model, "model.joblib")
""",
    ),
    "modelcast.yaml": b"inputs: {year: {dtype: int64}}\ncompile: never",  # served where pyarrow is
    "requirements.txt": b"pandas\npyarrow",
}
ROWS = [
    {"mass": 1.5, "island": "a", "year": 2007},
    {"mass": None, "island": "c", "year": 2008},
    {"mass": 3.5, "island": "d", "year": 2007},
]
ROUTE = "/v1/endpoints/1/deployedModels/2"


@pytest.fixture(scope="module")
def service(modelcast: Modelcast, folder: Path) -> Iterator[Service]:
    """A model of missing values, texts and whole numbers, in an environment that can read Parquet."""
    source = write(folder / "unseen" / "herd", TRAINED)
    built = modelcast.build(source, folder / "bundles" / "herd")
    with modelcast.serving(built.root, workers=1, AIP_HEALTH_ROUTE=ROUTE, AIP_PREDICT_ROUTE=f"{ROUTE}:predict") as one:
        yield one


@pytest.fixture(scope="module")
def expected(service: Service) -> list[str]:
    """What the own format answers to the same rows."""
    predictions = service.ask(json=ROWS).json()["predictions"]
    assert set(predictions) == {"big", "small"}
    return list(predictions)


def test_kserves_client_over_v1(service: Service, expected: list[str]) -> None:
    told = asked_by(BY_CLIENT / "kserve_v1.py", service.url, service.name, json.dumps(ROWS))
    answer = {"predictions": expected}
    assert told == {
        "answers": {"objects": answer, "lists of one": answer, "lists": answer},
        "refused": {
            "model": [404, "Model with name nope does not exist."],
            "rows": [400, "$.instances: expected at least one row, got no rows. Send rows to score."],
            "explain": [501, f"Model with name {service.name} has no explainer: ask for :predict."],
        },
        "ready": [True, True],
        "events": {
            kind: ["io.kserve.inference.response", f"io.kserve.inference.{service.name}", answer]
            for kind in ("binary", "structured")
        },
    }


def test_mlflows_client_and_every_kind_of_file(service: Service, expected: list[str]) -> None:
    address = urlsplit(service.url)
    told = asked_by(BY_CLIENT / "mlflow_scoring.py", str(address.hostname), str(address.port), json.dumps(ROWS), "year")
    assert told["version"] == service.ask("/version").text
    assert told["predictions"] == dict.fromkeys(
        ["as it is", "in another order", "with more", "with an index", "with params"], expected
    )
    assert told["refused"].startswith("Invocation failed (error code 400, response: ")
    message = "$.dataframe_split.columns: expected also year, got nothing. Send every input; GET /schema lists them."
    assert json.dumps({"error_code": "BAD_REQUEST", "message": message}, separators=(",", ":")) in told["refused"]
    files = told["files"]
    for kind in ("csv", "parquet", "parquet, plain"):
        assert files.pop(kind) == [200, {"predictions": expected}], kind
    codes = {kind: answer[0] for kind, answer in files.items()}
    messages = {kind: answer[1]["message"] for kind, answer in files.items()}
    assert codes == dict.fromkeys(files, 400) | {"parquet, many": 413, "parquet, large": 413}
    assert messages == {
        "parquet, cut": "$.year[0]: expected a whole number, got number with a fraction. "
        "Values are never converted: send that type.",
        "parquet, infinite": "$.mass[0]: expected a number of 64 bits, got a value outside. "
        "Send a value in this range.",
        "parquet, missing": "$: expected also year, got nothing. Send every input; GET /schema lists them.",
        "parquet, none": "$: expected a Parquet file, got other bytes. Let a library write it.",
        "parquet, many": "A request may have at most 10000 rows (MODELCAST_LIMITS_ROWS). "
        "Send the rows in several requests.",
        "parquet, large": "A request may have at most 16777216 bytes (MODELCAST_LIMITS_BODY_BYTES, after inflation). "
        "Send less in one request.",
        "parquet, texts": "$.mass[0]: expected a number, got string. Values are never converted: send that type.",
        "parquet, bytes": "$.mass[0]: expected a number, got something else. "
        "Values are never converted: send that type.",
        "parquet, lists": "$.mass: expected numbers, texts, booleans or times, got another type of Parquet's. "
        "Values are never converted: send that type.",
    }
    assert set(told["codes"]) <= {200, 400, 413}


def test_vertex_ai_asks_its_routes(service: Service, expected: list[str]) -> None:
    assert service.ask(ROUTE).status_code == 200
    answer = service.ask(f"{ROUTE}:predict", json={"instances": ROWS, "parameters": {}})
    assert (answer.status_code, answer.json()) == (200, {"predictions": expected})


def test_every_protocol_was_counted_as_itself(service: Service) -> None:
    """The last of the file's tests in any order: each asks once itself."""
    body: dict[str, Any] = {"instances": ROWS}
    paths = {
        "v1": f"/v1/models/{service.name}:predict",
        "mlflow": "/invocations",
        "vertex": f"{ROUTE}:predict",
    }

    def counted(protocol: str) -> float:
        labels = frozenset({("protocol", protocol), ("code", "200")})
        return service.metrics()["modelcast_requests_total", labels]

    for protocol, path in paths.items():
        before = counted(protocol)
        assert service.ask(path, json=body).status_code == 200
        assert counted(protocol) == before + 1

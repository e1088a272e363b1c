"""One model behind KServe's SDK: V1 in JSON, V2 with binary tensors."""

import json
import os
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer

FOLDER = Path(os.environ["BENCH_CASE"])
CASE = json.loads((FOLDER / "case.json").read_bytes())


class Scoring(Model):
    def __init__(self) -> None:
        super().__init__(CASE["name"])
        self.load()

    def load(self) -> bool:
        self.model = joblib.load(FOLDER / "model.joblib")
        self.ready = True
        return True

    def predict(self, payload: dict | InferRequest, headers: dict | None = None, response_headers: dict | None = None):
        if isinstance(payload, InferRequest):
            labels = self.model.predict(tensors(payload))
            output = InferOutput("predict", list(labels.shape), "INT64")
            output.set_data_from_numpy(labels, binary_data=True)
            return InferResponse(payload.id or "", CASE["name"], [output])
        rows = payload["instances"]
        given = pd.DataFrame(rows, columns=CASE["columns"]) if CASE["kind"] == "frame" else rows
        return {"predictions": self.model.predict(given).tolist()}


def tensors(request: InferRequest) -> np.ndarray | pd.DataFrame | list[str]:
    arrays = {one.name: one.as_numpy() for one in request.inputs}
    if CASE["kind"] == "array":
        return next(iter(arrays.values()))
    if CASE["kind"] == "text":
        return arrays["text"].ravel().tolist()
    return pd.DataFrame({name: array.ravel() for name, array in arrays.items()})


if __name__ == "__main__":
    ModelServer().start([Scoring()])

"""One model behind FastAPI and ONNX Runtime: the graph is opened once, with one thread, and run on the event loop."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

CASE = json.loads((Path(os.environ["BENCH_CASE"]) / "case.json").read_bytes())
ROW = {"array": list[float], "frame": list[float | str], "text": str}[CASE["kind"]]

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["BENCH_GRAPH"], options, providers=["CPUExecutionProvider"])
LABEL = session.get_outputs()[0].name
app = FastAPI()


class Rows(BaseModel):
    instances: list[ROW]


class Predictions(BaseModel):
    predictions: list[int]


def tensors(rows: list) -> dict[str, np.ndarray]:
    if CASE["kind"] == "array":
        return {"rows": np.array(rows, np.float32)}
    if CASE["kind"] == "text":
        return {"text": np.array(rows, object)[:, None]}
    return {
        name: np.array(column, object if name in CASE["texts"] else np.float32)[:, None]
        for name, column in zip(CASE["columns"], zip(*rows, strict=True), strict=True)
    }


@app.post("/predict")
async def predict(body: Rows) -> Predictions:
    return Predictions(predictions=session.run([LABEL], tensors(body.instances))[0].tolist())

"""One model behind BentoML: `batchable` is its adaptive batching."""

import json
import os
from pathlib import Path

import bentoml
import joblib
import numpy as np
import pandas as pd

FOLDER = Path(os.environ["BENCH_CASE"])
ROWS = {"array": np.ndarray, "frame": pd.DataFrame, "text": list[str]}[
    json.loads((FOLDER / "case.json").read_bytes())["kind"]
]


@bentoml.service(workers=int(os.environ["BENCH_WORKERS"]))
class Scoring:
    def __init__(self) -> None:
        self.model = joblib.load(FOLDER / "model.joblib")

    # The default of 100 rows refuses larger requests.
    @bentoml.api(batchable=True, max_batch_size=4000)
    def predict(self, rows: ROWS) -> np.ndarray:
        return self.model.predict(rows)

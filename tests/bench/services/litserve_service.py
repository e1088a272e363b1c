"""One model behind LitServe: litserve_service.py CASE PORT WORKERS."""

import json
import sys
from pathlib import Path

import joblib
import litserve
import numpy as np
import pandas as pd

FOLDER = Path(sys.argv[1])


class Scoring(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.case = json.loads((FOLDER / "case.json").read_bytes())
        self.model = joblib.load(FOLDER / "model.joblib")

    def decode_request(self, request: dict) -> list | pd.DataFrame:
        rows = request["instances"]
        return pd.DataFrame(rows, columns=self.case["columns"]) if self.case["kind"] == "frame" else rows

    def predict(self, rows: list | pd.DataFrame) -> np.ndarray:
        return self.model.predict(rows)

    def encode_response(self, labels: np.ndarray) -> dict:
        return {"predictions": labels.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Scoring(), accelerator="cpu", workers_per_device=int(sys.argv[3]))
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)

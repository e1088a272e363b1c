"""A model as MLflow saves it, of a few rows' signature: mlflow_model.py CASE OUT."""

import json
import sys
from pathlib import Path

import joblib
import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

case, out = map(Path, sys.argv[1:])
told = json.loads((case / "case.json").read_bytes())
estimator, rows = joblib.load(case / "model.joblib"), told["rows"][:5]
given = pd.DataFrame(rows, columns=told["columns"]) if told["kind"] == "frame" else np.array(rows)
mlflow.sklearn.save_model(
    estimator, out, signature=infer_signature(given), serialization_format="cloudpickle", pip_requirements=[]
)

"""skl2onnx, in an environment of its own: convert.py CASE GRAPH."""

import json
import sys
from pathlib import Path

import joblib
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.feature_extraction.text import TfidfVectorizer

case, graph = map(Path, sys.argv[1:])
told = json.loads((case / "case.json").read_bytes())
if told["kind"] == "array":
    inputs = [("rows", FloatTensorType([None, len(told["columns"])]))]
elif told["kind"] == "text":
    inputs = [("text", StringTensorType([None, 1]))]
else:
    inputs = [
        (name, StringTensorType([None, 1]) if name in told["texts"] else FloatTensorType([None, 1]))
        for name in told["columns"]
    ]
estimator = joblib.load(case / "model.joblib")
options = {id(estimator): {"zipmap": False}}
if told["kind"] == "text":
    # The operator's own default is en_US, which slim systems have not; this one every Linux has.
    options[TfidfVectorizer] = {"locale": "C.UTF-8"}
converted = convert_sklearn(estimator, initial_types=inputs, options=options)
graph.write_bytes(converted.SerializeToString())

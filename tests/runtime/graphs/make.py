"""Makes the graphs beside it, by hand: `uvx --with onnx==1.23.2 python tests/runtime/graphs/make.py`.

`onnx` is no part of the tests' environment: the graphs are kept. Their answers are simple enough to be said in numpy:
`matrix` is softmax(rows @ WEIGHTS), and `columns` is x0 + the code of x1 (unknown: -1).
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, -2.0]])
CODES = {"low": 10.0, "high": 20.0}


def save(name: str, nodes: list, inputs: dict, outputs: dict, constants: dict) -> None:
    def told(tensors: dict) -> list:
        return [helper.make_tensor_value_info(key, kind, shape) for key, (kind, shape) in tensors.items()]

    kept = [numpy_helper.from_array(value, key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, "model", told(inputs), told(outputs), kept)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, producer_name="modelcast", opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    (Path(__file__).parent / f"{name}.onnx").write_bytes(model.SerializeToString())


save(
    "matrix",
    [
        helper.make_node("MatMul", ["rows", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["predict_proba"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["predict"], axis=1, keepdims=0),
    ],
    {"rows": (TensorProto.DOUBLE, [None, 2])},
    {"predict": (TensorProto.INT64, [None]), "predict_proba": (TensorProto.DOUBLE, [None, 3])},
    {"weights": WEIGHTS},
)
save(
    "columns",
    [
        helper.make_node(
            "LabelEncoder", ["x1"], ["code32"], domain="ai.onnx.ml",
            keys_strings=list(CODES), values_floats=list(CODES.values()), default_float=-1.0,
        ),
        helper.make_node("Cast", ["code32"], ["code"], to=TensorProto.DOUBLE),
        helper.make_node("Add", ["x0", "code"], ["predict"]),
    ],
    {"x0": (TensorProto.DOUBLE, [None, 1]), "x1": (TensorProto.STRING, [None, 1])},
    {"predict": (TensorProto.DOUBLE, [None, 1])},
    {},
)  # fmt: skip

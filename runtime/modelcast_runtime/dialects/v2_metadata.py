"""What the Open Inference Protocol says of a model: its tensors' names, datatypes and shapes."""

from typing import Any

import orjson

from modelcast_runtime import __version__
from modelcast_runtime.contract import Dtype, Manifest, Signature

PREFIX = "/v2"
MATRIX = "input-0"
"""The one tensor, FP64 of [rows, columns], of a model whose inputs are all numbers."""
SERVER = {"name": "modelcast", "version": __version__, "extensions": ["binary_tensor_data"]}

DATATYPES: dict[Dtype, str] = {
    "bool": "BOOL",
    "int64": "INT64",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
    "datetime": "BYTES",
}
_NUMBERS = frozenset({"int64", "float32", "float64"})
_ROWS = -1


def model_paths(manifest: Manifest) -> tuple[str, str]:
    """Where the model answers, without a version and with its only one."""
    model = f"{PREFIX}/models/{manifest.name}"
    return model, f"{model}/versions/{manifest.version}"


def takes_matrix(signature: Signature) -> bool:
    """Whether all inputs may come as one tensor."""
    return all(column.dtype in _NUMBERS for column in signature.inputs)


def model_metadata(manifest: Manifest) -> dict[str, Any]:
    """The document of `GET /v2/models/NAME`."""
    return {
        "name": manifest.name,
        "versions": [manifest.version],
        "platform": platform(manifest),
        "inputs": inputs(manifest.signature),
        "outputs": outputs(manifest.signature),
    }


def platform(manifest: Manifest) -> str:
    """Who reads the model and what is read, as the protocol joins them: `sklearn_joblib`, `onnx_onnxv1`."""
    return "onnx_onnxv1" if manifest.format == "onnx" else f"{manifest.framework}_{manifest.format}"


def inputs(signature: Signature) -> list[dict[str, Any]]:
    """The tensors of a request; the order of a matrix' columns is a parameter, as the protocol has no place for it."""
    names = [column.name for column in signature.inputs]
    if takes_matrix(signature):
        matrix = tensor(MATRIX, "float64", (_ROWS, len(names)))
        return [{**matrix, "parameters": {"columns": orjson.dumps(names).decode()}}]
    return columns(signature)


def columns(signature: Signature) -> list[dict[str, Any]]:
    """The tensors of a request that sends one for each input."""
    return [tensor(column.name, column.dtype, (_ROWS,)) for column in signature.inputs]


def outputs(signature: Signature) -> list[dict[str, Any]]:
    """The tensors of an answer."""
    return [tensor(output.name, output.dtype, output.shape) for output in signature.outputs]


def tensor(name: str, dtype: Dtype, shape: tuple[int, ...]) -> dict[str, Any]:
    """One tensor's description; -1 is any number of rows."""
    return {"name": name, "datatype": DATATYPES[dtype], "shape": list(shape)}

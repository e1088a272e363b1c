"""Asks a service by `tritonclient`: triton.py URL NAME VERSION TENSORS; prints what the client made of the answers.

TENSORS is a JSON list of {"name", "datatype", "shape", "data"}.
"""

import itertools
import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

url, name, version, tensors = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
client = triton.InferenceServerClient(url.removeprefix("http://"))
DTYPES = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "BOOL": bool, "BYTES": object}


def plain(values):
    return [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]


def inputs(is_binary):
    for tensor in tensors:
        values = np.array(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
        one = triton.InferInput(tensor["name"], list(values.shape), tensor["datatype"])
        one.set_data_from_numpy(values, binary_data=is_binary)
        yield one


def asked(is_binary_in, outputs, **options):
    result = client.infer(name, list(inputs(is_binary_in)), outputs=outputs, **options)
    response = result.get_response()
    values = {output["name"]: plain(result.as_numpy(output["name"])) for output in response["outputs"]}
    return {"id": response.get("id"), "values": values}


def refused(call, *given, **options):
    try:
        call(*given, **options)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


metadata = client.get_model_metadata(name)
names = [output["name"] for output in metadata["outputs"]]
modes = {}
for is_in, is_out, packed in itertools.product((False, True), (False, True), (None, "gzip", "deflate")):
    outputs = [triton.InferRequestedOutput(output, binary_data=is_out) for output in names]
    options = {"request_compression_algorithm": packed, "response_compression_algorithm": packed, "request_id": "7"}
    modes[f"{is_in} {is_out} {packed}"] = asked(is_in, outputs, **options)
modes["as it asks by itself"] = asked(True, None, model_version=version, request_id="7")
wrong = triton.InferInput("wrong", [1, 1], "FP64")
wrong.set_data_from_numpy(np.zeros((1, 1)))
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model": [client.is_model_ready(name), client.is_model_ready(name, version), client.is_model_ready("nope")],
            "server": client.get_server_metadata(),
            "metadata": metadata == client.get_model_metadata(name, version) and metadata,
            "modes": modes,
            "refused": {
                "wrong": refused(client.infer, name, [wrong]),
                "model": refused(client.infer, "nope", [wrong]),
                "version": refused(client.get_model_metadata, name, "1"),
                "config": refused(client.get_model_config, name),
                "statistics": refused(client.get_inference_statistics, name),
                "repository": refused(client.get_model_repository_index),
            },
        }
    )
)

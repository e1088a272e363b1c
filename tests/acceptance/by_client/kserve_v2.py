"""Asks a service by KServe's `InferenceRESTClient` over V2: kserve_v2.py URL NAME TENSORS; prints what it made of it.

TENSORS is a JSON list of {"name", "datatype", "shape", "data"}.
"""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

url, name, tensors = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
DTYPES = {"FP64": np.float64, "INT64": np.int64, "BYTES": object}


def request(is_binary, outputs):
    inputs = []
    for tensor in tensors:
        values = np.array(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
        one = InferInput(tensor["name"], list(values.shape), tensor["datatype"])
        one.set_data_from_numpy(values, binary_data=is_binary)
        inputs.append(one)
    return InferRequest(
        model_name=name,
        infer_inputs=inputs,
        request_id="9",
        request_outputs=[RequestedOutput(output, {"binary_data": is_binary}) for output in outputs],
    )


def plain(values):
    return [value.decode() if isinstance(value, bytes) else value for value in values.ravel().tolist()]


async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v2", timeout=60)) as client:
        modes = {}
        for is_binary in (False, True):
            for outputs in ([], ["predict"]):
                answer = await client.infer(url, request(is_binary, outputs), model_name=name)
                values = {output.name: plain(output.as_numpy()) for output in answer.outputs}
                told = {"id": answer.id, "model": answer.model_name, "values": values}
                modes[f"{is_binary} {len(outputs)}"] = told
        try:
            await client.infer(url, {"inputs": []}, model_name=name)
            refused = None
        except httpx.HTTPStatusError as error:
            refused = [error.response.status_code, error.response.json()]
        ready = [
            await client.is_server_live(url),
            await client.is_server_ready(url),
            await client.is_model_ready(url, name),
        ]
    print(json.dumps({"modes": modes, "refused": refused, "ready": ready}))


asyncio.run(main())

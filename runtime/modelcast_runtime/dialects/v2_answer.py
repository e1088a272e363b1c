"""Scores become the tensors of an infer response, in JSON, in binary, or each as it was asked for."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson

from modelcast_runtime.asgi import Response
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Manifest, label_text
from modelcast_runtime.dialects import v2_tensors
from modelcast_runtime.dialects.v2_metadata import DATATYPES
from modelcast_runtime.dialects.v2_request import HEADER
from modelcast_runtime.dialects.v2_tensors import BOOL, BYTES, NUMBERS


class Notes(NamedTuple):
    """What a request asks of its answer: the caller's id, and the outputs by name and whether in binary."""

    identity: str | None
    outputs: Sequence[tuple[str, bool]]


def encode(scores: Scores, manifest: Manifest, notes: Notes, identity: str) -> Response:
    """The whole answer; `identity` is the prediction's own, and the request's where that has none."""
    arrays = {"predict": scores.predictions, "predict_proba": scores.probabilities, "distances": scores.distances}
    datatypes = {output.name: DATATYPES[output.dtype] for output in manifest.signature.outputs}
    tensors, contents = [], []
    for name, is_binary in notes.outputs:
        datatype = datatypes[name]  # type: ignore[index]  # the request's names are the signature's
        values = typed(arrays[name], datatype)
        tensor: dict[str, Any] = {"name": name, "shape": values.shape, "datatype": datatype}
        if is_binary:
            contents.append(v2_tensors.to_binary(values, datatype))
            tensor["parameters"] = {"binary_data_size": len(contents[-1])}
        else:
            # orjson prints numpy's numbers by itself, and one that is none as null: JSON has no such numbers.
            tensor["data"] = values.ravel().tolist() if datatype == BYTES else values.ravel()
        tensors.append(tensor)
    document = orjson.dumps(
        {
            "model_name": manifest.name,
            "model_version": manifest.version,
            "id": identity if notes.identity is None else notes.identity,
            "outputs": tensors,
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )
    named = ((b"model-version", manifest.version.encode()), (b"prediction-id", identity.encode()))
    return Response(status=200, headers=(*_kind(document, contents), *named), body=b"".join((document, *contents)))


def _kind(document: bytes, contents: Sequence[bytes]) -> tuple[tuple[bytes, bytes], ...]:
    if not contents:
        return ((b"content-type", b"application/json"),)
    return (b"content-type", b"application/octet-stream"), (HEADER, b"%d" % len(document))


def typed(values: Any, datatype: str) -> np.ndarray:
    """The values in the output's own datatype, contiguous; texts as an array of strings."""
    values = np.asarray(values)
    if datatype != BYTES:
        return np.ascontiguousarray(values, bool if datatype == BOOL else NUMBERS[datatype])
    texts = np.empty(values.size, dtype=object)
    texts[:] = [value if type(value) is str else label_text(value) for value in values.ravel().tolist()]
    return texts.reshape(values.shape)

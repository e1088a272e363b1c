"""The Open Inference Protocol V2 in the OpenAPI description: the model's own tensors, and its golden rows in them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations
from typing import Any

from modelcast_runtime import problems
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import CASTS
from modelcast_runtime.contract import Cell, Manifest, Signature
from modelcast_runtime.dialects import v2_metadata, v2_problems
from modelcast_runtime.dialects.v2_metadata import DATATYPES, MATRIX, PREFIX
from modelcast_runtime.openapi_parts import JSON, REFS, Document, get, json_answer, refer
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings

TAG = {"name": "v2", "description": "The Open Inference Protocol V2, for its clients (KServe, Triton, MLServer)"}
_EXAMPLES = 2
_BINARY = "application/octet-stream"
_DESCRIPTION = """\
A request of one or two rows is described here; more rows are sent likewise, with their number in every `shape`. The
values of a tensor may also come flat, in row-major order.

With the header `Inference-Header-Content-Length`, the body is so many bytes of JSON and behind them the values of the
tensors that have the parameter `binary_data_size`; `binary_data_output` asks for an answer of that kind.
"""


def paths(bundle: Bundle) -> Document:
    """Every route of the protocol that this bundle answers."""
    manifest = bundle.manifest
    documents = {
        PREFIX: ("The server, as the Open Inference Protocol has it", v2_metadata.SERVER),
        f"{PREFIX}/": ("The same, with a slash", v2_metadata.SERVER),
        f"{PREFIX}/health/live": ("Whether the server lives", {"live": True}),
        f"{PREFIX}/models": ("The names of the models", {"models": [manifest.name]}),
    }
    described = {path: _read(summary, example) for path, (summary, example) in documents.items()}
    described[f"{PREFIX}/health/ready"] = _ready("Whether the server takes requests", {"ready": True})
    for path, suffix in zip(v2_metadata.model_paths(manifest), ("", " of this version"), strict=True):
        described[path] = _model(manifest, suffix)
        ready = {"name": manifest.name, "ready": True}
        described[f"{path}/ready"] = _ready(f"Whether the model{suffix} takes requests", ready)
        described[f"{path}/infer"] = {"post": _infer(bundle, suffix)}
    return described


def schemas(manifest: Manifest) -> Document:
    """What the routes refer to."""
    error = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    described: Document = {"v2_error": error | {"additionalProperties": False}}
    if manifest.signature.takes_rows:
        described |= {"v2_request": _request(manifest.signature), "v2_answer": _answer(manifest)}
    return described


def responses(manifest: Manifest, settings: Settings) -> Document:
    """Every refusal in the words of the service."""
    limits, takes_rows = settings.limits, manifest.signature.takes_rows
    rows = [problems.too_many_rows(limits.rows)] if takes_rows else []
    told: dict[str, tuple[str, list[Problem]]] = {
        "V2BadRequest": ("Nothing that the model takes", list(_of_content(manifest.signature))),
        "V2TooSlow": ("The body did not come in time", [problems.too_slow(limits.body_s)]),
        "V2TooLarge": ("More than a request may have", [*rows, problems.body_too_large(limits.body_bytes)]),
        "V2UnsupportedMediaType": (
            "Another kind of body, or in an unknown encoding",
            [problems.unsupported_media_type((JSON, _BINARY)), problems.unsupported_encoding()],
        ),
        "V2InternalError": ("The service or the model failed", [problems.internal_error()]),
        "V2NotReady": ("The service is being stopped", [v2_problems.not_ready()]),
    }
    return {name: _refusal(description, examples) for name, (description, examples) in told.items()}


def _refusal(description: str, examples: Sequence[Problem]) -> Document:
    shown = {problem.type.rpartition(":")[2]: problem for problem in examples}
    values = {name: {"summary": one.title, "value": {"error": one.detail}} for name, one in shown.items()}
    return {"description": description, "content": {JSON: {"schema": {"$ref": f"{REFS}v2_error"}, "examples": values}}}


def _of_content(signature: Signature) -> Iterator[Problem]:
    if not signature.takes_rows:
        yield problems.takes_an_object()
        return
    first, at = signature.inputs[0], "$.inputs[0]"
    yield problems.not_json("line 1, column 12")
    yield v2_problems.wrong_request("$.inputs", "a list of tensors", "nothing")
    yield v2_problems.wrong_tensor(f"{at}.data", "as many values as the shape says, 4", "list of 3 values")
    yield problems.wrong_type(f"{at}.data[0]", CASTS[first.dtype].expected, "object")
    yield problems.missing_input("$.inputs", [first.name])
    yield problems.no_rows(f"{at}.shape[0]")


def _read(summary: str, example: object) -> Document:
    described = get("v2", summary, json_answer("As the protocol has it", example))
    described["get"]["responses"] |= refer("V2InternalError", 500)
    return described


def _ready(summary: str, example: object) -> Document:
    described = _read(summary, example)
    described["get"]["responses"] |= refer("V2NotReady", 503)
    return described


def _model(manifest: Manifest, suffix: str) -> Document:
    described = _read(f"The model's tensors{suffix}", v2_metadata.model_metadata(manifest))
    if not manifest.signature.takes_rows:
        described["get"]["responses"] |= refer("V2BadRequest", 400)
        del described["get"]["responses"]["200"]
    return described


def _infer(bundle: Bundle, suffix: str) -> Document:
    takes_rows = bundle.manifest.signature.takes_rows
    return {
        "tags": ["v2"],
        "operationId": f"infer{suffix.replace(' ', '_')}",
        "summary": f"Ask the model{suffix}, tensors in and out",
        "description": _DESCRIPTION if takes_rows else "This model takes any JSON object at `POST /predict` alone.",
        "requestBody": {"required": True, "content": {JSON: _body(bundle)}},
        "responses": {
            **({"200": _answered(bundle)} if takes_rows else {}),
            **refer("V2BadRequest", 400),
            **refer("V2TooSlow", 408),
            **refer("V2TooLarge", 413),
            **refer("V2UnsupportedMediaType", 415),
            **refer("V2InternalError", 500),
        },
    }


def _body(bundle: Bundle) -> Document:
    signature, rows = bundle.manifest.signature, bundle.golden.rows[:_EXAMPLES]
    if not signature.takes_rows:
        return {"schema": {"type": "object"}}
    body: Document = {"schema": {"$ref": f"{REFS}v2_request"}}
    if rows:
        example = {"inputs": list(_tensors(signature, rows))}
        body["examples"] = {"tensors": {"summary": "Rows as tensors", "value": example}}
    return body


def _is_matrix(signature: Signature) -> bool:
    """Whether the one tensor of all inputs is shown: whole numbers are shown in tensors of their own datatype."""
    return all(column.dtype in ("float32", "float64") for column in signature.inputs)


def _tensors(signature: Signature, rows: Sequence[Sequence[Cell]]) -> Iterator[Document]:
    names = [column.name for column in signature.inputs]
    if _is_matrix(signature):
        yield _values(MATRIX, "FP64", [len(rows), len(names)], [list(row) for row in rows])
        return
    for column, values in zip(signature.inputs, zip(*rows, strict=True), strict=True):
        yield _values(column.name, DATATYPES[column.dtype], [len(rows)], list(values))


def _values(name: str, datatype: str, shape: list[int], data: object) -> Document:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _request(signature: Signature) -> Document:
    tensors = [_described(signature, rows) for rows in range(1, _EXAMPLES + 1)]
    given = [output.name for output in signature.outputs]
    asked = [order for count in range(len(given) + 1) for order in permutations(given, count)]
    outputs = [_in_order([_asked(name) for name in order]) for order in asked]
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "parameters": _parameters(content_type={"enum": ["pd", "np", "str", None]}, binary_data_output=_FLAG),
            "inputs": {"anyOf": [_in_order(one) for one in tensors]},
            "outputs": {"anyOf": [*outputs, {"type": "null"}]},
        },
        "required": ["inputs"],
    }


_FLAG: Document = {"type": ["boolean", "null"]}


def _parameters(**known: Document) -> Document:
    plain = {"type": ["string", "number", "boolean", "null"]}
    return {"type": ["object", "null"], "properties": known, "additionalProperties": plain}


def _asked(name: str) -> Document:
    properties = {"name": {"const": name}, "parameters": _parameters(binary_data=_FLAG)}
    return {"type": "object", "properties": properties, "required": ["name"]}


def _in_order(items: Sequence[Document]) -> Document:
    return {"type": "array", "minItems": len(items), "maxItems": len(items)} | ({"prefixItems": items} if items else {})


def _described(signature: Signature, rows: int) -> list[Document]:
    """The tensors of so many rows."""
    if _is_matrix(signature):
        every = {"type": "array", "items": {"$ref": f"{REFS}row"}, "minItems": rows, "maxItems": rows}
        return [_tensor(MATRIX, "FP64", [rows, len(signature.inputs)], every)]
    return [
        _tensor(column.name, DATATYPES[column.dtype], [rows], _cells(index, rows))
        for index, column in enumerate(signature.inputs)
    ]


def _cells(index: int, rows: int) -> Document:
    cell = {"$ref": f"{REFS}row/prefixItems/{index}"}
    return {"type": "array", "items": cell, "minItems": rows, "maxItems": rows}


def _tensor(name: str, datatype: str, shape: list[int], data: Document) -> Document:
    properties = {
        "name": {"const": name},
        "shape": {"const": shape},
        "datatype": {"const": datatype},
        "parameters": _parameters(content_type={"enum": ["pd", "np", "str", None]}, binary_data_size={"type": "null"}),
        "data": data,
    }
    return {"type": "object", "properties": properties, "required": ["name", "shape", "datatype", "data"]}


def _answered(bundle: Bundle) -> Document:
    content: Document = {"schema": {"$ref": f"{REFS}v2_answer"}}
    if bundle.golden.rows:
        content["examples"] = {"answer": {"summary": "To the rows above", "value": _example_answer(bundle)}}
    names = ("Model-Version", "Prediction-Id")
    return {
        "description": "The tensors that were asked for, or all",
        "headers": {name: {"schema": {"type": "string"}} for name in names},
        "content": {JSON: content, _BINARY: {"schema": {"type": "string", "format": "binary"}}},
    }


def _example_answer(bundle: Bundle) -> Document:
    golden, manifest = bundle.golden, bundle.manifest
    given = {"predict": golden.predictions, "predict_proba": golden.probabilities, "distances": golden.distances}
    outputs = []
    for output in manifest.signature.outputs:
        rows = list(given[output.name] or ())[:_EXAMPLES]
        data = list(_flat(rows))
        shape = [len(rows), *output.shape[1:]]
        outputs.append(_values(output.name, DATATYPES[output.dtype], shape, data))
    return {"model_name": manifest.name, "model_version": manifest.version, "id": "42", "outputs": outputs}


def _flat(rows: Iterable[Any]) -> Iterator[Cell]:
    for row in rows:
        if isinstance(row, tuple):
            yield from row
        else:
            yield row


def _answer(manifest: Manifest) -> Document:
    outputs = [
        {
            "type": "object",
            "properties": {
                "name": {"const": output.name},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "datatype": {"const": DATATYPES[output.dtype]},
                "parameters": {"type": "object"},
                "data": {"type": "array"},
            },
            "required": ["name", "shape", "datatype"],
        }
        for output in manifest.signature.outputs
    ]
    properties = {
        "model_name": {"const": manifest.name},
        "model_version": {"const": manifest.version},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": {"anyOf": outputs}},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}

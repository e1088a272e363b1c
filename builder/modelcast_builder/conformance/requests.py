"""The valid request that every other one is derived from: from metadata or a file, as JSON or in bytes."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from modelcast_builder.conformance.answers import NotApplicableError, read_json
from modelcast_builder.conformance.datatypes import DATATYPES, Datatype, flat
from modelcast_builder.errors import BuildError

Request = dict[str, Any]
"""An infer request as its JSON: `inputs` hold flat `data`."""

TABLES_OWN: Request = {
    "inputs": [
        {"name": "input-0", "shape": [2, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2, 6.7, 3.0, 5.2, 2.3]}
    ]
}
"""Two irises: what the table was first asked of servers whose metadata name no inputs."""

_ROWS = 2
# Neighbours differ, so that rows read in another order, or as other bytes, are answered otherwise.
_ELEMENTS: dict[type, tuple[Any, ...]] = {
    bool: (True, False, False),
    int: (1, 2, 3, 4, 5, 6, 7),
    float: (1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5),
    str: ("a", "b", "c", "d", "e", "f", "g"),
}


def from_metadata(inputs: Sequence[Any]) -> Request | None:
    """Two rows of plain values for the inputs that metadata name; None where they do not say enough."""
    tensors = [_tensor(described) for described in inputs]
    if not tensors or None in tensors:
        return None
    return {"inputs": tensors}


def _tensor(described: Any) -> dict[str, Any] | None:
    match described:
        case {"name": str(name), "datatype": str(datatype), "shape": [*sizes]} if datatype in DATATYPES and sizes:
            pass
        case _:
            return None
    if not all(type(size) is int and (size == -1 or size > 0) for size in sizes):
        return None
    first, *others = sizes
    shape = [_ROWS if first == -1 else first, *(1 if size == -1 else size for size in others)]
    data = list(islice(cycle(_ELEMENTS[DATATYPES[datatype].kind]), math.prod(shape)))
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def read_example(path: Path) -> Request:
    """The infer request in a file, without its id; `BuildError` where it is none."""
    try:
        return _request(read_json(path.read_text(encoding="utf-8")))
    except OSError as error:
        problem = f"cannot be read ({(error.strerror or str(error)).lower()})"
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}: not JSON ({error.msg})"
    except UnicodeDecodeError:
        problem = "not UTF-8"
    except ValueError as error:
        problem = str(error)
    fix = f"Write a request that the model takes, such as {json.dumps(_SHORT)}"
    raise BuildError("check", f"{path}: {problem}", fix)


def from_document(document: Any) -> Request | None:
    """The infer request that a document is; None where it is none."""
    try:
        return _request(document)
    except ValueError:
        return None


def _request(document: Any) -> Request:
    match document:
        case {"inputs": [_, *_] as inputs}:
            tensors = [_checked(f"$.inputs[{at}]", tensor) for at, tensor in enumerate(inputs)]
        case _:
            raise ValueError("$: expected an object whose `inputs` is a list of tensors")
    placed = {"$": document, **{f"$.inputs[{at}]": tensor for at, tensor in enumerate(tensors)}}
    wrong = [at for at, keyed in placed.items() if not isinstance(keyed.get("parameters", {}), dict)]
    if wrong:
        raise ValueError(f"{wrong[0]}.parameters: expected an object")
    return {**{key: value for key, value in document.items() if key != "id"}, "inputs": tensors}


def _checked(at: str, tensor: Any) -> dict[str, Any]:
    """A tensor with flat data that its shape and datatype hold."""
    match tensor:
        case {"name": str(), "datatype": str(datatype), "shape": [_, *_] as shape, "data": [*data]}:
            pass
        case _:
            raise ValueError(f"{at}: expected an object of `name`, `shape`, `datatype` and `data`")
    if datatype not in DATATYPES:
        raise ValueError(f"{at}.datatype: expected one of {', '.join(DATATYPES)}")
    if not all(type(size) is int and size > 0 for size in shape):
        raise ValueError(f"{at}.shape: expected a list of sizes of at least 1")
    elements = flat(data)
    if len(elements) != math.prod(shape):
        raise ValueError(f"{at}.data: expected the {math.prod(shape)} elements of its shape, got {len(elements)}")
    if not _fit(DATATYPES[datatype], elements):
        raise ValueError(f"{at}.data: expected elements of {datatype}")
    return {**tensor, "data": elements}


def _fit(datatype: Datatype, elements: Sequence[Any]) -> bool:
    """Whether these may stand there; null may be in every column of a table."""
    known = [element for element in elements if element is not None]
    try:
        return all(datatype.holds(element) for element in known) and datatype.pack(known) is not None
    except (struct.error, OverflowError, UnicodeEncodeError):
        return False


_SHORT = {"inputs": [{"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 1.5]}]}


def with_parameters(request: Mapping[str, Any], **parameters: Any) -> Request:
    """The request with these parameters beside its own."""
    return {**deepcopy(dict(request)), "parameters": {**request.get("parameters", {}), **parameters}}


def in_bytes(request: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The request with binary tensors: its JSON, and the tensors' bytes in the order of `inputs`.

    `NotApplicableError` where it cannot be said in bytes.
    """
    head, tail = deepcopy(dict(request)), b""
    for tensor in head["inputs"]:
        datatype, data = DATATYPES[tensor["datatype"]], tensor.pop("data")
        if None in data and datatype.kind is not float:
            raise NotApplicableError(f"the request has a null, and {tensor['datatype']} has no bytes for one")
        packed = datatype.pack(data)
        tensor["parameters"] = {**tensor.get("parameters", {}), "binary_data_size": len(packed)}
        tail += packed
    return json.dumps(head).encode(), tail

"""How rows become a request and an answer becomes labels: one class for each form that a server speaks."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.bench.models import Case, Row

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """One POST."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire(Protocol):
    """One form of a server's requests and answers."""

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """Ask for the rows."""

    def labels(self, answer: Answer) -> list[Any]:
        """What was predicted; raises `ValueError`, `LookupError`, `TypeError`, `struct.error` for another answer."""


@dataclass(frozen=True, slots=True)
class Rows:
    """`{"instances": [row, ...]}`, `{"predictions": [label, ...]}`; by other keys where a server says so."""

    path: str
    key: str = "instances"
    answered: str | None = "predictions"

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """A row is a list in the columns' order, or the text."""
        path = self.path.format(model=case.model.name)
        return Request(path, JSON, _json({self.key: rows}))

    def labels(self, answer: Answer) -> list[Any]:
        """Under the key, or the bare list."""
        told = json.loads(answer.body)
        return list(told[self.answered] if self.answered else told)


@dataclass(frozen=True, slots=True)
class Records(Rows):
    """The same, and a row of a frame is an object."""

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """Names go with each row."""
        if case.model.kind != "frame":
            return Rows.request(self, case, rows)
        named = [dict(zip(case.columns, row, strict=True)) for row in rows]
        return Request(self.path.format(model=case.model.name), JSON, _json({self.key: named}))


@dataclass(frozen=True, slots=True)
class Split:
    """MLflow's: `dataframe_split` for a frame, `inputs` for an array and for texts."""

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """A table, or the bare rows."""
        if case.model.kind == "frame":
            asked: dict[str, Any] = {"dataframe_split": {"columns": case.columns, "data": rows}}
        else:
            asked = {"inputs": rows}
        return Request("/invocations", JSON, _json(asked))

    def labels(self, answer: Answer) -> list[Any]:
        """Under `predictions`."""
        return list(json.loads(answer.body)["predictions"])


@dataclass(frozen=True, slots=True)
class V2:
    """The Open Inference Protocol: one tensor of an array or of texts, a tensor a column of a frame."""

    hints: Mapping[str, str]
    """By kind of model, what `parameters.content_type` says of the whole request; a kind that is not there, nothing."""

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """All data as JSON."""
        inputs = [{**_head(name, values, width), "data": values} for name, values, width in _tensors(case, rows)]
        asked: dict[str, Any] = {"inputs": inputs}
        if case.model.kind in self.hints:
            asked["parameters"] = {"content_type": self.hints[case.model.kind]}
        return Request(f"/v2/models/{case.model.name}/infer", JSON, _json(asked))

    def labels(self, answer: Answer) -> list[Any]:
        """The output `predict`, or the only one."""
        outputs = json.loads(answer.body)["outputs"]
        return list(next((one for one in outputs if one["name"] == "predict"), outputs[0])["data"])


@dataclass(frozen=True, slots=True)
class V2Binary:
    """The same with binary tensors, in and out."""

    def request(self, case: Case, rows: Sequence[Row]) -> Request:
        """A header of JSON, and the tensors after it."""
        inputs, tails = [], []
        for name, values, width in _tensors(case, rows):
            tails.append(_packed(values))
            inputs.append({**_head(name, values, width), "parameters": {"binary_data_size": len(tails[-1])}})
        head = _json({"inputs": inputs, "parameters": {"binary_data_output": True}})
        headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
        return Request(f"/v2/models/{case.model.name}/infer", headers, head + b"".join(tails))

    def labels(self, answer: Answer) -> list[Any]:
        """The output `predict`, or the only one, of 64-bit integers."""
        end = int(answer.headers["inference-header-content-length"])
        found: dict[str, bytes] = {}
        outputs = json.loads(answer.body[:end])["outputs"]
        for output in outputs:
            size = output["parameters"]["binary_data_size"]
            found[output["name"]] = answer.body[end : end + size]
            end += size
        data = found.get("predict", found[outputs[0]["name"]])
        return [label for (label,) in struct.iter_unpack("<q", data)]


def _tensors(case: Case, rows: Sequence[Row]) -> list[tuple[str, list[Any], tuple[int, ...]]]:
    """Name, values row by row, and the shape."""
    if case.model.kind == "text":
        return [("text", list(rows), (len(rows), 1))]
    if case.model.kind == "array":
        return [("input-0", [cell for row in rows for cell in row], (len(rows), len(case.columns)))]
    columns = zip(*rows, strict=True)
    return [(name, list(column), (len(rows), 1)) for name, column in zip(case.columns, columns, strict=True)]


def _head(name: str, values: Sequence[Any], shape: tuple[int, ...]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "BYTES" if isinstance(values[0], str) else "FP64"}


def _packed(values: Sequence[Any]) -> bytes:
    if not isinstance(values[0], str):
        return struct.pack(f"<{len(values)}d", *values)
    encoded = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()

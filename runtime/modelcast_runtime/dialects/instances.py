"""What V1, Vertex AI and MLflow's TensorFlow forms share: `instances` or `inputs` in, `predictions` out."""

from typing import Any

import orjson

from modelcast_runtime import answer, problems
from modelcast_runtime.columns import Scores
from modelcast_runtime.payload import Decoded, Reader
from modelcast_runtime.problems import describe


def decode(reader: Reader, content: Any, at: str) -> Decoded:
    """Rows as a list, or columns as an object; a value may be a list of one, as KServe's and TensorFlow's rows have it.

    Raises `Problem`.
    """
    if type(content) is dict:
        return reader.part("columns", _unwrapped_columns(content), at)
    if type(content) is not list:
        raise problems.wrong_form(at, "a list of rows, or an object of columns", describe(content))
    return reader.part("instances", _unwrapped_rows(content), at)


def encode(scores: Scores) -> bytes:
    """One prediction for each row."""
    return orjson.dumps({"predictions": scores.predictions.tolist()}, default=answer.plain)


def _unwrapped_rows(rows: list[Any]) -> list[Any]:
    if not any(type(row) is dict and list in map(type, row.values()) for row in rows):
        return rows
    return [{name: _only(value) for name, value in row.items()} if type(row) is dict else row for row in rows]


def _unwrapped_columns(columns: dict[str, Any]) -> dict[str, Any]:
    return {
        name: list(map(_only, values)) if type(values) is list and list in map(type, values) else values
        for name, values in columns.items()
    }


def _only(value: Any) -> Any:
    return value[0] if type(value) is list and len(value) == 1 else value

"""Asks own code with a file of JSON objects, without a server: the answers that the service would give."""

from pathlib import Path
from typing import Any

import orjson

from modelcast_runtime import payload
from modelcast_runtime.answer import encode_object
from modelcast_runtime.bundle import BundleError
from modelcast_runtime.formats.python import OwnPredict, PredictError
from modelcast_runtime.problems import Problem


def answers(own: OwnPredict, file: Path, out: Path | None) -> list[orjson.Fragment]:
    """One answer an object of the file, which holds one or a list of them; raises `BundleError` with the place."""
    if file.suffix.lower() != ".json":
        raise BundleError(f"{file.name}: own code takes JSON objects: expected a file that ends in .json")
    if out is not None and out.suffix == ".csv":
        raise BundleError(f"{out.name}: what own code answers is no table. Name a file that ends in .json")
    asked = _objects(file)
    own.start()
    return [_answer(own, body, f"{file.name}: {place}") for place, body in asked]


def _objects(file: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file} cannot be read: {error.strerror}") from error
    try:
        document = payload.parse(content)
        bodies = {f"$[{row}]": one for row, one in enumerate(document)} if type(document) is list else {"$": document}
        return [(place, payload.check_object(body, place)) for place, body in bodies.items()]
    except Problem as problem:
        raise BundleError(f"{file.name}: {problem.detail}") from problem


def _answer(own: OwnPredict, body: dict[str, Any], place: str) -> orjson.Fragment:
    try:
        return orjson.Fragment(encode_object(own.answer(body)))
    except PredictError as error:
        raise BundleError(f"{place}: predict() raises {error}") from error
    except orjson.JSONEncodeError as error:
        raise BundleError(f"{place}: the answer of predict() is no JSON: {error}") from error

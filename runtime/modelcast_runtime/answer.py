"""Scores become the answer of `POST /predict`: strict JSON, with labels of the model's own type."""

import time
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import numpy as np
import orjson

from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Signature, Wanted, label_text
from modelcast_runtime.entropy import random_bytes

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


def encode(
    scores: Scores,
    signature: Signature,
    *,
    model_name: str,
    model_version: str,
    prediction_id: str,
    wanted: Collection[Wanted],
) -> bytes:
    """Print an answer; a number that is none (NaN, infinite) is null, as JSON has no such numbers."""
    document: dict[str, Any] = {"predictions": scores.predictions.tolist()}
    if "predict_proba" in wanted and scores.probabilities is not None:
        # zip is strict: a model that gives another number of probabilities than it has classes must not be answered.
        keys = [label_text(label) for label in signature.classes or ()]
        document["probabilities"] = [dict(zip(keys, row, strict=True)) for row in scores.probabilities.tolist()]
    if "distances" in wanted and scores.distances is not None:
        document["distances"] = scores.distances.tolist()
    document["model"] = {"name": model_name, "version": model_version}
    document["prediction_id"] = prediction_id
    return orjson.dumps(document, default=plain)


def encode_list(scores: Scores) -> bytes:
    """Print the predictions alone, as nachlass answered."""
    return orjson.dumps(scores.predictions.tolist(), default=plain)


def encode_object(value: object) -> bytes:
    """Print what own code gave: numbers that are none as null, numpy's as Python's; raises `orjson.JSONEncodeError`."""
    return orjson.dumps(value, default=_listed, option=orjson.OPT_NON_STR_KEYS)


def _listed(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else plain(value)


def plain(value: object) -> object:
    """Give Python's own value for numpy's inside an object array."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)


def new_prediction_id() -> str:
    """Make a ULID: 26 characters that sort by the millisecond; 80 of its 128 bits are random."""
    now = time.time_ns() // 1_000_000
    random = random_bytes()
    high, low = int.from_bytes(random[:5]), int.from_bytes(random[5:10])
    return (
        f"{_second(now >> 10)}{_PAIRS[now & 1023]}"
        f"{_PAIRS[high >> 30]}{_PAIRS[high >> 20 & 1023]}{_PAIRS[high >> 10 & 1023]}{_PAIRS[high & 1023]}"
        f"{_PAIRS[low >> 30]}{_PAIRS[low >> 20 & 1023]}{_PAIRS[low >> 10 & 1023]}{_PAIRS[low & 1023]}"
    )


@lru_cache(maxsize=1)
def _second(elapsed: int) -> str:
    """The eight characters that 1,024 milliseconds share."""
    return "".join([_CROCKFORD[elapsed >> shift & 31] for shift in range(35, -1, -5)])

"""What was seen in training, told to whoever asks the model: how many rows, and the range of every number."""

import math
from collections.abc import Iterator
from typing import Any

from modelcast_runtime.contract import Column, Training

from .examples import Examples

_NUMBERS = ("float64", "float32", "int64")


def describe(examples: Examples, columns: tuple[Column, ...]) -> Training:
    """The source, its rows, and the ranges of its numbers; the source alone where the model itself is the source."""
    rows = examples.rows
    if rows is None:
        return Training(source=examples.source)
    ranges = {} if isinstance(rows, list) else dict(_ranges(rows, columns))
    return Training(source=examples.source, rows=examples.count or len(rows), ranges=ranges)


def _ranges(rows: Any, columns: tuple[Column, ...]) -> Iterator[tuple[str, tuple[float, float]]]:
    import pandas as pd

    frame = pd.DataFrame(rows)
    for position, column in enumerate(columns):
        if column.dtype in _NUMBERS and column.categories is None:
            values = pd.to_numeric(frame.iloc[:, position], errors="coerce").astype("float64").tolist()
            finite = [value for value in values if math.isfinite(value)]
            if finite:
                yield column.name, (min(finite), max(finite))

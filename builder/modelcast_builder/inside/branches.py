"""The terms of a linear model as its inputs have them: what a unit of each moves the answer by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from modelcast_runtime.baseline import Branch, Signal
from modelcast_runtime.formats import within
from modelcast_runtime.watching import Numbers

_DIGITS = 12


def find(model: Any, rows: Any, signals: Sequence[Signal], matrix: Numbers) -> Branch | None:
    """The branches of a linear model of numbers, scaled or not; None for any other model.

    `rows` are the reference rows as the model takes them, `matrix` the same as `watching.Inputs` reads them.
    """
    last, front = within.parts_of(model)
    weights = _weights(last)
    if weights is None or any(signal.values for signal in signals):
        return None
    try:
        given = np.asarray(within.before_last(front, rows), dtype=np.float64).T
    except (TypeError, ValueError):
        return None
    if given.shape != matrix.shape or len(weights) != len(matrix):
        return None
    slopes = [_slope(before, after) for before, after in zip(matrix, given, strict=True)]
    if len(slopes) < 2 or any(slope is None for slope in slopes):
        return None
    moved = np.array(slopes, dtype=np.float64) * weights
    centers = np.nan_to_num(np.nanmean(matrix, axis=1))
    return Branch(
        inputs=tuple(signal.name for signal in signals),
        weights=tuple(map(_rounded, moved)),
        centers=tuple(map(_rounded, centers)),
    )


def _weights(last: Any) -> Numbers | None:
    """One number an input; a kernel's coefficients are of other things than inputs, and raise."""
    try:
        coefficients = np.atleast_2d(np.asarray(last.coef_, dtype=np.float64))
    except (AttributeError, TypeError, ValueError):
        return None
    if coefficients.ndim != 2:
        return None
    if len(coefficients) == 1:
        return np.asarray(coefficients[0])
    return np.asarray(np.sqrt((coefficients**2).mean(axis=0)))


def _slope(before: Numbers, after: Numbers) -> float | None:
    """How the steps before the model scale one input; None where they do more than to scale and to move it."""
    known = np.isfinite(before) & np.isfinite(after)
    spread = np.ptp(before[known]) if known.any() else 0.0
    if not spread:
        return 0.0
    low, high = np.argmin(np.where(known, before, np.inf)), np.argmax(np.where(known, before, -np.inf))
    slope = (after[high] - after[low]) / spread
    expected = after[low] + slope * (before[known] - before[low])
    return float(slope) if np.allclose(after[known], expected, rtol=1e-6, atol=1e-9) else None


def _rounded(value: Any) -> float:
    return float(f"{value:.{_DIGITS}g}")

"""Rows with numbers that are too large for the model, or nearly: what it refuses, its graph must refuse as well."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Cell, Golden, Signature, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows

_MAGNITUDES = (3.4028235677973362e38, 3.5e38, 1e100, 1e155, 1e200, 1.7976931348623157e308)
"""The largest that 32 bits do not round to infinity, beyond it, where squares overflow, the largest of 64 bits."""
_MOST_COLUMNS = 8
Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Far:
    """One row, what it is in words, and what the model answers; None where it raises."""

    columns: Columns
    kind: str
    answer: Scores | None


def far_rows(model: Any, signature: Signature, golden: Golden, wanted: frozenset[Wanted]) -> tuple[Far, ...]:
    """The rows, each asked by itself; none where the model takes no numbers."""
    scorer = NativeScorer(model, signature)
    made = []
    for row, kind in _rows(signature, golden.rows[0]):
        columns = decode_rows([row], signature)
        made.append(Far(columns=columns, kind=kind, answer=ask(scorer, columns, wanted)))
    return tuple(made)


def ask(scorer: Scorer, columns: Columns, wanted: frozenset[Wanted]) -> Scores | None:
    """What a scorer answers; None where it raises."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return scorer.score(columns, wanted)
    except Exception:  # noqa: BLE001 - whatever it raises, it refuses the row
        return None


def _rows(signature: Signature, row: Row) -> Iterator[tuple[Row, str]]:
    numbers = [
        index
        for index, column in enumerate(signature.inputs)
        if column.dtype == "float64" and column.categories is None and column.minimum is column.maximum is None
    ]
    chosen = (
        [numbers[at] for at in sorted({*np.linspace(0, len(numbers) - 1, _MOST_COLUMNS).astype(int)})]
        if numbers
        else []
    )
    for magnitude in _MAGNITUDES:
        for index in chosen:
            for number in (magnitude, -magnitude):
                yield (*row[:index], number, *row[index + 1 :]), f"{signature.inputs[index].name}: {number:.3g}"
        if numbers:
            together = tuple(magnitude if index in numbers else cell for index, cell in enumerate(row))
            yield together, f"all numbers: {magnitude:.3g}"

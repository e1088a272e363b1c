"""Asks the model what it does with a missing value and with an unknown category, instead of assuming it."""

from typing import Any

import msgspec
from modelcast_runtime.contract import Cell, Column, Signature
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows

from . import goldens
from .examples import Examples
from .inputs import Inputs

Row = tuple[Cell, ...]
_MAGNITUDES = (1.7976931348623157e308, 3.4028235677973362e38, 1e30, 1e15)
"""The largest of 64 bits, the largest that 32 bits do not round to infinity, two that leave a scaler room."""
_UNSEEN_TEXT = "a category that no training data holds"


def probe(model: Any, inputs: Inputs, examples: Examples) -> tuple[Column, ...]:
    """The columns with `nullable` and `unknown` as the model answers; `inputs:` has the last word."""
    if inputs.layout == "text":
        return inputs.columns
    row = goldens.choose(inputs.columns, inputs.layout, examples).rows[0]
    asked = _Asked(model, inputs)
    columns = tuple(_unknown(column, index, row, asked) for index, column in enumerate(inputs.columns))
    return _nullable(columns, row, asked, inputs.fixed)


def largest(model: Any, inputs: Inputs, row: Row) -> float | None:
    """The largest magnitude that the model takes in all its numbers; None where it takes every one, or none of these.

    It is told to clients: a request that no model of this kind could answer is not described as possible.
    """
    numbers = [column.dtype == "float64" and column.categories is None for column in inputs.columns]
    asked = _Asked(model, inputs)
    for magnitude in _MAGNITUDES:
        if all(asked.answers(_with(row, numbers, number)) for number in (magnitude, -magnitude)):
            return None if magnitude == _MAGNITUDES[0] else magnitude
    return None


def _with(row: Row, numbers: list[bool], number: float) -> Row:
    return tuple(number if replaced else value for value, replaced in zip(row, numbers, strict=True))


class _Asked:
    """Scores one changed row with every check of the signature off, and says whether the model answered."""

    def __init__(self, model: Any, inputs: Inputs) -> None:
        lenient = tuple(
            msgspec.structs.replace(column, nullable=True, unknown="accept", minimum=None, maximum=None)
            for column in inputs.columns
        )
        self._signature = Signature(layout=inputs.layout, inputs=lenient, outputs=())
        self._scorer = NativeScorer(model, self._signature)

    def answers(self, row: Row) -> bool:
        try:
            self._scorer.score(decode_rows([row], self._signature), frozenset())
        except Exception:  # noqa: BLE001 - whatever the model raises: it does not take this row
            return False
        return True


def _nullable(columns: tuple[Column, ...], row: Row, asked: _Asked, fixed: frozenset[str]) -> tuple[Column, ...]:
    open_to_null = [index for index, column in enumerate(columns) if column.name not in fixed]
    all_null = tuple(None if index in open_to_null else value for index, value in enumerate(row))
    # One question instead of many where the model takes everything.
    takes_all = asked.answers(all_null)
    takes = {index for index in open_to_null if takes_all or asked.answers((*row[:index], None, *row[index + 1 :]))}
    return tuple(
        column if column.name in fixed else msgspec.structs.replace(column, nullable=index in takes)
        for index, column in enumerate(columns)
    )


def _unknown(column: Column, index: int, row: Row, asked: _Asked) -> Column:
    if not column.categories or column.unknown == "refuse" or column.dtype == "bool":
        return column
    unseen: Cell = _UNSEEN_TEXT if column.dtype == "string" else _beyond(column)
    answers = asked.answers((*row[:index], unseen, *row[index + 1 :]))
    return msgspec.structs.replace(column, unknown="accept" if answers else "refuse")


def _beyond(column: Column) -> Cell:
    return max(value for value in column.categories or () if isinstance(value, int | float)) + 1

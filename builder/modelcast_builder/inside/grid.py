"""Rows of cells in the making, by column: numbers as float64 with NaN for what is missing, the rest as objects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.columns import CASTS, Columns
from modelcast_runtime.contract import Cell, Column, Signature


@dataclass(frozen=True, slots=True)
class Grid:
    """Cells by column, in the signature's order; all arrays are of the same length."""

    arrays: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def take(self, rows: Any) -> "Grid":
        """These rows (copied)."""
        return Grid(tuple(array[rows] for array in self.arrays))


@dataclass(frozen=True, slots=True)
class Part:
    """Rows, and what each of them is in words."""

    grid: Grid
    kinds: list[str]


def is_number(column: Column) -> bool:
    """Whether its cells are kept as floats, and may be any."""
    return column.dtype in ("float64", "float32") and column.categories is None


def of_cells(rows: Sequence[Sequence[Cell]], signature: Signature) -> Grid:
    """Rows as JSON has them."""
    return Grid(tuple(array(column, [row[index] for row in rows]) for index, column in enumerate(signature.inputs)))


def array(column: Column, cells: Iterable[Cell]) -> np.ndarray:
    """Cells of one column."""
    values = list(cells)
    if is_number(column):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def join(grids: Sequence[Grid]) -> Grid:
    """One below the other."""
    return Grid(tuple(np.concatenate(arrays) for arrays in zip(*(grid.arrays for grid in grids), strict=True)))


def columns(grid: Grid, signature: Signature) -> Columns:
    """As the service decodes them, each within what the signature allows."""
    arrays = zip(signature.inputs, grid.arrays, strict=True)
    return Columns(len(grid), {column.name: _built(column, cells, signature.largest) for column, cells in arrays})


def _built(column: Column, cells: np.ndarray, largest: float | None) -> np.ndarray:
    if not is_number(column):
        built: np.ndarray = CASTS[column.dtype].build(cells.tolist())
        return built
    bound = np.inf if largest is None else largest
    low = -bound if column.minimum is None else max(-bound, column.minimum)
    high = bound if column.maximum is None else min(bound, column.maximum)
    with np.errstate(over="ignore"):
        numbers = np.clip(cells, low, high).astype(column.dtype)
    # What overflowed on the way is a number no more: JSON has no infinity.
    return np.asarray(np.nan_to_num(numbers, nan=np.nan if column.nullable else 0.0))

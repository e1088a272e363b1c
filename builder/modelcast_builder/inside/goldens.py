"""Chooses the golden rows and writes down what the model itself answers for them."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.contract import Cell, Column, Golden, Layout, Signature
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows

from .examples import Examples
from .messages import Refused

COUNT = 20
_SEED = 20181011
Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Golden rows in the signature's order, and where they stand in the examples (none, where they were made)."""

    rows: tuple[Row, ...]
    indices: tuple[int, ...] = ()


def choose(columns: tuple[Column, ...], layout: Layout, examples: Examples) -> Chosen:
    """Up to `COUNT` rows, evenly spaced over what there is; made with a fixed seed where there is nothing."""
    rows = examples.rows if examples.rows is not None else examples.golden
    if rows is None:
        made = _made_texts(examples.words) if layout == "text" and examples.words else _made(columns)
        return Chosen(rows=made)
    values = rows.to_numpy(dtype=object) if hasattr(rows, "columns") else rows
    found = {index: row_of(values[index], columns) for index in _spread(len(rows))}
    # A row that `inputs:` refuses (out of its bounds, an unlisted category) is no example of what is answered.
    taken = {index: row for index, row in found.items() if all(map(fits, row, columns))} or found
    return Chosen(rows=tuple(taken.values()), indices=tuple(taken) if examples.rows is not None else ())


def answer(model: Any, signature: Signature, rows: tuple[Row, ...]) -> Golden:
    """The answers through the runtime's own scorer: what the service will compare with."""
    wanted = frozenset(output.name for output in signature.outputs if output.name != "predict")
    scores = NativeScorer(model, signature).score(decode_rows(rows, signature), wanted)
    return Golden(
        rows=rows,
        predictions=_cells(scores.predictions),
        probabilities=None if scores.probabilities is None else _cells(scores.probabilities),
        distances=None if scores.distances is None else _cells(scores.distances),
    )


def check_against_training(model: Any, golden: Golden, chosen: Chosen, layout: Layout, examples: Examples) -> None:
    """The rows as a client sends them must answer as the rows that the model was fitted on."""
    indices = chosen.indices
    if not indices:
        return
    rows = examples.rows.to_numpy() if layout == "array" and hasattr(examples.rows, "columns") else examples.rows
    taken = _taken(rows, list(indices))
    for ours, ask in ((golden.predictions, "predict"), (golden.probabilities, "predict_proba")):
        if ours is not None:
            _check_same(ours, getattr(model, ask), taken, indices)


def _check_same(ours: tuple[Any, ...], ask: Any, rows: Any, indices: tuple[int, ...]) -> None:
    direct = _cells(np.asarray(ask(rows)))
    for index, one, other in zip(indices, ours, direct, strict=True):
        if not _same(one, other):
            _refuse_random(ask, rows, direct)
            raise Refused(
                "describe",
                f"row {index} of the training data is answered otherwise when it is sent as JSON: "
                "a column's type is lost on the way",
                "Write the column's dtype under `inputs:` in modelcast.yaml",
            )


def _refuse_random(ask: Any, rows: Any, first: tuple[Any, ...]) -> None:
    again = _cells(np.asarray(ask(rows)))
    if not all(map(_same, first, again)):
        raise Refused(
            "describe",
            "the model answers otherwise when it is asked the same rows again",
            "Give what it draws at random a fixed random_state",
        )


def row_of(values: Any, columns: tuple[Column, ...]) -> Row:
    """A row of a frame, of an array or of texts as JSON has it."""
    return (values,) if isinstance(values, str) else tuple(map(_cell, values, columns))


def fits(value: Cell, column: Column) -> bool:
    """Whether the service takes this cell."""
    if value is None:
        return column.nullable
    if column.unknown == "refuse" and column.categories is not None and value not in column.categories:
        return False
    if isinstance(value, str) or column.dtype == "bool":
        return True
    return (column.minimum is None or value >= column.minimum) and (column.maximum is None or value <= column.maximum)


def _taken(rows: Any, indices: list[int]) -> Any:
    if isinstance(rows, list):
        return [rows[index] for index in indices]
    return rows.iloc[indices] if hasattr(rows, "iloc") else rows[indices]


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, tuple):
        return all(map(_same, ours, theirs))
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return bool(ours == theirs)


def _spread(count: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(COUNT, count)).astype(int).tolist()))


def _cell(value: Any, column: Column) -> Cell:
    """A value of a frame or an array as JSON has it."""
    import pandas as pd

    if pd.isna(value):
        return None
    if column.dtype == "datetime":
        return str(pd.Timestamp(value).isoformat())
    plain = value.item() if hasattr(value, "item") else value
    if column.dtype == "bool":
        return bool(plain)
    if column.dtype == "int64":
        return int(plain)
    return float(plain) if column.dtype in ("float64", "float32") else str(plain)


def _cells(values: np.ndarray) -> tuple[Any, ...]:
    return tuple(_plain(value) for value in values.tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_plain(one) for one in value)
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain


def _made_texts(words: tuple[str, ...]) -> tuple[Row, ...]:
    generator = np.random.default_rng(_SEED)
    return tuple((" ".join(generator.choice(words, size=8)),) for _ in range(COUNT))


def _made(columns: tuple[Column, ...]) -> tuple[Row, ...]:
    generator = np.random.default_rng(_SEED)
    return tuple(tuple(_made_cell(column, generator) for column in columns) for _ in range(COUNT))


def _within(value: float, column: Column) -> float:
    """The value, or the bound of `inputs:` that it would break."""
    low = value if column.minimum is None else max(value, column.minimum)
    return low if column.maximum is None else min(low, column.maximum)


def _made_cell(column: Column, generator: np.random.Generator) -> Cell:
    if column.categories:
        return column.categories[int(generator.integers(len(column.categories)))]
    if column.dtype == "bool":
        return bool(generator.integers(2))
    if column.dtype in ("float64", "float32", "int64"):
        # Not negative: counts and logarithms are as likely an input as measures.
        value = _within(round(float(generator.gamma(2.0, 2.0)), 3), column)
        return int(value) if column.dtype == "int64" else value
    if column.dtype == "datetime":
        return f"20{generator.integers(10, 25)}-{generator.integers(1, 12):02}-{generator.integers(1, 28):02}T00:00:00"
    return f"text {generator.integers(100)}"

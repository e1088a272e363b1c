"""The rows that later ones are compared with: those of training, as the service would read them from a request."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Signature
from modelcast_runtime.payload import decode_rows
from modelcast_runtime.problems import Problem

from .examples import Examples
from .goldens import fits, row_of

_ROWS = 5_000
_CELLS = 500_000
_FEWEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Rows of the signature's types, and where they come from."""

    columns: Columns
    source: str
    places: Any
    """Of each row among all rows of training."""
    total: int
    """All rows of training."""


def read(examples: Examples, signature: Signature) -> Reference | str:
    """Up to 5,000 rows, evenly spaced; or why there are none that could be compared with."""
    rows, source = examples.rows, examples.source
    if rows is None:
        rows, source = examples.golden, "the rows of data/holdout or of MLflow's example"
    if rows is None:
        return "no rows of training are known: add data/train.csv, or let the build run the notebook"
    most = min(_ROWS, max(100, _CELLS // max(1, len(signature.inputs))))
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)
    total = len(rows)
    rows = rows.iloc[chosen].to_numpy(dtype=object) if hasattr(rows, "columns") else [rows[index] for index in chosen]
    # What the service refuses is in no distribution of what it answers.
    read = [row_of(one, signature.inputs) for one in rows]
    kept = [place for place, row in enumerate(read) if all(map(fits, row, signature.inputs))]
    taken = [read[place] for place in kept]
    if len(taken) < _FEWEST:
        return f"{len(taken)} rows of training are too few to compare with, expected {_FEWEST}"
    try:
        return Reference(
            columns=decode_rows(taken, signature),
            source=source,
            places=chosen[kept],
            total=total,
        )
    except Problem as problem:
        return f"the rows of training are not what a request may hold: {problem.title}"

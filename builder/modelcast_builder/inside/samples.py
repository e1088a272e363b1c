"""Takes a sample of the rows that an estimator was given, whatever holds them."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROWS = 10_000
# Very wide rows: fewer of them, so that 32 records of a notebook stay below a gigabyte.
_CELLS = 2_000_000
_PROVED = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Copies of evenly spaced rows, and what is known of all of them."""

    X: Any
    y: Any
    rows: int | None
    nulls: dict[Any, int]
    """Column (its name, else its position) -> nulls in all rows."""
    sampled: bool
    """Whether `X` holds fewer rows than there were."""


def take(rows: Any, target: Any) -> Sample:
    """The sample; raises TypeError for rows of a kind that cannot be looked at without using them up."""
    total = _length(rows)
    if total is None:
        raise TypeError(f"rows of type {type(rows).__module__}.{type(rows).__qualname__}")
    chosen = _spread(total, min(_ROWS, max(100, _CELLS // _width(rows))))
    return Sample(
        X=_select(rows, chosen),
        y=_select(target, chosen) if _length(target) == total else None,
        rows=total,
        nulls=_nulls(rows),
        sampled=len(chosen) < total,
    )


def leave(rows: Any, file: Path) -> None:
    """Keep a sample of these rows, as the model was fitted on them, for another process; none where there are none."""
    if rows is not None:
        import joblib

        joblib.dump(_select(rows, _spread(len(rows), min(_PROVED, len(rows)))), file)


def same(one: Any, other: Any) -> bool:
    """Whether two samples hold the same rows."""
    if type(one) is not type(other) or one is None:
        return one is other
    if hasattr(one, "equals"):
        return bool(one.equals(other)) and list(getattr(one, "columns", ())) == list(getattr(other, "columns", ()))
    if isinstance(one, list):
        return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
    if hasattr(one, "tocsr"):
        return bool(one.shape == other.shape and one.nnz == other.nnz and (one != other).nnz == 0)
    # Bytes, not ==: NaN equals NaN here. Objects are compared by identity, which copies of one array share.
    return bool(one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes())


def _length(rows: Any) -> int | None:
    if isinstance(rows, list | tuple):
        return len(rows)
    known = hasattr(rows, "iloc") or hasattr(rows, "tocsr") or hasattr(rows, "__array_interface__")
    return int(rows.shape[0]) if known and rows.shape else None


def _width(rows: Any) -> int:
    width = 1
    if hasattr(rows, "tocsr"):
        return max(1, int(rows.nnz) // max(1, int(rows.shape[0])))
    for extent in getattr(rows, "shape", (0,))[1:]:
        width *= int(extent)
    return max(1, width)


def _spread(total: int, count: int) -> list[int]:
    if total <= count:
        return list(range(total))
    return [index * (total - 1) // (count - 1) for index in range(count)]


def _select(rows: Any, chosen: list[int]) -> Any:
    """A copy of these rows, of the same kind."""
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen].copy()
    if hasattr(rows, "tocsr"):
        return rows.tocsr()[chosen]
    if isinstance(rows, list | tuple):
        return [list(rows[index]) if isinstance(rows[index], list) else rows[index] for index in chosen]
    import numpy as np

    # np.array: a memory map or a matrix would point at what the notebook goes on changing.
    return np.array(np.asarray(rows)[chosen])


def _nulls(rows: Any) -> dict[Any, int]:
    if hasattr(rows, "iloc"):
        counts = rows.isna().sum()
        if getattr(counts, "shape", ()) == ():
            return {rows.name if rows.name is not None else 0: int(counts)}
        return {name: int(count) for name, count in zip(rows.columns, counts, strict=True)}
    if isinstance(rows, list | tuple):
        return {0: sum(row is None for row in rows)}
    if hasattr(rows, "tocsr"):
        return {}
    return _of_array(rows)


def _of_array(rows: Any) -> dict[Any, int]:
    import numpy as np

    array = np.asarray(rows)
    if array.dtype.kind not in "fcmMO":
        return dict.fromkeys(range(_columns(array)), 0)
    # The one value that is not itself, in every kind of array. Objects may also be None, or pandas' own missing value,
    # which only pandas can tell; it is never imported for that.
    if array.dtype.kind == "O":
        is_null = sys.modules["pandas"].isna if "pandas" in sys.modules else np.vectorize(_is_null, otypes=[bool])
        missing = is_null(array)
    else:
        missing = array != array  # noqa: PLR0124
    per_column = missing.reshape(len(array), -1).sum(axis=0)
    return {index: int(count) for index, count in enumerate(per_column)}


def _is_null(value: object) -> bool:
    return value is None or bool(value != value)  # noqa: PLR0124


def _columns(array: Any) -> int:
    return int(array.reshape(len(array), -1).shape[1]) if len(array) else 0

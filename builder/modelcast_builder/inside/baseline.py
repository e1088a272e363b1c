"""Measures what the service will compare with: how the reference rows fall into bins of every watched signal."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from modelcast_runtime.baseline import Baseline, Extra, Signal, SignalKind
from modelcast_runtime.contract import Column, Label, Signature
from modelcast_runtime.watching import as_numbers, binning

from . import joint, reference
from .examples import Examples
from .messages import Drift

_SERIES = 2_000
"""Samples of a scrape that all signals together may have: each bin is a counter and a share."""
_RESERVED = 200
"""Of them for what is not an input."""
_MOST_CATEGORIES = 20
_DIGITS = 12
_EXTRAS: tuple[Extra, ...] = ("other", "missing")


def measure(model: Any, signature: Signature, examples: Examples, drift: Drift) -> Baseline | None:
    """The baseline of one model; None for own code, which takes no rows."""
    if not signature.takes_rows:
        return None
    rows = reference.read(examples, signature)
    if isinstance(rows, str):
        return Baseline(source="nothing", rows=0, psi=drift.psi, notes=(rows,))
    columns = rows.columns
    watched, notes = _within_budget(signature, drift)
    forest = joint.grow(watched, columns) if signature.layout != "text" else None
    signals = [_input(column, columns.arrays[column.name], drift.bins) for column in watched]
    if forest is not None:
        signals.append(_numbers("joint", "surprisal", joint.surprisals_left_out(forest, columns), drift.bins))
    signals += _told(reference.told(model, signature, columns), signature, drift.bins)
    return Baseline(
        source=rows.source,
        rows=columns.rows,
        psi=drift.psi,
        signals=tuple(signals),
        joint=forest,
        notes=tuple(notes),
    )


def _within_budget(signature: Signature, drift: Drift) -> tuple[list[Column], list[str]]:
    """The inputs that are watched, in order, and what is said of the others."""
    left = _SERIES - _RESERVED
    watched: list[Column] = []
    dropped: list[Column] = []
    for column in signature.inputs:
        if column.name in drift.exclude:
            continue
        series = 2 * (_MOST_CATEGORIES if column.categories is not None else drift.bins) + 2 * len(_EXTRAS)
        left -= series
        (watched if left >= 0 else dropped).append(column)
    notes = []
    if dropped:
        notes.append(
            f"{len(dropped)} of {len(signature.inputs)} inputs have no bins of their own, from {dropped[0].name} on: "
            f"a scrape would have more than {_SERIES} samples; `drift: {{exclude: [...]}}` says which may be left out"
        )
    return watched, notes


def _input(column: Column, values: Any, bins: int) -> Signal:
    if column.categories is not None or column.dtype == "bool":
        return _categories(column, values)
    return _numbers("input", column.name, as_numbers(values), bins, extras=_EXTRAS)


def _categories(column: Column, values: Any) -> Signal:
    """The most frequent ones; the rest is `other`, as what was never seen is."""
    found = [value for value in values.tolist() if value is not None and value == value]  # noqa: PLR0124
    counted = {value: found.count(value) for value in dict.fromkeys(found)}
    known: Sequence[Label] = column.categories if column.categories is not None else (False, True)
    ranked = sorted(dict.fromkeys([*known, *counted]), key=lambda value: (-counted.get(value, 0), str(value)))
    empty = Signal(
        kind="input",
        name=column.name,
        values=tuple(ranked[:_MOST_CATEGORIES]),
        extras=_EXTRAS,
        counts=(0,) * (min(len(ranked), _MOST_CATEGORIES) + len(_EXTRAS)),
    )
    return _counted(empty, values)


def _numbers(
    kind: SignalKind, name: str, values: Any, bins: int, *, extras: tuple[Extra, ...] = (), edges: Any = None
) -> Signal:
    """Bins that hold equally many of the reference rows, as far as their values differ."""
    finite = values[np.isfinite(values)]
    inner = quantile_edges(finite, bins) if edges is None else edges
    bare = Signal(
        kind=kind,
        name=name,
        edges=tuple(inner),
        low=float(finite.min()) if extras and len(finite) else None,
        high=float(finite.max()) if extras and len(finite) else None,
        extras=extras,
        counts=(0,) * (len(inner) + 1 + len(extras)),
    )
    return _counted(bare, values)


def quantile_edges(values: Any, bins: int) -> list[float]:
    """Inner edges, at most `bins` - 1: each the largest value that its bin holds, rounded so that machines agree."""
    if not len(values):
        return []
    cuts = np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf")
    edges = sorted({float(f"{cut:.{_DIGITS}g}") for cut in cuts.tolist()})
    return [edge for edge in edges if edge < values.max()]


def _told(values: dict[tuple[str, str], Any], signature: Signature, bins: int) -> Iterator[Signal]:
    """What the model says of the reference rows."""
    for (kind, name), of in values.items():
        if (kind, name) == ("prediction", "class"):
            classes = signature.classes or ()
            yield _counted(Signal(kind="prediction", name="class", values=classes, counts=(0,) * len(classes)), of)
        else:
            yield _numbers(kind, name, np.asarray(of, np.float64), bins)  # type: ignore[arg-type]


def _counted(signal: Signal, values: Any) -> Signal:
    import msgspec

    found = np.bincount(binning(signal)(values), minlength=len(signal.counts))
    return msgspec.structs.replace(signal, counts=tuple(found.tolist()))

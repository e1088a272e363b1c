"""Measures what the service will compare with: how the reference rows fall into bins of every watched signal."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from modelcast_runtime import watching
from modelcast_runtime.baseline import Baseline, Extra, Signal, SignalKind
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Column, Label, Signature, Wanted
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.formats.within import leaves_told
from modelcast_runtime.watching import Branches, Inputs, Numbers, Told, as_numbers, told_of

from . import branches, joint, out_of_bag, paths, reference
from .examples import Examples
from .messages import Drift

_SERIES = 2_000
"""Samples of a scrape that all signals together may have: each bin is a counter and a share."""
_RESERVED = 200
"""Of them for what is not an input."""
_MOST_CATEGORIES = 20
_DIGITS = 12
_MOST_RARE = 0.1
_EXTRAS: tuple[Extra, ...] = ("other", "missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The baseline, and the numbers of the model's leaves that go into a file of their own."""

    baseline: Baseline
    table: Any = None


def measure(model: Any, signature: Signature, examples: Examples, drift: Drift) -> Measured | None:
    """The baseline of one model; None for own code, which takes no rows."""
    if not signature.takes_rows:
        return None
    rows = reference.read(examples, signature)
    if isinstance(rows, str):
        return Measured(baseline=Baseline(source="nothing", rows=0, psi=drift.psi, notes=(rows,)))
    columns = rows.columns
    watched, notes = _within_budget(signature, drift)
    inputs = [_input(column, columns.arrays[column.name], drift.bins) for column in watched]
    matrix = Inputs(inputs).matrix(columns) if inputs else np.empty((0, columns.rows))
    signals, forest = list(inputs), joint.grow(inputs, matrix)
    if forest is not None:
        left_out = joint.surprisals_left_out(forest, inputs, matrix)
        signals.append(_numbers("joint", "surprisal", left_out, drift.bins))
    bare = Baseline(
        source=rows.source,
        rows=columns.rows,
        psi=drift.psi,
        signals=tuple(signals),
        joint=forest,
        notes=tuple(notes),
    )
    try:
        return _with_model(bare, model, signature, rows, matrix, drift.bins)
    except Exception as error:  # noqa: BLE001 - own steps raise what they like; inputs are watched all the same
        lost = f"what the model says of its rows is not watched: it raised {type(error).__name__} for those of training"
        return Measured(baseline=msgspec.structs.replace(bare, notes=(*notes, lost)))


def _with_model(
    bare: Baseline,
    model: Any,
    signature: Signature,
    rows: reference.Reference,
    matrix: Numbers,
    bins: int,
) -> Measured:
    """The baseline with what the model itself says of the reference rows."""
    scorer, columns = NativeScorer(model, signature), rows.columns
    given, inputs = scorer.rows(columns), [one for one in bare.signals if one.kind == "input"]
    bag = out_of_bag.find(model, given, rows)
    found = paths.measure(model, given, None if bag is None else bag.unseen)
    branch = branches.find(model, given, inputs, matrix)
    taken = [] if branch is None else [_branches(Branches(branch, inputs).taken(matrix))]
    told = _said(scorer, signature, columns, found)
    if bag is not None:
        told |= {key: values for key, values in bag.said().items() if key in told}
        # More trees have more rare leaves: a share of rows that is large for some of them says nothing of all.
        if told["path", "rare_rate"].mean() > _MOST_RARE:
            del told["path", "rare_rate"]
    signals = (*bare.signals, *taken, *_told(told, signature, bins))
    whole = msgspec.structs.replace(
        bare,
        signals=signals,
        leaves=None if found is None else found.leaves,
        branch=branch,
        accuracies=_claimed(signals, told, len(signature.classes or ())),
    )
    return Measured(baseline=whole, table=None if found is None else found.table)


def _said(scorer: NativeScorer, signature: Signature, columns: Columns, found: paths.Paths | None) -> Told:
    """What the model says of the reference rows, by the same names as the service has it."""
    wanted: frozenset[Wanted] = frozenset(output.name for output in signature.outputs if output.name != "predict")
    told = told_of(signature, scorer.score(columns, wanted)) | scorer.watch(columns)
    return told if found is None else told | leaves_told(found.leaves, found.totals)


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
    counted = Counter(found)
    known: Sequence[Label] = column.categories if column.categories is not None else (False, True)
    ranked = sorted(dict.fromkeys([*known, *counted]), key=lambda value: (-counted[value], str(value)))
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
    """Inner edges, at most `bins` - 1, each in the middle between two values that were seen.

    The last digits of what a model says differ between machines: no value that comes again may lie on an edge.
    """
    known = np.unique(values)
    if len(known) < 2:
        return []
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    places = np.searchsorted(known, cuts[cuts < known[-1]])
    return sorted({float(f"{middle:.{_DIGITS}g}") for middle in ((known[places] + known[places + 1]) / 2).tolist()})


def _told(values: Told, signature: Signature, bins: int) -> Iterator[Signal]:
    """What the model says of the reference rows."""
    for (kind, name), of in values.items():
        if name in ("class", "cluster"):
            classes = signature.classes or ()
            yield _counted(Signal(kind=kind, name=name, values=classes, counts=(0,) * len(classes)), of)
        else:
            edges = [0.5] if name == "rare_rate" else None
            numbers = np.asarray(of, np.float64)
            # No number: of a row that all of a forest's trees saw.
            yield _numbers(kind, name, numbers[np.isfinite(numbers)], bins, edges=edges)


def _branches(taken: Any) -> Signal:
    """The most frequent ones, the rest together."""
    names, counts = np.unique(taken.astype(str), return_counts=True)
    ranked = [str(names[place]) for place in np.lexsort((names, -counts))[:_MOST_CATEGORIES]]
    bare = Signal(kind="path", name="branch", values=tuple(ranked), extras=("other",), counts=(0,) * (len(ranked) + 1))
    return _counted(bare, taken)


def _claimed(signals: Sequence[Signal], told: Told, classes: int) -> tuple[float, ...]:
    """By bin of the score: how often the model should be right there, by its own probabilities."""
    scores = told.get(("score", "probability"))
    signal = next((one for one in signals if one.kind == "score"), None)
    if scores is None or signal is None:
        return ()
    scores = scores[np.isfinite(scores)]
    sure = np.maximum(scores, 1 - scores) if classes == 2 else scores
    bins = np.searchsorted(np.array(signal.edges), scores, side="left")
    means = [float(sure[bins == place].mean()) if (bins == place).any() else 1.0 for place in range(len(signal.counts))]
    return tuple(float(f"{mean:.{_DIGITS}g}") for mean in means)


def _counted(signal: Signal, values: Any) -> Signal:
    return msgspec.structs.replace(signal, counts=tuple(watching.count(signal, values).tolist()))

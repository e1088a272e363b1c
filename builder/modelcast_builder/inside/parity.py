"""Holds a compiled model's answers against the original's: the policy, in one place.

Labels must be equal on every row, ties aside. Probabilities may be 1e-6 apart (1e-5 where the graph computes in 32
bits, and then the likeliest class must be the same); other numbers 1e-6 of their scale on 99.99 % of the rows, and
1e-3 of it on all. Shapes and types of labels must be the same, and what is no number must be none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Difference, Signature, Task, Wanted
from modelcast_runtime.formats.onnx import TIE

from .kinds_of_rows import ORDINARY

Precision = Literal["float64", "float32"]
Labels = Literal["graph", "highest"]

PROBABILITY: dict[Precision, float] = {"float64": 1e-6, "float32": 1e-5}
NUMBER = 1e-6
"""What a number may differ by, as a part of its scale: its own magnitude, or that of an ordinary row's answer."""
FARTHEST = 1e-3
"""The same for the one row in 10,000 that may be further off."""
_FAR_SHARE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison found."""

    equal: bool
    labels: Labels
    """Where the compiled model's labels must come from."""
    ties: int
    """Rows whose two best classes the original itself holds equal."""
    worst: float | None
    """The largest difference that was seen of a number; None where the model gives labels alone."""
    differences: tuple[Difference, ...]
    """One for each output."""


def judge(
    reference: Scores, compiled: Scores, kinds: Sequence[str], signature: Signature, task: Task, precision: Precision
) -> Verdict:
    """Compare every output of every row; `kinds` says in words what each row is.

    `compiled.predictions` are the graph's own labels; where others are right, `labels` says so.
    """
    tied = _tied(reference)
    labels: Labels = "graph"
    if _gives_numbers(signature, task):
        first = _of_numbers("predict", reference.predictions, compiled.predictions, kinds)
    else:
        labels, first = _of_labels(reference, compiled, kinds, signature, tied)
    differences = [first]
    if reference.probabilities is not None:
        differences.append(_of_probabilities(reference.probabilities, compiled.probabilities, kinds, tied, precision))
    if reference.distances is not None:
        differences.append(_of_numbers("distances", reference.distances, compiled.distances, kinds))
    numbers = [one.worst for one in differences if one.allowed]
    return Verdict(
        equal=not any(one.rows for one in differences),
        labels=labels,
        ties=int(tied.sum()),
        worst=max(numbers, default=None),
        differences=tuple(differences),
    )


def _gives_numbers(signature: Signature, task: Task) -> bool:
    if task == "regressor":
        return True
    answers = next(output.dtype for output in signature.outputs if output.name == "predict")
    return task in ("generic", "text") and signature.classes is None and answers in ("float64", "float32")


def _tied(reference: Scores) -> np.ndarray:
    """The rows for which the original itself has no reason to prefer one class to the next.

    Clusters are never tied: where all distances are the same number, the original still knows the nearest.
    """
    probabilities = reference.probabilities
    if probabilities is None or probabilities.ndim != 2 or probabilities.shape[1] < 2:
        return np.zeros(len(reference.predictions), dtype=bool)
    best = np.sort(probabilities, axis=1)
    return np.asarray(best[:, -1] - best[:, -2] < TIE)


def _of_labels(
    reference: Scores, compiled: Scores, kinds: Sequence[str], signature: Signature, tied: np.ndarray
) -> tuple[Labels, Difference]:
    """The better way to a label: right wherever there is no tie, then on most ties, then the graph's own."""
    ways: dict[Labels, np.ndarray] = {"graph": _other_labels(reference.predictions, compiled.predictions)}
    if compiled.probabilities is not None and signature.classes and reference.predictions.ndim == 1:
        ways["highest"] = _other_labels(reference.predictions, _highest(compiled.probabilities, signature))
    labels = min(ways, key=lambda way: (int((ways[way] & ~tied).sum()), int(ways[way].sum())))
    wrong = ways[labels] & ~tied
    return labels, _difference("predict", wrong, wrong.astype(float), 0.0, kinds)


def _highest(probabilities: np.ndarray, signature: Signature) -> np.ndarray:
    """The labels that `formats.onnx` gives in this way."""
    first = np.argmax(probabilities >= probabilities.max(axis=1, keepdims=True) - TIE, axis=1)
    return np.asarray(_objects(signature.classes or ())[first])


def _objects(labels: Any) -> np.ndarray:
    plain = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    array = np.empty(len(plain), dtype=object)
    array[:] = plain
    return array


def _other_labels(reference: np.ndarray, compiled: np.ndarray) -> np.ndarray:
    """The rows with another label, or with one of another type: 1 is not 1.0, nor true, nor "1"."""
    if reference.shape != compiled.shape:
        return np.ones(len(reference), dtype=bool)
    pairs = zip(reference.ravel().tolist(), compiled.ravel().tolist(), strict=True)
    other = np.array([type(one) is not type(two) or one != two for one, two in pairs], dtype=bool)
    return np.asarray(other.reshape(len(reference), -1).any(axis=1))


def _of_probabilities(
    reference: np.ndarray, compiled: np.ndarray | None, kinds: Sequence[str], tied: np.ndarray, precision: Precision
) -> Difference:
    gaps = _gaps(reference, compiled)
    allowed = PROBABILITY[precision]
    wrong = gaps > allowed
    if precision == "float32" and compiled is not None and compiled.shape == reference.shape:
        wrong |= (np.argmax(reference, axis=1) != np.argmax(compiled, axis=1)) & ~tied
    return _difference("predict_proba", wrong, gaps, allowed, kinds)


def _of_numbers(output: Wanted, reference: np.ndarray, compiled: np.ndarray | None, kinds: Sequence[str]) -> Difference:
    """Numbers on a scale of their own: a difference counts as a part of it."""
    gaps = _gaps(reference, compiled, _scale(reference, kinds))
    off = gaps > NUMBER
    wrong = off if off.sum() > _FAR_SHARE * len(gaps) else gaps > FARTHEST
    return _difference(output, wrong, gaps, NUMBER, kinds)


def _scale(reference: np.ndarray, kinds: Sequence[str]) -> np.ndarray:
    """The number's own magnitude, or that of an ordinary row's (of this output), where it is larger.

    Rows far from training have answers far from the usual ones: a scale of all rows would excuse anything.
    """
    ordinary = np.array([kind in ORDINARY for kind in kinds], dtype=bool)
    rows = np.abs(reference[ordinary] if ordinary.any() else reference)
    usual = np.nanmedian(np.where(np.isfinite(rows), rows, np.nan), axis=0) if np.isfinite(rows).any() else 1.0
    scale = np.maximum(np.where(np.isfinite(reference), np.abs(reference), 0.0), np.nan_to_num(usual))
    return np.where(scale > 0, scale, 1.0)


def _gaps(reference: np.ndarray, compiled: np.ndarray | None, scale: Any = 1.0) -> np.ndarray:
    """The largest difference in each row; 1 where only one of the two is a number, or the shapes differ."""
    if compiled is None or compiled.shape != reference.shape:
        return np.ones(len(reference))
    one, other = reference.astype(np.float64), compiled.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        gaps = np.abs(one - other) / scale
    # What is no number is answered as null, whichever it is.
    same = (one == other) | ~(np.isfinite(one) | np.isfinite(other))
    gaps = np.where(same, 0.0, np.where(np.isfinite(gaps), gaps, 1.0))
    return np.asarray(gaps.reshape(len(gaps), -1).max(axis=1))


def _difference(
    output: Wanted, wrong: np.ndarray, gaps: np.ndarray, allowed: float, kinds: Sequence[str]
) -> Difference:
    worst = int(np.argmax(np.where(wrong, gaps, -1.0) if wrong.any() else gaps))
    return Difference(
        output=output,
        rows=int(wrong.sum()),
        worst=float(gaps[worst]),
        allowed=allowed,
        example=kinds[worst] if gaps[worst] else "",
    )

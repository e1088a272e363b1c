"""Replays the golden rows: the model is the one that was sealed if it answers as it did then."""

import math

import numpy as np

from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Golden, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.payload import decode_rows


def replay(bundle: Bundle, scorer: Scorer) -> int:
    """Score the golden rows and compare; the number of rows. Raises `BundleError` for the first that differs."""
    golden = bundle.golden
    try:
        columns = decode_rows(golden.rows, bundle.manifest.signature)
        scores = scorer.score(columns, wanted_by(golden))
    except Exception as error:
        raise BundleError(f"the golden rows cannot be scored: {type(error).__name__}: {error}") from error
    compare(scores, golden)
    return columns.rows


def wanted_by(golden: Golden) -> frozenset[Wanted]:
    """The outputs beside `predict` that the golden rows hold answers for."""
    held: dict[Wanted, object] = {"predict_proba": golden.probabilities, "distances": golden.distances}
    return frozenset(name for name, answers in held.items() if answers is not None)


def compare(scores: Scores, golden: Golden) -> None:
    """Labels equal, numbers within the tolerance; raises `BundleError` with the row."""
    pairs = (
        ("prediction", scores.predictions, golden.predictions),
        ("probabilities", scores.probabilities, golden.probabilities),
        ("distances", scores.distances, golden.distances),
    )
    for what, answers, sealed in pairs:
        if sealed is not None and answers is not None:
            _same(what, answers.tolist(), sealed, golden.tolerance)


def _same(what: str, answers: list[object], sealed: tuple[object, ...], tolerance: float) -> None:
    if len(answers) != len(sealed):
        raise BundleError(f"{len(sealed)} golden rows gave {len(answers)} answers")
    for row, (answer, expected) in enumerate(zip(answers, sealed, strict=True)):
        if not _equal(answer, expected, tolerance):
            raise BundleError(f"golden row {row} does not reproduce: {what} {answer!r}, sealed was {expected!r}")


def _equal(answer: object, expected: object, tolerance: float) -> bool:
    if isinstance(answer, list | tuple) and isinstance(expected, list | tuple):
        return len(answer) == len(expected) and all(
            _equal(one, other, tolerance) for one, other in zip(answer, expected, strict=True)
        )
    if isinstance(answer, np.generic):  # among objects
        answer = answer.item()
    if isinstance(answer, float):
        # JSON has no NaN and no infinity: such a prediction is sealed as null. A label 1 that is 1.0 now is another.
        if not isinstance(expected, float):
            return expected is None and not math.isfinite(answer)
        return math.isclose(answer, expected, rel_tol=tolerance, abs_tol=tolerance)
    return type(answer) is type(expected) and answer == expected

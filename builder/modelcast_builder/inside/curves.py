"""Points to draw a model's answers with: few of them, and rounded, because they are sealed and hashed."""

from collections.abc import Iterator, Sequence

import numpy as np
from modelcast_runtime.contract import Curve, label_text

from .answered import Answered
from .measures import ranked, rounded

_MOST_CLASSES = 10
_MOST_ON_A_LINE = 60
_MOST_ROWS = 200
_MOST_OUTPUTS = 4
_BINS = 10
_DIGITS = 6


def draw(answered: Answered) -> tuple[Curve, ...]:
    """A classifier's `roc` and `calibration` of every class; a regressor's `predicted` and `residuals`.

    Of two classes the second alone; of many, and of many outputs, the first ones.
    """
    if answered.task == "classifier":
        return (*_roc(answered), *_calibration(answered))
    return tuple(_of_numbers(answered)) if answered.task == "regressor" else ()


def confusion(answered: Answered) -> tuple[tuple[int, ...], ...]:
    """Rows by true class, then by predicted class; nothing for more than 50 classes."""
    if answered.task != "classifier" or len(answered.classes) > 50:
        return ()
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(answered.right, answered.predicted, labels=range(len(answered.classes)))
    return tuple(tuple(row) for row in counts.tolist())


def _drawn(answered: Answered) -> Sequence[int]:
    count = len(answered.classes)
    return range(min(count, _MOST_CLASSES)) if count > 2 else [count - 1]


def _roc(answered: Answered) -> Iterator[Curve]:
    """x: the share of the other rows that are taken for the class; y: the share of its own."""
    from sklearn.metrics import roc_curve

    if answered.scores is None:
        return
    scores = ranked(answered.scores)
    for index in _drawn(answered):
        of_class = answered.right == index
        if 0 < int(of_class.sum()) < len(of_class):
            x, y, _ = roc_curve(of_class, scores[:, index])
            kept = _spread(len(x), _MOST_ON_A_LINE)
            yield _curve("roc", label_text(answered.classes[index]), x[kept], y[kept])


def _calibration(answered: Answered) -> Iterator[Curve]:
    """x: the mean probability of a tenth of the scale; y: the share of its rows that are of the class."""
    from sklearn.calibration import calibration_curve

    if not answered.are_probabilities or answered.scores is None:
        return
    scores = np.clip(ranked(answered.scores), 0.0, 1.0)
    for index in _drawn(answered):
        of_class = answered.right == index
        if 0 < int(of_class.sum()) < len(of_class):
            share, mean = calibration_curve(of_class, scores[:, index], n_bins=_BINS)
            yield _curve("calibration", label_text(answered.classes[index]), mean, share)


def _of_numbers(answered: Answered) -> Iterator[Curve]:
    """Evenly spaced rows. `predicted`: x is right, y predicted; `residuals`: x is predicted, y what it is short of."""
    outputs = answered.outputs[:_MOST_OUTPUTS]
    rows = _spread(len(answered.right), _MOST_ROWS // len(outputs))
    for index, name in enumerate(outputs):
        true, predicted = answered.right[rows, index], answered.predicted[rows, index]
        yield _curve("predicted", name, true, predicted)
        yield _curve("residuals", name, predicted, true - predicted)


def _spread(count: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _curve(name: str, label: str, x: np.ndarray, y: np.ndarray) -> Curve:
    one, other = (tuple(rounded(value, _DIGITS) for value in values.tolist()) for values in (x, y))
    return Curve(name=name, label=label, x=one, y=other)

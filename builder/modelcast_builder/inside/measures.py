"""The metrics of a model's answers, by scikit-learn's own functions, and why one of them cannot be told.

What comes out is sealed and hashed: numbers are rounded so that the last bits of a sum, which differ between machines,
do not show.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from modelcast_runtime.contract import label_text

from .answered import Answered

_DIGITS = 12
_TIES = 12
"""Decimals in which two scores are one: a tie must be a tie on every machine, or the order of rows is another."""
_SEED = 20181011
_MOST_COMPARED = 2_000
# Distances are differences of large squares: their last digits are the machine's.
_DIGITS_OF_DISTANCES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Metrics by name, and by name why there is none."""

    metrics: dict[str, float]
    absent: dict[str, str] = field(default_factory=dict)


def measure(answered: Answered) -> Measured:
    """Every metric of the model's task on these rows."""
    metrics: dict[str, float] = {}
    absent: dict[str, str] = {}
    for name, tell in _OF_TASK[answered.task].items():
        told = tell(answered)
        if isinstance(told, str):
            absent[name] = told
        else:
            metrics[name] = rounded(told, _DIGITS_OF_DISTANCES if name == "silhouette" else _DIGITS)
    return Measured(metrics=metrics, absent=absent)


def rounded(value: float, digits: int = _DIGITS) -> float:
    """The number in so many significant digits; never -0."""
    return float(f"{value:.{digits - 1}e}") + 0.0


def ranked(scores: np.ndarray) -> np.ndarray:
    """Scores of which near ones are equal."""
    return np.round(scores, _TIES)


# A metric is told as a number, or as the reason why it is none.
_Tell = Callable[[Answered], float | str]


def _of_labels(name: str, **options: object) -> _Tell:
    def tell(answered: Answered) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(answered.right, answered.predicted, **options))

    return tell


def _balanced_accuracy(answered: Answered) -> float:
    """The mean recall of the classes that these rows have."""
    from sklearn.metrics import recall_score

    present = np.unique(answered.right)
    return float(recall_score(answered.right, answered.predicted, labels=present, average="macro", zero_division=0))


def _roc_auc(answered: Answered) -> float | str:
    """Of two classes the second against the first; else the mean over each against all others."""
    from sklearn.metrics import roc_auc_score

    if answered.scores is None:
        return "the model gives neither probabilities nor one decision value a class"
    lacks = _lacking(answered)
    if lacks:
        return lacks
    true, scores = answered.right, ranked(answered.scores)
    each = range(len(answered.classes)) if len(answered.classes) > 2 else [1]
    return float(np.mean([roc_auc_score(true == index, scores[:, index]) for index in each]))


def _lacking(answered: Answered) -> str | None:
    """The first class that these rows lack, in words."""
    present = set(answered.right.tolist())
    absent = [label_text(label) for index, label in enumerate(answered.classes) if index not in present]
    return f"no row has the answer {absent[0]!r}" if absent else None


def _log_loss(answered: Answered) -> float | str:
    from sklearn.metrics import log_loss

    if not answered.are_probabilities:
        return "the model gives no probabilities"
    if len(answered.classes) < 2:
        return "the model knows one class"
    return float(log_loss(answered.right, answered.scores, labels=list(range(len(answered.classes)))))


def _rmse(answered: Answered) -> float:
    """Of several outputs the mean of each one's."""
    from sklearn.metrics import mean_squared_error

    # root_mean_squared_error is there since 1.4.
    return float(np.sqrt(mean_squared_error(answered.right, answered.predicted, multioutput="raw_values")).mean())


def _r2(answered: Answered) -> float | str:
    from sklearn.metrics import r2_score

    true = answered.right
    if len(true) < 2:
        return "there is one row"
    if (true == true[0]).all():
        return "all rows have the same answer"
    return float(r2_score(true, answered.predicted))


def _silhouette(answered: Answered) -> float | str:
    """On at most 2,000 rows, always the same ones."""
    from sklearn.metrics import silhouette_score

    if answered.space is None:
        return "the clusterer measures what is no row of numbers"
    rows = np.arange(len(answered.predicted))
    if len(rows) > _MOST_COMPARED:
        rows = np.sort(np.random.default_rng(_SEED).choice(len(rows), _MOST_COMPARED, replace=False))
    labels = answered.predicted[rows]
    count = len(set(labels.tolist()))
    if not 2 <= count < len(rows):
        return f"{len(rows)} rows are in {count} {'cluster' if count == 1 else 'clusters'}"
    return float(silhouette_score(answered.space[rows], labels))


_OF_TASK: dict[str, dict[str, _Tell]] = {
    "classifier": {
        "accuracy": _of_labels("accuracy_score"),
        "balanced_accuracy": _balanced_accuracy,
        "f1_macro": _of_labels("f1_score", average="macro", zero_division=0),
        "precision_macro": _of_labels("precision_score", average="macro", zero_division=0),
        "recall_macro": _of_labels("recall_score", average="macro", zero_division=0),
        "roc_auc": _roc_auc,
        "log_loss": _log_loss,
    },
    "regressor": {"rmse": _rmse, "mae": _of_labels("mean_absolute_error"), "r2": _r2},
    "clusterer": {"silhouette": _silhouette},
}

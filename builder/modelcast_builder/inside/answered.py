"""What the model answers for the holdout, beside what is right: the one value that every metric is told from."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from modelcast_runtime.contract import Label, Task, label_text
from modelcast_runtime.formats.native import NativeScorer

from .holdout import STEP, Answers, Holdout
from .messages import EvaluateRequest, Refused, one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answers of all rows, or of some of them."""

    task: Task
    predicted: np.ndarray
    """A classifier's as positions among its classes, [rows]; a clusterer's numbers, [rows]; else [rows, outputs]."""
    true: np.ndarray | None = None
    """In the form of `predicted`; a clusterer's rows have no right answer."""
    classes: tuple[Label, ...] = ()
    outputs: tuple[str, ...] = ()
    """The names of a regressor's outputs."""
    scores: np.ndarray | None = None
    """How much a classifier is for each class, [rows, classes]."""
    are_probabilities: bool = False
    space: np.ndarray | None = None
    """Where a clusterer measures distances, [rows, dimensions]: what the steps before it make of a row."""

    @property
    def right(self) -> np.ndarray:
        """`true` where there are right answers; raises ValueError where there are none."""
        if self.true is None:
            raise ValueError(f"the rows of a {self.task} have no right answers")
        return self.true

    def of(self, rows: np.ndarray) -> "Answered":
        """The same of the rows at these positions, or of those that a mask names."""
        parts = {name: getattr(self, name) for name in ("predicted", "true", "scores", "space")}
        return replace(self, **{name: part[rows] for name, part in parts.items() if part is not None})


def ask(model: Any, request: EvaluateRequest, holdout: Holdout) -> Answered:
    """Score every row as the service would; raises `Refused` where the model itself fails at one."""
    scorer = NativeScorer(model, request.signature)
    wanted = frozenset({"predict_proba"} & {output.name for output in request.signature.outputs})
    try:
        scores = scorer.score(holdout.columns, wanted)  # type: ignore[arg-type]
        rows = scorer.rows(holdout.columns)
        if request.task == "classifier":
            return _classified(model, rows, scores.predictions, scores.probabilities, request, holdout)
        if request.task == "clusterer":
            return Answered(task="clusterer", predicted=scores.predictions, space=_space(model, rows))
    except (Refused, SystemExit):
        raise
    except Exception as error:
        problem = f"the model cannot answer for the rows of {request.data}: {type(error).__name__}: {one_line(error)}"
        raise Refused(STEP, problem, "Remove the rows that it does not know, or train it on such rows too") from error
    true = np.stack([answers.numbers() for answers in holdout.answers.values()], axis=1)
    predicted = np.asarray(scores.predictions, dtype=np.float64).reshape(true.shape)
    _check_finite(predicted, request)
    return Answered(task=request.task, predicted=predicted, true=true, outputs=tuple(holdout.answers))


def _classified(
    model: Any,
    rows: Any,
    predictions: np.ndarray,
    probabilities: np.ndarray | None,
    request: EvaluateRequest,
    holdout: Holdout,
) -> Answered:
    (answers,) = holdout.answers.values()
    classes = request.signature.classes or _seen(predictions, answers)
    position = {label: index for index, label in enumerate(classes)}
    scores = probabilities if probabilities is not None else _decided(model, rows, len(classes))
    if scores is not None:
        _check_finite(scores, request)
    return Answered(
        task="classifier",
        predicted=np.asarray([position[label] for label in predictions.tolist()], dtype=np.int64),
        true=answers.indices(classes),
        classes=classes,
        scores=scores,
        are_probabilities=probabilities is not None,
    )


def _check_finite(values: np.ndarray, request: EvaluateRequest) -> None:
    broken = ~np.isfinite(values).all(axis=1)
    if broken.any():
        problem = f"the model answers row {int(broken.argmax()) + 1} of {request.data} with what is no number"
        raise Refused(STEP, problem, "Remove the row, or train the model so that it answers it")


def _seen(predictions: np.ndarray, answers: Answers) -> tuple[Label, ...]:
    """The labels of an own class, which need not say which it knows."""
    predicted = set(predictions.tolist())
    true = answers.texts if all(isinstance(label, str) for label in predicted) else answers.values
    return tuple(sorted(predicted | {label for label in true if label is not None}, key=label_text))


def _decided(model: Any, rows: Any, classes: int) -> np.ndarray | None:
    """Decision values, one a class; None where the model has none, or one for each pair of classes."""
    if not hasattr(model, "decision_function"):
        return None
    values = np.asarray(model.decision_function(rows), dtype=np.float64)
    if values.ndim == 1:
        return np.stack([-values, values], axis=1)
    return values if values.shape[1] == classes else None


def _space(model: Any, rows: Any) -> np.ndarray | None:
    """None where the clusterer measures what is no list of numbers."""
    steps = getattr(model, "steps", ())
    seen = model[:-1].transform(rows) if len(steps) > 1 else rows
    dense = seen.toarray() if hasattr(seen, "toarray") else seen
    try:
        numbers = np.asarray(dense, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None

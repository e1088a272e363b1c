"""Describes what the model gives: its task, its labels, and which outputs it has, by asking it."""

from typing import Any, Literal

import numpy as np
from modelcast_runtime.contract import Column, Dtype, Label, Layout, Output, Signature, Task, Wanted
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.payload import decode_rows

from . import encoders
from .goldens import Row
from .messages import Refused, one_line

_DTYPES: dict[str, Dtype] = {
    "b": "bool", "i": "int64", "u": "int64", "f": "float64", "U": "string", "O": "string",
}  # fmt: skip


_MIXINS = {
    "classifier": "ClassifierMixin",
    "outlier_detector": "OutlierMixin",
    "regressor": "RegressorMixin",
    "clusterer": "ClusterMixin",
}


def task_of(model: Any, written: Literal["auto"] | Task) -> Task:
    """What kind of question the model answers: what it tells, and for a class that tells nothing what is written."""
    found = _found(model)
    if found != "generic" or written == "auto":
        return found
    # `text` is about what a model takes: it answers as a classifier, say.
    return found if written == "text" else written


def _found(model: Any) -> Task:
    if _is("classifier", model) or _is("outlier_detector", model):
        return "classifier"
    if _is("regressor", model):
        return "regressor"
    return "clusterer" if hasattr(model, "labels_") or _is("clusterer", model) else "generic"


def _is(kind: str, model: Any) -> bool:
    from sklearn import base

    ask = getattr(base, f"is_{kind}", None)
    if ask is None:  # is_clusterer is there since 1.6
        return getattr(model, "_estimator_type", None) == kind
    try:
        return bool(ask(model))
    except AttributeError:  # since 1.7 for a class without BaseEstimator
        return isinstance(model, getattr(base, _MIXINS[kind]))


def describe(model: Any, task: Task, layout: Layout, columns: tuple[Column, ...], rows: tuple[Row, ...]) -> Signature:
    """Score the golden rows and look at what comes; raises `Refused` where the model cannot answer at all."""
    bare = Signature(layout=layout, inputs=columns, outputs=())
    try:
        predictions = NativeScorer(model, bare).score(decode_rows(rows, bare), frozenset()).predictions
    except Exception as error:
        raise Refused(
            "describe",
            f"the model cannot answer for a row as it is described: {type(error).__name__}: {one_line(error)}",
            "Put rows that it knows into data/train.csv, or write `inputs:` in modelcast.yaml",
        ) from error
    dtype = _DTYPES.get(predictions.dtype.kind)
    if dtype is None:
        raise Refused(
            "describe",
            f"the model predicts {predictions.dtype}, which no answer can carry",
            "Fit it on labels that are strings or numbers, e.g. y.astype(str)",
        )
    outputs = [Output(name="predict", dtype=dtype, shape=(-1, *predictions.shape[1:]))]
    classes = _classes(model, task, predictions)
    outputs += [
        Output(name=name, dtype="float64", shape=(-1, width))
        for name, width in _widths(model, task, classes, rows, bare)
    ]
    if task != _found(model):
        _check_written(model, task, classes, outputs[0].dtype)
    return Signature(layout=layout, inputs=columns, outputs=tuple(outputs), classes=classes)


def _check_written(model: Any, task: Task, classes: tuple[Label, ...] | None, answer: Dtype) -> None:
    """Whether a class that does not tell its task answers as the written one must."""
    lacks = {
        "classifier": None if classes else "has no classes_, the labels in the order of predict_proba",
        "clusterer": None
        if classes and answer == "int64"
        else "has no labels_ and no n_clusters, or answers no integers",
        "regressor": None if answer in ("float64", "int64") else "answers no numbers",
    }.get(task)
    if lacks:
        raise Refused(
            "describe",
            f"`task: {task}` in modelcast.yaml, but the model ({type(model).__name__}) {lacks}",
            "Write `task: generic`, or train the model with what it lacks",
        )


def _classes(model: Any, task: Task, predictions: np.ndarray) -> tuple[Label, ...] | None:
    if predictions.ndim > 1:
        return None
    if task == "clusterer":
        return _clusters(model)
    classes = getattr(model, "classes_", None)
    if isinstance(classes, np.ndarray) and classes.ndim == 1:
        return tuple(label.item() if isinstance(label, np.generic) else label for label in classes.tolist())
    if isinstance(classes, list | tuple) and all(isinstance(label, bool | int | float | str) for label in classes):
        return tuple(classes)  # an own class
    if task == "classifier" and classes is None and hasattr(model, "offset_"):
        return (-1, 1)  # an outlier detector
    return None


def _clusters(model: Any) -> tuple[Label, ...] | None:
    last = encoders.fitted(model)
    while hasattr(last, "steps"):
        last = encoders.fitted(last.steps[-1][1])
    count = getattr(last, "n_clusters", None) or len(set(np.asarray(getattr(last, "labels_", ())).tolist()) - {-1})
    return tuple(range(int(count)))


def _widths(
    model: Any, task: Task, classes: tuple[Label, ...] | None, rows: tuple[Row, ...], bare: Signature
) -> list[tuple[Wanted, int]]:
    """The outputs that the model really answers with one number a class or cluster."""
    candidates: tuple[tuple[Wanted, str, Task], ...] = (
        ("predict_proba", "predict_proba", "classifier"),
        ("distances", "transform", "clusterer"),
    )
    found = []
    for name, method, of_task in candidates:
        if task == of_task and classes and hasattr(model, method):
            scores = NativeScorer(model, bare).score(decode_rows(rows, bare), frozenset({name}))
            answers = scores.probabilities if name == "predict_proba" else scores.distances
            if answers is not None and answers.shape == (len(rows), len(classes)):
                found.append((name, len(classes)))
    return found

"""Finds the numbers that a model compares its inputs with, wherever they are nested: thresholds of trees, edges."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from modelcast_runtime.columns import Columns

from . import encoders
from .trees import Tree, members_of, trees_of

See = Callable[[Columns], Any]
"""From the service's columns to the rows that an estimator inside of the model gets."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Trees that look at the same rows; the edges of bins are trees of one node each."""

    see: See
    trees: tuple[Tree, ...]


def of(model: Any, see: See) -> Iterator[Compared]:
    """Every estimator of the model that compares, with the rows that it gets."""
    estimator = encoders.fitted(model)
    if estimator is None or isinstance(estimator, str):
        return
    trees = tuple(trees_of(estimator))
    if trees:
        yield Compared(partial(_prepared, estimator, see), trees)
        return
    for inner, seen in _inside(estimator, see):
        yield from of(inner, seen)


def nested(model: Any) -> Iterator[Any]:
    """The model and every estimator in it."""
    estimator = encoders.fitted(model)
    if estimator is None or isinstance(estimator, str):
        return
    yield estimator
    for inner, _ in _inside(estimator, _nothing):
        yield from nested(inner)


def _nothing(_: Columns) -> None:
    """Rows that nobody looks at."""


def _inside(estimator: Any, see: See) -> Iterator[tuple[Any, See]]:
    if hasattr(estimator, "steps"):
        yield from _through(estimator, see)
    elif hasattr(estimator, "transformers_"):
        for _, transformer, columns in estimator.transformers_:
            yield transformer, partial(_selected, see, columns)
    elif hasattr(estimator, "transformer_list"):
        for _, transformer in estimator.transformer_list:
            yield transformer, see
    else:
        yield from _members(estimator, see)


def _through(pipeline: Any, see: See) -> Iterator[tuple[Any, See]]:
    for _, step in pipeline.steps:
        if step is None or isinstance(step, str):
            continue
        yield step, see
        see = partial(_transformed, step, see)


def _members(estimator: Any, see: See) -> Iterator[tuple[Any, See]]:
    members = members_of(estimator)
    features = getattr(estimator, "estimators_features_", None)
    for index, member in enumerate(members):
        yield member, see if features is None else partial(_selected, see, features[index])
    for calibrated in getattr(estimator, "calibrated_classifiers_", ()):
        yield calibrated.estimator, see
    for name in ("regressor_", "estimator_", "best_estimator_"):
        if hasattr(estimator, name):
            yield getattr(estimator, name), see
    if hasattr(estimator, "final_estimator_"):
        yield estimator.final_estimator_, partial(_transformed, estimator, see)


def _transformed(step: Any, see: See, columns: Columns) -> Any:
    return step.transform(see(columns))


def _selected(see: See, chosen: Any, columns: Columns) -> Any:
    from sklearn.utils import _safe_indexing

    return _safe_indexing(see(columns), chosen, axis=1)


def _prepared(estimator: Any, see: See, columns: Columns) -> Any:
    """The estimator's rows as its trees number them: HistGradientBoosting puts categories first."""
    rows = see(columns)
    if getattr(estimator, "_preprocessor", None) is None:
        return rows
    return estimator._preprocess_X(rows, reset=False)  # noqa: SLF001 - it has no other name

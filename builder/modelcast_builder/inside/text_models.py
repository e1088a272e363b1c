"""Makes a text model's parameters (`modelcast_runtime.formats.text`) of a fitted vectoriser and a linear model.

Only of scikit-learn's own classes, with nothing of the user's inside: what is read here is all that they compute with.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from modelcast_runtime.formats.text import Part, Step, TextModel, packed
from modelcast_runtime.formats.words import Analyzer, Vocabulary

from . import encoders
from .exact_trees import CannotConvert

_COUNTED = {"CountVectorizer", "TfidfVectorizer"}
_OWN = ("preprocessor", "tokenizer")


def is_text_model(model: Any) -> bool:
    """Whether `parameters` may make something of it: a text goes into a vectoriser of scikit-learn's."""
    stages = _stages(encoders.fitted(model))
    return len(stages) > 1 and (_is_vectoriser(stages[0]) or _name(stages[0]) == "FeatureUnion")


def parameters(model: Any) -> bytes:
    """The file to seal; raises `CannotConvert` for the first thing that is computed otherwise."""
    first, *others, last = _stages(encoders.fitted(model))
    parts, columns = _parts(first)
    head = _head(last)
    steps: list[Step] = []
    for other in others:
        made = _steps(other, columns)
        steps += made.steps
        columns = made.columns
    return msgspec.msgpack.encode(
        TextModel(
            unicode=unicodedata.unidata_version,
            parts=parts,
            steps=(*steps, *head.steps),
            weights=packed(columns.spread_rows(head.weights)),
            intercepts=packed(head.intercepts),
            answer=head.answer,
            probabilities=head.probabilities,
        )
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which of a vectoriser's columns are there still, in their order, and how many there were."""

    kept: np.ndarray
    of: int

    def spread(self, numbers: Any) -> np.ndarray:
        """Numbers of those that are kept as numbers of all: 0 for the others."""
        whole = np.zeros(self.of)
        whole[self.kept] = numbers
        return whole

    def spread_rows(self, rows: Any) -> np.ndarray:
        """The same of [columns, outputs]."""
        whole = np.zeros((self.of, rows.shape[1]))
        whole[self.kept] = rows
        return whole

    def chosen(self, mask: np.ndarray) -> "_Columns":
        """Without those that a selector leaves out."""
        return _Columns(self.kept[mask], self.of)


def _all(count: int) -> _Columns:
    return _Columns(np.arange(count), count)


def _stages(model: Any) -> list[Any]:
    """The steps of a pipeline, and of a pipeline in it."""
    if not hasattr(model, "steps"):
        return [model]
    inner = [step for _, step in model.steps if step is not None and not isinstance(step, str)]
    return [stage for step in inner for stage in _stages(step)]


def _name(step: Any) -> str:
    """The name of a class of scikit-learn's own; nothing for any other."""
    kind = type(step)
    return kind.__name__ if kind.__module__.partition(".")[0] == "sklearn" else ""


def _is_vectoriser(step: Any) -> bool:
    return _name(step) in {*_COUNTED, "HashingVectorizer"}


def _parts(step: Any) -> tuple[tuple[Part, ...], _Columns]:
    if _name(step) != "FeatureUnion":
        part = _part(step, ())
        return (part,), _all(part.columns)
    weights = step.transformer_weights or {}
    parts = tuple(_branch(branch, weights.get(name)) for name, branch in step.transformer_list if branch != "drop")
    return parts, _all(sum(part.columns for part in parts))


def _branch(branch: Any, weight: float | None) -> Part:
    first, *others = _stages(branch)
    part = _part(first, ())
    steps: list[Step] = []
    for other in others:
        made = _steps(other, _all(part.columns))
        if len(made.columns.kept) < part.columns:
            raise CannotConvert(f"{type(other).__name__} inside of FeatureUnion leaves out columns")
        steps += made.steps
    steps += [] if weight is None else [_scale(np.full(part.columns, float(weight)))]
    return _part(first, tuple(steps))


def _part(step: Any, more: tuple[Step, ...]) -> Part:
    name = _name(step)
    if not _is_vectoriser(step):
        raise CannotConvert(f"{type(step).__name__} is no text vectoriser of scikit-learn's")
    if np.dtype(step.dtype) not in (np.dtype(np.float64), np.dtype(np.int64)):
        raise CannotConvert(f"{name} counts in {np.dtype(step.dtype)}")
    own = _weighing(step._tfidf, _all(len(step.vocabulary_))) if name == "TfidfVectorizer" else ()  # noqa: SLF001
    own = (Step(kind=step.norm),) if name == "HashingVectorizer" and step.norm else own
    vocabulary = Vocabulary(buckets=step.n_features, is_signed=step.alternate_sign) if name not in _COUNTED else (
        Vocabulary(words=tuple(sorted(step.vocabulary_, key=step.vocabulary_.__getitem__)))
    )  # fmt: skip
    return Part(analyzer=_analyzer(step), vocabulary=vocabulary, is_binary=bool(step.binary), steps=(*own, *more))


def _analyzer(step: Any) -> Analyzer:
    for parameter in _OWN:
        if getattr(step, parameter) is not None:
            raise CannotConvert(f"{_name(step)} has a {parameter} of its own")
    for parameter in ("analyzer", "strip_accents"):
        if callable(getattr(step, parameter)):
            raise CannotConvert(f"{_name(step)} has a function as its {parameter}")
    if step.input != "content":
        raise CannotConvert(f"{_name(step)} reads files")
    shortest, longest = step.ngram_range
    stopped = step.get_stop_words() if step.analyzer == "word" else None
    return Analyzer(
        unit=step.analyzer,
        lowercase=bool(step.lowercase),
        accents=step.strip_accents or None,
        pattern=step.token_pattern or "",
        shortest=int(shortest),
        longest=int(longest),
        stop_words=tuple(sorted(stopped or ())),
    )


@dataclass(frozen=True, slots=True)
class _Made:
    """What a step between the vectoriser and the model does, and the columns behind it."""

    steps: tuple[Step, ...]
    columns: _Columns


def _steps(step: Any, columns: _Columns) -> _Made:
    name = _name(step)
    if name == "TfidfTransformer":
        return _Made(_weighing(step, columns), columns)
    if name == "Normalizer":
        return _Made((Step(kind=step.norm),), columns)
    if name == "MaxAbsScaler" or (name == "StandardScaler" and not step.with_mean):
        scale = getattr(step, "scale_", None)
        # The inverse, as scikit-learn multiplies with it.
        return _Made(() if scale is None else (_scale(columns.spread(1.0 / scale)),), columns)
    if name and hasattr(step, "get_support"):
        kept = columns.chosen(np.asarray(step.get_support(), dtype=bool))
        return _Made((_scale(kept.spread(1.0)),), kept)
    raise CannotConvert(f"{type(step).__name__} has no counterpart for texts")


def _weighing(step: Any, columns: _Columns) -> tuple[Step, ...]:
    """What `TfidfTransformer` does, in its order."""
    steps = [Step(kind="log")] if step.sublinear_tf else []
    if step.use_idf:
        steps.append(_scale(columns.spread(step.idf_)))
    return (*steps, *([Step(kind=step.norm)] if step.norm else []))


def _scale(numbers: np.ndarray) -> Step:
    return Step(kind="scale", numbers=packed(numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The model behind the vectoriser: `weights` are [columns, outputs]."""

    weights: np.ndarray
    intercepts: np.ndarray
    answer: Any
    probabilities: Any = "none"
    steps: tuple[Step, ...] = ()


def _head(model: Any) -> _Head:
    make = _HEADS.get(_name(model))
    if make is None:
        raise CannotConvert(f"{type(model).__name__} has no counterpart for texts")
    return make(model)


def _regressor(model: Any) -> _Head:
    weights = np.asarray(model.coef_)
    if weights.ndim > 1:
        raise CannotConvert(f"{_name(model)} answers several numbers")
    return _Head(weights=weights.reshape(-1, 1), intercepts=np.ravel(model.intercept_), answer="number")


def _classifier(model: Any) -> _Head:
    weights = np.atleast_2d(np.asarray(model.coef_)).T
    outputs = weights.shape[1]
    if outputs != (1 if len(model.classes_) == _PAIR else len(model.classes_)):
        raise CannotConvert(f"{_name(model)} answers several labels")
    return _Head(
        weights=weights,
        intercepts=np.broadcast_to(np.ravel(model.intercept_), (outputs,)),
        answer="side" if outputs == 1 else "highest",
        probabilities=_probabilities(model, outputs),
    )


_PAIR = 2


def _probabilities(model: Any, outputs: int) -> str:
    name = _name(model)
    if not hasattr(model, "predict_proba"):
        return "none"
    if name.startswith("SGD"):
        if model.loss not in ("log_loss", "log"):
            raise CannotConvert(f"{name} with loss={model.loss!r} has no counterpart for texts")
        return "logistic" if outputs == 1 else "each"
    if outputs == 1:
        return "logistic"
    one_by_one = getattr(model, "multi_class", "auto") == "ovr" or model.solver == "liblinear"
    return "each" if one_by_one else "softmax"


def _multinomial(model: Any) -> _Head:
    return _bayes(model.feature_log_prob_.T, np.ravel(model.class_log_prior_))


def _complement(model: Any) -> _Head:
    prior = model.class_log_prior_ if len(model.classes_) == 1 else np.zeros(len(model.classes_))
    return _bayes(model.feature_log_prob_.T, prior)


def _bernoulli(model: Any) -> _Head:
    absent = np.log(1 - np.exp(model.feature_log_prob_))
    prior = model.class_log_prior_ + absent.sum(axis=1)
    above = () if model.binarize is None else (Step(kind="above", numbers=packed([model.binarize])),)
    return _bayes((model.feature_log_prob_ - absent).T, prior, above)


def _bayes(weights: np.ndarray, prior: np.ndarray, steps: tuple[Step, ...] = ()) -> _Head:
    return _Head(weights=weights, intercepts=prior, answer="highest", probabilities="bayes", steps=steps)


def _named(make: Callable[[Any], _Head], *names: str) -> Iterator[tuple[str, Callable[[Any], _Head]]]:
    return ((name, make) for name in names)


_HEADS: dict[str, Callable[[Any], _Head]] = dict(
    (
        *_named(_classifier, "LogisticRegression", "LogisticRegressionCV", "LinearSVC", "SGDClassifier", "Perceptron"),
        *_named(_classifier, "PassiveAggressiveClassifier", "RidgeClassifier", "RidgeClassifierCV"),
        *_named(_regressor, "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"),
        *_named(_regressor, "SGDRegressor", "LinearSVR", "PassiveAggressiveRegressor", "HuberRegressor"),
        *_named(_multinomial, "MultinomialNB"),
        *_named(_complement, "ComplementNB"),
        *_named(_bernoulli, "BernoulliNB"),
    )
)

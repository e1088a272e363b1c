"""A text model as its parameters (`model.text`): words counted, weighed and summed here, without scikit-learn.

What `CountVectorizer`, `TfidfVectorizer`, `HashingVectorizer` and a linear model behind them compute for a text, with
the same numbers added in the same order: the sums are scikit-learn's to the last bit.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import numpy as np

from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Contract, Signature, Wanted
from modelcast_runtime.formats.words import Analyzer, Cut, Vocabulary, counting, cutting
from modelcast_runtime.watching import Told

INLINE_ROWS = 32
"""They take a millisecond where each is a few sentences."""
_FLOAT = "<f8"


class Step(Contract, frozen=True, kw_only=True):
    """What is done with the numbers of a text that are not zero."""

    kind: Literal["log", "scale", "above", "l1", "l2", "max"]
    """1 + log, times the column's own number, 1 where it is above a number, divided by a norm of them all."""
    numbers: bytes = b""
    """Doubles, little-endian: one a column of `scale`, one of `above`."""


class Part(Contract, frozen=True, kw_only=True):
    """One vectoriser: where there are several, their columns stand one after the other."""

    analyzer: Analyzer
    vocabulary: Vocabulary
    is_binary: bool = False
    """A word counts once."""
    steps: tuple[Step, ...] = ()

    @property
    def columns(self) -> int:
        """How many it makes."""
        return self.vocabulary.buckets or len(self.vocabulary.words)


class TextModel(Contract, frozen=True, kw_only=True):
    """What is sealed."""

    unicode: str
    """The version of the tables by which Python tells letters from others."""
    parts: tuple[Part, ...]
    steps: tuple[Step, ...] = ()
    """Of all columns together."""
    weights: bytes
    """Doubles, little-endian, [columns, outputs]."""
    intercepts: bytes
    """Doubles, little-endian, [outputs]."""
    answer: Literal["number", "side", "highest"]
    """The sum itself, a class by its sign, or the class with the highest sum."""
    probabilities: Literal["none", "logistic", "each", "softmax", "bayes"] = "none"
    """Made of the sums: of one sum, of each by itself, of all together, of logarithms."""


def load(bundle: Bundle) -> "TextScorer":
    """Read the parameters; raises `BundleError` in one line."""
    try:
        return TextScorer(bundle.model.read_bytes(), bundle.manifest.signature)
    except (msgspec.DecodeError, ValueError, re.error) as error:
        raise BundleError(f"{bundle.manifest.model} cannot be read: {error}") from error


class TextScorer:
    """One text after the other; what is known of words is read only, and shared by all workers."""

    inline_rows = INLINE_ROWS

    def __init__(self, content: bytes, signature: Signature) -> None:
        """Raises `BundleError` on another Python, `msgspec.DecodeError` or `ValueError` for what is no such model."""
        model = msgspec.msgpack.decode(content, type=TextModel)
        if model.unicode != unicodedata.unidata_version:
            raise BundleError(
                f"the model's words are those of Unicode {model.unicode}, this Python knows "
                f"{unicodedata.unidata_version}: serve it with the Python that environment.lock names"
            )
        self._intercepts = doubles(model.intercepts)
        self._weights = doubles(model.weights).reshape(-1, len(self._intercepts))
        self._features = [_Features(part) for part in model.parts]
        self._steps = [_step(step) for step in model.steps]
        if len(self._weights) != sum(part.columns for part in model.parts):
            raise ValueError("it has other columns than weights")
        self._answer = {"number": self._number, "side": self._side, "highest": self._highest}[model.answer]
        self._probabilities = _PROBABILITIES.get(model.probabilities)
        labels = signature.classes or ()
        self._classes = np.array(labels, dtype=object if any(isinstance(one, str) for one in labels) else None)

    def gathers(self) -> bool:
        """Always: every text is scored by itself."""
        return True

    def watch(self, columns: Columns) -> Told:
        """How many multiplications a text takes: its columns that are not zero."""
        (texts,) = columns.arrays.values()
        counts = [sum(len(features(text)[0]) for features in self._features) for text in texts.tolist()]
        return {("work", "nonzeros"): np.array(counts, np.float64)}

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Predict, and where asked for give probabilities; raises ValueError where the model would."""
        (texts,) = columns.arrays.values()
        sums = np.empty((columns.rows, len(self._intercepts)))
        for row, text in enumerate(texts.tolist()):
            sums[row] = self._summed(text)
        sums += self._intercepts
        if not np.isfinite(sums).all():
            raise ValueError("a number is not finite")
        return Scores(
            predictions=self._answer(sums),
            probabilities=self._probabilities(sums) if self._probabilities and "predict_proba" in wanted else None,
        )

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        """One after the other: together they take as long."""
        return [self.score(part, wanted) for part in parts]

    def _summed(self, text: str) -> np.ndarray | float:
        """The columns' weights times their numbers, added in the order of the columns."""
        if len(self._features) == 1:
            columns, numbers = self._features[0](text)
        else:
            columns, numbers = self._beside(text)
        if not len(columns):
            return 0.0
        for step in self._steps:
            numbers = step(columns, numbers)
        # A sum adds in pairs; the last of the running sums was added one by one, as scikit-learn's are.
        summed: np.ndarray = np.add.accumulate(self._weights[columns] * numbers[:, None])[-1]
        return summed

    def _beside(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        found, first = [], 0
        for features in self._features:
            columns, numbers = features(text)
            found.append((columns + first, numbers))
            first += features.columns
        return np.concatenate([columns for columns, _ in found]), np.concatenate([numbers for _, numbers in found])

    @staticmethod
    def _number(sums: np.ndarray) -> np.ndarray:
        return sums[:, 0]

    def _side(self, sums: np.ndarray) -> np.ndarray:
        labels: np.ndarray = self._classes[(sums[:, 0] > 0).astype(np.intp)]
        return labels

    def _highest(self, sums: np.ndarray) -> np.ndarray:
        labels: np.ndarray = self._classes[np.argmax(sums, axis=1)]
        return labels


class _Features:
    """What one vectoriser makes of a text: the columns that are not zero, ascending, and their numbers."""

    def __init__(self, part: Part) -> None:
        self.columns = part.columns
        self._cut: Cut = cutting(part.analyzer)
        self._count = counting(part.vocabulary)
        self._is_binary = part.is_binary
        self._steps = [_step(step) for step in part.steps]

    def __call__(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        counts = self._count(self._cut(text))
        ordered = sorted(counts)
        columns = np.array(ordered, dtype=np.intp)
        if self._is_binary:
            numbers = np.ones(len(ordered))
        else:
            numbers = np.array([counts[column] for column in ordered], dtype=np.float64)
        if ordered:
            for step in self._steps:
                numbers = step(columns, numbers)
        return columns, numbers


_Stepped = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _step(step: Step) -> _Stepped:
    return partial(_STEPS[step.kind], doubles(step.numbers))


def _log(_: np.ndarray, __: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # what is not finite is refused later, as the model refuses it
        return np.asarray(np.log(numbers) + 1.0)


def _scale(given: np.ndarray, columns: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = numbers * given[columns]
    return scaled


def _above(given: np.ndarray, _: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return np.asarray(numbers > given[0], dtype=np.float64)


def _l1(_: np.ndarray, __: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    norm = np.add.accumulate(np.abs(numbers))[-1]
    return numbers / norm if norm else numbers


def _l2(_: np.ndarray, __: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    norm = np.add.accumulate(numbers * numbers)[-1]
    return numbers / np.sqrt(norm) if norm else numbers


def _max(_: np.ndarray, __: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    norm = float(np.abs(numbers).max())
    return numbers / norm if norm else numbers


_STEPS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "log": _log, "scale": _scale, "above": _above, "l1": _l1, "l2": _l2, "max": _max,
}  # fmt: skip


def _expit(sums: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-sums)))


def _logistic(sums: np.ndarray) -> np.ndarray:
    second = _expit(sums[:, 0])
    return np.stack([1.0 - second, second], axis=1)


def _each(sums: np.ndarray) -> np.ndarray:
    """Each class against all others; where all are impossible, all are as likely."""
    each = _expit(sums)
    each[each.sum(axis=1) == 0] = 1.0
    return np.asarray(each / each.sum(axis=1, keepdims=True))


def _softmax(sums: np.ndarray) -> np.ndarray:
    raised = np.exp(sums - sums.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _bayes(sums: np.ndarray) -> np.ndarray:
    """Of logarithms of what is not normalised yet."""
    highest = sums.max(axis=1, keepdims=True)
    whole = highest + np.log(np.exp(sums - highest).sum(axis=1, keepdims=True))
    return np.asarray(np.exp(sums - whole))


_PROBABILITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "logistic": _logistic, "each": _each, "softmax": _softmax, "bayes": _bayes,
}  # fmt: skip


def doubles(content: bytes) -> np.ndarray:
    """The numbers of a field."""
    return np.frombuffer(content, dtype=_FLOAT)


def packed(numbers: Any) -> bytes:
    """An array as a field of numbers: row by row."""
    return np.ascontiguousarray(numbers, dtype=_FLOAT).tobytes()

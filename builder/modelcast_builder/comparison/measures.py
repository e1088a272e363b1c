"""What changed between two bundles' answers for the same rows: labels, scores, and how good both are."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from modelcast_runtime.contract import label_text

from modelcast_builder.comparison.messages import Answers, Pair, Quality, Shift

_BINS = 10
_LEAST_SHARE = 1e-4
"""What a bin without rows counts as in the index: its logarithm must be a number."""
Places = Sequence[int]
"""Rows by their place."""


def flipped(old: Answers, new: Answers, places: Places) -> list[int]:
    """The rows whose label changed."""
    return [place for place in places if old.predictions[place] != new.predictions[place]]


def pairs(old: Answers, new: Answers, flips: Places) -> Iterator[Pair]:
    """From which label to which, the most frequent first."""
    counts = Counter((text(old.predictions[place]), text(new.predictions[place])) for place in flips)
    for (before, after), rows in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield Pair(old=before, new=after, rows=rows)


def probability_shifts(old: Answers, new: Answers) -> Iterator[Shift]:
    """One for each class that both know; none where one of them gives no probabilities."""
    if not old.probabilities or not new.probabilities:
        return
    edges = [edge / _BINS for edge in range(1, _BINS)]
    for name in new.probabilities[0]:
        if name in old.probabilities[0]:
            before, after = ([row[name] for row in answers] for answers in (old.probabilities, new.probabilities))
            yield _shift(name, before, after, edges)


def number_shifts(old: Answers, new: Answers) -> Iterator[Shift]:
    """One for each number that is predicted, over the rows for which both give one."""
    before, after = _matrix(old), _matrix(new)
    width = min(len(before[0]), len(after[0]))
    for output in range(width):
        both = [
            (o[output], n[output]) for o, n in zip(before, after, strict=True) if None not in (o[output], n[output])
        ]
        if not both:
            continue
        olds, news = map(list, zip(*both, strict=True))
        ranked = sorted(olds)
        deciles = sorted({ranked[len(ranked) * step // _BINS] for step in range(1, _BINS)})
        parts = [abs(n - o) / abs(o) for o, n in both if o]
        name = "prediction" if width == 1 else f"prediction {output + 1}"
        shift = _shift(name, olds, news, deciles)
        yield Shift(
            **{field: getattr(shift, field) for field in _PLAIN},
            relative_change=_mean(parts) if parts else None,
            rmsd=root_mean_square(news, olds),
        )


_PLAIN = ("of", "old_mean", "new_mean", "mean_change", "largest_change", "psi")


def undefined(old: Answers, new: Answers) -> int:
    """Rows for which one of the two gives no number, and the other does."""
    return sum((None in before) != (None in after) for before, after in zip(_matrix(old), _matrix(new), strict=True))


def distance(old: Answers, new: Answers, places: Places) -> float | None:
    """The RMSD of the numbers of these rows; None where there is none."""
    before, after = _matrix(old), _matrix(new)
    both = [
        (n, o)
        for place in places
        for o, n in zip(before[place], after[place], strict=False)
        if o is not None and n is not None
    ]
    return root_mean_square(*zip(*both, strict=True)) if both else None


def quality(
    old: Answers, new: Answers, target: str, truths: Sequence[Any], places: Places, *, is_labelled: bool
) -> Quality | None:
    """How good both are on the rows whose answer is known; None where there is none, or it is no single value."""
    known = [place for place in places if truths[place] is not None]
    measure = _accuracy if is_labelled else _error
    measured = [measure(answers, truths, known) for answers in (old, new)] if known else []
    before, after = measured or (None, None)
    if before is None or after is None:
        return None
    drop = before - after if is_labelled else after - before
    return Quality(
        target=target, measure="accuracy" if is_labelled else "rmse", old=before, new=after, drop=drop, rows=len(known)
    )


def matches(label: Any, truth: Any) -> bool:
    """Whether a truth, perhaps read as text, is this label."""
    if isinstance(label, bool):
        return label_text(label) == text(truth).lower()
    if isinstance(label, int | float):
        return label == _number(truth)
    return bool(text(label) == text(truth))


def text(value: Any) -> str:
    """A label, a value of a column or several of them, as text; nothing for a missing one."""
    if isinstance(value, list):
        return ", ".join(map(text, value))
    return "" if value is None else label_text(value)


def is_number(truth: Any) -> bool:
    """Whether a truth, perhaps read as text, is a number."""
    return _number(truth) is not None


def root_mean_square(some: Sequence[float], others: Sequence[float]) -> float:
    """Of the differences."""
    return math.sqrt(_mean([(one - other) ** 2 for one, other in zip(some, others, strict=True)]))


def _accuracy(answers: Answers, truths: Sequence[Any], places: Places) -> float | None:
    return _mean([float(matches(answers.predictions[place], truths[place])) for place in places])


def _error(answers: Answers, truths: Sequence[Any], places: Places) -> float | None:
    told = [(answers.predictions[place], _number(truths[place])) for place in places]
    both = [(one, truth) for one, truth in told if isinstance(one, int | float) and truth is not None]
    return root_mean_square(*zip(*both, strict=True)) if len(both) == len(told) else None


def _shift(of: str, old: Sequence[float], new: Sequence[float], edges: Sequence[float]) -> Shift:
    changes = [abs(n - o) for o, n in zip(old, new, strict=True)]
    return Shift(
        of=of,
        old_mean=_mean(old),
        new_mean=_mean(new),
        mean_change=_mean(changes),
        largest_change=max(changes),
        psi=_psi(_shares(old, edges), _shares(new, edges)),
    )


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    counts = Counter(bisect_right(edges, value) for value in values)
    return [max(counts[place] / len(values), _LEAST_SHARE) for place in range(len(edges) + 1)]


def _psi(old: Sequence[float], new: Sequence[float]) -> float:
    return math.fsum((n - o) * math.log(n / o) for o, n in zip(old, new, strict=True))


def _matrix(answers: Answers) -> list[list[Any]]:
    return [answer if isinstance(answer, list) else [answer] for answer in answers.predictions]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None

"""How far apart a classifier treats the groups of a column: selection rates, true-positive rates, accuracies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from modelcast_runtime.contract import Gap

from .answered import Answered
from .measures import rounded

Measure = Literal["selection_rate", "true_positive_rate", "accuracy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """The gaps of a column, and by measure why one cannot be told."""

    gaps: tuple[Gap, ...]
    absent: dict[Measure, str]


def between(column: str, groups: dict[str, Answered]) -> Apart:
    """Each gap between the groups of a column, however few rows a group has.

    Of more than two classes, it is that of the class whose groups are farthest apart; of two, that of the second.
    """
    first = next(iter(groups.values()))
    positives = range(len(first.classes)) if len(first.classes) > 2 else [len(first.classes) - 1]
    gaps: list[Gap] = []
    absent: dict[Measure, str] = {}
    for measure, (rate, of_class) in _RATES.items():
        of_each = [_gap(column, measure, groups, rate, positive) for positive in (positives if of_class else [0])]
        told = [gap for gap in of_each if gap is not None]
        if told:
            gaps.append(max(told, key=lambda gap: gap.gap))
        else:
            absent[measure] = _REASON if len(groups) > 1 else f"all rows are in the one group {next(iter(groups))!r}"
    return Apart(gaps=tuple(gaps), absent=absent)


_REASON = "fewer than two groups have a row of the class"
_Rate = Callable[[Answered, int], float | None]


def _gap(column: str, measure: Measure, groups: dict[str, Answered], rate: _Rate, positive: int) -> Gap | None:
    told = {group: found for group, some in groups.items() if (found := rate(some, positive)) is not None}
    if len(told) < 2:
        return None
    lowest, highest = min(told, key=told.__getitem__), max(told, key=told.__getitem__)
    gap = rounded(told[highest] - told[lowest])
    return Gap(column=column, measure=measure, gap=gap, lowest=lowest, highest=highest)


def _selection_rate(some: Answered, positive: int) -> float:
    return float((some.predicted == positive).mean())


def _true_positive_rate(some: Answered, positive: int) -> float | None:
    """None where no row of the group is of the class."""
    of_class = some.right == positive
    return float((some.predicted[of_class] == positive).mean()) if np.any(of_class) else None


def _accuracy(some: Answered, _: int) -> float:
    return float((some.predicted == some.right).mean())


_RATES: dict[Measure, tuple[_Rate, bool]] = {
    "selection_rate": (_selection_rate, True),
    "true_positive_rate": (_true_positive_rate, True),
    "accuracy": (_accuracy, False),
}
"""How it is told, and whether it is about a class."""

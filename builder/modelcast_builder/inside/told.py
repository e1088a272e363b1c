"""Everything that is told of a model's answers: its metrics, those of each group, how far groups are apart, curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from modelcast_runtime.contract import Evaluation, Gap, Slice

from . import curves, disparity
from .answered import Answered
from .measures import Measured, measure
from .messages import Evaluated


def tell(whole: Answered, groups: Mapping[str, Sequence[str]], data: str) -> Evaluated:
    """`groups`: column -> the group of each row; `data` names the rows."""
    measured = measure(whole)
    absent = {f"metrics.{name}": reason for name, reason in measured.absent.items()}
    slices: list[Slice] = []
    gaps: list[Gap] = []
    for column, of_rows in groups.items():
        parts = _parts(of_rows, whole)
        for group, part in parts.items():
            of_group = measure(part)
            slices.append(_slice(column, group, part, of_group))
            absent |= {f"slices.{column}.{group}.{name}": why for name, why in of_group.absent.items()}
        if whole.task == "classifier":
            apart = disparity.between(column, parts)
            gaps.extend(apart.gaps)
            absent |= {f"fairness.{column}.{name}_gap": why for name, why in apart.absent.items()}
    evaluation = Evaluation(
        data=data,
        rows=len(whole.predicted),
        metrics=measured.metrics,
        slices=tuple(slices),
        gaps=tuple(gaps),
        confusion=curves.confusion(whole),
        curves=curves.draw(whole),
    )
    return Evaluated(evaluation=evaluation, absent=absent)


def _parts(of_rows: Sequence[str], whole: Answered) -> dict[str, Answered]:
    """The answers of each group, in the order of their names."""
    groups = np.asarray(of_rows, dtype=object)
    return {group: whole.of(groups == group) for group in sorted(set(of_rows))}


def _slice(column: str, group: str, part: Answered, measured: Measured) -> Slice:
    return Slice(column=column, group=group, rows=len(part.predicted), metrics=measured.metrics)

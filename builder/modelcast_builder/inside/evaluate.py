"""The child's task `evaluate`: read the holdout -> score it as the service would -> measure it and its groups."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from modelcast_runtime import contract
from modelcast_runtime.contract import Evaluation, Gap, Slice

from . import answered, curves, disparity, holdout
from .answered import Answered
from .holdout import STEP, Holdout
from .measures import Measured, measure
from .messages import Answer, Evaluated, EvaluateRequest, Refused, left


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), EvaluateRequest)
    try:
        answer = Answer(status="evaluated", evaluated=evaluate(request))
    except Refused as refused:
        answer = Answer(status="refused", refused=refused.refusal)
    except SystemExit as end:
        answer = Answer(status="refused", refused=left(STEP, "scoring the holdout", end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


def evaluate(request: EvaluateRequest) -> Evaluated:
    """What is told of the model on rows that it was not fitted on; raises `Refused`."""
    table = holdout.read(request)
    whole = answered.ask(_load(request), request, table)
    measured = measure(whole)
    absent = {f"metrics.{name}": reason for name, reason in measured.absent.items()}
    slices: list[Slice] = []
    gaps: list[Gap] = []
    for column in table.groups:
        parts = _parts(column, table, whole)
        for group, part in parts.items():
            of_group = measure(part)
            slices.append(_slice(column, group, part, of_group))
            absent |= {f"slices.{column}.{group}.{name}": why for name, why in of_group.absent.items()}
        if whole.task == "classifier":
            apart = disparity.between(column, parts)
            gaps.extend(apart.gaps)
            absent |= {f"fairness.{column}.{name}_gap": why for name, why in apart.absent.items()}
    evaluation = Evaluation(
        data=request.data,
        rows=table.columns.rows,
        metrics=measured.metrics,
        slices=tuple(slices),
        gaps=tuple(gaps),
        confusion=curves.confusion(whole),
        curves=curves.draw(whole),
    )
    return Evaluated(evaluation=evaluation, absent=absent)


def _parts(column: str, table: Holdout, whole: Answered) -> dict[str, Answered]:
    """The answers of each group, in the order of their names."""
    groups = np.asarray(table.groups[column], dtype=object)
    return {group: whole.of(groups == group) for group in sorted(set(table.groups[column]))}


def _slice(column: str, group: str, part: Answered, measured: Measured) -> Slice:
    return Slice(column=column, group=group, rows=len(part.predicted), metrics=measured.metrics)


def _load(request: EvaluateRequest) -> Any:
    sys.dont_write_bytecode = True
    sys.path.insert(0, request.code)
    import joblib

    return joblib.load(request.model)

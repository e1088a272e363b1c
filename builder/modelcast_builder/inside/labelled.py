"""The child's task `labelled`: measure answers that a service gave against labels that came later; loads no model."""

from pathlib import Path

import numpy as np
from modelcast_runtime import contract

from . import told
from .answered import Answered
from .messages import Answer, Evaluated, LabelledRequest


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), LabelledRequest)
    answer_file.write_bytes(contract.encode(Answer(status="evaluated", evaluated=measure(request))))
    return 0


def measure(request: LabelledRequest) -> Evaluated:
    """What the gates' metrics say of these answers."""
    if request.classes is None:
        answers = Answered(
            task="regressor",
            predicted=np.asarray(request.predicted, dtype=np.float64)[:, np.newaxis],
            true=np.asarray(request.true, dtype=np.float64)[:, np.newaxis],
            outputs=("prediction",),
        )
    else:
        scores = request.probabilities
        answers = Answered(
            task="classifier",
            predicted=np.asarray(request.predicted, dtype=np.int64),
            true=np.asarray(request.true, dtype=np.int64),
            classes=request.classes,
            scores=None if scores is None else np.asarray(scores, dtype=np.float64),
            are_probabilities=scores is not None,
        )
    return told.tell(answers, request.groups, request.data)

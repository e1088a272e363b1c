"""The child's task `evaluate`: read the holdout -> score it as the service would -> measure it and its groups."""

import sys
from pathlib import Path
from typing import Any

from modelcast_runtime import contract

from . import answered, holdout, shortage, told
from .holdout import STEP
from .messages import Answer, Evaluated, EvaluateRequest, Refused, left

_DOING = "scoring the holdout"


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), EvaluateRequest)
    try:
        answer = Answer(status="evaluated", evaluated=evaluate(request))
    except Refused as refused:
        short = shortage.behind(refused, STEP, _DOING)
        answer = Answer(status="refused", refused=short or refused.refusal)
    except MemoryError as error:
        answer = Answer(status="refused", refused=shortage.behind(error, STEP, _DOING))
    except SystemExit as end:
        answer = Answer(status="refused", refused=left(STEP, _DOING, end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


def evaluate(request: EvaluateRequest) -> Evaluated:
    """What is told of the model on rows that it was not fitted on; raises `Refused`."""
    table = holdout.read(request)
    whole = answered.ask(_load(request), request, table)
    return told.tell(whole, table.groups, request.data)


def _load(request: EvaluateRequest) -> Any:
    sys.dont_write_bytecode = True
    sys.path.insert(0, request.code)
    import joblib

    return joblib.load(request.model)

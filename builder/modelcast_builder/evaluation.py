"""How good the model is on rows that it was not fitted on: asks the child where the repository has a holdout."""

from pathlib import Path, PurePosixPath
from typing import get_args

from modelcast_runtime.contract import Evaluation

from modelcast_builder import child
from modelcast_builder.config import Config
from modelcast_builder.document import Metric
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Described, DescribeRequest, Evaluated, EvaluateRequest
from modelcast_builder.report import Reporter

STEP = "gates"
_SHOWN = 4


def evaluate(
    serving: Environment,
    asked: DescribeRequest,
    described: Described,
    config: Config,
    work: Path,
    reporter: Reporter,
) -> Evaluated | None:
    """Score the original model on the holdout; None where there is none, or one that was not meant for it.

    Raises `BuildError` for a holdout that is written in modelcast.yaml, or that gates need, and does not fit.
    """
    gates = config.document.gates
    is_needed = gates is not None and gates.of_rows
    holdout = asked.data.holdout
    if holdout is None or described.task == "generic":
        if is_needed:
            raise _without_rows(described, is_there=holdout is not None)
        return None
    request = EvaluateRequest(
        model=asked.sealed,
        code=asked.code,
        signature=described.signature,
        task=described.task,
        holdout=holdout,
        data=str(PurePosixPath(config.document.data.holdout or f"data/{Path(holdout).name}")),
        target=asked.data.target,
        groups=tuple(dict.fromkeys((*config.document.data.groups, *(gates.columns if gates else ())))),
    )
    try:
        evaluated = child.evaluate(serving, request, work, config.handed)
    except BuildError as refused:
        if is_needed or asked.data.holdout_is_written:
            raise
        # Found by its name alone: it may be meant for something else.
        reporter.note(STEP, f"the model was not evaluated: {refused.problem}")
        return None
    reporter.say(STEP, sentence(evaluated.evaluation))
    return evaluated


def _without_rows(described: Described, *, is_there: bool) -> BuildError:
    if not described.signature.takes_rows:
        problem = "`gates:` in modelcast.yaml asks for metrics, and prediction.py answers any JSON object: none is told"
        return BuildError(STEP, problem, "Remove them, and write what it must answer: `examples: examples.json`")
    if is_there:
        problem = "`gates:` in modelcast.yaml asks for metrics, and a model of the task generic has none"
        return BuildError(STEP, problem, "Write `task: classifier` or `task: regressor`, or remove them")
    problem = "`gates:` in modelcast.yaml asks for metrics, and there are no rows that the model was not fitted on"
    return BuildError(STEP, problem, "Write `data: {holdout: FILE, target: NAME}` in modelcast.yaml")


def sentence(evaluation: Evaluation) -> str:
    """The first metrics in a line, for the report."""
    told = [f"{name} {evaluation.metrics[name]:.4g}" for name in get_args(Metric) if name in evaluation.metrics]
    more = ", ..." if len(told) > _SHOWN else ""
    return f"{', '.join(told[:_SHOWN]) or 'nothing to tell'}{more} on {evaluation.rows} rows of {evaluation.data}"

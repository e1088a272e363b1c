"""Asks the child in the model's environment; what crosses is contract types, in files."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from modelcast_runtime import contract
from modelcast_runtime.contract import Compilation, Contract
from modelcast_runtime.settings import THREAD_ENV

from modelcast_builder import inside, own_process
from modelcast_builder.environment import Environment
from modelcast_builder.environment.lock import FILE
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import (
    Answer,
    AssembleRequest,
    ConvertRequest,
    Described,
    DescribeRequest,
    Evaluated,
    EvaluateRequest,
    LabelledRequest,
)

SCRIPT = Path(inside.__file__).parent / "__main__.py"

_TIMEOUTS = {"convert": 300}
"""Seconds, where a task has its own: a model that takes longer to be proven is served as it is."""


class ChildFailed(Exception):
    """The child ended without an answer: our own bug, with what it said."""


def describe(environment: Environment, request: DescribeRequest, work: Path, variables: Mapping[str, str]) -> Described:
    """Load, describe and store the model in its own environment; raises `BuildError`.

    Own code finds the `variables` that the notebooks had.
    """
    described = _ask(environment, "describe", request, work, variables).described
    if described is None:
        raise ChildFailed("describe answered nothing")
    return described


def assemble(environment: Environment, request: AssembleRequest, work: Path, variables: Mapping[str, str]) -> None:
    """Write the Pipeline of these stages in the model's own environment; raises `BuildError`."""
    _ask(environment, "assemble", request, work, variables)


def evaluate(environment: Environment, request: EvaluateRequest, work: Path, variables: Mapping[str, str]) -> Evaluated:
    """Score the sealed model on the holdout rows in its own environment; raises `BuildError`."""
    evaluated = _ask(environment, "evaluate", request, work, variables).evaluated
    if evaluated is None:
        raise ChildFailed("evaluate answered nothing")
    return evaluated


def labelled(environment: Environment, request: LabelledRequest, work: Path, variables: Mapping[str, str]) -> Evaluated:
    """Measure a service's answers where scikit-learn is; loads no model. Raises `BuildError`."""
    evaluated = _ask(environment, "labelled", request, work, variables).evaluated
    if evaluated is None:
        raise ChildFailed("labelled answered nothing")
    return evaluated


def convert(environment: Environment, request: ConvertRequest, work: Path, variables: Mapping[str, str]) -> Compilation:
    """Make an ONNX graph of the sealed model and prove it; raises `BuildError` where that ends without an answer."""
    compilation = _ask(environment, "convert", request, work, variables).compilation
    if compilation is None:
        raise ChildFailed("convert answered nothing")
    return compilation


def _ask(environment: Environment, task: str, request: Contract, work: Path, variables: Mapping[str, str]) -> Answer:
    folder = work / task
    folder.mkdir()
    question, answer = folder / "request.json", folder / "answer.json"
    question.write_bytes(contract.encode(request))
    # An empty working directory: what the model needs must be in the bundle, not in the repository.
    nowhere = folder / "nowhere"
    nowhere.mkdir()
    done = _run([str(environment.python), str(SCRIPT), task, str(question), str(answer)], nowhere, variables)
    if done.returncode < 0:
        raise BuildError(
            task,
            f"loading or scoring the model ended the process (signal {-done.returncode})",
            "Give the build more memory, "
            f"or train the model again with the versions that {environment.lock.file} names",
        )
    if not answer.is_file():
        raise ChildFailed(f"{task} ended with exit code {done.returncode}:\n{done.stderr[-4000:]}")
    answered = contract.decode(answer.read_bytes(), Answer)
    if answered.refused is not None:
        fix = answered.refused.fix.replace(FILE, environment.lock.file)  # the child does not know which file rules
        raise BuildError(answered.refused.step, answered.refused.problem, fix)
    return answered


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        env = without_python(variables) | THREAD_ENV | {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        return own_process.run(command, cwd=folder, env=env, timeout=_TIMEOUTS.get(command[2]))
    except subprocess.TimeoutExpired as error:
        raise _too_slow(command[2], error.timeout) from error


def _too_slow(task: str, seconds: float) -> BuildError:
    if task == "convert":
        problem = f"converting the model and comparing 10,000 rows took longer than {seconds:g} seconds"
        return BuildError("compile", problem, "Write `compile: never` in modelcast.yaml")
    if task == "evaluate":
        problem = f"scoring the rows of the holdout took longer than {seconds:g} seconds"
        return BuildError("gates", problem, "Leave fewer rows in it")
    if task == "labelled":
        problem = f"measuring the answers took longer than {seconds:g} seconds"
        return BuildError("evaluate", problem, "Give fewer labels at a time")
    return BuildError(
        "describe",
        f"loading the model and asking it for a few rows took longer than {seconds:g} seconds",
        "Save a model that answers a row in well under a second, and opens nothing while it is loaded",
    )


def without_python(variables: Mapping[str, str]) -> dict[str, str]:
    """A PYTHONPATH would show the child what the bundle does not hold."""
    return {name: value for name, value in variables.items() if not name.startswith("PYTHON")}

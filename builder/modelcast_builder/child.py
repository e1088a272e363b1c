"""Asks the child in the model's environment; what crosses is contract types, in files."""

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from modelcast_runtime import contract
from modelcast_runtime.contract import Compilation, Contract
from modelcast_runtime.settings import THREAD_ENV

from modelcast_builder import endings, inside, own_process
from modelcast_builder.environment import Environment
from modelcast_builder.environment.lock import FILE
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import (
    Answer,
    AssembleRequest,
    ConvertRequest,
    Data,
    Described,
    DescribeRequest,
    Evaluated,
    EvaluateRequest,
    LabelledRequest,
)
from modelcast_builder.sandbox import DEFAULT, Sandbox

SCRIPT = Path(inside.__file__).parent / "__main__.py"

_TIMEOUTS = {"convert": 300}
"""Seconds, where a task has its own: a model that takes longer to be proven is served as it is."""

T = TypeVar("T")

_DOING = "loading or scoring the model"
_PATHS = ("artifact", "model", "converter", "example", "recorded", "holdout", "train")


class ChildFailed(Exception):
    """The child ended without an answer: our own bug, with what it said."""


def describe(
    environment: Environment,
    request: DescribeRequest,
    work: Path,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> Described:
    """Load, describe and store the model in its own environment; raises `BuildError`.

    Own code finds the `variables` that the notebooks had.
    """
    return _told(_ask(environment, "describe", request, work, variables, sandbox).described, "describe")


def assemble(
    environment: Environment,
    request: AssembleRequest,
    work: Path,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> None:
    """Write the Pipeline of these stages in the model's own environment; raises `BuildError`."""
    _ask(environment, "assemble", request, work, variables, sandbox)


def evaluate(
    environment: Environment,
    request: EvaluateRequest,
    work: Path,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> Evaluated:
    """Score the sealed model on the holdout rows in its own environment; raises `BuildError`."""
    return _told(_ask(environment, "evaluate", request, work, variables, sandbox).evaluated, "evaluate")


def labelled(environment: Environment, request: LabelledRequest, work: Path, variables: Mapping[str, str]) -> Evaluated:
    """Measure a service's answers where scikit-learn is; loads no model. Raises `BuildError`."""
    return _told(_ask(environment, "labelled", request, work, variables).evaluated, "labelled")


def convert(
    environment: Environment,
    request: ConvertRequest,
    work: Path,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> Compilation:
    """Compile the sealed model and prove it; raises `BuildError` where that ends without an answer."""
    return _told(_ask(environment, "convert", request, work, variables, sandbox).compilation, "convert")


def _told(part: T | None, task: str) -> T:
    """The part of an answer that this task gives."""
    if part is None:
        raise ChildFailed(f"{task} answered nothing")
    return part


def _ask(
    environment: Environment,
    task: str,
    request: Contract,
    work: Path,
    variables: Mapping[str, str],
    sandbox: Sandbox = DEFAULT,
) -> Answer:
    folder = work / task
    folder.mkdir()
    question, answer = folder / "request.json", folder / "answer.json"
    question.write_bytes(contract.encode(request))
    # An empty working directory: what the model needs must be in the bundle, not in the repository.
    nowhere = folder / "nowhere"
    nowhere.mkdir()
    sandbox = sandbox.reaching(read=[*environment.reads, *_named(request)], write=[work])
    command = [str(environment.python), str(SCRIPT), task, str(question), str(answer)]
    done = _run(command, nowhere, at_home(variables, folder), sandbox)
    if done.returncode < 0:
        raise _died(task, done, environment, sandbox)
    if not answer.is_file():
        if endings.by_memory(done.stderr):
            raise _without_memory(task, sandbox)
        raise ChildFailed(f"{task} ended with exit code {done.returncode}:\n{done.stderr[-4000:]}")
    answered = contract.decode(answer.read_bytes(), Answer)
    if answered.refused is not None:
        fix = answered.refused.fix.replace(FILE, environment.lock.file)  # the child does not know which file rules
        raise BuildError(answered.refused.step, answered.refused.problem, fix)
    return answered


def _named(request: Contract) -> list[Path]:
    """The files of the repository that the child is asked about; a request has no other paths outside of its work."""
    data = getattr(request, "data", None)
    owners = (request, data if isinstance(data, Data) else None)
    found = [getattr(owner, name, None) for owner in owners for name in _PATHS]
    return [Path(path) for path in found if path]


def _died(task: str, done: subprocess.CompletedProcess[str], environment: Environment, sandbox: Sandbox) -> BuildError:
    """Which of the walls, or which fault, ended the child."""
    wall = endings.by_wall(done.returncode, sandbox)
    if wall:
        return BuildError(task, f"{_DOING} {wall[0]}", wall[1])
    if endings.by_memory(done.stderr):
        return _without_memory(task, sandbox)
    if done.returncode == -signal.SIGKILL:
        fix = "Train a smaller model, or give the machine or container that builds more memory"
        return BuildError(task, f"{_DOING} was killed, most often for want of memory", fix)
    name = signal.Signals(-done.returncode).name
    fix = f"Train the model again with the versions that {environment.lock.file} names"
    return BuildError(task, f"{_DOING} crashed the process ({name})", fix)


def _without_memory(task: str, sandbox: Sandbox) -> BuildError:
    problem = f"{_DOING} takes more memory than the {sandbox.memory_mb} MiB that it may have"
    return BuildError(task, problem, f"Train a smaller model, or {sandbox.more_memory}")


def _run(
    command: list[str], folder: Path, variables: Mapping[str, str], sandbox: Sandbox
) -> subprocess.CompletedProcess[str]:
    try:
        env = without_python(variables) | THREAD_ENV | {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        timeout = min(_TIMEOUTS.get(command[2], own_process.TIMEOUT_S), sandbox.timeout_s)
        return own_process.run(command, cwd=folder, env=env, timeout=timeout, sandbox=sandbox)
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


def at_home(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The user's home and its temporary files are another place: what a model needs of them is not in the bundle."""
    home = folder / "home"
    home.mkdir()
    return {**variables, "HOME": str(home), "TMPDIR": str(home)}

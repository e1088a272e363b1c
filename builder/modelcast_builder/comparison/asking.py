"""Asks a bundle for its answers, in its own environment: `modelcast-runtime predict`."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from modelcast_runtime.bundle import Bundle

from modelcast_builder import own_process
from modelcast_builder.child import without_python
from modelcast_builder.comparison.messages import Answers
from modelcast_builder.comparison.rows import STEP
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A bundle that can be asked, and how it is called."""

    given: str
    bundle: Bundle
    environment: Environment


def ask(asked: Asked, file: Path, work: Path, variables: Mapping[str, str]) -> Answers:
    """The answers for a file's rows, in order; raises `BuildError` where the bundle cannot take one."""
    signature = asked.bundle.manifest.signature
    # In a folder of its own: own code changes files, and the next one that is asked shall not find them.
    nowhere = work / "nowhere"
    nowhere.mkdir(parents=True)
    out = work / "answers.json"
    program = asked.environment.python.with_name("modelcast-runtime")
    has_scores = signature.gives("predict_proba")
    options = ["--proba"] if has_scores else []
    command = [str(program), "predict", str(asked.bundle.root), str(file.absolute()), f"--out={out}", *options]
    clean = {name: value for name, value in without_python(variables).items() if not name.startswith("MODELCAST_")}
    try:
        done = own_process.run(command, cwd=nowhere, env=clean)
    except subprocess.TimeoutExpired as error:
        problem = f"{asked.given} did not answer the rows within {error.timeout:g} seconds"
        raise BuildError(STEP, problem, "Give fewer rows with --data FILE") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"])[-1]
        reason = said.removeprefix("error: predict: ")
        raise BuildError(STEP, f"{asked.given} cannot take these rows: {reason}", "Give rows that both take")
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    if not signature.takes_rows:
        return Answers(predictions=tuple(json.dumps(line, sort_keys=True) for line in lines))
    return Answers(
        predictions=tuple(line["prediction"] for line in lines),
        probabilities=tuple(line["probabilities"] for line in lines) if has_scores else None,
    )

"""Asks scikit-learn by hand: one process for each environment, kept for the session."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.acceptance.commands import STARTED

BY_HAND = Path(__file__).with_name("by_hand.py")


class Hands:
    """The processes that answer by hand."""

    def __init__(self) -> None:
        """Nothing is started before it is asked."""
        self._processes: dict[Path, subprocess.Popen[str]] = {}

    def ask(self, python: Path, folder: Path, program: str, *outputs: str) -> dict[str, Any]:
        """What scikit-learn answers in this environment; `folder` is a copy to work in."""
        process = self._processes.get(python) or self._begin(python)
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"folder": str(folder), "program": program, "outputs": outputs}
        print(json.dumps(asked), file=process.stdin, flush=True)
        answer = dict(json.loads(process.stdout.readline()))
        assert "failed" not in answer, answer["failed"]
        return answer

    def close(self) -> None:
        """End them all."""
        for process in self._processes.values():
            process.communicate(timeout=300)

    def _begin(self, python: Path) -> subprocess.Popen[str]:
        # One thread: what a k-means learns is otherwise not the same to the last bit from run to run.
        environment = {"PATH": STARTED["PATH"], "OMP_NUM_THREADS": "1"}
        command = [str(python), "-I", str(BY_HAND)]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes[python] = process
        return process

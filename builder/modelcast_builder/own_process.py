"""Runs a process of the model's environment to its end, and ends with it whatever own code started there."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from modelcast_builder.sandbox import Sandbox

TIMEOUT_S = 600
_CLEANING_S = 20
"""What the program around the walls may take to end all that is within."""


def run(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float | None = None,
    sandbox: Sandbox | None = None,
) -> subprocess.CompletedProcess[str]:
    """The exit code, and what was said on stdout and stderr; raises `subprocess.TimeoutExpired`.

    `timeout` is in seconds, `TIMEOUT_S` where none is given. Within a `sandbox` nothing outlives the process.

    The output goes to files: a pipe stays open as long as a process that was left behind holds it.
    """
    within = command if sandbox is None else sandbox.command(command)
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        subprocess.Popen(
            within, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        ) as process,
    ):
        try:
            code = process.wait(TIMEOUT_S if timeout is None else timeout)
        finally:
            _end(process)
        return subprocess.CompletedProcess(command, code, _text(out), _text(err))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_CLEANING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")

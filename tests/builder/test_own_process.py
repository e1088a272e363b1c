"""A process of own code is waited for alone: what it leaves behind holds no build, and ends with it."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from modelcast_builder import own_process, smoke
from modelcast_builder.environment import Environment, Lock
from modelcast_builder.errors import BuildError

from tests.acceptance.commands import is_alive, until

LEAVES = """
import pathlib, subprocess, sys
left = subprocess.Popen(["sleep", "600"])
pathlib.Path("left").write_text(str(left.pid))
print("said", left.pid > 0)
sys.exit("complained \u00e9")
"""


def test_what_it_left_behind_ends_with_it(tmp_path: Path) -> None:
    done = own_process.run([sys.executable, "-c", LEAVES], cwd=tmp_path, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (1, "said True\n", "complained \u00e9\n")
    until(lambda: not is_alive(int((tmp_path / "left").read_text())))


def test_what_takes_too_long_ends_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "TIMEOUT_S", 0.5)
    seconds = f"600.{os.getpid()}"
    with pytest.raises(subprocess.TimeoutExpired):
        own_process.run(["bash", "-c", f"sleep {seconds} & wait"], cwd=tmp_path, env=os.environ)
    until(lambda: not running_with(seconds))


def running_with(word: str) -> list[str]:
    """The processes of this machine that have it in their command line."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if word.encode() in Path(f"/proc/{number}/cmdline").read_bytes():
                found.append(number)
    return found


def test_a_self_test_that_never_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "TIMEOUT_S", 0.5)
    runtime = tmp_path / "modelcast-runtime"
    runtime.write_text("#!/bin/sh\nsleep 600\n")
    runtime.chmod(0o755)
    lock = Lock(packages=(), serving=(), as_of="")
    environment = Environment(python=tmp_path / "python", lock=lock, root=tmp_path)
    with pytest.raises(BuildError) as refused:
        smoke.check(environment, tmp_path, tmp_path / "nowhere", None, os.environ)
    assert str(refused.value) == (
        "smoke: the sealed model did not answer its golden rows within 0.5 seconds. "
        "Save a model that answers a row in well under a second, and waits for nothing when it is loaded again"
    )

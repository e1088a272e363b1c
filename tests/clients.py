"""The protocols' own clients (tritonclient, KServe's, MLflow's), each asked by a script in an environment of theirs."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "clients.txt"
ENVIRONMENT = ROOT / "build" / "clients-environment"
STARTED = dict(os.environ)
"""What was set before the first test: where the ordinary index is, and what a proxy needs."""
WITHIN_S = 600
"""Importing KServe and MLflow takes a loaded machine a minute; a hang is a failure and not a wait."""


def python_of_clients() -> Path:
    """The interpreter where all of them are installed, as locked; made once, by whichever process comes first."""
    ENVIRONMENT.parent.mkdir(exist_ok=True)
    with ENVIRONMENT.with_suffix(".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        made = ENVIRONMENT / "lock"
        if not made.exists() or made.read_bytes() != LOCK.read_bytes():
            _make()
            shutil.copy(LOCK, made)
    return ENVIRONMENT / "bin" / "python"


def _make() -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "venv", "--quiet", "--no-project", "--clear", "--python", sys.executable, ENVIRONMENT],
        check=True, env=STARTED,
    )  # fmt: skip
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", ENVIRONMENT / "bin" / "python", "--no-config",
         "--only-binary", ":all:", "--require-hashes", "--requirement", LOCK],
        check=True, env=STARTED,
    )  # fmt: skip


def asked_by(script: Path, *arguments: str) -> Any:
    """What a script prints as JSON in its last line; it runs where the clients are, and nothing of ours."""
    done = subprocess.run(
        [python_of_clients(), script, *arguments],
        env=STARTED, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=WITHIN_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])

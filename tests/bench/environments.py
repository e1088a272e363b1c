"""The peers' environments: one each, of exact pins, below build/bench."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"


def environment(name: str) -> Path:
    """The interpreter of the environment of `requirements/bench-NAME.txt`; raises `subprocess.CalledProcessError`.

    Made where it is not there with these very pins.
    """
    lock, folder = ROOT / "requirements" / f"bench-{name}.txt", BUILD / "environments" / name
    python, kept = folder / "bin" / "python", folder / "lock"
    if not kept.exists() or kept.read_bytes() != lock.read_bytes():
        uv = Path(sys.executable).with_name("uv")
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder)
        _run(uv, "pip", "install", "--quiet", "--python", python, "--only-binary", ":all:", "--requirement", lock)
        shutil.copy(lock, kept)
    return python


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)

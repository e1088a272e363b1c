"""Fills build/wheelhouse with others' wheels, held by their hashes, and build/wheels with our own two.

It is all that the image installs, so neither its build nor s2i's needs a network. The wheels are those of the Python
that will install them, to its last digit: a lock may differ between 3.11.2 and 3.11.7. wheelhouse.py [VERSION]
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from modelcast_builder.environment import pip
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "wheelhouse.txt"
BUILD = ROOT / "build"
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


def main(version: str) -> None:
    """Download what the lock names for one Python, unless it is there already."""
    pinned = "\n".join(held_by(LOCK.read_text(encoding="utf-8"), version)) + "\n"
    digest = hashlib.sha256(f"{version}\n{pinned}".encode()).hexdigest()
    done = BUILD / "wheelhouse.digest"
    if not done.exists() or done.read_text(encoding="utf-8") != digest:
        download(pinned, version, BUILD / "wheelhouse")
        done.write_text(digest, encoding="utf-8")
    shutil.rmtree(BUILD / "wheels", ignore_errors=True)
    command = [
        *PIP,
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        "build/wheels",
        "./runtime",
        "./builder",
    ]
    subprocess.run(command, check=True, cwd=ROOT)


def download(pinned: str, version: str, into: Path) -> None:
    """Every wheel anew, in its place only when all of them have come."""
    part = into.with_suffix(".part")
    for old in (part, into):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    refusal = pip.download(
        pinned.splitlines(), part, env=os.environ, options=("--require-hashes", "--python-version", version)
    )
    if refusal:
        sys.exit(refusal.reason)
    part.rename(into)


def held_by(lock: str, version: str) -> Iterator[str]:
    """The entries of a lock, hashes with them, that hold for a Python version on this platform, without their markers.

    pip would judge the markers by the Python that it runs on, whatever --python-version says.
    """
    environment = {"python_full_version": version, "python_version": ".".join(version.split(".")[:2])}
    for entry in lock.replace("\\\n", " ").splitlines():
        text, *hashes = entry.split(" --hash=")
        if text.startswith("#") or not text.strip():
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            yield " --hash=".join([f"{requirement.name}{requirement.specifier}", *(each.strip() for each in hashes)])


if __name__ == "__main__":
    main(*sys.argv[1:] or [platform.python_version()])

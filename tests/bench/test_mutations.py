"""A few of the mutations of `make fuzz`, the same each time."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_mutation_that_the_audit_lets_through_ends_a_process() -> None:
    command = [sys.executable, "-m", "tests.bench.mutations", "300", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {line.strip().partition(" ")[2]: int(line.split()[0]) for line in done.stdout.splitlines()[:-1]}
    assert sum(counts.values()) == 300
    assert counts["refused"] > 100
    assert counts["accepted, answers"] > 30

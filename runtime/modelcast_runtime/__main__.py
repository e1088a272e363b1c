"""`python -m modelcast_runtime`."""

from modelcast_runtime.cli import run

run()

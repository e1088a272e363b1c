"""`python -m modelcast_builder`."""

from modelcast_builder.cli import main

main(prog_name="modelcast")

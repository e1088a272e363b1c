"""Resolves everything that modelcast pins, as of one date, for every Python that it supports.

The model set comes first and alone, so nothing of ours holds the user's libraries back; each later set is
resolved with the earlier ones as constraints, so all of them fit into one wheelhouse.
"""

import argparse
import datetime
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "builder" / "modelcast_builder" / "locks"
HASHED = ROOT / "requirements"
BUILD_BACKEND = ("hatchling", "editables")
"""What an install of our own two without build isolation needs; `editables` for the editable ones."""

sys.path.insert(0, str(ROOT / "builder"))

from modelcast_builder.environment.locked import (  # noqa: E402  (works from a bare checkout)
    CONVERTER_NAMES,
    EXTRA_NAMES,
    MODEL_NAMES,
)
from modelcast_builder.environment.uv import find_uv  # noqa: E402


def main(arguments: Sequence[str]) -> None:
    """Write every lock as of one date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-of", default=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}T00:00:00Z")
    as_of = parser.parse_args(arguments).as_of
    write_packaged(as_of)
    write_hashed(as_of)
    write_benchmarks(as_of)


def write_packaged(as_of: str) -> None:
    """The locks that the builder carries: the model set, what notebooks import beside it, the service's packages."""
    model = resolve(MODEL_NAMES, as_of)
    extras = without(resolve([*MODEL_NAMES, *EXTRA_NAMES], as_of, model), names(model))
    runtime = without(resolve(dependencies("runtime"), as_of, model), {"numpy"})
    # With the runtime's own dependencies, for it is the served ONNX Runtime that the converter tries its graphs with.
    converter = without(resolve(CONVERTER_NAMES, as_of, [*model, *runtime]), names([*model, *extras, *runtime]))
    # What the runtime image holds: the bill of materials of a compiled model lists it, wherever it was built.
    whole = [*dependencies("runtime"), *dependencies("runtime", extra="onnx")]
    served = resolve(whole, as_of, [*model, *runtime, *converter])
    files = (
        ("model", model), ("extras", extras), ("runtime", runtime), ("converter", converter), ("served", served)
    )  # fmt: skip
    for file, lines in files:
        (LOCKS / f"{file}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (LOCKS / "date.txt").write_text(f"{as_of}\n", encoding="utf-8")


def write_hashed(as_of: str) -> None:
    """The locks of the checkout, with hashes: each installs with `--require-hashes`, by pip or by uv."""
    packaged = [line for file in ("model", "extras", "runtime", "converter") for line in read(LOCKS / f"{file}.txt")]
    runtime = [*dependencies("runtime"), *dependencies("runtime", extra="onnx")]
    builder = [*dependencies("builder"), *runtime]
    # The runtime's numpy is whichever the model has; in the builder's environment it is the locked one.
    carried = [*builder, *MODEL_NAMES, *EXTRA_NAMES, *CONVERTER_NAMES]
    wheelhouse = resolve(carried, as_of, packaged)
    development = [*builder, *groups("test", "model", "lint"), *BUILD_BACKEND]
    for file, entries, constraints in (
        # Beside none of the others, and older than they are: KServe bounds what it needs.
        ("clients", groups("clients"), []),
        ("docs", groups("docs"), wheelhouse),
        ("runtime", runtime, wheelhouse),
        ("builder", builder, wheelhouse),
        ("wheelhouse", carried, wheelhouse),
        ("dev", development, wheelhouse),
    ):
        lines = resolve(entries, as_of, constraints, "--generate-hashes")
        (HASHED / f"{file}.txt").write_text("\n".join([f"# `make lock`, as of {as_of}", *lines, ""]), encoding="utf-8")


def write_benchmarks(as_of: str) -> None:
    """The peers of `make bench`: exact pins, and the scikit-learn that trains the models there."""
    scikit_learn = [line for line in read(LOCKS / "model.txt") if line.startswith("scikit-learn==")]
    for group in defined_groups():
        if group.startswith("bench-"):
            lines = resolve(groups(group), as_of, scikit_learn)
            text = "\n".join([f"# `make lock`, as of {as_of}", *lines, ""])
            (HASHED / f"{group}.txt").write_text(text, encoding="utf-8")


def resolve(entries: Iterable[str], as_of: str, constraints: Iterable[str] = (), *options: str) -> list[str]:
    """The closure of `entries` as of a date, for all platforms and every supported Python."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as held:
        held.write("\n".join(constraints) + "\n")
        held.flush()
        oldest = supported_python()
        command = [str(find_uv()), "pip", "compile", "-", "--no-config", "--no-header", "--no-annotate", "--quiet"]
        command += ["--universal", "--python-version", oldest, "--exclude-newer", as_of, "--constraints", held.name]
        given = "\n".join(entries)
        done = subprocess.run([*command, *options], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.splitlines()


def supported_python() -> str:
    """The oldest Python that the workspace supports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["requires-python"]).removeprefix(">=")


def dependencies(member: str, *, extra: str = "") -> list[str]:
    """A member's dependencies as its pyproject.toml has them, without our own distributions."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    entries: list[str] = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return [entry for entry in entries if not canonicalize_name(Requirement(entry).name).startswith("modelcast")]


def groups(*wanted: str) -> list[str]:
    """What the workspace's dependency groups of these names hold."""
    return [entry for group in wanted for entry in defined_groups()[group]]


def defined_groups() -> dict[str, list[str]]:
    """The workspace's dependency groups."""
    defined: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return defined


def read(path: Path) -> list[str]:
    """The lines of a lock."""
    return path.read_text(encoding="utf-8").splitlines()


def names(lines: Iterable[str]) -> set[str]:
    """What the lines of a lock pin."""
    return {canonicalize_name(Requirement(line).name) for line in lines}


def without(lines: Iterable[str], left_out: set[str]) -> list[str]:
    """The lines that pin something else."""
    return [line for line in lines if canonicalize_name(Requirement(line).name) not in left_out]


if __name__ == "__main__":
    main(sys.argv[1:])

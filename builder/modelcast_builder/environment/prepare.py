"""The environment step: what the repository asks for and the artifact records becomes an environment that imports."""

from pathlib import Path

from modelcast_builder.artifact import Artifact
from modelcast_builder.config import BuildSettings
from modelcast_builder.environment.requirements import read_requirements
from modelcast_builder.environment.resolution import resolve
from modelcast_builder.environment.venv import Environment, base_python, create
from modelcast_builder.report import Reporter


def prepare(root: Path, artifact: Artifact | None, settings: BuildSettings, reporter: Reporter) -> Environment:
    """Resolve, install and import the model's environment; raises `BuildError` and `MissingPart`."""
    lock = resolve(
        read_requirements(root),
        artifact.versions if artifact else {},
        python=base_python(),
        wheelhouse=settings.wheelhouse,
        cache=settings.cache,
    )
    for note in lock.notes:
        reporter.note("environment", note)
    reporter.say("environment", f"{len(lock.packages)} packages as of {lock.as_of[:10] or 'today'}")
    return create(
        lock,
        cache=settings.cache,
        where=settings.environment,
        wheelhouse=settings.wheelhouse,
        # An image's root is read-only when it serves: what is not compiled now is compiled at every start.
        compile_bytecode=settings.environment is not None,
    )

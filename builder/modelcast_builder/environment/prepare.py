"""The environment step: what the repository asks for and the artifact records becomes an environment that imports."""

from dataclasses import replace
from pathlib import Path

from modelcast_builder.artifact import Artifact
from modelcast_builder.config import BuildSettings
from modelcast_builder.document import Document
from modelcast_builder.environment import wheelhouse
from modelcast_builder.environment.converter import converter_pins
from modelcast_builder.environment.fill import fill, own_wheels
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.logged import requirements_of
from modelcast_builder.environment.resolution import resolve, wanted
from modelcast_builder.environment.uv import use_uv
from modelcast_builder.environment.venv import Environment, base_python, create
from modelcast_builder.environment.wheelhouse import Filled
from modelcast_builder.report import Reporter

PLAIN = Document()


def prepare(
    root: Path, artifact: Artifact | None, settings: BuildSettings, reporter: Reporter, document: Document = PLAIN
) -> Environment:
    """Resolve, install and import the model's environment; raises `BuildError` and `MissingPart`."""
    own = wheelhouse.find(root, document.wheels)
    lock = resolve(
        replace(requirements_of(root, artifact), wheels=own),
        artifact.wants if artifact else {},
        python=base_python(),
        wheelhouse=settings.wheelhouse,
        cache=settings.cache,
    )
    for note in lock.notes:
        reporter.note("environment", note)
    source = f", from {own.name} alone" if own else ""
    reporter.say("environment", f"{len(lock.packages)} packages as of {lock.as_of[:10] or 'today'}{source}")
    return create(
        lock,
        cache=settings.cache,
        where=settings.environment,
        wheelhouse=settings.wheelhouse,
        # An image's root is read-only when it serves: what is not compiled now is compiled at every start.
        compile_bytecode=settings.environment is not None,
    )


def vendor(
    root: Path,
    artifact: Artifact | None,
    settings: BuildSettings,
    reporter: Reporter,
    *,
    into: Path,
) -> tuple[Path, ...]:
    """Put all that `prepare` would install from an index into a wheelhouse; the files. Raises as `prepare` does."""
    requirements, recorded = requirements_of(root, artifact), artifact.wants if artifact else {}
    with own_wheels(into) as own:
        uv = use_uv().offering(own) if own else use_uv()
        place = Place(uv=uv, python=base_python(), wheelhouse=settings.wheelhouse, file=requirements.file)
        lock = resolve(
            requirements,
            recorded,
            python=place.python,
            wheelhouse=place.wheelhouse,
            cache=None if own else settings.cache,  # what is remembered knows nothing of the user's own wheels
            uv=uv,
        )
        for note in lock.notes:
            reporter.note("environment", note)
        reporter.say("wheels", f"{len(lock.packages) + len(lock.serving)} packages as of {lock.as_of[:10] or 'today'}")
        # What the requirements' file makes the report say, it says again when the wheelhouse is read.
        notes = tuple(note for note in lock.notes if note not in requirements.notes)
        filled = Filled(asked=wanted(requirements, recorded), lock=replace(lock, notes=notes))
        return fill(place, filled, into, beside=converter_pins(place, lock))

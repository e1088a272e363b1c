"""What an MLflow folder asks for: its own requirements.txt, where the repository has none, without MLflow itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from packaging.requirements import Requirement

from modelcast_builder.artifact import Artifact
from modelcast_builder.environment.lock import FILE
from modelcast_builder.environment.requirements import Requirements, read_requirements
from modelcast_builder.environment.sources import read_environment
from modelcast_builder.imports import imports_of

OF_MLFLOW = frozenset({"mlflow", "mlflow-skinny", "mlflow-tracing"})


def requirements_of(root: Path, artifact: Artifact | None) -> Requirements:
    """The repository's requirements, else those that MLflow wrote beside the model; raises BuildError as they do."""
    asked = read_environment(root)
    if artifact is None or artifact.mlflow is None:
        return asked
    if not (asked.pins or asked.ranges):
        folder = artifact.mlflow.folder.resolve().relative_to(root.resolve())
        written = read_requirements(root, (folder / FILE).as_posix())
        asked = replace(written, notes=(*asked.notes, *written.notes))
    return asked if _imports_mlflow(root, artifact) else _without_mlflow(asked)


def _without_mlflow(asked: Requirements) -> Requirements:
    """MLflow loads and serves what we load and serve ourselves; it would bring a hundred packages along."""
    left_out = [entry for entry in (*asked.pins, *asked.ranges) if _is_mlflow(entry)]
    return replace(
        asked,
        pins=tuple(entry for entry in asked.pins if entry not in left_out),
        ranges=tuple(entry for entry in asked.ranges if entry not in left_out),
        notes=(
            *asked.notes,
            *(f"{entry} in {asked.file} is left out: the model is served without MLflow" for entry in left_out),
        ),
    )


def _is_mlflow(entry: str) -> bool:
    return Requirement(entry).name in OF_MLFLOW


def _imports_mlflow(root: Path, artifact: Artifact) -> bool:
    """Whether code that travels with the model needs it."""
    tops = {module.partition(".")[0] for module, _ in artifact.globals}
    return "mlflow" in tops or any(
        "mlflow" in imports_of(file, file.stem, is_package=False) for file in _own(root, artifact, tops)
    )


def _own(root: Path, artifact: Artifact, tops: set[str]) -> Iterator[Path]:
    if artifact.mlflow and artifact.mlflow.code:
        yield from artifact.mlflow.code.rglob("*.py")
    for top in tops:
        yield from (root / top).rglob("*.py")
        if (root / f"{top}.py").is_file():
            yield root / f"{top}.py"

"""The repository's own code, `prediction.py` with `predict(body)`: served as it stands."""

from modelcast_builder.artifact import Artifact

NAME = "python"
FORMAT = "python"
MODEL = "code/prediction.py"


def claims(artifact: Artifact) -> str | None:
    """A module and no trained file."""
    return f"{artifact.path.name} answers by itself" if artifact.kind == "python" else None

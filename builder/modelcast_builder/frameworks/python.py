"""The repository's own code, `prediction.py` with `predict(body)`: served as it stands."""

from modelcast_runtime import contract
from modelcast_runtime.contract import Format

from modelcast_builder import own_code
from modelcast_builder.artifact import Artifact

NAME = "python"
FORMAT: Format = "python"
MODEL = f"{contract.CODE}/{own_code.FILE}"


def claims(artifact: Artifact) -> str | None:
    """A module and no trained file."""
    return f"{artifact.path.name} answers by itself" if artifact.kind == "python" else None

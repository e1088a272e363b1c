"""scikit-learn estimators and pipelines, and own classes that hold some."""

from modelcast_runtime.contract import Format

from modelcast_builder.artifact import Artifact

NAME = "sklearn"
FORMAT: Format = "joblib"
MODEL = "model.joblib"


def claims(artifact: Artifact) -> str | None:
    """A pickle or skops file that names scikit-learn, or whose root is an own class."""
    if artifact.kind not in ("pickle", "skops"):
        return None
    if artifact.versions.get("scikit-learn"):
        return f"made by scikit-learn {artifact.versions['scikit-learn']}"
    seen = sorted(module for module, _ in artifact.globals if module.partition(".")[0] == "sklearn")
    if seen:
        return f"names {seen[0]}"
    return f"its root is {'.'.join(artifact.root)}" if artifact.root else None

"""What trained a model: one module a framework, one line in `FRAMEWORKS`, most specific first.

A framework meets the runtime's formats only in the string `manifest.format`.
"""

from dataclasses import dataclass
from typing import Protocol

from modelcast_runtime.contract import Format

from modelcast_builder.artifact import Artifact
from modelcast_builder.errors import BuildError
from modelcast_builder.frameworks import python, sklearn


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A framework that knows the artifact, and why."""

    framework: str
    format: Format
    model: str
    """The name of the model file in the bundle."""
    reason: str


class Framework(Protocol):
    """What a framework's module offers."""

    NAME: str
    FORMAT: Format
    MODEL: str

    def claims(self, artifact: Artifact) -> str | None:
        """Why this artifact is one of this framework's, or None; looks at scanned facts and imports nothing."""


FRAMEWORKS: tuple[Framework, ...] = (sklearn, python)


_NATIVE = {
    "xgboost": (
        "XGBoost's own format",
        'Save the scikit-learn wrapper: joblib.dump(XGBClassifier().fit(X, y), "model.joblib")',
    ),
    "lightgbm": (
        "LightGBM's own format",
        'Save the scikit-learn wrapper: joblib.dump(LGBMClassifier().fit(X, y), "model.joblib")',
    ),
    "onnx": ("ONNX", 'Save the scikit-learn model that it was made from: joblib.dump(model, "model.joblib")'),
}
"""Kinds that are known and that no framework of this version takes."""


def claim(artifact: Artifact) -> Claim:
    """The first framework that knows the artifact; raises `BuildError` with what was seen."""
    for framework in FRAMEWORKS:
        reason = framework.claims(artifact)
        if reason is not None:
            return Claim(framework=framework.NAME, format=framework.FORMAT, model=framework.MODEL, reason=reason)
    if artifact.kind in _NATIVE:
        what, fix = _NATIVE[artifact.kind]
        raise BuildError("audit", f"{artifact.path.name} is {what}, which is not built yet in this version", fix)
    known = ", ".join(framework.NAME for framework in FRAMEWORKS)
    raise BuildError(
        "audit",
        f"{artifact.path.name} is a {artifact.kind} file that no framework of this version serves ({known})",
        'Save a fitted scikit-learn estimator or Pipeline: joblib.dump(model, "model.joblib")',
    )

"""What can be stored in a bundle and how each is scored: one module a format, one line in `FORMATS`.

Formats meet the builder's frameworks only in the string `manifest.format`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.formats.python import OwnPredict

FORMATS = {
    "joblib": "modelcast_runtime.formats.native",
    "onnx": "modelcast_runtime.formats.onnx",
    "python": "modelcast_runtime.formats.python",
}
"""`manifest.format` -> the module with its `load(bundle)`; imported when a bundle asks for it."""


class Scorer(Protocol):
    """A loaded model."""

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Answer for every row; `wanted` names outputs beside `predict` that the signature gives."""


def load_scorer(bundle: Bundle) -> Scorer | OwnPredict:
    """Load the model that the bundle holds. Never scores: a forked child could not score after that."""
    load: Callable[[Bundle], Scorer | OwnPredict] = import_module(FORMATS[bundle.manifest.format]).load
    return load(bundle)

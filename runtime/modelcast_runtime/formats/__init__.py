"""What can be stored in a bundle and how each is scored: one module a format, one line in `FORMATS`.

Formats meet the builder's frameworks only in the string `manifest.format`.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol

from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.formats.python import OwnPredict
from modelcast_runtime.watching import Told

FORMATS = {
    "joblib": "modelcast_runtime.formats.native",
    "onnx": "modelcast_runtime.formats.onnx",
    "python": "modelcast_runtime.formats.python",
    "text": "modelcast_runtime.formats.text",
}
"""`manifest.format` -> the module with its `load(bundle)`; imported when a bundle asks for it."""


class Scorer(Protocol):
    """A loaded model."""

    inline_rows: int
    """So many rows are scored so fast that the event loop may wait for them; 0: it waits for none."""

    def gathers(self) -> bool:
        """Whether each row's answer is its own: then the rows of several requests may go into one call."""

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Answer for every row; `wanted` names outputs beside `predict` that the signature gives."""

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        """Answer for every part as `score` would, in as few calls as give the same answers."""

    def watch(self, columns: Columns) -> Told:
        """What the rows tell beyond their answers, by signal: how sure it is, the paths through it, its work."""


def load_scorer(bundle: Bundle) -> Scorer | OwnPredict:
    """Load the model that the bundle holds. Never scores: a forked child could not score after that."""
    load: Callable[[Bundle], Scorer | OwnPredict] = import_module(FORMATS[bundle.manifest.format]).load
    return load(bundle)

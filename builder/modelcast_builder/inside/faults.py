"""Why a model stays native, in a sentence: which step stands in the way, or which rows differ and how far."""

import re
from collections.abc import Sequence

from modelcast_runtime.contract import Difference

from .exact_trees import CannotConvert
from .messages import one_line

_NAMED = re.compile(r"<class '([\w.]+)'>")
_WORDS = {"predict": "predictions", "predict_proba": "probabilities", "distances": "distances"}


def unconvertible(error: BaseException) -> str:
    """A converter's or a session's error, with the class that it names."""
    named = _NAMED.search(str(error))
    if isinstance(error, CannotConvert):
        return str(error)
    if named:
        return f"{named[1].rpartition('.')[2]} has no converter to ONNX"
    return f"the conversion fails: {type(error).__name__}: {one_line(error)}"


def different(differences: Sequence[Difference], rows: int) -> str:
    """The output that is furthest off."""
    worst = max((one for one in differences if one.rows), key=lambda one: one.rows)
    far = "" if worst.output == "predict" and not worst.allowed else f", up to {worst.worst:.3g}"
    example = f", e.g. {worst.example}" if worst.example else ""
    return f"the compiled {_WORDS[worst.output]} differ for {worst.rows} of {rows} rows{far}{example}"


def refusing(kind: str, *, is_refused: bool) -> str:
    """Only one of the two raises for a row."""
    if is_refused:
        return f"the compiled model refuses a row that the model answers, e.g. {kind}"
    return f"the compiled model answers a row that the model refuses, e.g. {kind}"

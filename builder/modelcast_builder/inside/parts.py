"""What a model is made of: estimators in pipelines, in searches, in lists and arrays of them."""

from collections.abc import Iterator
from typing import Any


def parts_of(root: Any) -> Iterator[Any]:
    """Every object with attributes below the model, once each."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, type):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set):
            waiting.extend(part)
        elif type(part).__module__ == "numpy":
            waiting.extend(part.ravel() if getattr(getattr(part, "dtype", None), "hasobject", False) else ())
        elif hasattr(part, "__dict__") and not callable(getattr(part, "__code__", None)):
            yield part
            waiting.extend(vars(part).values())

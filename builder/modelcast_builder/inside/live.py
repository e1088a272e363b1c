"""Looks at what a notebook's names hold when it ends: what can be written down, what must be stored."""

import io
import math
import pickle
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MAIN = "__main__"
_SCALARS = (str, bytes, int, bool, types.NoneType)
_DEPTH = 20
_LONGEST_LITERAL = 10_000


class _Scout(pickle.Pickler):
    """Notes which classes and functions of the notebook a pickle refers to."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), protocol=5)
        self.names: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        if is_own(value):
            self.names.add(value.__qualname__.partition(".")[0])
        return NotImplemented


def main_names(value: Any) -> frozenset[str]:
    """The notebook's names that a pickle of `value` refers to; raises what pickling it raises."""
    scout = _Scout()
    scout.dump(value)
    return frozenset(scout.names)


def is_own(value: Any) -> bool:
    """Whether it is a class or function (also a decorated one) that the notebook defined."""
    # An instance has its class's __module__ but no __qualname__; a cached function has both.
    return getattr(value, "__module__", None) == MAIN and isinstance(getattr(value, "__qualname__", None), str)


def literal(value: Any) -> str | None:
    """The value as Python source; None where source would not give the very same value."""
    if not _is_literal(value, 0):
        return None
    text = _ordered(value) if isinstance(value, set) else repr(value)
    return text if len(text) <= _LONGEST_LITERAL else None


def _is_literal(value: Any, depth: int) -> bool:
    # Exact types: repr of a subclass (numpy.float64, OrderedDict) gives something else back.
    kind = type(value)
    if kind in _SCALARS:
        return True
    if kind is float:
        return math.isfinite(value)
    if depth == _DEPTH:
        return False
    if kind is dict:
        return all(_is_literal(part, depth + 1) for pair in value.items() for part in pair)
    if kind is set:
        return bool(value) and all(type(part) in _SCALARS for part in value)
    return kind in (list, tuple) and all(_is_literal(part, depth + 1) for part in value)


def _ordered(value: set[Any]) -> str:
    return "{" + ", ".join(sorted(map(repr, value))) + "}"


def imported(value: Any, name: str) -> str | None:
    """The import that gives this object, for modules and what they define at their top."""
    if isinstance(value, types.ModuleType):
        line = f"import {value.__name__}" if value.__name__ == name else f"import {value.__name__} as {name}"
        return line if value.__name__ in sys.modules else None
    home, own_name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if home in (None, MAIN) or not isinstance(own_name, str):
        return None
    if getattr(sys.modules.get(str(home)), own_name, None) is not value:
        return None
    return f"from {home} import {own_name} as {name}" if own_name != name else f"from {home} import {name}"


def stored(values: Mapping[str, Any], definitions: Mapping[str, Any], module: str) -> bytes:
    """The values as joblib stores them, with the notebook's own definitions found in `module` instead of `__main__`."""
    import joblib

    buffer = io.BytesIO()
    with _moved(definitions, module):
        joblib.dump(dict(sorted(values.items())), buffer)
    return buffer.getvalue()


@contextmanager
def _moved(definitions: Mapping[str, Any], module: str) -> Iterator[None]:
    """For a moment the definitions say that they come from `module`, because pickle writes what they say."""
    home = types.ModuleType(module)
    vars(home).update(definitions)
    own = [value for outer in definitions.values() for value in _with_inner(outer) if is_own(value)]
    sys.modules[module] = home
    for value in own:
        value.__module__ = module
    try:
        yield
    finally:
        for value in own:
            value.__module__ = MAIN
        del sys.modules[module]


def _with_inner(outer: Any) -> Iterator[Any]:
    """A class and the classes in its body, which pickle names by their qualified name."""
    yield outer
    if isinstance(outer, type):
        for inner in vars(outer).values():
            if isinstance(inner, type) and inner.__qualname__.startswith(f"{outer.__qualname__}."):
                yield from _with_inner(inner)


def module(name: str | None) -> types.ModuleType | None:
    """The imported module of that name."""
    return sys.modules.get(name or "")

"""The allow-list as data: which names a pickle may hold, how each may be used, and which ones are attacks."""

from enum import Enum
from functools import cache
from importlib import resources

Name = tuple[str, str]
_LISTS = ("scikit-learn.txt", "reviewed.txt")
_ALIASES = ("numpy._core", "numpy.core")
"""What numpy 1 and numpy 2 call the same."""


class Use(Enum):
    """How a load may use a name; each includes that the name is referred to."""

    ESTIMATOR = "estimator"
    """A class that is made without a call, and may be the root."""
    OBJECT = "object"
    """A class that is made without a call (`__new__`, no arguments)."""
    CALL = "call"
    """A function or class that may be called with what the file says."""
    VALUE = "value"


@cache
def uses() -> dict[Name, frozenset[Use]]:
    """Every allowed (module, name), and how it may be used."""
    found: dict[Name, set[Use]] = {}
    for file in _LISTS:
        for line in _lines(file):
            head, _, names = line.partition(": ")
            use, module = head.split()
            for alias in _aliases(module):
                for name in names.split():
                    found.setdefault((alias, name), set()).add(Use(use))
    return {name: frozenset(use) for name, use in found.items()}


def home(module: str, name: str) -> Name:
    """scikit-learn 1.4 to 1.8 was built with losses that do not know their package."""
    is_loss = module == "_loss" and name.removeprefix("__pyx_unpickle_").startswith("Cy")
    return ("sklearn._loss._loss" if is_loss else module, name)


def is_hostile(module: str, name: str) -> bool:
    """Whether it is one of the names that attacks use and models do not."""
    parts = module.split(".")
    above = {".".join(parts[:depth]) for depth in range(1, len(parts) + 1)}
    return not _hostile().isdisjoint(above | {f"{module}:{name.partition('.')[0]}"})


@cache
def _hostile() -> frozenset[str]:
    return frozenset(entry for line in _lines("hostile.txt") for entry in line.split())


def _lines(file: str) -> list[str]:
    text = resources.files(__name__).joinpath(file).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _aliases(module: str) -> list[str]:
    for ours, theirs in (_ALIASES, _ALIASES[::-1]):
        if module == ours or module.startswith(f"{ours}."):
            return [module, theirs + module.removeprefix(ours)]
    return [module]

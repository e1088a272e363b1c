"""The notebooks' parameters: what may be given, as Python writes it, and as it is sealed."""

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from modelcast_builder.document import Parameter
from modelcast_builder.errors import BuildError

# YAML's aliases make endless and exponential values of a few lines.
_MOST_VALUES = 10_000
_INTEGERS = range(-(2**63), 2**64)
_AS_JSON = "Write numbers, texts, true, false, null, lists, or names with values"


def check(parameters: Mapping[str, Parameter], where: Callable[[str], str]) -> None:
    """Raise `BuildError` for a name that is no Python variable, or a value that cannot be sealed as it is.

    `where` says for a name in which file and line it stands.
    """
    for name, value in parameters.items():
        if not name.isidentifier() or keyword.iskeyword(name):
            problem = f"{where(name)} is no name that a notebook can use"
            raise BuildError("config", problem, f"Call it `{_usable(name)}`, there and in the notebook")
        odd = _not_sealable(value)
        if odd:
            raise BuildError("config", f"{where(name)} holds {odd}", _AS_JSON)


def assignments(parameters: Mapping[str, Parameter]) -> str:
    """Python that assigns them; every value comes back as it was given."""
    return "\n".join(f"{name} = {value!r}" for name, value in parameters.items())


def sealed(parameters: Mapping[str, Parameter]) -> str:
    """What the model's version is made of: one text for the same names and values, `{}` for none."""
    return msgspec.json.encode(dict(parameters), order="sorted").decode()


def _usable(name: str) -> str:
    plain = re.sub(r"\W|^(?=\d)", "_", name) or "_"
    return f"{plain}_" if keyword.iskeyword(plain) else plain


def _not_sealable(value: Parameter) -> str | None:
    """What in it JSON cannot hold (infinite numbers were refused where they were read)."""
    waiting, left = [value], _MOST_VALUES
    while waiting:
        part, left = waiting.pop(), left - 1
        if not left:
            return f"more than {_MOST_VALUES} values"
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
            if not all(isinstance(key, str) for key in part):
                return "a key that is no text"
        elif problem := _odd(part):
            return problem
    return None


def _odd(value: Any) -> str | None:
    if isinstance(value, str):
        has_half = any("\ud800" <= letter <= "\udfff" for letter in value)
        return "a text with half of a surrogate pair" if has_half else None
    if value is None or isinstance(value, bool | float):
        return None
    if isinstance(value, int):
        return None if value in _INTEGERS else "an integer of more than 64 bits"
    return f"a {type(value).__name__}, which JSON does not have"

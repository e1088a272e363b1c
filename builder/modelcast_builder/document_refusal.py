"""A value that `modelcast.yaml` may not hold, in words: the line, what is expected there, what came, what to write.

msgspec tells only where; what is expected there is read from the document's types.
"""

import difflib
import re
from collections.abc import Sequence
from datetime import date
from functools import cache, reduce
from typing import Any

import msgspec
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from modelcast_builder import yaml_file
from modelcast_builder.document import FORMS, Document
from modelcast_builder.errors import BuildError

Path = tuple[str, ...]
"""Keys, and `[index]`es, from the document's root."""

_LONGEST_VALUE = 60
_KINDS: dict[type[Type], str] = {
    BoolType: "true or false",
    VarTupleType: "a list",
    ListType: "a list",
    StructType: "keys and values",
    DictType: "keys and values",
}


def refusal(error: msgspec.ValidationError, file: str, content: dict[str, Any], tree: Any) -> BuildError:
    """From `Expected `str`, got `int` - at `$.data.train`` to a line to act on; the place is found by that path."""
    problem, _, place = str(error).partition(" - at `")
    is_key, _, route = place.rpartition("$")
    path = _named(content, tuple(re.findall(r"\[[^]]*\]|[^.\[\]`]+", route)) + (("[...]",) if is_key else ()))
    unknown = re.search(r"unknown field `(.*)`", problem, re.DOTALL)
    path = (*path, unknown[1]) if unknown else path
    name = " ".join(".".join(path).replace(".[", "[").split())
    where = f"{file}:{yaml_file.line_of(tree, path)}"
    if unknown or is_key:
        known = _keys_at(path[:-1])
        fix = _nearest(path[-1], known) or f"The keys are {', '.join(known)}"
        return BuildError("config", f"{where}: unknown key `{name}`", fix)
    missing = re.search(r"missing required field `(.*)`", problem)
    if missing:
        return BuildError("config", f"{where}: `{name}` lacks the key `{missing[1]}`", f"Add `{missing[1]}:` to it")
    kinds, value, written = _kinds_at(path), _at(content, path), yaml_file.text_of(tree, path)
    expected, got = _expected(kinds) + (" of 64 bits" if "out of range" in problem else ""), _got(value, written)
    return BuildError(
        "config", f"{where}: `{name}`: expected {expected}, got {got}", _fix(path[-1], kinds, value, written)
    )


# Where.


def _named(content: dict[str, Any], path: Path) -> Path:
    """The path with the keys that msgspec leaves out as `[...]`: those whose entry alone is refused too."""
    for place, part in enumerate(path):
        if part == "[...]":
            above = path[:place]
            key = next(key for key in _at(content, above) if _is_refused(_only(content, above, key)))
            path = (*above, key, *path[place + 1 :])
    return path


def _at(content: Any, path: Path) -> Any:
    return reduce(lambda inner, part: inner[int(part[1:-1])] if isinstance(inner, list) else inner[part], path, content)


def _only(content: Any, path: Path, key: str) -> Any:
    """The document with nothing but one entry of the mapping at this path."""
    if not path:
        return {key: content[key]}
    return {path[0]: _only(content[path[0]], path[1:], key)}


def _is_refused(content: Any) -> bool:
    try:
        msgspec.convert(content, Document)
    except msgspec.ValidationError:
        return True
    return False


# What is expected there.


@cache
def _document() -> Type:
    return type_info(Document)


def _kinds_at(path: Path) -> tuple[Type, ...]:
    """What a value at this path may be, without null: a key that is null is better left out."""
    kinds: tuple[Type, ...] = (_document(),)
    for part in path:
        (inner,) = (_inside(kind, part) for kind in kinds if isinstance(kind, StructType | DictType | VarTupleType))
        alternatives = inner.types if isinstance(inner, UnionType) else (inner,)
        bare = (kind.type if isinstance(kind, Metadata) else kind for kind in alternatives)
        kinds = tuple(kind for kind in bare if not isinstance(kind, NoneType))
    return kinds


def _inside(kind: StructType | DictType | VarTupleType, part: str) -> Type:
    if isinstance(kind, StructType):
        return next(field.type for field in kind.fields if field.name == part)
    return kind.value_type if isinstance(kind, DictType) else kind.item_type


def _keys_at(path: Path) -> tuple[str, ...]:
    """The keys of the section that lies at this path of the document."""
    (kind,) = _kinds_at(path)
    if isinstance(kind, StructType):
        return tuple(field.name for field in kind.fields)
    return tuple(map(str, _words((kind.key_type,)))) if isinstance(kind, DictType) else ()


def _words(kinds: Sequence[Type]) -> tuple[Any, ...]:
    """The words among which one is to be chosen."""
    return tuple(word for kind in kinds if isinstance(kind, LiteralType) for word in kind.values)


def _expected(kinds: Sequence[Type]) -> str:
    """Every kind of value that is taken, in words."""
    *others, last = [*map(str, _words(kinds)), *filter(None, (_kind(kind) for kind in _distinct(kinds)))]
    return f"{', '.join(others)} or {last}" if others else last


def _distinct(kinds: Sequence[Type]) -> Sequence[Type]:
    takes_all_numbers = any(isinstance(kind, FloatType) for kind in kinds)
    return [kind for kind in kinds if not (takes_all_numbers and isinstance(kind, IntType))]


def _kind(kind: Type) -> str | None:
    if isinstance(kind, StrType):
        return FORMS[kind.pattern][0] if kind.pattern else "a text"
    if isinstance(kind, IntType | FloatType):
        return f"{'a whole number' if isinstance(kind, IntType) else 'a number'}{_bounds(kind)}"
    return next((words for of, words in _KINDS.items() if isinstance(kind, of)), None)


def _bounds(kind: IntType | FloatType) -> str:
    if kind.ge is not None and kind.le is not None:
        return f" from {kind.ge:.15g} to {kind.le:.15g}"
    if kind.ge is not None:
        return f" of at least {kind.ge:.15g}"
    return "" if kind.gt is None else f" above {kind.gt:.15g}"


# What came, and what to write.


def _got(value: Any, written: str | None) -> str:
    """The value is the repository's own: it may be shown."""
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "keys and values"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    shown = written or str(value)
    shown = shown if len(shown) <= _LONGEST_VALUE else f"{shown[:_LONGEST_VALUE]}... ({len(shown)} characters)"
    if isinstance(value, str):
        return f'the text "{shown}"'
    noun = "number" if isinstance(value, int | float) else "date" if isinstance(value, date) else type(value).__name__
    return f"the {noun} {shown}"


def _fix(key: str, kinds: Sequence[Type], value: Any, written: str | None) -> str:
    line = "- " if key.startswith("[") else f"{key}: "
    words, text = _words(kinds), next((kind for kind in kinds if isinstance(kind, StrType)), None)
    if words:
        return (_nearest(value, words) if isinstance(value, str) else None) or "Write one of them"
    if value is None:
        return "Remove it"
    if text and text.pattern:
        return f'Write `{line}"{FORMS[text.pattern][1]}"`'
    if text and written is not None:
        return f'Write it in quotes: `{line}"{written}"`'
    return _not_a_text(line, kinds, written) if isinstance(value, str) else "Correct the value"


def _not_a_text(line: str, kinds: Sequence[Type], written: str | None) -> str:
    if any(isinstance(kind, VarTupleType) for kind in kinds):
        return f"Write `{line}[{written}]`"
    is_number = any(isinstance(kind, IntType | FloatType) for kind in kinds)
    return "Write digits, without quotes" if is_number else "Correct the value"


def _nearest(name: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean `{near[0]}`" if near else None

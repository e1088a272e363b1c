"""skops files: a zip whose schema.json names every type in it; read within bounds, and nothing of it is imported."""

import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from modelcast_builder.artifact.compression import MOST_INFLATED, bound_for

SCHEMA = "schema.json"
MOST_SCHEMA = 256 * 1024**2
"""Bytes of schema.json; a forest of a thousand trees has about five million."""
MOST_MEMBERS = 1_000_000
CORRUPT = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    RecursionError,
    NotImplementedError,
    zlib.error,
    lzma.LZMAError,
)
"""What zip and JSON raise on bytes that are none of theirs, or that are nested without end."""
_NOT_CALLED = frozenset({"ObjectNode", "SparseMatrixNode", "TypeNode"})
"""A class is named, is made without its constructor, or is what scipy's own reader of matrices makes."""
_AUDITED_SINCE = Version("0.13")
_AUDITED = frozenset({"MethodNode", "OperatorFuncNode"})
"""Older releases of skops looked at another name than the one that they called (CVE-2025-54412, CVE-2025-54413)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What a skops file names."""

    names: frozenset[tuple[str, str]]
    """Every (module, name) that a load would import."""
    called: frozenset[tuple[str, str]]
    """Those that a load, or the model when it scores, may call with what the file says."""
    root: tuple[str, str]
    made_by: str | None
    """The scikit-learn that the root records."""
    versions: frozenset[str]
    skops: str
    raw: dict[str, Any] = field(compare=False, repr=False)
    """The whole of it, as JSON has it."""


def read_schema(path: Path) -> Schema:
    """What the file at `path` names; raises one of `CORRUPT`, with a sentence about `it` where we know more."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        most = min(MOST_INFLATED, bound_for(path.stat().st_size))
        if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > most:
            raise ValueError(f"it inflates to more than {most // 1024**2} MiB")
        if archive.getinfo(SCHEMA).flag_bits & 1 or archive.getinfo(SCHEMA).file_size > MOST_SCHEMA:
            raise ValueError("it has a schema.json that is encrypted or too large")
        schema = json.loads(archive.read(SCHEMA))
    if type(schema) is not dict or type(schema.get("_skops_version")) is not str:
        raise ValueError("it has no schema.json of skops")
    nodes = list(_nodes(schema))
    _refuse_unaudited(schema["_skops_version"], {str(node.get("__loader__")) for node in nodes})
    called = frozenset(name for node in nodes for name in _called(node))
    return Schema(
        names=called | {name for node in nodes for name in _name(node, "__module__", "__class__")},
        called=called,
        root=(str(schema.get("__module__")), str(schema.get("__class__"))),
        made_by=_version(schema.get("content")),
        versions=frozenset(version for node in nodes if (version := _version(node))),
        skops=schema["_skops_version"],
        raw=schema,
    )


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting: list[Any] = [schema]
    while waiting:
        part = waiting.pop()
        if type(part) is dict:
            yield part
            waiting.extend(part.values())
        elif type(part) is list:
            waiting.extend(part)


def _called(node: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if node.get("__loader__") not in _NOT_CALLED:
        yield from _name(node, "__module__", "__class__")
    # Protocol 0 named functions by these keys, and any file may claim to be that old.
    yield from _name(node, "module_path", "function")


def _name(node: dict[str, Any], module: str, name: str) -> Iterator[tuple[str, str]]:
    if type(node.get(module)) is str and type(node.get(name)) is str:
        yield node[module], node[name]


def _version(node: Any) -> str | None:
    """What the attributes of an estimator record: JSON in a node of its own."""
    content = node.get("content") if type(node) is dict else None
    recorded = content.get("_sklearn_version") if type(content) is dict else None
    text = recorded.get("content") if type(recorded) is dict else None
    value = json.loads(text) if type(text) is str else None
    return value if type(value) is str else None


def _refuse_unaudited(version: str, loaders: set[str]) -> None:
    try:
        is_old = Version(version) < _AUDITED_SINCE
    except InvalidVersion:
        is_old = True
    found = sorted(loaders & _AUDITED)
    if is_old and found:
        raise ValueError(f"it holds a {found[0]}, which skops {ascii(version)[1:-1][:20]} loads without a check")

"""A YAML file as its content and as its tree, which knows the lines; every refusal says where."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from modelcast_builder.errors import BuildError

STEP = "config"


def read(path: Path) -> tuple[Any, Any]:
    """The content and the tree of nodes, both None for an empty file; raises `BuildError` with the line."""
    text = _text(path)
    tree, content = tree_of(text, path.name, STEP), _parsed(yaml.safe_load, text, path.name, STEP)
    _check_nodes(path, tree)
    return content, tree


def tree_of(text: str, name: str, step: str) -> Any:
    """The tree of nodes of a file's text, None for an empty one; raises `BuildError` of that step with the line."""
    return _parsed(partial(yaml.compose, Loader=yaml.SafeLoader), text, name, step)


def line_of(node: Any, path: tuple[str, ...]) -> int:
    """The line of a key, by the path of names and `[index]`es; of the nearest parent where the path ends early."""
    line: int = node.start_mark.line + 1
    for part in path:
        found = _child(node, part)
        if found is None:
            return line
        line, node = found
    return line


def text_of(node: Any, path: tuple[str, ...]) -> str | None:
    """A scalar as it is written (YAML makes 3.1 of 3.10), on one line; None for anything else."""
    for part in path:
        found = _child(node, part)
        if found is None:
            return None
        node = found[1]
    return " ".join(node.value.split()) if isinstance(node, yaml.ScalarNode) else None


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BuildError(STEP, f"{path.name}:{line} is not UTF-8", "Save the file as UTF-8") from error


def _check_nodes(path: Path, tree: Any) -> None:
    """What YAML takes and nobody means: a key that is no text (`on` is true) or there twice, a number that is none."""
    waiting, seen = [tree], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias: the same node in many places
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            _check_names(path, [key for key, _ in node.value])
            waiting.extend(value for _, value in node.value)
        elif isinstance(node, yaml.ScalarNode) and node.tag.endswith(":float") and not _is_finite(node.value):
            problem = f"{path.name}:{node.start_mark.line + 1}: {node.value} is no number that JSON can carry"
            raise BuildError(STEP, problem, "Write a finite number, or leave the key out")


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace("_", "")))
    except ValueError:
        return ":" in text  # YAML's 1:30.5 is 90.5; what is left is .inf and .nan


def _check_names(path: Path, keys: list[Any]) -> None:
    lines: dict[str, int] = {}
    for key in keys:
        where = f"{path.name}:{key.start_mark.line + 1}"
        if key.tag.rpartition(":")[2] not in ("str", "merge", "value"):
            raise BuildError(STEP, f"{where}: the key `{key.value}` is no text", f'Write it in quotes: "{key.value}"')
        if key.value in lines:
            problem = f"{where}: the key `{key.value}` is there twice, first in line {lines[key.value]}"
            raise BuildError(STEP, problem, "Keep one of them")
        lines[key.value] = key.start_mark.line + 1


def _parsed(parse: Callable[[str], Any], text: str, name: str, step: str) -> Any:
    try:
        return parse(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
        raise BuildError(step, f"{name}{where} is no YAML: {reason}", "Mend that line") from error
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        # PyYAML's own readers of dates, numbers and tags end like this: for `2024-13-45`, `0x_`, `!!bool perhaps`.
        raise BuildError(step, f"{name} is no YAML: {error}", "Put that value in quotes") from error


def _child(node: Any, part: str) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        pairs = [(key, value) for key, value in node.value if key.value == part]
        return (pairs[0][0].start_mark.line + 1, pairs[0][1]) if pairs else None
    if isinstance(node, yaml.SequenceNode) and part[1:-1].isdigit() and int(part[1:-1]) < len(node.value):
        child = node.value[int(part[1:-1])]
        return child.start_mark.line + 1, child
    return None

"""A repository's uv.lock: every package that the project needs on this Python and platform, as a pin.

The graph is walked from the project as uv itself would, so what only a development group, another platform or the
service's own packages would bring is not in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

from modelcast_builder.environment.lock import STEP
from modelcast_builder.environment.pyproject import parsed
from modelcast_builder.environment.python import check_python
from modelcast_builder.environment.requirements import Line, Requirements, from_lines, is_brought, read_text
from modelcast_builder.errors import BuildError

FILE = "uv.lock"
PROJECT = ("editable", "virtual", "directory")
"""How uv.lock says that a package is the project itself."""
DAMAGED = "Write it again with `uv lock`"


@dataclass(frozen=True, slots=True)
class Node:
    """One `[[package]]` and the line of its name."""

    line: int
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The package's name, canonical."""
        return canonicalize_name(str(self.entry.get("name")))

    @property
    def source(self) -> Mapping[str, Any]:
        """Where uv took it from."""
        source = self.entry.get("source")
        return source if isinstance(source, dict) else {}

    @property
    def is_project(self) -> bool:
        """Whether it lies at the root of the repository."""
        return any(self.source.get(kind) == "." for kind in PROJECT)

    def needs(self, extras: frozenset[str]) -> Iterator[Mapping[str, Any]]:
        """Its dependencies, and those of its extras, that hold here."""
        optional = self.entry.get("optional-dependencies", {})
        for listed in (self.entry.get("dependencies", []), *(optional.get(extra, []) for extra in sorted(extras))):
            yield from (need for need in listed if _holds(need.get("marker")))


def read(root: Path, file: str = FILE) -> Requirements:
    """The pins of uv.lock. Raises BuildError for a damaged one, and for a package that no index has."""
    text = read_text(root, file)
    document = parsed(text, file)
    if isinstance(document.get("requires-python"), str):
        check_python(file, document["requires-python"])
    nodes = _nodes(document, text)
    project = next((node for node in nodes if node.is_project), None)
    if project is None:
        raise BuildError(STEP, f"{file} holds no project at the root of the repository", DAMAGED)
    reached = sorted(_reached(nodes, project), key=lambda node: node.name)
    found = from_lines(file, [Line(where=f"{file}:{node.line}", text=_pin(node)) for node in reached])
    groups = sorted(project.entry.get("dev-dependencies", {}))
    note = f"the groups {', '.join(groups)} of {file} are left out: the model needs its dependencies alone"
    return Requirements(pins=found.pins, notes=(*found.notes, *([note] if groups else [])), file=file)


def _nodes(document: Mapping[str, Any], text: str) -> list[Node]:
    starts = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "[[package]]"]
    packages = document.get("package", [])
    if not isinstance(packages, list) or len(starts) != len(packages):
        raise BuildError(STEP, f"{FILE} is not as uv writes it", DAMAGED)
    return [Node(line=start + 1, entry=entry) for start, entry in zip(starts, packages, strict=True)]


def _reached(nodes: list[Node], project: Node) -> list[Node]:
    """Every package that the project needs, itself left out; the service's are not followed: it brings its own."""
    waiting, seen, found = [(project, frozenset[str]())], set[tuple[int, frozenset[str]]](), dict[int, Node]()
    while waiting:
        node, extras = waiting.pop()
        if (node.line, extras) in seen:
            continue
        seen.add((node.line, extras))
        if node is not project:
            found[node.line] = node
        if not is_brought(node.name):
            waiting += [(_target(nodes, need, node), frozenset(need.get("extra", ()))) for need in node.needs(extras)]
    return list(found.values())


def _target(nodes: list[Node], need: Mapping[str, Any], whose: Node) -> Node:
    named = [node for node in nodes if node.name == canonicalize_name(str(need.get("name")))]
    exact = [node for node in named if node.entry.get("version") == need.get("version", node.entry.get("version"))]
    # A package that is there twice is meant for two platforms; each says which.
    fitting = [node for node in exact if any(map(_holds, node.entry.get("resolution-markers", [None])))]
    if not fitting:
        problem = f"{FILE}:{whose.line}: {whose.name} needs {need.get('name')}, which the file does not hold"
        raise BuildError(STEP, problem, DAMAGED)
    return fitting[0]


def _pin(node: Node) -> str:
    if "registry" not in node.source:
        kind = next(iter(node.source), "nowhere")
        problem = f"{FILE}:{node.line}: {node.name} comes from a source of the kind {kind}, which is not supported"
        fix = "Release it to a package index, or put its modules into the repository and leave it out"
        raise BuildError(STEP, problem, fix)
    return f"{node.name}=={node.entry.get('version')}"


def _holds(marker: str | None) -> bool:
    try:
        return marker is None or Marker(marker).evaluate({"extra": ""})
    except InvalidMarker as wrong:
        raise BuildError(STEP, f"{FILE} has the marker {marker!r}, which cannot be read", DAMAGED) from wrong

"""A repository's pyproject.toml: what the project needs, in the standard's form or in poetry's."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from modelcast_builder.environment import poetry
from modelcast_builder.environment.lock import STEP
from modelcast_builder.environment.python import check_python
from modelcast_builder.environment.requirements import Line, Requirements, from_lines, read_text
from modelcast_builder.errors import BuildError

FILE = poetry.FILE


def read(root: Path, file: str = FILE) -> Requirements | None:
    """What pyproject.toml asks for; None where it names no dependencies. Raises BuildError for what is refused."""
    text = read_text(root, file)
    document = parsed(text, file)
    if _listed(document) is None:
        return None
    project, tool = _table(document, "project"), _table(document, "tool", "poetry")
    if "dependencies" in project:
        key, python, entries = "requires-python", project.get("requires-python"), _standard(project["dependencies"])
    else:
        key, python = "python", poetry.python(tool["dependencies"].get("python"), text)
        entries = poetry.requirements(tool["dependencies"], text)
    if isinstance(python, str):
        check_python(f"{file}:{line_of(text, key)}", python)
    if not entries:
        return None
    found = from_lines(file, [Line(where=f"{file}:{line_of(text, said)}", text=entry) for said, entry in entries])
    notes = (*found.notes, *_ignored(document, file))
    return Requirements(pins=found.pins, ranges=found.ranges, notes=notes, file=file)


def names_dependencies(document: Mapping[str, Any]) -> bool:
    """Whether the document says what the project needs; many hold nothing but the settings of tools."""
    listed = _listed(document)
    return any(name != "python" for name in listed) if isinstance(listed, list | dict) else listed is not None


def _listed(document: Mapping[str, Any]) -> Any:
    """The dependencies as they are listed, if they are. Raises BuildError where only a build would tell."""
    project, tool = _table(document, "project"), _table(document, "tool", "poetry")
    if "dependencies" in project.get("dynamic", ()):
        problem = f"{FILE} leaves the dependencies to a build (`dynamic`), which is not executed"
        raise BuildError(STEP, problem, "Write them into requirements.txt")
    of_poetry = tool.get("dependencies")
    return project.get("dependencies", of_poetry if isinstance(of_poetry, dict) else None)


def parsed(text: str, file: str) -> dict[str, Any]:
    """The document of a TOML text; raises BuildError with the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise BuildError(STEP, f"{file} is no TOML: {wrong}", "Mend that line") from wrong


def line_of(text: str, said: str) -> int:
    """The first line that says this in quotes or as a key, else the first that holds it."""
    lines = text.splitlines()
    quoted = [number for number, line in enumerate(lines, 1) if f'"{said}"' in line or f"'{said}'" in line]
    keys = [
        number for number, line in enumerate(lines, 1) if re.match(rf"""\s*["']?{re.escape(said)}["']?\s*=""", line)
    ]
    return next(iter([*keys, *quoted]), 1)


def _standard(dependencies: Any) -> list[tuple[str, str]]:
    if not isinstance(dependencies, list) or not all(isinstance(entry, str) for entry in dependencies):
        raise BuildError(STEP, f"{FILE}: `project.dependencies` is no list of texts", 'Write ["scikit-learn==1.4.2"]')
    return [(entry, entry) for entry in dependencies]


def _ignored(document: Mapping[str, Any], file: str) -> Iterator[str]:
    tool = _table(document, "tool", "poetry")
    extra = [
        *_table(document, "project", "optional-dependencies"),
        *_table(document, "dependency-groups"),
        *_table(tool, "group"),
        *(["dev-dependencies"] if "dev-dependencies" in tool else []),
    ]
    if extra:
        yield f"the groups {', '.join(sorted(extra))} of {file} are left out: the model needs its dependencies alone"


def _table(document: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    inner: Any = document
    for part in path:
        inner = inner.get(part, {}) if isinstance(inner, dict) else {}
    return inner if isinstance(inner, dict) else {}

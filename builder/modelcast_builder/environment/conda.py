"""A repository's environment.yml: its `pip:` part, and conda's own packages that PyPI has too."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from modelcast_builder import yaml_file
from modelcast_builder.environment.conda_names import IGNORED, PYPI
from modelcast_builder.environment.lock import STEP
from modelcast_builder.environment.python import check_python
from modelcast_builder.environment.requirements import Line, Requirements, expand, from_lines, read_text
from modelcast_builder.errors import BuildError

FILES = ("environment.yml", "environment.yaml")
FULL = 3
"""A version of so many parts is one release: conda's `=` means every release that begins so."""
_SPEC = re.compile(r"(?:[^\s:\[\]]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<rest>.*)", re.DOTALL)
_SHOWN = 8


def read(root: Path, file: str) -> Requirements | None:
    """What environment.yml asks for; None where it lists nothing. Raises BuildError for what only conda has."""
    listed = _dependencies(read_text(root, file), file)
    if not listed:
        return None
    plain = [Line(where=f"{file}:{node.start_mark.line + 1}", text=node.value) for node in listed if _is_text(node)]
    lines, foreign = _sorted_out(plain)
    if foreign:
        raise _only_conda(file, foreign)
    by_pip = [line for node in listed if not _is_text(node) for line in _pip_part(node, file)]
    return from_lines(file, [*lines, *expand(root.resolve(), root.resolve() / file, by_pip)])


def _sorted_out(lines: Iterable[Line]) -> tuple[list[Line], list[Line]]:
    """PyPI's packages as requirements, and the lines of those that only conda has."""
    ours, foreign = [], []
    for line in lines:
        spec = _SPEC.fullmatch(line.text.strip())
        if spec is None:
            raise _unreadable(line)
        name = spec["name"].lower()
        if name == "python":
            _check_python(line, spec["rest"])
        elif name in PYPI:
            ours.append(Line(where=line.where, text=f"{PYPI[name]}{_specifier(line, spec['rest'])}"))
        elif name not in IGNORED:
            foreign.append(Line(where=line.where, text=spec["name"]))
    return ours, foreign


def _check_python(line: Line, rest: str) -> None:
    asked = _specifier(line, rest).replace(".*", "").removeprefix("==")
    # An exported environment names Python to its last digit; what wheels are made for is the minor version.
    minor = re.fullmatch(r"(\d+\.\d+)\.\d+", asked)
    if asked:
        check_python(line.where, minor[1] if minor else asked)


def _specifier(line: Line, rest: str) -> str:
    """Conda's constraint in PyPI's words: `=1.4` is `==1.4.*`, `=1.4.2=py311_0` is `==1.4.2`."""
    version, build = _constraint(line, rest)
    if not version or version == "*":
        return ""
    if re.search(r"[|()~\s]", version.replace("~=", "")):
        raise _unreadable(line)
    return ",".join(_bound(part, is_exact=build) for part in version.split(","))


def _constraint(line: Line, rest: str) -> tuple[str, bool]:
    """The version's text, and whether a build string makes it one release."""
    bracket = re.fullmatch(r"\[(.*)\]", rest.strip())
    if bracket:
        inside = re.search(r"""version\s*=\s*['"]([^'"]*)['"]""", bracket[1])
        return (re.sub(r"\s+", "", inside[1]) if inside else ""), False
    parts = re.sub(r"\s*([<>=!~,|]+)\s*", r"\1", rest.strip()).split()
    if parts and not parts[0].startswith(("=", "<", ">", "!", "~")):
        parts = ["=".join(["", *parts])]
    if len(parts) > 1:
        raise _unreadable(line)
    named = re.fullmatch(r"(={1,2}[^=<>!~]+)=([^=]*)", parts[0]) if parts else None
    return (named[1], named[2] != "*") if named else ("".join(parts), False)


def _bound(part: str, *, is_exact: bool) -> str:
    prefix = re.fullmatch(r"=?([\w.+!]+?)(\.?\*)?", part)
    if prefix is None:
        return part
    release, star = prefix[1], prefix[2]
    whole = release.count(".") + 1 >= FULL or is_exact
    return f"=={release}" if whole and not star else f"=={release}.*"


def _pip_part(node: Any, file: str) -> Iterator[Line]:
    where = f"{file}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode) or [key.value for key, _ in node.value] != ["pip"]:
        raise BuildError(STEP, f"{where} is neither a package nor the `pip:` part", "Write `- NAME=VERSION`")
    listed = node.value[0][1]
    entries = listed.value if isinstance(listed, yaml.SequenceNode) else []
    for entry in entries:
        if not _is_text(entry):
            raise BuildError(STEP, f"{file}:{entry.start_mark.line + 1} is no requirement", "Write `- NAME==VERSION`")
        yield Line(where=f"{file}:{entry.start_mark.line + 1}", text=re.sub(r"(^|\s)#.*$", "", entry.value).strip())


def _dependencies(text: str, file: str) -> list[Any]:
    tree = yaml_file.tree_of(text, file, STEP)
    entries = tree.value if isinstance(tree, yaml.MappingNode) else []
    listed = next((value for key, value in entries if key.value == "dependencies"), None)
    return listed.value if isinstance(listed, yaml.SequenceNode) else []


def _is_text(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode)


def _only_conda(file: str, lines: list[Line]) -> BuildError:
    named = [f"{line.text} (line {line.where.rpartition(':')[2]})" for line in lines]
    more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
    many = "are packages" if len(named) > 1 else "is a package"
    problem = f"{file}: {', '.join(named[:_SHOWN])}{more} {many} of conda alone, as far as modelcast knows"
    fix = "Move what is on PyPI under `- pip:`, take the rest out, or name what the model imports in requirements.txt"
    return BuildError(STEP, problem, fix)


def _unreadable(line: Line) -> BuildError:
    problem = f"{line.where} is a constraint that is not supported: {line.text[:80]}"
    return BuildError(STEP, problem, "Write `- NAME`, `- NAME=VERSION` or a range with commas")

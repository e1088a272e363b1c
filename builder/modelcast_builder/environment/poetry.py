"""Poetry's own words for what a project needs, as requirements: `^1.2`, `~1.2`, `1.2`, `*` and tables of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from modelcast_builder.environment.lock import STEP
from modelcast_builder.errors import BuildError

FILE = "pyproject.toml"
ELSEWHERE = ("git", "path", "url", "file")
HOW = "Write a version, ^1.2, ~1.2, * or a range with commas, or name the packages in requirements.txt"


def requirements(dependencies: Mapping[str, Any], text: str) -> list[tuple[str, str]]:
    """Each dependency's name and its requirement, without optional ones; `text` is for the line of a refusal."""
    return [
        (name, requirement)
        for name, said in dependencies.items()
        if name != "python"
        for entry in (said if isinstance(said, list) else [said])
        if (requirement := _requirement(name, entry, text)) is not None
    ]


def python(said: Any, text: str) -> str | None:
    """The specifier of poetry's `python` key."""
    return specifier("python", said, text) if isinstance(said, str) and said != "*" else None


def specifier(name: str, said: str, text: str) -> str:
    """`^1.2` as `>=1.2,<2`, and so on; raises BuildError with the line for what is none of the known forms."""
    parts = [part.strip() for part in re.sub(r"(?<=[\w*])\s+(?=[<>=!~^])", ",", said.strip()).split(",")]
    try:
        return ",".join(bound for part in parts for bound in _bounds(part))
    except InvalidVersion as wrong:
        raise _refused(name, f"has the constraint {said[:60]!r}", text) from wrong


def _requirement(name: str, said: Any, text: str) -> str | None:
    entry = {"version": said} if isinstance(said, str) else said
    if not isinstance(entry, dict):
        raise _refused(name, "is neither a version nor a table", text)
    place = next((key for key in ELSEWHERE if key in entry), None)
    if place is not None:
        raise _refused(name, f"comes from a {place}, which is not supported", text)
    if entry.get("optional") is True:
        return None
    version = entry.get("version", "*")
    if not isinstance(version, str):
        raise _refused(name, "has a version that is no text", text)
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    conditions = list(_markers(name, entry, text))
    marker = f"; {' and '.join(conditions)}" if conditions else ""
    return f"{canonicalize_name(name)}{extras}{specifier(name, version, text)}{marker}"


def _markers(name: str, entry: Mapping[str, Any], text: str) -> Iterator[str]:
    if "markers" in entry:
        yield f"({entry['markers']})"
    if "platform" in entry:
        yield f'sys_platform == "{entry["platform"]}"'
    if entry.get("python", "*") != "*":
        for bound in specifier(name, entry["python"], text).split(","):
            sign, version = re.fullmatch(r"([<>=!~]+)(.*)", bound).groups()  # type: ignore[union-attr]
            yield f'python_full_version {sign} "{version}"'


def _bounds(part: str) -> Iterator[str]:
    sign, _, version = re.fullmatch(r"(\^|~(?!=))?(\s*)(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]
    if sign:
        lower = Version(version)
        yield f">={lower}"
        yield f"<{_next(lower, caret=sign == '^')}"
    elif version[:1] in {"<", ">", "!", "=", "~"}:
        operator = re.match(r"[<>=!~]+", version)
        number = version[operator.end() :].strip() if operator else version
        yield f"{(operator or [''])[0].replace('===', '==')}{_checked(number)}"
    elif version not in {"*", ""}:
        yield f"=={_checked(version)}"


def _checked(number: str) -> str:
    Version(number.removesuffix(".*"))
    return number


def _next(version: Version, *, caret: bool) -> str:
    """The first version that a caret or a tilde leaves out."""
    release = version.release
    if caret:
        place = next((at for at, part in enumerate(release) if part), len(release) - 1)
    else:
        place = min(1, len(release) - 1)
    return ".".join(map(str, [*release[:place], release[place] + 1]))


def _refused(name: str, why: str, text: str) -> BuildError:
    numbers = [
        at for at, line in enumerate(text.splitlines(), 1) if re.match(rf"""["']?{re.escape(name)}["']?\s*=""", line)
    ]
    where = f"{FILE}:{numbers[-1]}" if numbers else FILE
    return BuildError(STEP, f"{where}: {name} {why}", HOW)

"""What counts as a repository's source: the one walk that discovery, the digest and travelling code share.

A symbolic link is one entry, named and never followed, so that no walk leaves the repository.
"""

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelcast_runtime.contract import digest_of

from modelcast_builder import yaml_file
from modelcast_builder.errors import BuildError

IGNORE_FILE = ".s2iignore"
CONFIG_FILE = "modelcast.yaml"
_NEVER = {".git", "__pycache__", ".ipynb_checkpoints"}
_WHEELHOUSES = {"wheels", "wheelhouse"}
_LARGEST_MANIFEST = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of `.s2iignore`: a pattern for each part of a path."""

    parts: tuple[re.Pattern[str], ...]
    is_exception: bool

    def matches(self, names: tuple[str, ...]) -> bool:
        return len(names) == len(self.parts) and all(
            part.fullmatch(name) for part, name in zip(self.parts, names, strict=True)
        )


def files(root: Path) -> Iterator[Path]:
    """Every file and symbolic link of the source, sorted by its path; raises BuildError on a bad `.s2iignore`."""
    rules = (*_rules(root), *_named_wheelhouse(root))
    yield from sorted(_walk(root, (), rules), key=lambda path: path.relative_to(root).as_posix())


def digest(root: Path) -> str:
    """The digest over relative paths and contents: times, owners and modes are not in it."""
    return digest_of({path.relative_to(root).as_posix(): _content(path) for path in files(root)})


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, which may be larger than the memory, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link:{os.readlink(path)}"  # noqa: PTH115 - the text as it is: Path would tidy it
    return sha256_of(path)


def _walk(root: Path, names: tuple[str, ...], rules: tuple[_Rule, ...]) -> Iterator[Path]:
    with os.scandir(root.joinpath(*names)) as entries:
        for entry in entries:
            here = (*names, entry.name)
            if entry.name in _NEVER or _is_ignored(here, rules):
                continue
            if entry.is_dir(follow_symlinks=False):
                if not _is_no_source(Path(entry.path)):
                    yield from _walk(root, here, rules)
            elif entry.is_symlink() or entry.is_file():
                yield Path(entry.path)


def _is_no_source(folder: Path) -> bool:
    """Virtual environments, wheelhouses and bundles."""
    if (folder / "pyvenv.cfg").is_file():
        return True
    if folder.name in _WHEELHOUSES:
        return any(name.endswith((".whl", ".tar.gz")) for name in os.listdir(folder))  # noqa: PTH208 - names suffice
    return _is_bundle(folder / "manifest.json")


def _named_wheelhouse(root: Path) -> Iterator[_Rule]:
    """The folder that `wheels:` of modelcast.yaml names, whatever it is called."""
    path = root / CONFIG_FILE
    content = yaml_file.read(path)[0] if path.is_file() else None
    named = content.get("wheels") if isinstance(content, dict) else None
    if isinstance(named, str):
        parts = posixpath.normpath(named).split("/")
        yield _Rule(parts=tuple(re.compile(re.escape(part)) for part in parts), is_exception=False)


def _is_bundle(manifest: Path) -> bool:
    if not manifest.is_file() or manifest.stat().st_size > _LARGEST_MANIFEST:
        return False
    try:
        content = json.loads(manifest.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "bundle_version" in content


def _is_ignored(names: tuple[str, ...], rules: tuple[_Rule, ...]) -> bool:
    """Whether the last rule that names this very path takes it out: as in s2i, a rule reaches no deeper."""
    return next((not rule.is_exception for rule in reversed(rules) if rule.matches(names)), False)


def _rules(root: Path) -> tuple[_Rule, ...]:
    path = root / IGNORE_FILE
    if not path.is_file():
        return ()
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return tuple(rule for number, line in enumerate(lines, 1) if (rule := _rule(line.strip(), number)))


def _rule(line: str, number: int) -> _Rule | None:
    if not line or line.startswith("#"):
        return None
    pattern = posixpath.normpath("/" + line.removeprefix("!")).lstrip("/")
    try:
        parts = tuple(re.compile(_translate(part), re.DOTALL) for part in pattern.split("/"))
    except ValueError:
        problem = f"{IGNORE_FILE}:{number}: `{line}` is no pattern that s2i understands"
        raise BuildError("discover", problem, "Close the bracket, or write a backslash before it") from None
    return _Rule(parts=parts, is_exception=line.startswith("!"))


_TOKEN = re.compile(
    r"\*|\?|\\(?P<escaped>.)|\[(?P<negated>\^?+)(?P<class>(?:\\.|[^\]\\])+)\]|(?P<plain>[^\[\\])", re.DOTALL
)


def _translate(pattern: str) -> str:
    """One part of a Go `filepath.Match` pattern as a regular expression; raises ValueError where Go refuses it."""
    out, at = "", 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise ValueError(pattern)
        out += _expression(token)
        at = token.end()
    return out


def _expression(token: re.Match[str]) -> str:
    if token["class"]:
        return f"[{token['negated']}{_ranges(token['class'])}]"
    if token.group() in ("*", "?"):
        return ".*" if token.group() == "*" else "."
    return re.escape(token["escaped"] or token["plain"])


def _ranges(inside: str) -> str:
    """A bracket's characters and ranges, each character escaped; raises ValueError for a range that runs backwards."""
    pairs = re.findall(r"(\\.|[^-\\])(?:-(\\.|[^-\\]))?", inside, re.DOTALL)
    if "".join(low + ("-" + high if high else "") for low, high in pairs) != inside:
        raise ValueError(inside)
    out = ""
    for low, high in ((low[-1], high[-1:]) for low, high in pairs):
        if high and high < low:
            raise ValueError(inside)
        out += re.escape(low) + (f"-{re.escape(high)}" if high else "")
    return out

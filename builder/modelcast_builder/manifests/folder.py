"""Writes objects as YAML and JSON files, each with a line that proves it to be ours: nothing else is overwritten."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from modelcast_builder.errors import BuildError
from modelcast_builder.manifests.metadata import Object

_HEAD = "# By `modelcast manifests`: change it in an overlay. sha256 of the rest: "
_JSON_HEAD = ' "description": "By `modelcast manifests`: change a copy of it. sha256 of the rest: {}",'
"""JSON has no comments, and whoever reads the file shows this to people."""
_WIDTH = 120
_WORD = re.compile(r"[A-Za-z$/].")


class _Dumper(yaml.SafeDumper):
    """What people read, and every reader takes for what it is."""

    def ignore_aliases(self, _data: object) -> bool:
        """The same value twice instead of an anchor."""
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        """Quoted where only YAML 1.1, which this library writes, sees a text: `12e4` is a number to Kubernetes."""
        style = "|" if "\n" in data else None if _WORD.match(data) else "'"
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def write(out: Path, files: Mapping[str, Object]) -> Sequence[Path]:
    """Write each object to its path below `out`; the paths. Raises `BuildError` before anything is written."""
    texts = {
        out / name: _dumped_as_json(value) if name.endswith(".json") else dumped(value) for name, value in files.items()
    }
    try:
        for path in texts:
            _check(path)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        problem = f"{error.filename} cannot be written: {error.strerror}"
        raise BuildError("manifests", problem, "Name another folder with --out") from error
    return tuple(texts)


def dumped(value: Object) -> str:
    """The YAML of an object, in the order of its keys, under the line that proves it to be ours."""
    text = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return f"{_HEAD}{_digest(text)}\n{text}"


def _dumped_as_json(value: Object) -> str:
    """The same as JSON: the line is its second one, behind the brace."""
    brace, rest = json.dumps(value, indent=1, ensure_ascii=False).split("\n", 1)
    rest += "\n"
    return f"{brace}\n{_JSON_HEAD.format(_digest(f'{brace}{rest}'))}\n{rest}"


def _check(path: Path) -> None:
    if path.exists() and not _is_ours(path.read_bytes()):
        raise BuildError(
            "manifests",
            f"{path} was not written by this command, or was changed since",
            "Name another folder with --out, or remove the file",
        )


def _is_ours(content: bytes) -> bool:
    first, _, rest = content.decode("utf-8", "replace").partition("\n")
    second, _, behind = rest.partition("\n")
    return first == f"{_HEAD}{_digest(rest)}" or second == _JSON_HEAD.format(_digest(f"{first}{behind}"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""`modelcast.yaml` and the build's environment become one frozen `Config`; every error says line and nearest key."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from modelcast_runtime.contract import ServiceDefaults

from modelcast_builder import yaml_file
from modelcast_builder.document import Document, Parameter
from modelcast_builder.errors import BuildError

FILE = "modelcast.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the repository and the build's environment ask for."""

    document: Document = field(default_factory=Document)
    name: str | None = None
    """`MODELCAST_NAME`, else `name:`."""
    notebooks: tuple[str, ...] | None = None
    """`S2I_SOURCE_NOTEBOOK_LIST`, else `notebooks:`."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """`parameters:`, with what `MODELCAST_PARAMETERS` says over it."""
    source_url: str | None = None
    """`OPENSHIFT_BUILD_SOURCE`."""
    commit: str | None = None
    """`OPENSHIFT_BUILD_COMMIT`; S2I takes `.git` away."""

    @property
    def model(self) -> str | None:
        """`model:`, where it is written."""
        return self.document.model

    @property
    def service(self) -> ServiceDefaults:
        """The service's settings that are sealed with the model."""
        return self.document.service_defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """What the machine gives the build."""

    variables: Mapping[str, str]
    """The build's environment variables."""
    cache: Path
    environment: Path | None = None
    """Where an image bakes the model's environment; None keeps it in the cache."""
    wheelhouse: Path | None = None


def build_settings(variables: Mapping[str, str]) -> BuildSettings:
    """The builder's own settings of the machine: `MODELCAST_CACHE`, `_ENVIRONMENT` and `_WHEELHOUSE`."""
    home = _variable(variables, "XDG_CACHE_HOME") or str(Path.home() / ".cache")
    baked, wheels = _variable(variables, "MODELCAST_ENVIRONMENT"), _variable(variables, "MODELCAST_WHEELHOUSE")
    return BuildSettings(
        variables=variables,
        cache=Path(_variable(variables, "MODELCAST_CACHE") or f"{home}/modelcast").resolve(),
        environment=Path(baked) if baked else None,
        wheelhouse=Path(wheels) if wheels else None,
    )


def read_config(repo: Path, environment: Mapping[str, str]) -> Config:
    """Read `modelcast.yaml` (optional) and the build's environment; raises `BuildError` with the line."""
    document = _document(repo / FILE) if (repo / FILE).is_file() else Document()
    listed = _variable(environment, "S2I_SOURCE_NOTEBOOK_LIST")
    named = tuple(part.strip() for part in listed.split(",") if part.strip()) if listed else None
    return Config(
        document=document,
        name=_variable(environment, "MODELCAST_NAME") or document.name,
        notebooks=named or document.notebooks,
        parameters={**document.parameters, **_parameters(environment)},
        source_url=_variable(environment, "OPENSHIFT_BUILD_SOURCE"),
        commit=_variable(environment, "OPENSHIFT_BUILD_COMMIT"),
    )


def _variable(environment: Mapping[str, str], name: str) -> str | None:
    """S2I keeps the quotes that a user writes in .s2i/environment; empty is unset."""
    value = environment.get(name, "").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1].strip()
    return value or None


def _document(path: Path) -> Document:
    content, tree = yaml_file.read(path)
    if content is None:
        return Document()
    if not isinstance(content, dict):
        problem = f"{FILE} holds a {type(content).__name__}, expected keys and values"
        raise BuildError("config", problem, "Write `name: my-model`")
    try:
        document = msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise _wrong(error, content, tree) from error
    later = document.not_built()
    if later:
        where = f"{FILE}:{yaml_file.line_of(tree, later)}"
        said = f"{later[0]}: {document.compile}" if later == ("compile",) else ".".join(later)
        raise BuildError("config", f"{where}: `{said}` is not built yet in this version", "Remove the line")
    return document


def _parameters(environment: Mapping[str, str]) -> dict[str, Parameter]:
    given = _variable(environment, "MODELCAST_PARAMETERS")
    if given is None:
        return {}
    try:
        return msgspec.json.decode(given, type=dict[str, Parameter])
    except msgspec.DecodeError as error:
        reason = _decapitalised(str(error))
        fix = """Write names and values: MODELCAST_PARAMETERS='{"k": 7}'"""
        raise BuildError("config", f"MODELCAST_PARAMETERS is no JSON object: {reason}", fix) from error


def _wrong(error: msgspec.ValidationError, content: dict[str, Any], tree: Any) -> BuildError:
    """It says `Expected `str`, got `int` - at `$.data.train``; the line is found by that path."""
    problem, _, place = str(error).partition(" - at `")
    is_key, _, route = place.rpartition("$")
    path = _named(content, tuple(re.findall(r"\[[^]]*\]|[^.\[\]`]+", route)) + (("[...]",) if is_key else ()))
    unknown = re.search(r"unknown field `(.*)`", problem)
    path = (*path, unknown[1]) if unknown else path
    named = ".".join(path).replace(".[", "[")
    where = f"{FILE}:{yaml_file.line_of(tree, path)}"
    if not unknown:
        return BuildError("config", f"{where}: `{named}`: {_decapitalised(problem)}", "Correct the value")
    known = _keys_at(path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1)
    fix = f"Did you mean `{near[0]}`" if near else f"The keys are {', '.join(known)}"
    return BuildError("config", f"{where}: unknown key `{named}`", fix)


def _named(content: dict[str, Any], path: tuple[str, ...]) -> tuple[str, ...]:
    """The path with the keys that msgspec leaves out as `[...]`: those whose entry alone is refused too."""
    for place, part in enumerate(path):
        if part == "[...]":
            above = path[:place]
            key = next(key for key in _at(content, above) if _is_refused(_only(content, above, key)))
            path = (*above, key, *path[place + 1 :])
    return path


def _at(content: Any, path: tuple[str, ...]) -> Any:
    return reduce(lambda inner, part: inner[int(part[1:-1])] if isinstance(inner, list) else inner[part], path, content)


def _only(content: Any, path: tuple[str, ...], key: str) -> Any:
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


def _keys_at(path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys of the section that lies at this path of the document."""
    kind: Any = Document
    for part in path:
        inner = get_type_hints(kind)[part] if hasattr(kind, "__struct_fields__") else get_args(kind)[1]
        choices = get_args(inner) if get_origin(inner) in (Union, UnionType) else ()
        kind = next((one for one in choices if hasattr(one, "__struct_fields__")), inner)
    return tuple(kind.__struct_fields__)


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]

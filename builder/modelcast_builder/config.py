"""`modelcast.yaml` and the build's environment become one frozen `Config`; every error says line and nearest key."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from modelcast_runtime.contract import ServiceDefaults
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from modelcast_builder import build_variables, parameters, yaml_file
from modelcast_builder.document import Document, Parameter
from modelcast_builder.document_refusal import refusal
from modelcast_builder.errors import BuildError

FILE = "modelcast.yaml"
_NOTEBOOK_KEYS = ("S2I_SOURCE_NOTEBOOK_LIST", "S2I_SOURCE_NOTEBOOK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the repository and the build's environment ask for."""

    document: Document = field(default_factory=Document)
    name: str | None = None
    """`MODELCAST_NAME`, else `name:`."""
    notebooks: tuple[str, ...] | None = None
    """`S2I_SOURCE_NOTEBOOK_LIST`, else `S2I_SOURCE_NOTEBOOK`, else `notebooks:`."""
    notebooks_key: str = "notebooks"
    """Which of the three it was."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """`parameters:`, with what `MODELCAST_PARAMETERS` says over it."""
    handed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What its notebooks get of the build's variables."""
    source_url: str | None = None
    """`OPENSHIFT_BUILD_SOURCE`."""
    commit: str | None = None
    """`OPENSHIFT_BUILD_COMMIT`; S2I takes `.git` away."""
    ref: str | None = None
    """`OPENSHIFT_BUILD_REFERENCE`."""

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
    _check_ending(repo)
    environment = build_variables.with_s2i(repo, environment)
    document = _document(repo / FILE, environment) if (repo / FILE).is_file() else Document()
    key, named = _notebooks(environment, document)
    return Config(
        document=document,
        name=_variable(environment, "MODELCAST_NAME") or document.name,
        notebooks=named,
        notebooks_key=key,
        parameters={**document.parameters, **_parameters(environment)},
        handed=build_variables.handed(environment, document.build.env),
        source_url=_variable(environment, "OPENSHIFT_BUILD_SOURCE"),
        commit=_variable(environment, "OPENSHIFT_BUILD_COMMIT"),
        ref=_variable(environment, "OPENSHIFT_BUILD_REFERENCE"),
    )


def _notebooks(environment: Mapping[str, str], document: Document) -> tuple[str, tuple[str, ...] | None]:
    """Where the list stands, and the list; `S2I_SOURCE_NOTEBOOK` is what the first S2I builders of models read."""
    listed, one = (_variable(environment, key) for key in _NOTEBOOK_KEYS)
    named = tuple(part.strip() for part in (listed or "").split(",") if part.strip())
    if named:
        return _NOTEBOOK_KEYS[0], named
    return (_NOTEBOOK_KEYS[1], (one,)) if one else ("notebooks", document.notebooks)


def _variable(environment: Mapping[str, str], name: str) -> str | None:
    """Without S2I's quotes; empty is unset."""
    return build_variables.unquoted(environment.get(name, "").strip()).strip() or None


def _check_ending(repo: Path) -> None:
    """A file that nobody reads, and that its author takes for the configuration."""
    near = [path.name for path in sorted(repo.iterdir()) if path.name.lower() in (FILE, "modelcast.yml")]
    others = [name for name in near if name != FILE]
    if others:
        fix = f"Remove it: {FILE} is there too" if FILE in near else f"Rename it to {FILE}"
        raise BuildError("config", f"{others[0]} is not read", fix)


def _document(path: Path, environment: Mapping[str, str]) -> Document:
    content, tree = yaml_file.read(path)
    if content is None:
        return Document()
    if not isinstance(content, dict):
        problem = f"{FILE} holds a {type(content).__name__}, expected keys and values"
        raise BuildError("config", problem, "Write `name: my-model`")
    try:
        document = msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise refusal(error, FILE, content, tree) from error

    def at(*keys: str) -> str:
        return f"{FILE}:{yaml_file.line_of(tree, keys)}"

    later = document.not_built()
    if later:
        raise BuildError(
            "config", f"{at(*later)}: `{'.'.join(later)}` is not built yet in this version", "Remove the line"
        )
    if document.python is not None:
        _check_python(document.python, at("python"))
    parameters.check(document.parameters, lambda name: f"{at('parameters', name)}: `parameters.{name}`")
    build_variables.check_named(document.build.env, environment, at("build", "env"))
    return document


def _check_python(wanted: str, where: str) -> None:
    """Whether this is the Python that `python:` names, as `3.11` (any 3.11) or as a requirement has it."""
    here = ".".join(map(str, sys.version_info[:3]))
    bare = re.fullmatch(r"([0-9]+(?:\.[0-9]+)*)(?:\.\*)?", wanted)
    try:
        versions = SpecifierSet(f"=={bare[1]}.*" if bare else wanted)
    except InvalidSpecifier:
        versions = SpecifierSet()
    if not versions:
        fix = 'Write `python: "3.11"`, or a range: `python: ">=3.11,<3.14"`'
        raise BuildError("config", f'{where}: `python: "{wanted}"` names no version', fix)
    if here not in versions:
        fix = f'Build with modelcast on that Python, or write `python: "{here.rpartition(".")[0]}"`'
        raise BuildError("config", f'{where}: `python: "{wanted}"`, but this builder has Python {here}', fix)


def _parameters(environment: Mapping[str, str]) -> dict[str, Parameter]:
    given = _variable(environment, "MODELCAST_PARAMETERS")
    if given is None:
        return {}
    # Within double quotes a user escapes the inner ones, as a shell would have it; S2I keeps them all.
    text = given.replace('\\"', '"') if re.match(r'\{\s*\\"', given) else given
    try:
        found = msgspec.json.decode(text, type=dict[str, Parameter])
    except msgspec.DecodeError as error:
        reason = _decapitalised(str(error).removeprefix("JSON is malformed: "))
        fix = """Write names and values: MODELCAST_PARAMETERS='{"k": 7}'"""
        raise BuildError("config", f"MODELCAST_PARAMETERS is no JSON object: {reason}", fix) from error
    parameters.check(found, lambda name: f"MODELCAST_PARAMETERS: `{name}`")
    return found


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]

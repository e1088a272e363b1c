"""`modelcast.yaml` and the build's environment become one frozen `Config`; every error says line and nearest key."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from modelcast_runtime.contract import Dtype, Label, Limits, ServiceDefaults

from modelcast_builder import yaml_file
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import InputOverride

FILE = "modelcast.yaml"


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`data:` in modelcast.yaml."""

    train: str | None = None
    holdout: str | None = None
    target: str | None = None


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `inputs:` in modelcast.yaml."""

    dtype: Dtype | None = None
    nullable: bool | None = None
    categories: tuple[Label, ...] | None = None
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        """JSON has no infinity and no NaN: such a bound would be lost on its way."""
        if any(bound is not None and not math.isfinite(bound) for bound in (self.min, self.max)):
            raise ValueError("Expected a finite bound")

    def as_override(self) -> InputOverride:
        """As the child in the model's environment takes it."""
        return InputOverride(
            dtype=self.dtype,
            nullable=self.nullable,
            categories=self.categories,
            minimum=self.min,
            maximum=self.max,
        )


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`modelcast.yaml`, as far as this version builds it."""

    name: str | None = None
    description: str = ""
    notebooks: tuple[str, ...] | None = None
    model: str | None = None
    code: tuple[str, ...] | None = None
    data: Data = Data()
    inputs: dict[str, Input] = {}


# Keys of the published schema that later versions build; naming one is no spelling mistake.
NOT_BUILT = (
    "task", "parameters", "trusted", "python", "wheels", "extra_inputs", "examples", "compile", "gates", "drift",
    "limits", "service", "build",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the repository and the build's environment ask for."""

    document: Document = field(default_factory=Document)
    name: str | None = None
    """`MODELCAST_NAME`, else `name:`."""
    notebooks: tuple[str, ...] | None = None
    """`S2I_SOURCE_NOTEBOOK_LIST`, else `notebooks:`."""
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
        return ServiceDefaults(limits=Limits())


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
    _check_keys(content, Document, (), tree)
    try:
        return msgspec.convert(content, Document)
    except msgspec.ValidationError as error:
        raise _wrong_type(error, content, tree) from error


def _check_keys(content: Mapping[str, Any], kind: type[msgspec.Struct], path: tuple[str, ...], tree: Any) -> None:
    known = kind.__struct_fields__
    for key in content:
        place = (*path, str(key))
        if key in known:
            continue
        where = f"{FILE}:{yaml_file.line_of(tree, place)}"
        if not path and key in NOT_BUILT:
            raise BuildError("config", f"{where}: `{key}` is not built yet in this version", "Remove the key")
        near = difflib.get_close_matches(str(key), known, n=1)
        fix = f"Did you mean `{near[0]}`" if near else f"The keys are {', '.join(known)}"
        raise BuildError("config", f"{where}: unknown key `{'.'.join(place)}`", fix)
    _check_nested(content, path, tree)


def _check_nested(content: Mapping[str, Any], path: tuple[str, ...], tree: Any) -> None:
    if path:
        return
    if isinstance(content.get("data"), dict):
        _check_keys(content["data"], Data, ("data",), tree)
    inputs = content.get("inputs")
    for name, entry in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(entry, dict):
            _check_keys(entry, Input, ("inputs", str(name)), tree)


def _wrong_type(error: msgspec.ValidationError, content: Mapping[str, Any], tree: Any) -> BuildError:
    """It says `Expected `str`, got `int` - at `$.data.train``; the line is found by that path."""
    problem, _, place = str(error).partition(" - at `$")
    path = tuple(re.findall(r"\[[^]]*\]|[^.\[\]`]+", place))
    if path[:2] == ("inputs", "[...]"):  # msgspec does not say which one
        path = ("inputs", next(name for name, entry in content["inputs"].items() if not _is_input(entry)), *path[2:])
    named = ".".join(path).replace(".[", "[")
    where = f"{FILE}:{yaml_file.line_of(tree, path)}"
    return BuildError("config", f"{where}: `{named}`: {_decapitalised(problem)}", "Correct the value")


def _is_input(entry: object) -> bool:
    try:
        msgspec.convert(entry, Input)
    except msgspec.ValidationError:
        return False
    return True


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]

"""What each command does, once its words are parsed; returns what goes to stdout."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import modelcast_runtime
import msgspec
from modelcast_runtime import contract
from modelcast_runtime.bundle import Bundle, is_bundle, open_bundle

import modelcast_builder
from modelcast_builder import build_variables, environment, parameters, pipeline, source_tree
from modelcast_builder.config import BuildSettings, build_settings, read_config
from modelcast_builder.environment import Environment, wheelhouse
from modelcast_builder.report import Reporter, reporter_for
from modelcast_builder.wheels import gather

_SHOWN = 10


def build(src: str, out: Path, variables: Mapping[str, str], *, as_json: bool) -> str:
    """Build SRC into `out`; the result's line."""
    bundle = _build(src, out, build_settings(variables), _reporter())
    made = {
        "name": bundle.manifest.name,
        "version": bundle.manifest.version,
        "path": str(out),
        "bundle_digest": bundle.digest,
    }
    return contract.encode(made).decode().rstrip() if as_json else f"{made['name']} {made['version']} {out}"


def serve(source: str, variables: Mapping[str, str], flags: Mapping[str, object]) -> NoReturn:
    """Become the service of a bundle, which is built first where SRC is a repository."""
    settings = build_settings(variables)
    reporter = _reporter()
    is_built = is_bundle(Path(source))
    root = Path(source) if is_built else _built_once(source, settings, reporter)
    own = None if is_built else _own_wheels(Path(source).expanduser(), settings)
    serving = _serving_environment(open_bundle(root), settings, reporter, own)
    options = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    command = [_runtime(serving), "serve", str(root.resolve()), *options]
    sys.stderr.flush()
    # The service takes this process over: signals, exit code and terminal are its own.
    os.execve(command[0], command, dict(variables))  # noqa: S606 - no shell, on purpose


def predict(bundle: Path, file: Path, variables: Mapping[str, str], *, proba: bool, out: Path | None) -> int:
    """Score a file in the bundle's own environment; the exit code."""
    serving = _serving_environment(open_bundle(bundle), build_settings(variables), Reporter())
    options = [*(["--proba"] if proba else []), *([f"--out={out.resolve()}"] if out else [])]
    command = [_runtime(serving), "predict", str(bundle.resolve()), str(file.resolve()), *options]
    return subprocess.run(command, check=False).returncode


def wheels(source: str, out: Path | None, variables: Mapping[str, str]) -> Sequence[Path]:
    """Fill a wheelhouse for SRC; the files in it."""
    return gather(source, out.absolute() if out else None, build_settings(variables), _reporter())


def inspect(root: Path, *, as_json: bool) -> str:
    """What a verified bundle is, as JSON or for reading."""
    bundle = open_bundle(root)
    if as_json:
        whole = {"manifest": bundle.manifest, "bundle_digest": bundle.digest, "provenance": bundle.provenance()}
        return contract.encode(whole).decode().rstrip()
    return _page(bundle)


def _reporter() -> Reporter:
    return reporter_for(sys.stderr.isatty() and not os.environ.get("NO_COLOR"))


def _build(src: str, out: Path, settings: BuildSettings, reporter: Reporter) -> Bundle:
    bundle = pipeline.build(src, out.absolute(), settings, reporter)
    reporter.say("done", reporter.shares())
    return bundle


def _built_once(source: str, settings: BuildSettings, reporter: Reporter) -> Path:
    """The bundle of this very content, from the cache where it was built before."""
    folder = Path(source).expanduser()
    if not folder.is_dir():
        # A URL's content is known only when it was fetched.
        out = settings.cache / "bundles" / contract.digest_of({"url": source}).removeprefix("sha256:")[:32]
        _build(source, out, settings, reporter)
        return out
    out = settings.cache / "bundles" / _content_key(folder.resolve(), settings)
    if is_bundle(out):
        reporter.say("serve", f"{source} was built before, and has not changed: {out}")
    else:
        _build(source, out, settings, reporter)
    return out


def _content_key(root: Path, settings: BuildSettings) -> str:
    """Everything that decides what a build of this folder gives."""
    config = read_config(root, settings.variables)
    prefixes = ("MODELCAST_NAME", "OPENSHIFT_BUILD_")
    named = {name: value for name, value in settings.variables.items() if name.startswith(prefixes)}
    named |= build_variables.deciding(root, config.handed, config.document.build.env)
    named["parameters"] = parameters.sealed(config.parameters)
    code = [source_tree.digest(Path(module.__file__ or "").parent) for module in (modelcast_builder, modelcast_runtime)]
    facts = {"source": source_tree.digest(root), "folder": str(root), "builder": "".join(code), "python": sys.version}
    own = _own_wheels(root, settings)
    facts |= {"wheels": " ".join(sorted(file.name for file in own.iterdir()))} if own else {}
    return contract.digest_of(facts | named).removeprefix("sha256:")[:32]


def _own_wheels(folder: Path, settings: BuildSettings) -> Path | None:
    """The wheelhouse of a repository on this disk."""
    if not folder.is_dir():
        return None
    root = folder.resolve()
    return wheelhouse.find(root, read_config(root, settings.variables).document.wheels)


def _serving_environment(
    bundle: Bundle, settings: BuildSettings, reporter: Reporter, own: Path | None = None
) -> Environment:
    with reporter.step("environment"):
        lock = replace(environment.lock_of(bundle.root), wheels=own)
        return environment.create(lock, where=None, cache=settings.cache, wheelhouse=settings.wheelhouse)


def _runtime(serving: Environment) -> str:
    # The script and not `python -m`: that would put the working directory, the user's own modules, first.
    return str(serving.python.with_name("modelcast-runtime"))


def _page(bundle: Bundle) -> str:
    manifest, provenance = bundle.manifest, bundle.provenance()
    takes_rows = manifest.signature.takes_rows
    made = f"{provenance.built_at} from {provenance.source}" if provenance else "no receipts"
    lines = [
        f"{manifest.name}  {manifest.version}",
        *([manifest.description] if manifest.description else []),
        f"bundle digest  {bundle.digest}",
        f"{manifest.task}, {manifest.framework}, {manifest.compilation.backend}: {manifest.compilation.reason}",
        *(f"parameter  {name} = {value!r}" for name, value in manifest.parameters.items()),
        f"made  {made}",
        "",
        "inputs",
        *([] if takes_rows else ["  any JSON object"]),
        *(f"  {_input(column)}" for column in manifest.signature.inputs),
        "outputs",
        *([] if takes_rows else ["  what predict() gives"]),
        *(f"  {output.name}  {output.dtype}  {list(output.shape)}" for output in manifest.signature.outputs),
        "files",
        *(f"  {record.path}  {record.size} bytes  sha256:{record.sha256}" for record in manifest.files),
    ]
    return "\n".join(lines)


def _input(column: contract.Column) -> str:
    parts = [column.name, column.dtype]
    if column.nullable:
        parts.append("nullable")
    if column.categories is not None:
        known = ", ".join(msgspec.json.encode(value).decode() for value in column.categories[:_SHOWN])
        more = ", ..." if len(column.categories) > _SHOWN else ""
        others = "accepted" if column.unknown == "accept" else "refused"
        parts.append(f"[{known}{more}], others are {others}")
    return "  ".join(parts)

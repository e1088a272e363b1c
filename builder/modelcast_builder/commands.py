"""What each command does, once its words are parsed; returns what goes to stdout.

What one command alone needs is imported by that command: a bundle is served without the machinery of notebooks.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import modelcast_runtime
import msgspec
from modelcast_runtime import contract
from modelcast_runtime.bundle import Bundle, is_bundle, open_bundle

import modelcast_builder
from modelcast_builder import build_variables, environment, parameters, source_tree
from modelcast_builder.clone import git_address
from modelcast_builder.config import BuildSettings, build_settings, read_config
from modelcast_builder.environment import Environment, wheelhouse
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter, reporter_for
from modelcast_builder.source import Source, fetch

if TYPE_CHECKING:
    from modelcast_builder import comparison, conformance
    from modelcast_builder import verify as verification
    from modelcast_builder.images import Engine
    from modelcast_builder.rebuild import Servable

_SHOWN = 10


def init(src: str, variables: Mapping[str, str]) -> Path:
    """Write a repository's `modelcast.yaml`; its path."""
    from modelcast_builder import starter

    return starter.start(src, build_settings(variables), _reporter())


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
    servable = _servable(source, build_settings(variables), _reporter())
    command = servable.command(flags)
    sys.stderr.flush()
    # The service takes this process over: signals, exit code and terminal are its own.
    os.execve(command[0], command, dict(variables))  # noqa: S606 - no shell, on purpose


def serve_watching(source: str, variables: Mapping[str, str], flags: Mapping[str, object]) -> int:
    """Serve a repository's folder, and build it again when it changes; the exit code."""
    from modelcast_builder import rebuild

    settings = build_settings(variables)
    root = Path(source).expanduser().resolve()
    # A reporter for each build: it adds up the times.
    return rebuild.serve_watching(root, lambda: _servable(source, settings, _reporter()), settings, flags, _reporter())


def is_watchable(source: str) -> bool:
    """Whether SRC can change: a folder that is no bundle, and nothing that git must fetch."""
    return not is_bundle(Path(source)) and git_address(source) is None


def predict(bundle: Path, file: Path, variables: Mapping[str, str], *, proba: bool, out: Path | None) -> int:
    """Score a file in the bundle's own environment; the exit code."""
    serving = _serving_environment(open_bundle(bundle), build_settings(variables), Reporter())
    options = [*(["--proba"] if proba else []), *([f"--out={out.resolve()}"] if out else [])]
    command = [_runtime(serving), "predict", str(bundle.resolve()), str(file.resolve()), *options]
    return subprocess.run(command, check=False).returncode


def drift(bundle: Path, file: Path, variables: Mapping[str, str], *, as_json: bool) -> int:
    """Hold a file to the bundle's baseline, in the bundle's own environment; the exit code."""
    serving = _serving_environment(open_bundle(bundle), build_settings(variables), Reporter())
    command = [_runtime(serving), "drift", str(bundle.resolve()), str(file.resolve()), *(["--json"] if as_json else [])]
    return subprocess.run(command, check=False).returncode


def image(source: str, name: str, variables: Mapping[str, str], *, builder: str | None, is_pushed: bool) -> str:
    """Make an image, and push it if that is wanted; its reference."""
    from modelcast_builder import images

    reporter, reference = _reporter(), images.parse_reference(name)
    engine = images.find_engine(variables)
    if builder is None:
        made = _on_runtime(source, build_settings(variables), engine, reporter)
    elif is_bundle(Path(source)):
        problem = f"{source} is a bundle, and an S2I builder assembles a repository"
        raise BuildError("image", problem, "Leave --builder out, or name the repository")
    else:
        made = images.through_s2i(source, builder, reference, variables, engine)
    images.tag(made, reference, engine)
    return images.push(reference, engine) if is_pushed else reference.text


def _on_runtime(source: str, settings: BuildSettings, engine: "Engine", reporter: Reporter) -> str:
    from modelcast_builder import images

    base = images.inspect_base(
        settings.variables.get("MODELCAST_RUNTIME_IMAGE", "").strip() or "modelcast-runtime", engine
    )
    with _bundle_of(source, settings, reporter) as (bundle, own):
        serving = None if _is_compiled(bundle) else _serving_environment(bundle, settings, reporter, own)
    with reporter.step("image"):
        return images.on_runtime(bundle, serving, base, engine, reporter)


def wheels(source: str, out: Path | None, variables: Mapping[str, str]) -> Sequence[Path]:
    """Fill a wheelhouse for SRC; the files in it."""
    from modelcast_builder.wheels import gather

    return gather(source, out.absolute() if out else None, build_settings(variables), _reporter())


def manifests(root: Path, image: str, target: str, out: Path) -> Sequence[Path]:
    """Write what deploys `image`, which holds this bundle; the files."""
    from modelcast_builder import manifests as folders
    from modelcast_builder.manifests.image_reference import is_pinned

    if not is_pinned(image):
        _reporter().say(
            "manifests", f"{image} may be another image tomorrow: name it by its digest, {image}@sha256:..."
        )
    return folders.write(open_bundle(root), image, target, out)


def inspect(root: Path, *, as_json: bool) -> str:
    """What a verified bundle is, as JSON or for reading."""
    bundle = open_bundle(root)
    if as_json:
        whole = {"manifest": bundle.manifest, "bundle_digest": bundle.digest, "provenance": bundle.provenance()}
        return contract.encode(whole).decode().rstrip()
    return _page(bundle)


def diff(
    old: str, new: str, data: Path | None, target: str | None, variables: Mapping[str, str]
) -> "comparison.Comparison":
    """Ask two bundles, or those of two images, the same rows."""
    from modelcast_builder import comparison, images

    settings, reporter = build_settings(variables), _reporter()
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        work = Path(folder).resolve()

        def asked(given: str, own: Path) -> comparison.Asked:
            own.mkdir()
            bundle = open_bundle(images.folder_of(given, variables, own))
            serving = _serving_environment(bundle, settings, reporter)
            return comparison.Asked(given=given, bundle=bundle, environment=serving)

        question = comparison.Question(data=data, target=target)
        both = asked(old, work / "old"), asked(new, work / "new")
        # An image may be anybody's: its own code finds no credentials here.
        return comparison.compare(*both, question, work, build_variables.handed(variables, None))


def verify(bundle_or_image: str, variables: Mapping[str, str]) -> "verification.Report":
    """Check everything that a bundle, or an image with one, says of itself."""
    from modelcast_builder import images
    from modelcast_builder import verify as verification

    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        work = Path(folder).resolve()
        root = images.folder_of(bundle_or_image, variables, work)
        if not root.is_relative_to(work):
            return verification.verify(root, None, verification.Running(answers=_golden_rows(variables, work)))
        engine = images.find_engine(variables)
        running = verification.Running(
            answers=lambda _: images.ask(bundle_or_image, engine),
            installed=lambda: images.installed(bundle_or_image, engine),
        )
        return verification.verify(root, verification.image_of(bundle_or_image, engine), running)


def _golden_rows(variables: Mapping[str, str], work: Path) -> Callable[[Bundle], str]:
    """Asks a bundle in its own environment, which may have to be made first."""

    def ask(bundle: Bundle) -> str:
        from modelcast_builder import smoke

        reporter = _reporter()
        reporter.say("verify", "asking the golden rows in the model's own environment; that may have to be made first")
        serving = _serving_environment(bundle, build_settings(variables), reporter)
        # What is verified may be anybody's: its own code finds no credentials here.
        return smoke.check(serving, bundle.root, work / "nowhere", None, build_variables.handed(variables, None))

    return ask


def check(server: "conformance.Server", model: str | None, example: Path | None) -> "conformance.Report":
    """Ask a server every case of the conformance table."""
    from modelcast_builder import conformance

    return conformance.check(server, model, example)


def _reporter() -> Reporter:
    return reporter_for(sys.stderr.isatty() and not os.environ.get("NO_COLOR"))


def _build(src: str | Source, out: Path, settings: BuildSettings, reporter: Reporter) -> Bundle:
    from modelcast_builder import pipeline

    bundle = pipeline.build(src, out.absolute(), settings, reporter)
    reporter.say("done", reporter.shares())
    return bundle


def _servable(source: str, settings: BuildSettings, reporter: Reporter) -> "Servable":
    """A bundle in the environment that it is served from."""
    from modelcast_builder.rebuild import Servable

    with _bundle_of(source, settings, reporter) as (bundle, own):
        serving = _serving_environment(bundle, settings, reporter, own)
    return Servable(bundle=bundle, command=lambda flags: _service(bundle, serving, flags))


@contextmanager
def _bundle_of(source: str, settings: BuildSettings, reporter: Reporter) -> Iterator[tuple[Bundle, Path | None]]:
    """A bundle as it is, or a repository built, once for the same content; and the repository's own wheelhouse."""
    if is_bundle(Path(source)):
        yield open_bundle(Path(source)), None
        return
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        work = Path(folder).resolve()
        repo = fetch(source, work)
        if repo.root.is_relative_to(work):
            reporter.say("source", f"{repo.location} is at {repo.commit}")
        yield _built_once(repo, settings, reporter), _own_wheels(repo.root, settings)


def _built_once(repo: Source, settings: BuildSettings, reporter: Reporter) -> Bundle:
    """The bundle of this very content, from the cache where it was built before."""
    key = _content_key(repo, settings)
    out = settings.cache / "bundles" / key
    if is_bundle(out):
        reporter.say("serve", f"{repo.location} was built before, and has not changed: {out}")
        return open_bundle(out)
    bundle = _build(repo, out, settings, reporter)
    if _content_key(repo, settings) == key:
        return bundle
    # It was edited meanwhile: what came of that is served, and never again taken for what it was to be.
    reporter.say("serve", f"{repo.location} changed while it was built")
    return open_bundle(out.rename(tempfile.mkdtemp(prefix=f"{key}-", dir=out.parent)))


def _content_key(repo: Source, settings: BuildSettings) -> str:
    """Everything that decides what a build of this repository gives."""
    root = repo.root
    config = read_config(root, settings.variables)
    prefixes = ("MODELCAST_NAME", "OPENSHIFT_BUILD_")
    named = {name: value for name, value in settings.variables.items() if name.startswith(prefixes)}
    named |= build_variables.deciding(root, config.handed, config.document.build.env)
    named["parameters"] = parameters.sealed(config.parameters)
    code = [source_tree.digest(Path(module.__file__ or "").parent) for module in (modelcast_builder, modelcast_runtime)]
    facts = {"source": source_tree.digest(root), "builder": "".join(code), "python": sys.version}
    facts |= {"location": repo.location, "origin": repo.origin or ""}
    own = _own_wheels(root, settings)
    facts |= {"wheels": " ".join(sorted(file.name for file in own.iterdir()))} if own else {}
    return contract.digest_of(facts | named).removeprefix("sha256:")[:32]


def _own_wheels(root: Path, settings: BuildSettings) -> Path | None:
    """The wheelhouse of a repository."""
    return wheelhouse.find(root, read_config(root, settings.variables).document.wheels)


def _serving_environment(
    bundle: Bundle, settings: BuildSettings, reporter: Reporter, own: Path | None = None
) -> Environment:
    with reporter.step("environment"):
        return environment.of_bundle(bundle, settings, own)


def _is_compiled(bundle: Bundle) -> bool:
    """Whether it is served without the model's own libraries."""
    return bundle.manifest.compilation.backend != "native"


def _service(bundle: Bundle, serving: Environment, flags: Mapping[str, object]) -> list[str]:
    """The command that serves a bundle."""
    options = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    return [_runtime(serving), "serve", str(bundle.root), *options]


def _runtime(serving: Environment) -> str:
    # The script and not `python -m`: that would put the working directory, the user's own modules, first.
    return str(serving.python.with_name("modelcast-runtime"))


def _page(bundle: Bundle) -> str:
    manifest, provenance = bundle.manifest, bundle.provenance()
    takes_rows = manifest.signature.takes_rows
    made = f"{provenance.built_at} from {provenance.source or 'a folder'}" if provenance else "no receipts"
    lines = [
        f"{manifest.name}  {manifest.version}",
        *([manifest.description] if manifest.description else []),
        f"bundle digest  {bundle.digest}",
        f"{manifest.task}, {manifest.framework}, {contract.scored_by(manifest.compilation)}",
        *(f"proof  {words}" for words in contract.proof_words(manifest.compilation)),
        *_quality(manifest),
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


def _quality(manifest: contract.Manifest) -> Iterator[str]:
    """The metrics on the holdout, the gaps between groups, and the gates."""
    from modelcast_builder import gates

    if manifest.evaluation is not None:
        told = ", ".join(f"{name} {value:.4g}" for name, value in manifest.evaluation.metrics.items())
        yield f"metrics  {told} on {manifest.evaluation.rows} rows of {manifest.evaluation.data}"
        for gap in manifest.evaluation.gaps:
            ends = f"{gap.lowest or '(none)'} lowest, {gap.highest or '(none)'} highest"
            yield f"gap  {gap.column} {gap.measure} {gap.gap:.4g}  {ends}"
    for gate in manifest.gates:
        got = "" if gate.got is None else f"  got {gates.shown(gate)}"
        yield f"gate  {gate.name} {gate.expected}{got}"


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

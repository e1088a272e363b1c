"""What `modelcast verify` finds: a table of checks that every digest, name and answer of a bundle is what was sealed.

The model is loaded last, and only where nothing else was found: what was changed is never run.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
from modelcast_runtime import contract, statement
from modelcast_runtime.bundle import Bundle, BundleError, bundle_digest, faults, read_manifest, sha256_of
from modelcast_runtime.contract import Golden, Manifest
from modelcast_runtime.statement import Statement

from modelcast_builder import parameters, sbom
from modelcast_builder.aligned import aligned
from modelcast_builder.environment import Lock, lock_of
from modelcast_builder.environment.locked import RUNTIME
from modelcast_builder.errors import BuildError
from modelcast_builder.image_labels import labels
from modelcast_builder.images import Engine

STEP = "verify"
_OURS = "modelcast."
_ROOT_USERS = ("", "0", "root")
_SERVES = ("modelcast-runtime serve", "/usr/libexec/s2i/run")
_MOST_NAMED = 3


class Wrong(Exception):
    """What a check found."""


class Unknown(Exception):
    """Why a check could not be made; nothing is wrong with that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the table."""

    name: str
    status: Literal["ok", "failed", "not checked"]
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What an image says of the bundle in it."""

    reference: str
    labels: Mapping[str, str]
    user: str
    command: str
    """Its entrypoint and command, as one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A bundle whose manifest could be read, and the image that it came from."""

    root: Path
    manifest: Manifest
    digest: str
    image: Image | None

    @property
    def bundle(self) -> Bundle:
        """As the service has it; no file was looked at."""
        empty = Golden(rows=(), predictions=())
        return Bundle(root=self.root, manifest=self.manifest, golden=empty, digest=self.digest)

    @property
    def model(self) -> str:
        """The SHA-256 of the model file as it is now."""
        return sha256_of(self.root / self.manifest.model)

    @property
    def lock(self) -> Lock:
        """The environment that it was made in."""
        return lock_of(self.root)

    def receipt(self) -> Statement:
        """Where it came from; raises Unknown where nothing says so."""
        if not (self.root / contract.PROVENANCE).is_file():
            raise Unknown("the receipts were left out")
        said = self.bundle.statement()
        if said is None:
            raise Unknown("an older modelcast built it: its receipt names no digest")
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of every check, in order."""

    manifest: Manifest | None
    digest: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """Those that found something."""
        return tuple(check for check in self.checks if check.status == "failed")

    @property
    def fault(self) -> BuildError | None:
        """The first thing that is wrong, as a command ends with it."""
        if not self.failed:
            return None
        first, *others = self.failed
        more = f" (and {len(others)} more: {', '.join(check.name for check in others)})" if others else ""
        fix = "Get it again from where it was built, or build it again with `modelcast build`"
        return BuildError(STEP, f"{first.name}: {first.detail}{more}", fix)

    def as_table(self) -> str:
        """For reading."""
        lines = list(aligned([(one.name, one.status, one.detail) for one in self.checks]))
        if self.manifest is not None:
            lines = [f"{self.manifest.name}  {self.manifest.version}", f"bundle digest  {self.digest}", "", *lines]
        return "\n".join(lines)

    def as_json(self) -> str:
        """For programs."""
        said = {
            "name": self.manifest and self.manifest.name,
            "version": self.manifest and self.manifest.version,
            "bundle_digest": self.digest or None,
            "ok": not self.failed,
            "checks": self.checks,
        }
        return contract.encode(said).decode().rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What is found out by running something; each raises BuildError."""

    answers: Callable[[Bundle], str]
    """Asks the model its golden rows; a sentence."""
    installed: Callable[[], Mapping[str, str]] | None = None
    """The distributions in the image beside what serves: name and version."""


def image_of(reference: str, engine: Engine) -> Image:
    """What a local image says of itself."""
    said = engine.config(reference)
    words = [*(said.get("Entrypoint") or ()), *(said.get("Cmd") or ())]
    return Image(
        reference=reference,
        labels=said.get("Labels") or {},
        user=str(said.get("User") or ""),
        command=" ".join(words),
    )


def verify(root: Path, image: Image | None, running: Running) -> Report:
    """Check everything, in an order in which what was changed is never run."""
    try:
        root = root.resolve()
        manifest = read_manifest(root)
        subject = Subject(root=root, manifest=manifest, digest=bundle_digest(root, manifest), image=image)
    except BundleError as unread:
        return Report(manifest=None, digest="", checks=(Check(name="manifest", status="failed", detail=str(unread)),))
    known = f"bundle version {manifest.bundle_version}"
    checks = [Check(name="manifest", status="ok", detail=known)]
    table = {**CHECKS, **(OF_AN_IMAGE if image else {})}
    checks += [_made(name, partial(ask, subject)) for name, ask in table.items()]
    for name, ask in _last(subject, running).items():
        is_whole = all(check.status != "failed" for check in checks)
        checks.append(_made(name, ask if is_whole else _left))
    return Report(manifest=manifest, digest=subject.digest, checks=tuple(checks))


def _made(name: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(name=name, status="ok", detail=ask())
    except Unknown as unknown:
        return Check(name=name, status="not checked", detail=str(unknown))
    except (Wrong, BundleError, msgspec.DecodeError, UnicodeDecodeError) as wrong:
        return Check(name=name, status="failed", detail=str(wrong))
    except OSError as unread:
        return Check(name=name, status="failed", detail=f"{unread.filename} cannot be read: {unread.strerror}")
    except BuildError as wrong:
        return Check(name=name, status="failed", detail=wrong.problem)


def _last(subject: Subject, running: Running) -> Mapping[str, Callable[[], str]]:
    table = {"answers": lambda: running.answers(subject.bundle)}
    installed = running.installed
    return table if installed is None else {"installed": lambda: _installed(subject, installed()), **table}


def _left() -> str:
    raise Unknown("nothing is run where something else is wrong")


def _files(subject: Subject) -> str:
    _none(str(fault) for fault in faults(subject.root, subject.manifest))
    return f"{len(subject.manifest.files)} files are what the manifest says, and there is no other"


def _receipts(subject: Subject) -> str:
    folder, listing = subject.root / contract.RECEIPTS, subject.root / contract.RECEIPT_HASHES
    found = {path.relative_to(subject.root).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if not found:
        raise Unknown("the receipts were left out")
    content = listing.read_bytes()
    listed = contract.decode(content, dict[str, str])
    if contract.encode(listed) != content:
        raise Wrong(f"{contract.RECEIPT_HASHES} is not as modelcast writes it")
    found.discard(contract.RECEIPT_HASHES)
    _none(
        [
            *(f"{name} is missing" for name in sorted(listed.keys() - found)),
            *(f"{name} is not in {contract.RECEIPT_HASHES}" for name in sorted(found - listed.keys())),
            *(
                f"{name} is not what {contract.RECEIPT_HASHES} says"
                for name in sorted(found & listed.keys())
                if sha256_of(subject.root / name) != listed[name]
            ),
        ]
    )
    return f"{contract.RECEIPT_HASHES} says what every other is ({len(found)}), and there is none beside"


def _provenance(subject: Subject) -> str:
    said, manifest = subject.receipt(), subject.manifest
    if (said.kind, said.predicate_type) != (statement.STATEMENT, statement.PREDICATE):
        raise Wrong(f"{contract.PROVENANCE} is no in-toto Statement with SLSA provenance")
    predicate = said.predicate
    _same("the bundle's digest", statement.sha256_text(said.of(manifest.name)), subject.digest)
    _same(f"the digest of {manifest.model}", said.of(manifest.model).sha256, subject.model)
    locked = predicate.dependency(contract.LOCK).sha256
    _same(f"the digest of {contract.LOCK}", locked, sha256_of(subject.root / contract.LOCK))
    _none(
        f"{contract.PROVENANCE} names another digest of {one.name}"
        for one in predicate.run_details.byproducts
        if one.name.startswith(f"{contract.RECEIPTS}/") and one.sha256 != sha256_of(subject.root / one.name)
    )
    return f"it names this bundle, {manifest.model} and {contract.LOCK} by their digests"


def _version(subject: Subject) -> str:
    predicate, manifest = subject.receipt().predicate, subject.manifest
    original = predicate.byproduct(statement.ORIGINAL).sha256
    if manifest.compilation.backend == "native":
        _same(f"what was trained, {manifest.model}", original, subject.model)
    made = contract.version_of(
        source=statement.sha256_text(predicate.dependency(statement.SOURCE)),
        lock=sha256_of(subject.root / contract.LOCK),
        parameters=parameters.sealed(manifest.parameters),
        model=original or "",
    )
    if made != manifest.version:
        raise Wrong(f"source, lock, parameters and model make {made}, and the manifest says {manifest.version}")
    return "it is the digest of this source, lock, parameters and model"


def _sbom(subject: Subject) -> str:
    if not (subject.root / contract.SBOM).is_file():
        raise Unknown("an older modelcast built it: it was sealed without one")
    bom, manifest, lock = sbom.read((subject.root / contract.SBOM).read_bytes()), subject.manifest, subject.lock
    model = bom.model
    if model is None:
        raise Wrong(f"{contract.SBOM} lists no model")
    for what, listed, is_there in (
        ("the model's name", model.name, manifest.name),
        ("the model's version", model.version, manifest.version),
        (f"the digest of {manifest.model}", _hash_of(model), subject.model),
    ):
        _same(what, listed, is_there, of=contract.SBOM)
    _check_ancestor(model, subject)
    locked = {statement.purl(*pin.split("==", 1)) for pin in (*lock.packages, *lock.serving)}
    tools = {statement.purl(name, version) for name, version in manifest.compilation.tools.items()}
    others = {address for address in bom.trained - locked - tools if statement.package_of(address)[0] != RUNTIME}
    _none(
        [
            *(f"{contract.SBOM} does not list {address}" for address in sorted(locked - bom.trained)),
            *(f"{contract.LOCK} does not hold {address}" for address in sorted(others)),
        ]
    )
    return f"it lists the model and the {len(locked)} packages of {contract.LOCK}"


def _check_ancestor(model: sbom.Component, subject: Subject) -> None:
    """What was trained, before it was compiled, is one in both."""
    if model.pedigree is not None and (subject.root / contract.PROVENANCE).is_file():
        said = subject.bundle.statement()
        original = said.predicate.byproduct(statement.ORIGINAL).sha256 if said else None
        _same("what was trained", _hash_of(model.pedigree.ancestors[0]), original, of=contract.SBOM)


def _card(subject: Subject) -> str:
    if subject.bundle.card is None:
        raise Unknown("it was sealed without one")
    return f"{contract.CARD} is sealed with it"


def _labels(subject: Subject) -> str:
    image, wanted = _image(subject), labels(subject.bundle)
    if not any(name.startswith(_OURS) for name in image.labels):
        raise Unknown(f"{image.reference} has none of modelcast's: OpenShift keeps none, /info says the same")
    _none(
        f"{name} is {image.labels.get(name)!r}, and the bundle says {text!r}"
        for name, text in wanted.items()
        if image.labels.get(name) != text
    )
    return f"{len(wanted)} labels are what the bundle says"


def _settings(subject: Subject) -> str:
    image = _image(subject)
    if image.user.partition(":")[0] in _ROOT_USERS:
        raise Wrong(f"{image.reference} runs as root")
    if not image.command.endswith(_SERVES):
        raise Wrong(f"{image.reference} does not serve: its command is {image.command!r}")
    return f"it serves as user {image.user}"


def _installed(subject: Subject, found: Mapping[str, str]) -> str:
    if not (subject.root / contract.SBOM).is_file():
        raise Unknown("it was sealed without a bill of materials")
    listed = sbom.read((subject.root / contract.SBOM).read_bytes()).served
    there = {statement.purl(name, version) for name, version in found.items()}
    _none(f"{contract.SBOM} lists {address}, which is not in the image" for address in sorted(listed - there))
    more = (
        f"; {len(there - listed)} more are there, modelcast's own for a build" if there - listed else ", and no other"
    )
    return f"the {len(listed)} packages of {contract.SBOM} are in the image{more}"


CHECKS: Mapping[str, Callable[[Subject], str]] = {
    "files": _files,
    "receipts": _receipts,
    "provenance": _provenance,
    "version": _version,
    "sbom": _sbom,
    "card": _card,
}
OF_AN_IMAGE: Mapping[str, Callable[[Subject], str]] = {"labels": _labels, "settings": _settings}


def _image(subject: Subject) -> Image:
    if subject.image is None:
        raise Unknown("it is in no image")
    return subject.image


def _hash_of(component: sbom.Component) -> str | None:
    return next((one.content for one in component.hashes if one.alg == "SHA-256"), None)


def _same(what: str, said: str | None, is_there: str | None, *, of: str = contract.PROVENANCE) -> None:
    if said != is_there:
        raise Wrong(f"{of} says that {what} is {said or 'nothing'}, and it is {is_there or 'nothing'}")


def _none(found: Iterable[str]) -> None:
    """Raise Wrong with the first of them."""
    said = list(found)
    if said:
        more = f" (and {len(said) - _MOST_NAMED} more)" if len(said) > _MOST_NAMED else ""
        raise Wrong("; ".join(said[:_MOST_NAMED]) + more)

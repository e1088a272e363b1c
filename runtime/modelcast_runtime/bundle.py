"""Opens a sealed bundle read-only and refuses one that is not what its manifest says."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from modelcast_runtime import baseline, contract, statement
from modelcast_runtime.baseline import Baseline
from modelcast_runtime.contract import BUNDLE_VERSION, FileRecord, Golden, Manifest, Provenance
from modelcast_runtime.statement import Statement

T = TypeVar("T")


class BundleError(Exception):
    """The bundle cannot be served; one line that says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An opened bundle: every file was there, and was what the manifest says."""

    root: Path
    manifest: Manifest
    golden: Golden
    digest: str
    """Over every file outside `receipts/`, the manifest included."""
    baseline: Baseline | None = None
    """What is watched; None for own code, and in a bundle that was sealed before there were any."""

    @property
    def model(self) -> Path:
        """The model file."""
        return self.root / self.manifest.model

    @property
    def code(self) -> Path:
        """The folder of own modules that the model needs; may be absent."""
        return self.root / contract.CODE

    @property
    def model_bytes(self) -> int:
        """What is loaded of it: the model file, and the files beside own code."""
        model, code = self.manifest.model, f"{contract.CODE}/"
        return sum(file.size for file in self.manifest.files if file.path == model or file.path.startswith(code))

    @property
    def card(self) -> Path | None:
        """The model card; None in a bundle that was sealed without one."""
        return self.root / contract.CARD if _lists(self.manifest, contract.CARD) else None

    def notebooks(self) -> dict[str, Path]:
        """The executed notebooks by their path below `receipts/notebooks`; none where the receipts were left out."""
        folder = self.root / contract.NOTEBOOKS
        found = (path for path in folder.rglob("*.html") if path.is_file() and not path.is_symlink())
        return {path.relative_to(folder).as_posix(): path for path in found}

    def provenance(self) -> Provenance | None:
        """When and from what the bundle was made; None where the receipts were left out. Raises `BundleError`."""
        return self._receipt(statement.shown)

    def statement(self) -> Statement | None:
        """The same as the in-toto Statement that was written; None in older bundles too. Raises `BundleError`."""
        return self._receipt(statement.read)

    def _receipt(self, read: Callable[[bytes], T]) -> T | None:
        present = (self.root / contract.PROVENANCE).is_file()
        return _read(self.root, contract.PROVENANCE, read) if present else None


def open_bundle(root: Path) -> Bundle:
    """Read the manifest and hash every file; raises `BundleError`."""
    root = root.resolve()
    manifest = read_manifest(root)
    for fault in faults(root, manifest):
        raise fault
    golden = _parse(root, contract.GOLDEN, Golden)
    watched = _parse(root, baseline.FILE, Baseline) if _lists(manifest, baseline.FILE) else None
    digest = bundle_digest(root, manifest)
    return Bundle(root=root, manifest=manifest, golden=golden, digest=digest, baseline=watched)


def _lists(manifest: Manifest, name: str) -> bool:
    return any(record.path == name for record in manifest.files)


def is_bundle(root: Path) -> bool:
    """Whether a folder says of itself that it is a bundle (of any version)."""
    try:
        document = msgspec.json.decode((root / contract.MANIFEST).read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return False
    return isinstance(document, dict) and "bundle_version" in document


def bundle_digest(root: Path, manifest: Manifest) -> str:
    """The digest over the manifest's bytes and every file that it lists."""
    records = {record.path: record.sha256 for record in manifest.files}
    return contract.digest_of(records | {contract.MANIFEST: sha256_of(root / contract.MANIFEST)})


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sealed_files(root: Path) -> Iterator[str]:
    """Every path that the manifest must list: all files but the manifest itself and the receipts."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name in (contract.MANIFEST, contract.RECEIPTS) or name.startswith(f"{contract.RECEIPTS}/"):
            continue
        if not path.is_dir() or path.is_symlink():
            yield name


def read_manifest(root: Path) -> Manifest:
    """What a bundle says of itself, with no file looked at; raises `BundleError`."""
    if not root.is_dir():
        raise BundleError(f"{root} is no folder; expected a bundle made by `modelcast build`")
    if not (root / contract.MANIFEST).is_file():
        raise BundleError(f"{root} has no {contract.MANIFEST}; expected a bundle made by `modelcast build`")
    version = _parse(root, contract.MANIFEST, _Version).bundle_version
    if version != BUNDLE_VERSION:
        raise BundleError(
            f"{root} is a bundle of version {version}; this runtime opens version {BUNDLE_VERSION}. "
            "Serve it with the runtime that it was built with"
        )
    return _parse(root, contract.MANIFEST, Manifest)


class _Version(msgspec.Struct):
    bundle_version: int


def _parse(root: Path, name: str, kind: type[T]) -> T:
    return _read(root, name, lambda content: contract.decode(content, kind))


def _read(root: Path, name: str, read: Callable[[bytes], T]) -> T:
    try:
        return read((root / name).read_bytes())
    except OSError as error:
        raise BundleError(f"{name} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{name} is not what a bundle holds: {error}") from error


def faults(root: Path, manifest: Manifest) -> Iterator[BundleError]:
    """Each file that is not what the manifest says, that is missing, or that it does not list; `root` is resolved."""
    for record in manifest.files:
        try:
            _check(root, record)
        except BundleError as fault:
            yield fault
    listed = {record.path for record in manifest.files}
    for name in (manifest.model, contract.GOLDEN, contract.LOCK):
        if name not in listed:
            yield BundleError(f"{name} is not in the manifest; the bundle was changed after it was sealed")
    # An unlisted file could be a module that `code/` puts on sys.path.
    for name in sealed_files(root):
        if name not in listed:
            yield BundleError(
                f"{name} is in the bundle but not in its manifest; the bundle was changed after it was sealed"
            )


def _check(root: Path, record: FileRecord) -> None:
    relative = PurePosixPath(record.path)
    if relative.is_absolute() or ".." in relative.parts:
        raise BundleError(f"{record.path} in the manifest leads out of the bundle")
    path = root / relative
    # A link could lead anywhere, and to something else tomorrow.
    if not path.is_file() or not path.resolve().is_relative_to(root) or path.is_symlink():
        raise BundleError(f"{record.path} is in the manifest but not in the bundle")
    size = path.stat().st_size
    if size != record.size:
        changed = "the bundle was changed after it was sealed"
        raise BundleError(f"{record.path} has {size} bytes, its manifest says {record.size}; {changed}")
    if sha256_of(path) != record.sha256:
        raise BundleError(f"{record.path} is not what was sealed: its SHA-256 differs from the manifest's")

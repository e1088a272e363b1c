"""Writes a bundle: every file is hashed while it is copied, the manifest comes last, and one rename makes it appear."""

import errno
import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from modelcast_runtime import contract
from modelcast_runtime.bundle import is_bundle
from modelcast_runtime.contract import FileRecord, Manifest

from modelcast_builder.errors import BuildError

_FILE_MODE = 0o644
_FOLDER_MODE = 0o755
_UNFINISHED = ".unfinished"


@dataclass(slots=True, kw_only=True)
class Writer:
    """A bundle being written in a folder of its own, with the record of every file that it wrote."""

    root: Path
    records: list[FileRecord] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: bytes) -> FileRecord:
        """Seal these bytes under this name."""
        self._place(name).write_bytes(content)
        return self._recorded(name, hashlib.sha256(content).hexdigest(), len(content))

    def copy(self, source: Path, name: str) -> FileRecord:
        """Seal a copy of this file; the hash is of the very bytes that were written."""
        digest, size = hashlib.sha256(), 0
        with source.open("rb") as reader, self._place(name).open("wb") as writer:
            while piece := reader.read(1 << 20):
                digest.update(piece)
                size += writer.write(piece)
        return self._recorded(name, digest.hexdigest(), size)

    def write_receipt(self, name: str, content: bytes) -> None:
        """Keep this apart: receipts hold clocks and addresses and are in no digest of the bundle."""
        self._place(name).write_bytes(content)
        self.receipts[name] = hashlib.sha256(content).hexdigest()

    def digest(self, manifest: Manifest) -> str:
        """The bundle's digest once this manifest is written: a receipt names it, and comes before."""
        written = hashlib.sha256(contract.encode(self._listed(manifest))).hexdigest()
        return contract.digest_of(
            {record.path: record.sha256 for record in self.records} | {contract.MANIFEST: written}
        )

    def finish(self, manifest: Manifest) -> None:
        """Write the receipts' hashes, then this manifest with the records of all that was sealed."""
        self._place(contract.RECEIPT_HASHES).write_bytes(contract.encode(self.receipts))
        self._place(contract.MANIFEST).write_bytes(contract.encode(self._listed(manifest)))
        _fix_modes(self.root)

    def _listed(self, manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, files=tuple(sorted(self.records, key=lambda record: record.path)))

    def _place(self, name: str) -> Path:
        path = self.root / name
        # abspath and not resolve: the check is about the name, nothing below the fresh folder is a link.
        if not Path(os.path.abspath(path)).is_relative_to(self.root):  # noqa: PTH100
            raise BuildError("seal", f"{name} would be written outside of the bundle", "Rename the file")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _recorded(self, name: str, sha256: str, size: int) -> FileRecord:
        record = FileRecord(path=name, sha256=sha256, size=size)
        self.records.append(record)
        return record


def check_target(out: Path) -> None:
    """Refuse to replace anything but a bundle, before the work begins."""
    if os.path.lexists(out) and not is_bundle(out):
        raise BuildError("seal", f"{out} exists and is no bundle", "Name another folder with --out, or remove it")


@contextmanager
def staging(out: Path) -> Iterator[Writer]:
    """A writer in a fresh folder beside `out`; `publish` moves it, an error removes it, after a kill the next build."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(out)
        root, held = _fresh(out)
    except OSError as error:
        problem = f"nothing can be written to {out.parent}: {error.strerror}"
        raise BuildError("seal", problem, "Name another folder with --out") from error
    try:
        yield Writer(root=root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(held)


def _fresh(out: Path) -> tuple[Path, int]:
    """A new folder beside `out`, and the descriptor that locks it as long as this process lives.

    It is locked before it has the name by which another build would take it for a dead one's.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    held = os.open(made, os.O_RDONLY)
    _has_locked(held)
    return made.rename(made.with_name(f"{made.name}{_UNFINISHED}")), held


def _remove_unfinished(out: Path) -> None:
    """Remove what builds of this target left that were killed; a living one's folder is locked."""
    for folder in out.parent.glob(f".{glob.escape(out.name)}-????????{_UNFINISHED}"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # another user's, or gone in the meantime
            continue
        if _has_locked(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _has_locked(descriptor: int) -> bool:
    """Whether nobody else holds the folder; False also where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def publish(writer: Writer, out: Path) -> None:
    """Make the finished bundle appear under its name; an older bundle there is replaced."""
    check_target(out)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-old-", dir=out.parent) as aside:
        while not _took_place(writer.root, out, Path(tempfile.mkdtemp(dir=aside)) / "bundle"):
            check_target(out)


def _took_place(root: Path, out: Path, old: Path) -> bool:
    """Whether `root` is now `out`; not where another build was faster, whose bundle is the next to be replaced."""
    with suppress(FileNotFoundError):
        out.rename(old)
    try:
        root.rename(out)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _fix_modes(root: Path) -> None:
    """Readable by any user: an image runs under a UID that nobody knows in advance."""
    root.chmod(_FOLDER_MODE)
    for path in root.rglob("*"):
        path.chmod(_FOLDER_MODE if path.is_dir() else _FILE_MODE)

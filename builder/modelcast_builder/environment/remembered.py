"""Resolutions that were made before: the same question as of the same date has the same answer."""

import hashlib
import os
import platform
import sys
import sysconfig
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from modelcast_builder.environment import locked
from modelcast_builder.environment.index import Place
from modelcast_builder.environment.lock import NOTE, Lock, hashes_text, lock_text, parse_hashes, parse_lock
from modelcast_builder.errors import BuildError

FOLDER = "resolutions"
_HASHES = "# files: "
_KEPT = ("versions", "hashes")
"""What an answer holds: one that was kept when it held less is asked for again."""


def key(place: Place, entries: tuple[str, ...]) -> str:
    """The digest of everything that decides a resolution."""
    wheels = sorted(file.name for file in place.wheelhouse.iterdir()) if place.wheelhouse else ["no wheelhouse"]
    versions = {**locked.model_versions(), **locked.serving_versions()}
    locks = [locked.lock_date(), *(f"{name}=={version}" for name, version in versions.items())]
    machine = [sys.version, sysconfig.get_platform(), platform.libc_ver()[1], metadata.version("uv")]
    parts = (_KEPT, entries, wheels, locks, locked.runtime_ranges(), machine, place.uv.sources)
    return hashlib.sha256("\n\n".join("\n".join(part) for part in parts).encode()).hexdigest()


def recall(cache: Path | None, digest: str) -> Lock | None:
    """The lock that was kept under this digest, if it can still be read."""
    if cache is None:
        return None
    try:
        notes, _, text = _file(cache, digest).read_text(encoding="utf-8").partition("\n\n")
        head = notes.splitlines()[1:]
        hashes = parse_hashes("\n".join(line.removeprefix(_HASHES) for line in head if line.startswith(_HASHES)))
        lock = replace(parse_lock(text), hashes=hashes)
    except (FileNotFoundError, UnicodeDecodeError, BuildError):
        return None
    return replace(lock, notes=tuple(line.removeprefix(NOTE) for line in head if line.startswith(NOTE)))


def keep(cache: Path | None, digest: str, lock: Lock) -> None:
    """Keep a lock; a reader sees the whole of it or nothing."""
    if cache is None:
        return
    file = _file(cache, digest)
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{os.getpid()}")
    known = [f"{_HASHES}{line}" for line in hashes_text(lock.hashes).splitlines()]
    notes = "\n".join(["# A resolution that modelcast made.", *(f"{NOTE}{note}" for note in lock.notes), *known])
    aside.write_text(f"{notes}\n\n{lock_text(lock)}", encoding="utf-8")
    aside.replace(file)


def files_of(cache: Path, lock: Lock) -> list[Path]:
    """The kept files that hold this very lock."""
    kept = sorted((cache / FOLDER).glob("*.txt"))
    return [file for file in kept if file.read_text(encoding="utf-8").endswith(f"\n\n{lock_text(lock)}")]


def _file(cache: Path, digest: str) -> Path:
    return cache / FOLDER / f"{digest}.txt"

"""A wheel as a file: the same content is the same bytes on every machine, and the record says what is in it."""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest moment that a zip file can tell."""
PLAIN, EXECUTABLE = 0o100644 << 16, 0o100755 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file of a wheel."""

    name: str
    content: bytes
    is_executable: bool = False


def write(wheel: Path, members: Iterable[Member], described: str) -> None:
    """Write a wheel, and its RECORD last, into the folder `described` (`NAME-VERSION.dist-info`) of it."""
    record = f"{described}/RECORD"
    listed = io.StringIO()
    rows = csv.writer(listed, lineterminator="\n")
    # Stored: what deflate writes depends on zlib, and compressing takes longer than one pipe or disk.
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for member in members:
            archive.writestr(_entry(member), member.content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(member.content).digest()).rstrip(b"=").decode()
            rows.writerow([member.name, f"sha256={digest}", len(member.content)])
        rows.writerow([record, "", ""])
        archive.writestr(_entry(Member(name=record, content=b"")), listed.getvalue())


def _entry(member: Member) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(member.name, EPOCH)
    entry.create_system, entry.external_attr = 3, EXECUTABLE if member.is_executable else PLAIN
    return entry

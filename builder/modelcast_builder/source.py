"""Where the repository comes from: a folder as it is, or a git URL that is cloned; and what the model is called."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelcast_builder.clone import Address, asked, clone, git_address
from modelcast_builder.config import Config
from modelcast_builder.credentials import redacted
from modelcast_builder.errors import BuildError

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Folders that S2I made say nothing about the model.
_S2I_FOLDERS = (Path("/tmp/src"), Path("/opt/app-root/src"))  # noqa: S108 - S2I's contract names it


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A repository on this disk; nothing below `root` is ever written."""

    root: Path
    location: str
    """As the user named it, without credentials."""
    origin: str | None
    """git's origin without credentials, where `root` is the root of a git repository."""
    commit: str | None
    ref: str | None = None
    """The branch, tag or commit that was asked for."""


def fetch(source: str, work: Path) -> Source:
    """Take a folder, or clone `URL#REF:FOLDER` below `work`; raises `BuildError` and `MissingPart`."""
    address = git_address(source)
    if address is not None:
        return _cloned(address, work.resolve() / "source")
    root = Path(source).expanduser().resolve()
    if not root.is_dir():
        raise BuildError(
            "source",
            f"{source} is no folder and no git URL",
            "Name a folder, or a URL such as https://host/repo.git#main",
        )
    return _described(root, str(root))


def model_name(source: Source, config: Config) -> str:
    """The model's name, a DNS label; raises `BuildError` for a written name that is none."""
    if config.name is not None:
        if not _LABEL.fullmatch(config.name):
            raise BuildError(
                "config",
                f"the name {config.name!r} is no DNS label",
                f"Write `name: {_as_label(config.name)}`: lower-case letters, digits and hyphens, 63 at most",
            )
        return config.name
    address = source.origin or config.source_url
    folder = "" if source.root in _S2I_FOLDERS else source.root.name
    return _as_label(_basename(address) if address else folder)


def _cloned(address: Address, target: Path) -> Source:
    root = clone(address, target)
    commit = asked(target, "rev-parse", "--verify", "--quiet", "HEAD")
    # A clone of what lies on this disk is called after where that came from.
    known = asked(Path(address.url), "config", "--get", "remote.origin.url") if address.is_local else None
    origin = redacted(known or address.url) if root == target else None
    return Source(root=root, location=address.location, origin=origin, commit=commit, ref=address.ref or None)


def _described(root: Path, location: str) -> Source:
    is_repository = (root / ".git").exists() and shutil.which("git") is not None
    return Source(
        root=root,
        location=location,
        origin=redacted(asked(root, "config", "--get", "remote.origin.url") or "") or None if is_repository else None,
        commit=asked(root, "rev-parse", "--verify", "--quiet", "HEAD") if is_repository else None,
    )


def _basename(address: str) -> str:
    path = urlsplit(address).path if "://" in address else address.rpartition(":")[2]
    return unquote(path).rstrip("/").rpartition("/")[2].removesuffix(".git")


def _as_label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "model"

"""Where the repository comes from: a folder as it is, or a git URL that is cloned; and what the model is called."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelcast_builder.config import Config
from modelcast_builder.credentials import redacted
from modelcast_builder.errors import BuildError, MissingPart

_URL = re.compile(r"^(https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:")
_GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")
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


def fetch(source: str, work: Path) -> Source:
    """Take a folder, or clone `URL#ref` below `work`; raises `BuildError`."""
    if _URL.match(source):
        return _clone(source, work / "source")
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


def _clone(source: str, target: Path) -> Source:
    url, _, ref = source.partition("#")
    if shutil.which("git") is None:
        raise MissingPart("git is needed to clone a URL. Install git, or name a folder")
    shown = redacted(url)
    _git("clone", "--quiet", "--recurse-submodules", "--", url, str(target), failure=f"{shown} cannot be cloned")
    if ref:
        commit = _commit(target, ref, shown)
        failure = f"{ref!r} of {shown} cannot be checked out"
        _git("-C", str(target), "checkout", "--quiet", "--detach", commit, "--", failure=failure)
        _git("-C", str(target), "submodule", "--quiet", "update", "--init", "--recursive", failure=failure)
    return _described(target, redacted(source))


def _commit(root: Path, ref: str, url: str) -> str:
    """The commit of a branch (a clone has its origin's under other names), a tag, or what git makes of the ref."""
    for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref):
        found = _asked(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found:
            return found
    raise BuildError("source", f"{url} has no branch, tag or commit {ref!r}", "Check the ref after `#`")


def _described(root: Path, location: str) -> Source:
    is_repository = (root / ".git").exists() and shutil.which("git") is not None
    return Source(
        root=root,
        location=location,
        origin=redacted(_asked(root, "config", "--get", "remote.origin.url") or "") or None if is_repository else None,
        commit=_asked(root, "rev-parse", "--verify", "--quiet", "HEAD") if is_repository else None,
    )


def _asked(root: Path, *question: str) -> str | None:
    # The folder may belong to somebody else (a mounted volume); only two facts are read from it.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *question]
    # This repository and no other: not one around it, and not the one whose hook runs this build.
    outside = {name: value for name, value in os.environ.items() if name not in _GIT_PLACES}
    env = outside | {"GIT_CEILING_DIRECTORIES": str(root.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout.strip() or None


def _git(*arguments: str, failure: str) -> None:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["git said nothing"]
        # What follows the reason is advice about access rights.
        said = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
        raise BuildError("source", f"{failure}: {redacted(said)}", "Check the address and the ref after `#`")


def _basename(address: str) -> str:
    path = urlsplit(address).path if "://" in address else address.rpartition(":")[2]
    return unquote(path).rstrip("/").rpartition("/")[2].removesuffix(".git")


def _as_label(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "model"

"""A git repository as a folder: cloned, at its ref, by git alone, which never asks anybody for anything."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from modelcast_builder.credentials import redacted
from modelcast_builder.errors import BuildError, MissingPart

STEP = "source"
_URL = re.compile(r"^(https?|ssh|git|file)://|^[\w.-]+@[\w.-]+:")
_GIT_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR")
# A question would wait for ever where nobody sits, and its messages are read below.
_SILENT = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
_UNREACHABLE = re.compile(
    r"Could not resolve host|Failed to connect|Couldn't connect|Connection (refused|timed out|reset)|No route to host"
    r"|Network is unreachable|Temporary failure in name resolution|unable to look up",
    re.IGNORECASE,
)
_LOCKED = re.compile(r"could not read (Username|Password)|Authentication failed|Permission denied|terminal prompts")
_UNKNOWN_HOST = re.compile(r"Host key verification failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`URL#REF:FOLDER`, of which the URL alone must be there."""

    url: str
    """What git clones: a URL, or the path of a repository on this disk."""
    ref: str
    folder: str
    location: str
    """All of it, without credentials."""
    is_local: bool


def git_address(source: str) -> Address | None:
    """What of SRC git must fetch: a URL, a bare repository, a folder with `#REF`; None for a folder as it is."""
    if _URL.match(source):
        url, _, rest = source.partition("#")
        return _address(url, rest, redacted(source), is_local=False)
    if Path(source).expanduser().is_dir():
        url, rest = _absolute(source), ""
        return _address(url, rest, url, is_local=True) if _is_bare(Path(url)) else None
    base, mark, rest = source.rpartition("#")  # a path may hold the mark itself
    if mark and Path(base).expanduser().is_dir():
        url = _absolute(base)
        return _address(url, rest, f"{url}#{rest}", is_local=True)
    return None


def clone(address: Address, target: Path) -> Path:
    """Clone into `target`, which is absent, and check out the ref; the folder that was asked for.

    Raises BuildError, and MissingPart where there is no git or its host cannot be reached.
    """
    if shutil.which("git") is None:
        raise MissingPart("git is needed to clone a URL. Install git, or name a folder")
    shown = redacted(address.url)
    _git("clone", "--quiet", "--recurse-submodules", "--", address.url, str(target), url=shown, failure="be cloned")
    if address.ref:
        commit = _commit(target, address.ref, shown)
        failure = f"be checked out at {address.ref!r}"
        _git("-C", str(target), "checkout", "--quiet", "--detach", commit, "--", url=shown, failure=failure)
        update = ("submodule", "--quiet", "update", "--init", "--recursive")
        _git("-C", str(target), *update, url=shown, failure=failure)
    return _folder(target, address)


def asked(root: Path, *question: str) -> str | None:
    """What git answers about this very folder; None where it has no answer."""
    # The folder may belong to somebody else (a mounted volume); only facts are read from it.
    command = ["git", "-c", "safe.directory=*", "-C", str(root), *question]
    env = _variables() | {"GIT_CEILING_DIRECTORIES": str(root.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.stdout.strip() or None


def _address(url: str, rest: str, location: str, *, is_local: bool) -> Address:
    ref, _, folder = rest.partition(":")  # no ref of git's holds a colon
    return Address(url=url, ref=ref, folder=folder.strip("/"), location=location, is_local=is_local)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _is_bare(folder: Path) -> bool:
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def _folder(target: Path, address: Address) -> Path:
    folder = (target / address.folder).resolve()
    if not folder.is_dir() or not folder.is_relative_to(target.resolve()):
        where = f" at {address.ref!r}" if address.ref else ""
        problem = f"{redacted(address.url)} has no folder {address.folder!r}{where}"
        raise BuildError(STEP, problem, "Write URL#REF:FOLDER with a folder of the repository")
    return folder


def _commit(root: Path, ref: str, url: str) -> str:
    """The commit of a branch (a clone has its origin's under other names), a tag, or what git makes of the ref."""
    for name in (f"refs/remotes/origin/{ref}", f"refs/tags/{ref}", ref):
        found = asked(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found:
            return found
    raise BuildError(STEP, f"{url} has no branch, tag or commit {ref!r}", "Check the ref after `#`")


def _variables() -> dict[str, str]:
    """For one repository and no other: not one around it, and not the one whose hook runs this build."""
    return {name: value for name, value in os.environ.items() if name not in _GIT_PLACES} | _SILENT


def _git(*arguments: str, url: str, failure: str) -> None:
    # In a session of its own, because ssh asks the terminal itself.
    done = subprocess.run(
        ["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=_variables(),
        start_new_session=True,
    )  # fmt: skip
    if done.returncode:
        raise _refusal(done.stderr.strip().splitlines() or ["git said nothing"], url, failure)


def _refusal(lines: list[str], url: str, failure: str) -> BuildError | MissingPart:
    """Why git failed, and what to do: most of what it says is advice about access rights."""
    reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1])
    unreachable = next((line for line in lines if _UNREACHABLE.search(line)), None)
    if unreachable:
        said = redacted(unreachable).rpartition("': ")[2].removeprefix("fatal: ")
        return MissingPart(f"{url} cannot be reached: {said}. Check the address and the network")
    if any(_UNKNOWN_HOST.search(line) for line in lines):
        return BuildError(
            STEP, f"ssh does not know the host of {url}", "Connect to it once by hand, and accept its key"
        )
    if any(_LOCKED.search(line) for line in lines):
        return BuildError(
            STEP,
            f"{url} wants credentials, and git has none that it takes",
            "Check the address, store them for git (a credential helper, a key in ssh's agent), "
            "or name a folder with a clone",
        )
    return BuildError(STEP, f"{url} cannot {failure}: {redacted(reason)}", "Check the address and the ref after `#`")

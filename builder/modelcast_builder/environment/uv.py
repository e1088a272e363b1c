"""The one door to uv: how it is found, what of the caller's environment reaches it, and what its answers mean.

No configuration file and no project of the working directory is read, no Python is downloaded, and no credentials
leave in a message.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from uv import find_uv_bin

from modelcast_builder.credentials import host_of, redacted
from modelcast_builder.environment.lock import STEP
from modelcast_builder.environment.pip_settings import (
    NO_INDEX,
    authorities,
    in_uvs_words,
    named_index,
    says_yes,
    settings,
)
from modelcast_builder.errors import MissingPart

KEPT = (
    *("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_INSECURE_HOST"),
    "UV_KEYRING_PROVIDER",
    *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_CONCURRENT_", "UV_OFFLINE"),
    *("UV_HTTP_", "UV_REQUEST_TIMEOUT", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"),
)
"""Where packages come from and how they travel; the rest of UV_* would change what is chosen."""
LEFT_OUT = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME")
"""Whose Python it is, is said by `--python` alone; the path of the caller's modules is not for build backends."""
REASON_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command answered, free of credentials."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether the command did what it was asked."""
        return self.code == 0

    @property
    def unreachable(self) -> bool:
        """Whether the network, not the requirements, is what failed."""
        return not self.ok and bool(re.search("Failed to fetch|error sending request|network was disabled", self.err))

    @property
    def unauthorised(self) -> bool:
        """Whether an index refused the credentials, or wanted some."""
        return not self.ok and bool(re.search("lack of valid authentication|401 Unauthorized|403 Forbidden", self.err))

    @property
    def misconfigured(self) -> bool:
        """Whether a setting of the user's, such as an address, is none that uv can read."""
        return not self.ok and "error: invalid value" in self.err

    @property
    def mismatched(self) -> bool:
        """Whether a file was not the one that its hash says."""
        return not self.ok and "Hash mismatch" in self.err

    @property
    def undated(self) -> bool:
        """Whether the index hides its upload dates, so that nothing is left as of any date."""
        return not self.ok and "is missing an upload date" in self.err

    @property
    def reason(self) -> str:
        """What uv gives as its reason, in one line."""
        lines = self.err.splitlines()
        failed = next((number for number, line in enumerate(lines) if line.startswith("error:")), 0)
        whole = re.split("hint:|For more information", " ".join(lines[failed:]))[0]
        told = " ".join(whole.replace("cause:", "").split())
        told = told.removeprefix("error: ").removeprefix("No solution found when resolving dependencies").strip(" :")
        return told if len(told) <= REASON_LENGTH else f"{told[:REASON_LENGTH]}..."


Execute = Callable[[Sequence[str], Mapping[str, str], str], Ran]


def execute(argv: Sequence[str], env: Mapping[str, str], stdin: str) -> Ran:
    """Run a command to its end, away from the caller's working directory; its output is captured."""
    done = subprocess.run(
        argv, env=env, input=stdin, cwd="/", capture_output=True, text=True, errors="replace", check=False
    )
    return Ran(code=done.returncode, out=done.stdout, err=redacted(done.stderr))


@dataclass(frozen=True, slots=True, kw_only=True)
class Uv:
    """uv with the environment that it runs in."""

    binary: Path
    env: Mapping[str, str]
    execute: Execute = execute

    def __call__(self, *arguments: str, stdin: str = "") -> Ran:
        """Run uv; where the network fails, once more with what its cache holds."""
        argv = [str(self.binary), *arguments, "--no-config", "--no-progress", "--color", "never"]
        chooses = arguments[0] == "pip" and arguments[1] in {"compile", "install"}
        alone = "--no-index" in arguments
        if chooses and not alone and says_yes(self.env.get(NO_INDEX)):
            alone, argv = True, [*argv, "--no-index"]
        with self.trusting() as env:
            ran = self.execute(argv, env, stdin)
            if not ran.unreachable or alone:
                return ran
            cached = self.execute([*argv, "--offline"], env, stdin)
        return cached if cached.ok else ran

    def offering(self, folder: Path) -> Self:
        """The same, to which a folder of wheels counts as a part of the index."""
        places = [place for place in (self.env.get("UV_FIND_LINKS"), str(folder)) if place]
        return replace(self, env={**self.env, "UV_FIND_LINKS": ",".join(places)})

    @contextmanager
    def trusting(self) -> Iterator[Mapping[str, str]]:
        """The environment to run in, where all the authorities are in the one file that uv reads.

        Raises MissingPart for a file that is not there.
        """
        named = authorities(self.env)
        if not named:
            yield self.env
            return
        with tempfile.NamedTemporaryFile(suffix=".pem") as joined:
            for name, path in named.items():
                joined.write(_certificates(name, path))
            joined.flush()
            yield {**self.env, "SSL_CERT_FILE": joined.name}

    @property
    def sources(self) -> tuple[str, ...]:
        """Where packages come from, as far as it decides what is chosen: for a digest, and never to be shown."""
        deciding = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", NO_INDEX)
        named = sorted(name for name in self.env if name.startswith(deciding))
        shown = [name for name in named if not name.endswith(("_USERNAME", "_PASSWORD"))]
        return tuple(f"{name}={_nobodys(self.env[name])}" for name in shown)

    @property
    def hosts(self) -> str:
        """The indexes by their hosts alone, for a sentence."""
        extra = self.env.get("UV_INDEX") or self.env.get("UV_EXTRA_INDEX_URL", "")
        default = self.env.get("UV_DEFAULT_INDEX") or self.env.get("UV_INDEX_URL")
        named = [_host(default) if default else "PyPI", *map(_host, extra.split())]
        return " and ".join(dict.fromkeys(filter(None, named)))


def use_uv(env: Mapping[str, str] = os.environ, run: Execute = execute) -> Uv:
    """The uv that came with the builder, told by `env` where packages come from."""
    return Uv(binary=find_uv(), env=environment_for_uv(env), execute=run)


def find_uv() -> Path:
    """Where the `uv` package keeps its program."""
    try:
        return Path(find_uv_bin())
    except FileNotFoundError as absent:
        raise MissingPart("environment: uv is not installed beside modelcast. Install modelcast again") from absent


def environment_for_uv(env: Mapping[str, str]) -> Mapping[str, str]:
    """The caller's environment without what would change uv's choices, with pip's settings in uv's words."""
    said = settings(env)
    passed = {name: value for name, value in said.items() if name not in LEFT_OUT and not name.startswith("UV_")}
    passed |= {name: value for name, value in said.items() if name.startswith(KEPT)}
    passed |= in_uvs_words(passed)
    return {**passed, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROJECT": "1"}


def _certificates(name: str, path: Path) -> bytes:
    files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
    try:
        return b"".join(file.read_bytes() + b"\n" for file in files)
    except OSError as absent:
        told = f"{STEP}: {name} names the certificates {path}, which cannot be read"
        raise MissingPart(f"{told}. Correct the path, or unset {name}") from absent


def _nobodys(places: str) -> str:
    # Without what a reader of addresses takes for the user, and nothing more: places that differ are two questions.
    return re.sub(r"(://)[^/\s]*@", r"\1", places)


def _host(place: str) -> str:
    return host_of(named_index(place)[1])

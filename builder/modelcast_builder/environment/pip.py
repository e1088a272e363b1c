"""The one door to pip, which downloads and builds wheels (uv has no command for it), and what its refusals mean."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelcast_builder.credentials import redacted
from modelcast_builder.environment.index import only_wheels

REASON_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What pip said when it did not do as it was asked, free of credentials."""

    err: str

    @property
    def unauthorised(self) -> bool:
        """Whether an index refused the credentials, or wanted some."""
        return bool(re.search(r"\b40[13] (Client )?Error|HTTP error 40[13]", self.err))

    @property
    def is_of_the_build(self) -> bool:
        """Whether a package's source, and no connection, is what failed."""
        failed = re.search("subprocess-exited-with-error|metadata-generation-failed|Failed to build", self.err)
        return bool(failed) and not re.search("connection broken|connection-failed", self.err)

    @property
    def reason(self) -> str:
        """What pip, or the build backend, gives as its reason, in one line."""
        told = re.search(r"([^\n]*)\n\s*\[end of output\]|^(ERROR:.*)|^× (.*(?:\n╰─> .*)?)", self.err, re.MULTILINE)
        lines = self.err.split("\n")
        said = next(filter(None, told.groups())) if told else next(filter(None, reversed(lines)), "it said nothing")
        return " ".join(said.replace("╰─>", " ").split())[:REASON_LENGTH]


def download(
    lines: Iterable[str], into: Path, *, env: Mapping[str, str], options: Sequence[str] = ()
) -> Refusal | None:
    """Get wheels, as they are; nothing, or what pip says against it."""
    return _pip("download", lines, env, "--only-binary", ":all:", "--dest", str(into), *options)


def build(lines: Iterable[str], into: Path, *, env: Mapping[str, str], options: Sequence[str] = ()) -> Refusal | None:
    """Make wheels from sources; nothing, or what pip says against it."""
    return _pip("wheel", lines, env, *only_wheels(), "--wheel-dir", str(into), *options)


def _pip(verb: str, lines: Iterable[str], env: Mapping[str, str], *options: str) -> Refusal | None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as held:
        held.write("\n".join(lines) + "\n")
        held.flush()
        command = [sys.executable, "-m", "pip", verb, "--quiet", "--no-deps", *options, "--requirement", held.name]
        done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, errors="replace", check=False)
    return Refusal(err=redacted(done.stderr)) if done.returncode else None

"""The container engine on PATH, docker or podman: how it is found, and the few commands that an image needs."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelcast_builder.credentials import redacted
from modelcast_builder.errors import MissingPart

ENGINES = ("docker", "podman")
STEP = "image"
KEPT_LINES = 400
_REASON_LENGTH = 300
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""docker's classic builder paints red what a step writes on stderr."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What the engine answered."""

    code: int
    out: str
    err: str = ""

    @property
    def ok(self) -> bool:
        """Whether the engine did what it was asked."""
        return self.code == 0

    @property
    def reason(self) -> str:
        """The last line of what it said, without the engine's own prefixes and without credentials."""
        lines = [line for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        last = lines[-1].strip() if lines else f"it said nothing and ended with {self.code}"
        told = re.sub(r"^(?:(?:Error|ERROR|error|Error response from daemon|docker): )+", "", last)
        return redacted(told)[:_REASON_LENGTH].rstrip(".?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An engine that answers."""

    command: str
    is_podman: bool

    def __call__(self, *arguments: str) -> Ran:
        """One command to its end, its output captured."""
        done = subprocess.run(
            [self.command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def has(self, image: str) -> bool:
        """Whether the image is on this machine; nothing is pulled."""
        return self("image", "inspect", image).ok

    def config(self, image: str) -> Mapping[str, Any]:
        """What a local image says of itself: User, Labels, Env..."""
        return dict(json.loads(self("image", "inspect", "--format", "{{json .Config}}", image).out))

    def build(self, context: Path, *options: str, is_told: bool = False) -> Ran:
        """Build a folder with a Dockerfile; `out` is the image's id, else what was said (`is_told`: as it is said)."""
        with tempfile.TemporaryDirectory(prefix="modelcast-") as aside:
            written = Path(aside) / "id"
            command = [self.command, "build", "--force-rm", "--iidfile", str(written), *options, str(context)]
            code, said = _follow(command, is_told=is_told)
            return Ran(code=code, out=said if code else written.read_text(encoding="ascii").strip())


def find(variables: Mapping[str, str]) -> Engine:
    """The engine that `MODELCAST_ENGINE` names, else docker or podman, whichever answers. Raises MissingPart."""
    named = variables.get("MODELCAST_ENGINE", "").strip()
    there = [name for name in ((named,) if named else ENGINES) if shutil.which(name, path=variables.get("PATH"))]
    if not there:
        lacking = f"{named} (MODELCAST_ENGINE) is not" if named else "neither docker nor podman is"
        installing = "Install one of them, for instance by `apt-get install docker.io` or `dnf install podman`"
        raise MissingPart(f"{STEP}: {lacking} on PATH. {installing}")
    answers = [Engine(command=name, is_podman=False)("version") for name in there]
    for name, ran in zip(there, answers, strict=True):
        if ran.ok:
            return Engine(command=name, is_podman="podman" in ran.out.lower())
    reason = answers[0].reason.partition(". ")[0]
    raise MissingPart(f"{STEP}: {there[0]} does not answer: {reason}. Start it, and see that this user may use it")


def _follow(command: Sequence[str], *, is_told: bool) -> tuple[int, str]:
    """The exit code, and the end of what a long command said; on stderr as it comes, where somebody waits for it."""
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                kept.append(redacted(_COLOURS.sub("", line)))
                if is_told:
                    sys.stderr.write(kept[-1])
                    sys.stderr.flush()
        except BaseException:
            process.terminate()  # whoever is told to stop does not wait for the engine
            raise
    return process.returncode, "".join(kept)

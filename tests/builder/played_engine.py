"""An engine that is played: a program called docker or podman, which answers from a table and writes down what it was asked."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOR_EVER = -1
"""The exit code of a command that does not end by itself."""
PROGRAM = """#!{python} -IS
import json, pathlib, shutil, signal, sys
here = pathlib.Path({folder!r})
asked = sys.argv[1:]
with (here / "asked").open("a") as log:
    log.write(json.dumps(asked) + "\\n")
answers = json.loads((here / "answers.json").read_text())
code, out, err = next((answers[key] for key in sorted(answers, key=len, reverse=True) if " ".join(asked).startswith(key)), (0, "", ""))
if asked[0] == "build":
    shutil.copytree(asked[-1], here / "context", symlinks=True, dirs_exist_ok=True)
    if code == 0:
        pathlib.Path(asked[asked.index("--iidfile") + 1]).write_text("sha256:made")
if asked[0] == "cp" and code == 0:
    shutil.copytree(here / "image" / asked[1].partition(":")[2].lstrip("/"), asked[2], symlinks=True)
if "--digestfile" in asked:
    pathlib.Path(asked[asked.index("--digestfile") + 1]).write_text("sha256:" + "b" * 64)
sys.stdout.write(out)
sys.stdout.flush()
if code == {for_ever}:
    signal.pause()
sys.stderr.write(err)
sys.exit(code)
"""


@dataclass(frozen=True, kw_only=True)
class PlayedEngine:
    """Its folder is the PATH to find it on."""

    folder: Path
    name: str = "docker"

    def answers(self, table: Mapping[str, tuple[int, str, str] | str]) -> None:
        """What it says to commands that begin so: exit code, stdout, stderr; everything else succeeds in silence."""
        full = {words: (0, answer, "") if isinstance(answer, str) else answer for words, answer in table.items()}
        (self.folder / "answers.json").write_text(json.dumps(full), encoding="utf-8")

    def asked(self) -> list[list[str]]:
        """Every command so far, without the first question, whether it is there."""
        lines = (self.folder / "asked").read_text(encoding="utf-8").splitlines()
        return [words for line in lines if (words := json.loads(line)) != ["version"]]

    @property
    def image(self) -> Path:
        """The files of every image: `cp` copies folders out of it."""
        return self.folder / "image"

    @property
    def context(self) -> Path:
        """A copy of what it was told to build."""
        return self.folder / "context"


def play(folder: Path, name: str = "docker") -> PlayedEngine:
    """Write the program."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder), for_ever=FOR_EVER), encoding="utf-8")
    program.chmod(0o755)
    engine = PlayedEngine(folder=folder, name=name)
    engine.answers({"version": "Client: Docker Engine - Community\n"})
    return engine

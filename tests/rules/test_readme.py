"""Every command in the README's consoles is executed, in order, and what it prints is what the README shows."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from modelcast_runtime.settings import settings_table

from tools.readme import refusals

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Command:
    """One `$ ...` and the lines under it; `...` stands for anything."""

    text: str
    shown: str


def commands() -> Iterator[Command]:
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            text, _, shown = part.partition("\n")
            yield Command(text, shown)


class Shell:
    """One bash at the repository's root, with the project's environment first on PATH."""

    def __init__(self) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        # `kill %1` must not wait for a drain that nobody needs here.
        self.variables = {**os.environ, "PATH": path, "MODELCAST_LIMITS_DRAIN_S": "0"}
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: Command) -> str:
        """What the command prints; of one in the background, as many lines as the README shows."""
        assert self.process.stdin and self.process.stdout
        end = f"end-{uuid.uuid4().hex}"
        self.process.stdin.write(f"{command.text}\necho {end}\n")
        self.process.stdin.flush()
        lines: list[str] = []
        in_background = command.text.endswith("&")
        ended = False
        while not ended or (in_background and len(lines) < command.shown.count("\n")):
            line = self.process.stdout.readline()
            assert line, f"the shell ended in: {command.text}"
            if line.strip() == end:
                ended = True
            else:
                lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(timeout=30)


@pytest.fixture
def shell() -> Iterator[Shell]:
    shell = Shell()
    yield shell
    shell.close()


def test_every_console_shows_what_its_commands_print(shell: Shell) -> None:
    (ROOT / "build").mkdir(exist_ok=True)
    for command in commands():
        printed = shell.run(command)
        pattern = ".*?".join(map(re.escape, command.shown.split("...")))
        assert re.fullmatch(pattern, printed, re.DOTALL), f"$ {command.text}\n{printed}"


def test_the_settings_table_is_the_one_in_force() -> None:
    assert settings_table().strip() in README


def test_the_page_of_refusals_is_made_of_the_samples() -> None:
    written = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
    assert written == refusals(), "write it again: python tools/readme.py"
    assert written.count("error: ") >= 12


def test_readme_is_short() -> None:
    assert README.count("\n") <= 200


def test_every_command_is_in_the_readme() -> None:
    named = set(re.findall(r"(?:modelcast|make) \w+", README))
    assert named >= {f"modelcast {command}" for command in ("build", "serve", "predict", "inspect")}
    assert named >= {"make demo", "make test", "make e2e", "make image"}

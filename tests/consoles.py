"""The commands of a page, executed: its `console` blocks in order, and the files that stand between them."""

import contextlib
import os
import random
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:#|//) (\S+\.\w+)\n")


@dataclass(frozen=True)
class Command:
    """One `$ ...`, its further lines after `> `, and what it shows; `...` stands for anything."""

    text: str
    shown: str


@dataclass(frozen=True)
class File:
    """A block whose first line is a comment with a name: written to where the shell is."""

    name: str
    content: str


def steps(page: str) -> Iterator[Command | File]:
    """Everything that a reader does, in the page's order."""
    for language, block in _BLOCK.findall(page):
        named = _FILE.match(block)
        if language == "console":
            yield from _commands(block)
        elif named:
            yield File(name=named[1], content=block)


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        text, _, shown = part.partition("\n")
        while shown.startswith("> "):
            more, _, shown = shown.removeprefix("> ").partition("\n")
            text += f"\n{more}"
        yield Command(text, shown)


def execute(page: str, variables: Mapping[str, str]) -> None:
    """Do what the page says, in one shell at the repository's root; each command must print what the page shows."""
    shell = Shell(variables)
    try:
        for step in steps(with_free_ports(page)):
            if isinstance(step, File):
                shell.place(step)
                continue
            printed = shell.run(step)
            pattern = ".*?".join(map(re.escape, step.shown.split("...")))
            assert re.fullmatch(pattern, printed, re.DOTALL), f"$ {step.text}\n{printed}"
    finally:
        shell.close()


def with_free_ports(page: str) -> str:
    """The page with ports that nobody listens on: another checkout on this machine may do what its own page says."""
    for port in set(re.findall(r"--port (\d+)", page)):
        page = re.sub(rf"\b{port}\b", str(_free_port()), page)
    return page


def _free_port() -> int:
    # Below what the kernel gives to clients, which could take it before the page does.
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


class Shell:
    """One bash at the repository's root, with the project's environment first on PATH."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        (ROOT / "build").mkdir(exist_ok=True)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=ROOT,
            # `kill %1` must not wait for a drain that nobody needs here.
            env={**variables, "PATH": path, "MODELCAST_LIMITS_DRAIN_S": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: Command) -> str:
        """What the command prints; of one in the background, as many lines as the page shows."""
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

    def place(self, file: File) -> None:
        """Write a file to where the shell is."""
        folder = self.run(Command("pwd", "")).strip()
        (Path(folder) / file.name).write_text(file.content, encoding="utf-8")

    def close(self) -> None:
        """End it; what it left in the background ends too."""
        self.run(Command("kill $(jobs -p) 2>/dev/null", ""))
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(timeout=300)

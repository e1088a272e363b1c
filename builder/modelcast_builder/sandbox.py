"""The sandbox: one description of what a process with a repository's code may have, made from `build:`.

`shut_in` is the program that puts the walls; what a platform refuses, `lacking` tells.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, Self

import modelcast_runtime

from modelcast_builder import inside, shut_in
from modelcast_builder.document import Build

PROGRAM: tuple[str, ...] = (sys.executable, "-IS", str(Path(shut_in.__file__).parent))
ANYWHERE = ("/",)
_SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys", "/dev", "/nix/store")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/shm")  # noqa: S108
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - libraries name them by themselves
_LONGEST_FOR_MODEL_S = 600
_FILE_PER_MEMORY = 4
_OPEN_FILES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """What a process and all that it starts may have."""

    timeout_s: float
    """By the clock, for all of it; whoever waits ends it."""
    memory_mb: int
    """MiB of data of each process."""
    cpu_s: int
    """Seconds of CPU time of each process."""
    processes: int
    """Processes and threads, of all together."""
    open_files: int = _OPEN_FILES
    file_mb: int
    """MiB of any file that is written."""
    network: Literal["host", "loopback", "none"]
    """`loopback`: a network of its own; `none`: no socket but local ones."""
    read: tuple[str, ...] = ANYWHERE
    """The paths below which files can be read and executed."""
    write: tuple[str, ...] = ANYWHERE
    """The paths below which everything is allowed."""

    def command(self, command: Sequence[str]) -> list[str]:
        """The command that runs this one within the walls; it ends with the same exit code or signal."""
        limits = {
            "memory": self.memory_mb << 20,
            "cpu": self.cpu_s,
            "file": self.file_mb << 20,
            "open_files": self.open_files,
            "core": 0,
            "processes": self.processes,
        }
        asked = {"limits": limits, "network": self.network, "read": self.read, "write": self.write}
        return [*PROGRAM, json.dumps(asked), *command]

    def reaching(self, *, read: Iterable[Path] = (), write: Iterable[Path] = ()) -> Self:
        """The same with more paths; each also where it leads to."""
        return replace(self, read=(*self.read, *_real(read)), write=(*self.write, *_real(write)))

    @property
    def more_memory(self) -> str:
        """The line that gives more of it, as a part of a sentence."""
        return f"write `build: {{memory_mb: {2 * self.memory_mb}}}` in modelcast.yaml"

    @property
    def more_time(self) -> str:
        """The line that gives more of it, as a part of a sentence."""
        return f"write `build: {{timeout_s: {math.ceil(2 * self.timeout_s)}}}` in modelcast.yaml"


def of_notebook(build: Build) -> Sandbox:
    """What a notebook may have: the user's files and, where `build.network` says so, the network are its material."""
    return Sandbox(
        timeout_s=build.timeout_s,
        memory_mb=build.memory_mb,
        cpu_s=_cpu_s(build.timeout_s),
        processes=_processes(),
        file_mb=_FILE_PER_MEMORY * build.memory_mb,
        network="host" if build.network else "loopback",
    )


def of_model(build: Build) -> Sandbox:
    """What loading and asking a model may have: no network, and of the files the system's and temporary ones.

    The environment, the model and a folder to work in are added by `reaching`.
    """
    timeout_s = min(build.timeout_s, _LONGEST_FOR_MODEL_S)
    packages = (Path(modelcast_runtime.__file__).parents[1], Path(inside.__file__).parent)
    bare = replace(of_notebook(build), timeout_s=timeout_s, cpu_s=_cpu_s(timeout_s), network="none", read=(), write=())
    return replace(bare, read=_SYSTEM, write=(*_DEVICES, *_TEMPORARY)).reaching(read=packages)


def lacking(build: Build) -> str | None:
    """What of the walls this machine refuses, in one sentence for the report."""
    asked = [of_model(build)] if build.network else [of_model(build), of_notebook(build)]
    ends = dict.fromkeys(end for sandbox in asked for end in _lacking(sandbox, PROGRAM))
    return f"the sandbox is not whole on this machine: {'; '.join(ends)}" if ends else None


@cache
def _lacking(sandbox: Sandbox, _program: tuple[str, ...]) -> tuple[str, ...]:
    done = subprocess.run(sandbox.command(()), capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


def _cpu_s(timeout_s: float) -> int:
    """What all processors can spend in that time, and a little: what is still there after it was not waited for."""
    return math.ceil(timeout_s * _processors()) + 60


def _processes() -> int:
    """Room for a worker on each processor with as many threads, twice: OpenMP's and OpenBLAS'."""
    return 256 + max(256, 2 * _processors() ** 2)


def _processors() -> int:
    return os.cpu_count() or 1


def _real(paths: Iterable[Path]) -> tuple[str, ...]:
    named = [one for path in paths for one in (path.absolute(), path.resolve())]
    return tuple(dict.fromkeys(map(str, named)))


DEFAULT = of_model(Build())
"""Where nobody wrote anything."""

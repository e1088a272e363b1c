"""What a server is to this benchmark."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.figures import Form, Load
from tests.bench.models import Case
from tests.bench.wires import Wire

SERVICES = Path(__file__).resolve().parents[1] / "services"
"""What runs in the peers' own environments: what somebody who knows each of them would write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server lives: the interpreter of its environment, and a folder of its own for this case."""

    python: Path
    folder: Path

    def executable(self, name: str) -> str:
        """A command of the environment."""
        return str(self.python.with_name(name))

    def emptied(self) -> Path:
        """The folder, with nothing in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self.folder

    def run(self, script: str, *arguments: str | Path) -> None:
        """One of `SERVICES` to its end; raises `subprocess.CalledProcessError`."""
        command = [self.python, SERVICES / script, *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What becomes the server."""

    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


Launch = Callable[[int, int], Command]
"""Port and number of workers to the command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One that is measured."""

    name: str
    title: str
    environment: str = ""
    """`requirements/bench-*.txt` without both ends; empty where modelcast's own environments serve."""
    prepare: Callable[[Place, Case], Launch]
    """Write what it serves from; may raise `subprocess.CalledProcessError`, `Unavailable`."""
    wires: Mapping[Form, Wire]
    loads: frozenset[Load] | None = None
    """Those that say something of it; None: all that it has a wire for."""
    is_scored: bool = True
    """Whether its answers are predictions, and must be scikit-learn's."""


class Unavailable(Exception):
    """The server cannot be installed, prepared or started here; one line that says why."""


def write_json(path: Path, document: object) -> None:
    """A configuration file."""
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")

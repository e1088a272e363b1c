"""The ceilings: a fixed answer, of the bytes that modelcast answers one row with, on modelcast's own worker.

Once as a bare ASGI application, and once from the connection, the short way that modelcast's own lanes take.
"""

from functools import partial
from pathlib import Path
from typing import Literal

from tests.bench.figures import ALONE, CROWD
from tests.bench.models import Case
from tests.bench.servers import modelcast
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server
from tests.bench.wires import Rows


def _prepare(place: Place, case: Case, *, way: Literal["asgi", "direct"]) -> Launch:
    made = modelcast.servable(case, place.folder.parent / modelcast.COMPILED.name, "auto")
    python = Path(made.command({})[0]).with_name("python")

    def launch(port: int, workers: int) -> Command:
        script = str(SERVICES / "echo_service.py")
        return Command(arguments=(str(python), script, str(made.bundle.root), str(port), str(workers), way))

    return launch


def _server(name: str, title: str, way: Literal["asgi", "direct"]) -> Server:
    return Server(
        name=name,
        title=title,
        prepare=partial(_prepare, way=way),
        wires={"json": Rows("/predict")},
        loads=frozenset({ALONE, CROWD}),
        is_scored=False,
    )


SERVER = _server("echo", "bare echo on modelcast's worker", "asgi")
DIRECT = _server("echo-direct", "echo from modelcast's connection", "direct")

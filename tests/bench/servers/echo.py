"""The ceiling: a fixed answer, of the very bytes that modelcast answers one row with, on modelcast's own worker."""

from pathlib import Path

from tests.bench.figures import ALONE, CROWD
from tests.bench.models import Case
from tests.bench.servers import modelcast
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server
from tests.bench.wires import Rows


def _prepare(place: Place, case: Case) -> Launch:
    made = modelcast.servable(case, place.folder.parent / modelcast.COMPILED.name, "auto")
    python = Path(made.command({})[0]).with_name("python")

    def launch(port: int, workers: int) -> Command:
        script = str(SERVICES / "echo_service.py")
        return Command(arguments=(str(python), script, str(made.bundle.root), str(port), str(workers)))

    return launch


SERVER = Server(
    name="echo",
    title="bare echo on modelcast's worker",
    prepare=_prepare,
    wires={"json": Rows("/predict")},
    loads=frozenset({ALONE, CROWD}),
    is_scored=False,
)

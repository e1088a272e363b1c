"""LitServe: a `LitAPI` as its documentation has it."""

from tests.bench.models import Case
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server
from tests.bench.wires import Rows


def _prepare(place: Place, case: Case) -> Launch:
    folder = place.emptied()

    def launch(port: int, workers: int) -> Command:
        script = str(SERVICES / "litserve_service.py")
        return Command(arguments=(str(place.python), script, str(case.folder), str(port), str(workers)), folder=folder)

    return launch


SERVER = Server(
    name="litserve", title="LitServe", environment="litserve", prepare=_prepare, wires={"json": Rows("/predict")}
)

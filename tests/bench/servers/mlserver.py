"""MLServer and its scikit-learn runtime: as it comes (one process serves HTTP, one scores), and in one process."""

from collections.abc import Mapping
from functools import partial

from tests.bench.figures import Form
from tests.bench.models import Case
from tests.bench.servers.base import Command, Launch, Place, Server, write_json
from tests.bench.wires import V2, Wire

_WIRES: Mapping[Form, Wire] = {"json": V2(hints={"frame": "pd", "text": "str"})}


def _prepare(place: Place, case: Case, *, is_parallel: bool) -> Launch:
    folder = place.emptied()
    settings = {"name": case.model.name, "implementation": "mlserver_sklearn.SKLearnModel"}
    write_json(folder / "model-settings.json", {**settings, "parameters": {"uri": str(case.folder / "model.joblib")}})

    def launch(port: int, workers: int) -> Command:
        told = {"debug": False, "host": "127.0.0.1", "http_port": port, "grpc_port": port + 1}
        told |= {"metrics_port": port + 2, "parallel_workers": workers if is_parallel else 0}
        write_json(folder / "settings.json", told)
        return Command(arguments=(place.executable("mlserver"), "start", str(folder)), folder=folder)

    return launch


SERVER = Server(
    name="mlserver",
    title="MLServer",
    environment="mlserver",
    prepare=partial(_prepare, is_parallel=True),
    wires=_WIRES,
)
IN_PROCESS = Server(
    name="mlserver-in-process",
    title="MLServer, parallel_workers: 0",
    environment="mlserver",
    prepare=partial(_prepare, is_parallel=False),
    wires=_WIRES,
)

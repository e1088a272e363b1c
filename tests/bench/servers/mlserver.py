"""MLServer and its scikit-learn runtime: as it comes (one process serves HTTP, one scores), and in one process."""

from functools import partial

from tests.bench.models import Case
from tests.bench.servers.base import Command, Launch, Place, Server, write_json
from tests.bench.wires import V2


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


def _server(name: str, title: str, *, is_parallel: bool) -> Server:
    return Server(
        name=name,
        title=title,
        environment="mlserver",
        prepare=partial(_prepare, is_parallel=is_parallel),
        wires={"json": V2(hints={"frame": "pd", "text": "str"})},
    )


SERVER = _server("mlserver", "MLServer", is_parallel=True)
IN_PROCESS = _server("mlserver-in-process", "MLServer, parallel_workers: 0", is_parallel=False)

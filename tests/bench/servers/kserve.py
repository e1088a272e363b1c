"""KServe's SDK: a `kserve.Model` as its documentation has it; V1 for JSON, V2 for binary tensors."""

from tests.bench.models import Case
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server
from tests.bench.wires import Rows, V2Binary


def _prepare(place: Place, case: Case) -> Launch:
    folder = place.emptied()

    def launch(port: int, workers: int) -> Command:
        script = str(SERVICES / "kserve_service.py")
        options = (f"--http_port={port}", f"--workers={workers}", "--enable_grpc=false")
        return Command(
            arguments=(str(place.python), script, *options),
            variables={"BENCH_CASE": str(case.folder)},
            folder=folder,
        )

    return launch


SERVER = Server(
    name="kserve",
    title="KServe SDK",
    environment="kserve",
    prepare=_prepare,
    wires={"json": Rows("/v1/models/{model}:predict"), "binary": V2Binary()},
)

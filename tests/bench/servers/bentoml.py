"""BentoML with its adaptive batching."""

from tests.bench.models import Case
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server
from tests.bench.wires import Records


def _prepare(place: Place, case: Case) -> Launch:
    home = place.emptied()

    def launch(port: int, workers: int) -> Command:
        variables = {"BENCH_CASE": str(case.folder), "BENCH_WORKERS": str(workers), "BENTOML_HOME": str(home)}
        variables["BENTOML_DO_NOT_TRACK"] = "True"
        arguments = ("serve", "bentoml_service:Scoring", "--host", "127.0.0.1", "--port", str(port), "--quiet")
        return Command(
            arguments=(place.executable("bentoml"), *arguments, "--working-dir", str(SERVICES)),
            variables=variables,
            folder=home,
        )

    return launch


SERVER = Server(
    name="bentoml",
    title="BentoML, batching",
    environment="bentoml",
    prepare=_prepare,
    wires={"json": Records("/predict", key="rows", answered=None)},
)

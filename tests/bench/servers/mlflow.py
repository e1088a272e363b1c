"""MLflow: `mlflow models serve` of a model that MLflow saved."""

from tests.bench.models import Case
from tests.bench.servers.base import Command, Launch, Place, Server
from tests.bench.wires import Split


def _prepare(place: Place, case: Case) -> Launch:
    model = place.emptied() / "model"
    place.run("mlflow_model.py", case.folder, model)

    def launch(port: int, workers: int) -> Command:
        options = ("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--env-manager", "local")
        # It starts uvicorn by name.
        path = f"{place.python.parent}:/usr/bin:/bin"
        return Command(
            arguments=(place.executable("mlflow"), "models", "serve", "--model-uri", str(model), *options),
            variables={"PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"},
            folder=place.folder,
        )

    return launch


SERVER = Server(name="mlflow", title="MLflow", environment="mlflow", prepare=_prepare, wires={"json": Split()})

"""FastAPI, uvicorn and ONNX Runtime: what somebody who knows all three writes by hand for this one model."""

import subprocess
from pathlib import Path

from tests.bench.environments import environment
from tests.bench.models import Case
from tests.bench.servers.base import SERVICES, Command, Launch, Place, Server, Unavailable
from tests.bench.wires import Rows


def _prepare(place: Place, case: Case) -> Launch:
    folder = place.emptied()
    _convert(case, folder / "model.onnx")

    def launch(port: int, workers: int) -> Command:
        options = ("--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--no-access-log")
        return Command(
            arguments=(place.executable("uvicorn"), "fastapi_service:app", "--app-dir", str(SERVICES), *options),
            variables={"BENCH_CASE": str(case.folder), "BENCH_GRAPH": str(folder / "model.onnx")},
            folder=folder,
        )

    return launch


def _convert(case: Case, into: Path) -> None:
    """The graph in 32 bits, as skl2onnx' documentation makes it."""
    try:
        Place(python=environment("onnx"), folder=into.parent).run("convert.py", case.folder, into)
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1]
        raise Unavailable(f"skl2onnx does not convert this model: {last}") from error


SERVER = Server(
    name="fastapi",
    title="FastAPI, uvicorn, ONNX Runtime",
    environment="fastapi",
    prepare=_prepare,
    wires={"json": Rows("/predict")},
)

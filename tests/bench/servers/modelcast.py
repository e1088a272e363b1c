"""modelcast: a repository with the trained model in it, built and served as `modelcast serve` does; also never compiled."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from modelcast_builder import commands
from modelcast_builder.config import build_settings
from modelcast_builder.errors import BuildError
from modelcast_builder.rebuild import Servable
from modelcast_builder.report import Reporter

from tests.bench.environments import BUILD
from tests.bench.figures import Form
from tests.bench.models import Case
from tests.bench.servers.base import Command, Launch, Place, Server, Unavailable
from tests.bench.wires import Rows, V2Binary, Wire

_PRIVATE = ("MODELCAST_", "S2I_", "OPENSHIFT_", "GUNICORN", "WEB_CONCURRENCY", "PORT", "AIP_")
"""What whoever runs this has set for himself is not part of what is measured."""


def servable(case: Case, folder: Path, compiled: Literal["auto", "never"]) -> Servable:
    """The sealed bundle and what serves it; built once for the same content. Raises `Unavailable`."""
    write_repository(case, folder, compiled)
    try:
        return commands._servable(str(folder), build_settings(_variables()), Reporter())
    except BuildError as error:
        raise Unavailable(str(error)) from error


def write_repository(case: Case, folder: Path, compiled: Literal["auto", "never"]) -> None:
    """What a user would commit: the artifact, what it needs, and a line on how it is served."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.joblib").write_bytes((case.folder / "model.joblib").read_bytes())
    (folder / "modelcast.yaml").write_text(
        f"name: {case.model.name}\nmodel: model.joblib\ncompile: {compiled}\n", encoding="utf-8"
    )
    if case.model.kind == "frame":
        lines = [",".join(case.columns), *(",".join(map(str, row)) for row in case.rows)]
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "train.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _variables() -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    return {**own, "MODELCAST_CACHE": str(BUILD / "cache")}


def _prepare(place: Place, case: Case, *, compiled: Literal["auto", "never"]) -> Launch:
    made = servable(case, place.folder, compiled)

    def launch(port: int, workers: int) -> Command:
        return Command(arguments=tuple(made.command({"host": "127.0.0.1", "port": port, "workers": workers})))

    return launch


def _server(name: str, title: str, compiled: Literal["auto", "never"]) -> Server:
    wires: Mapping[Form, Wire] = {"json": Rows("/predict"), "binary": V2Binary()}
    return Server(name=name, title=title, prepare=partial(_prepare, compiled=compiled), wires=wires)


COMPILED = _server("modelcast", "modelcast", "auto")
NATIVE = _server("modelcast-native", "modelcast, compile: never", "never")

"""Who is measured: one module a server, one line here."""

from tests.bench.servers import bentoml, echo, fastapi, kserve, litserve, mlflow, mlserver, modelcast
from tests.bench.servers.base import Server

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        modelcast.COMPILED,
        modelcast.NATIVE,
        echo.SERVER,
        echo.DIRECT,
        fastapi.SERVER,
        mlserver.SERVER,
        mlserver.IN_PROCESS,
        bentoml.SERVER,
        kserve.SERVER,
        mlflow.SERVER,
        litserve.SERVER,
    )
}

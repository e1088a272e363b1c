"""A fixed answer on modelcast's own worker, by modelcast's own `serve`: echo_service.py BUNDLE PORT WORKERS WAY.

The body is read and the answer has the bytes of one prediction's; nothing is decoded, scored, checked or counted. WAY
is `asgi`, an application as gunicorn calls one, or `direct`, from the connection as modelcast's own lanes answer.
"""

import os
import sys
from pathlib import Path

import numpy as np
from modelcast_runtime import answer, service
from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import open_bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.settings import read_settings


class NoCounters:
    """In the place of the shared store."""

    def claim(self) -> int:
        return 0

    def release(self, slot: int) -> None:
        """Nothing is held."""

    def use(self, slot: int) -> None:
        """Nothing is written."""


bundle = open_bundle(Path(sys.argv[1]))
manifest = bundle.manifest
BODY = answer.encode(
    Scores(predictions=np.array([1])),
    manifest.signature,
    model_name=manifest.name,
    model_version=manifest.version,
    prediction_id=answer.new_prediction_id(),
    wanted=(),
)
TYPE = (b"content-type", b"application/json")
HEADERS = [TYPE, (b"content-length", b"%d" % len(BODY))]
RESPONSE = Response(status=200, headers=(TYPE,), body=BODY)


async def echo(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def make_app(worker):
    if sys.argv[4] == "direct":
        worker.direct = {"/predict": lambda request, reply: reply(RESPONSE)}
    return echo


flags = {"host": "127.0.0.1", "port": int(sys.argv[2]), "workers": int(sys.argv[3])}
settings = read_settings(os.environ, flags, manifest.service)
sys.exit(service.serve(bundle, settings, make_app=make_app, make_store=lambda _: NoCounters()))

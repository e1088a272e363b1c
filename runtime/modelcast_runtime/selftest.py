"""Scores the golden rows and the repository's examples through the real application, without a socket."""

import asyncio
import os
from pathlib import Path
from typing import Any

import orjson

from modelcast_runtime import examples, metrics
from modelcast_runtime.app import create_app
from modelcast_runtime.asgi import Application
from modelcast_runtime.bundle import Bundle, BundleError, open_bundle
from modelcast_runtime.contract import QUESTIONS, query_of
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.golden import wanted_by
from modelcast_runtime.problems import counted
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store

_PAGES = ("/", "/healthz", "/readyz", "/metrics", "/schema", "/info", "/openapi.json", "/docs")
_BROWSER = "text/html,*/*;q=0.8"


def run(root: Path, example_file: Path | None = None) -> str:
    """Open, verify, score, look at every page and hold every example; a sentence, or `BundleError`."""
    bundle = open_bundle(root)
    example_file = None if example_file is None else example_file.absolute()  # own code changes the working directory
    settings = read_settings(os.environ, {}, bundle.manifest.service)
    store = Store.create(metrics.layout_for(bundle.manifest, bundle.golden, bundle.baseline), slots=1)
    store.use(store.claim())
    app = create_app(bundle, load_scorer(bundle), store=store, settings=settings)
    proof = f"{len(bundle.golden.rows)} golden rows reproduced" if bundle.golden.rows else "predict() can be called"
    done = f"{bundle.manifest.name} {bundle.manifest.version}: {proof}"
    asyncio.run(_check(app, bundle, settings.limits.rows))
    if example_file is None:
        return done
    held = asyncio.run(
        examples.hold(
            example_file, bundle, lambda query, body: request(app, "POST", "/predict", query=query, body=body)
        )
    )
    return f"{done}, {counted(held, 'example')} of {example_file.name} held"


async def _check(app: Application, bundle: Bundle, most: int) -> None:
    for path in (*_PAGES, *(() if bundle.card is None else ("/card",))):
        status, body = await request(app, "GET", path, accept=_BROWSER)
        if status != 200:
            raise BundleError(f"GET {path} answered {status}: {body.decode('utf-8', 'replace')[:300]}")
    if not bundle.manifest.signature.takes_rows:
        return  # own code was imported; only examples of the repository's could ask it
    wanted = wanted_by(bundle.golden)
    query = query_of(question for question in QUESTIONS if question.output in wanted)
    rows = bundle.golden.rows[:most]  # replayed as a whole already; a service that takes one row a time is whole too
    status, body = await request(app, "POST", "/predict", query=query, body=orjson.dumps({"instances": rows}))
    if status != 200:
        raise BundleError(
            f"POST /predict with the golden rows answered {status}: {body.decode('utf-8', 'replace')[:300]}"
        )
    answered = len(orjson.loads(body)["predictions"])
    if answered != len(rows):
        raise BundleError(f"POST /predict answered {answered} of {len(rows)} golden rows")


async def request(
    app: Application, method: str, path: str, *, query: str = "", body: bytes = b"", accept: str = "*/*"
) -> tuple[int, bytes]:
    """One request to an ASGI application in this process: status and body."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"selftest"),
            (b"accept", accept.encode()),
            (b"content-length", b"%d" % len(body)),
        ],
        "server": ("selftest", 80),
        "client": ("selftest", 1),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

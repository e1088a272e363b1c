"""How long the service takes for one row: the real application in this process, without a socket."""

import asyncio
import json
import os
import statistics
import sys
import time
from itertools import cycle
from pathlib import Path

import orjson

from modelcast_runtime import metrics
from modelcast_runtime.app import create_app
from modelcast_runtime.asgi import Application
from modelcast_runtime.bundle import Bundle, BundleError, open_bundle
from modelcast_runtime.contract import Cell
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.selftest import request
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store

WARM_UP, REQUESTS = 20, 200
_LONGEST_S = 2.0
"""Of the warm-up, and of the measurement: a model that takes a second a row is measured on two."""


def median_ms(root: Path) -> float:
    """Milliseconds for `POST /predict` with one golden row, the median; raises `BundleError`.

    The median and not a higher quantile: a machine with other work to do must not decide.
    """
    bundle = open_bundle(root)
    if not bundle.golden.rows:
        raise BundleError(f"{bundle.manifest.name} has no golden rows to be asked")
    store = Store.create(metrics.layout_for(bundle.manifest, bundle.golden, bundle.baseline), slots=1)
    store.use(store.claim())
    settings = read_settings(os.environ, {}, bundle.manifest.service)
    return asyncio.run(_measured(create_app(bundle, load_scorer(bundle), store=store, settings=settings), bundle))


async def _measured(app: Application, bundle: Bundle) -> float:
    await _times(app, bundle.golden.rows, WARM_UP)
    return statistics.median(await _times(app, bundle.golden.rows, REQUESTS)) * 1000


async def _times(app: Application, rows: tuple[tuple[Cell, ...], ...], most: int) -> list[float]:
    """Seconds of each request, `most` or as many as there is time for; at least one."""
    bodies, taken = cycle([orjson.dumps({"instances": [row]}) for row in rows]), list[float]()
    while len(taken) < most and sum(taken) < _LONGEST_S:
        body = next(bodies)
        started = time.perf_counter()
        status, answer = await request(app, "POST", "/predict", body=body)
        taken.append(time.perf_counter() - started)
        if status != 200:
            raise BundleError(f"POST /predict with a golden row answered {status}: {answer.decode(errors='replace')}")
    return taken


if __name__ == "__main__":
    sys.stdout.write(json.dumps(median_ms(Path(sys.argv[1]))))

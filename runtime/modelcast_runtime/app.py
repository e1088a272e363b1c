"""The service of one bundle in one worker: bytes -> decode -> score -> observe -> encode, and the pages around it."""

from collections.abc import Callable
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from modelcast_runtime import golden
from modelcast_runtime.asgi import Application, Router
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.dialects import Dialect, create_dialects
from modelcast_runtime.dialects.own import PATH
from modelcast_runtime.folding import create_folding
from modelcast_runtime.formats import Scorer
from modelcast_runtime.formats.python import OwnPredict
from modelcast_runtime.health import Health
from modelcast_runtime.lane import Lane
from modelcast_runtime.object_lane import ObjectLane, RowsRefused
from modelcast_runtime.observe import Observer
from modelcast_runtime.pages import create_pages
from modelcast_runtime.scoring import create_scoring
from modelcast_runtime.settings import Settings
from modelcast_runtime.store import Store


def create_app(
    bundle: Bundle,
    scorer: Scorer | OwnPredict,
    *,
    store: Store,
    settings: Settings,
    is_draining: Callable[[], bool] = lambda: False,
) -> Router:
    """Build the ASGI application; raises `BundleError` where the golden rows do not reproduce or own code fails.

    Called in each worker after the fork: scikit-learn's OpenMP models hang in a child whose parent has scored.
    """
    observer = Observer(store, bundle.manifest)
    dialects = tuple(create_dialects(bundle, settings))
    if isinstance(scorer, OwnPredict):
        scorer.start()
        golden_rows, lanes = 0, _of_own_code(bundle, scorer, dialects, observer, settings)
    else:
        golden_rows = golden.replay(bundle, scorer)
        scoring = create_scoring(scorer, observer, create_folding(bundle, scorer, observer))
        lanes = {path: Lane(one, scoring, observer, settings) for one in dialects for path in one.paths}
    health = Health(golden_rows=golden_rows, is_draining=is_draining)
    pages = create_pages(bundle, store, health, settings, scoring_paths=tuple(lanes))
    return Router(lanes, cast(Application, WSGIMiddleware(cast(Any, pages))), observer)


def _of_own_code(
    bundle: Bundle, own: OwnPredict, dialects: tuple[Dialect, ...], observer: Observer, settings: Settings
) -> dict[str, Application]:
    """An object in on `/predict`; no protocol of rows."""
    refused = {path: RowsRefused(one, observer, settings) for one in dialects for path in one.paths}
    return {**refused, PATH: ObjectLane(bundle, own, observer, settings)}

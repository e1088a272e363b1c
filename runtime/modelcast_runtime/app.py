"""The service of one bundle in one worker: bytes -> decode -> score -> observe -> encode, and the pages around it."""

from collections.abc import Callable
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from modelcast_runtime import golden
from modelcast_runtime.asgi import Application, Router
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.formats import Scorer
from modelcast_runtime.health import Health
from modelcast_runtime.lane import Lane
from modelcast_runtime.observe import Observer
from modelcast_runtime.pages import create_pages
from modelcast_runtime.settings import Settings
from modelcast_runtime.store import Store


def create_app(
    bundle: Bundle, scorer: Scorer, *, store: Store, settings: Settings, is_draining: Callable[[], bool] = lambda: False
) -> Router:
    """Build the ASGI application; raises `BundleError` where the golden rows do not reproduce.

    Called in each worker after the fork: scikit-learn's OpenMP models hang in a child whose parent has scored.
    """
    health = Health(golden_rows=golden.replay(bundle, scorer), is_draining=is_draining)
    observer = Observer(store, bundle.manifest)
    lanes: dict[str, Application] = {"/predict": Lane(bundle, scorer, observer, settings)}
    pages = create_pages(bundle, store, health, settings, scoring_paths=tuple(lanes))
    return Router(lanes, cast(Application, WSGIMiddleware(cast(Any, pages))), observer)

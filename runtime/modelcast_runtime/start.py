"""From a bundle's folder to a running service: what is opened before the fork, and what each worker does after it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from modelcast_runtime import metrics, service
from modelcast_runtime.app import create_app
from modelcast_runtime.asgi import Application
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.settings import read_settings
from modelcast_runtime.store import Store
from modelcast_runtime.worker import ScoringWorker


def serve(root: Path, flags: Mapping[str, object]) -> int:
    """Serve until told to stop; the exit code. Raises `BundleError` and `SettingsError` before anything listens."""
    service.terminate_on_signal()
    bundle = open_bundle(root)
    settings = read_settings(os.environ, flags, bundle.manifest.service, model_bytes=bundle.model_bytes)
    scorer = load_scorer(bundle)  # once, and shared by the workers' memory; never scored before the fork
    layout = metrics.layout_for(bundle.manifest, bundle.golden, bundle.baseline)

    def make_app(worker: ScoringWorker) -> Application:
        app = create_app(
            bundle, scorer, store=cast(Store, worker.store), settings=settings, is_draining=worker.draining.is_set
        )
        worker.observe, worker.direct = app.refused, app.direct
        return app

    def make_store(slots: int) -> Store:
        return Store.create(layout, slots)

    return service.serve(bundle, settings, make_app=make_app, make_store=make_store, refusals=(BundleError,))

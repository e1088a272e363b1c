"""The environment that a sealed bundle is asked in: the model's own, or modelcast's where it was compiled."""

from dataclasses import replace
from pathlib import Path

from modelcast_runtime.bundle import Bundle

from modelcast_builder.config import BuildSettings
from modelcast_builder.environment.lock import lock_of
from modelcast_builder.environment.venv import Environment, builders, create


def of_bundle(bundle: Bundle, settings: BuildSettings, wheels: Path | None = None) -> Environment:
    """Make it, or take it from the cache; `wheels` is the repository's own wheelhouse. Raises as `create` does."""
    if bundle.manifest.compilation.backend != "native":
        return builders(replace(lock_of(bundle.root), wheels=wheels))
    return of_model(bundle, settings, wheels)


def of_model(bundle: Bundle, settings: BuildSettings, wheels: Path | None = None) -> Environment:
    """That of the model's own libraries, whether it was compiled or not."""
    lock = replace(lock_of(bundle.root), wheels=wheels)
    return create(lock, where=None, cache=settings.cache, wheelhouse=settings.wheelhouse)

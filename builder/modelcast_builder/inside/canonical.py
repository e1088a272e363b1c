"""Stores the model so that the same training gives the same bytes."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .messages import DescribeRequest

# What depends on the process and not on the training: scikit-learn keeps the address of a vectoriser's stop words,
# and our recorder its mark on fitted estimators.
_OF_THE_PROCESS = ("_stop_words_id", "_modelcast_fit")


def store(model: Any, request: DescribeRequest) -> tuple[str, ...]:
    """Write the model file; notes for the report."""
    sealed = Path(request.sealed)
    if request.by_value:
        # Code by value cannot be pickled again from the loaded object.
        shutil.copyfile(request.artifact, sealed)
        return ("the artifact holds code by value (cloudpickle): its digest changes with every build",)
    notes = _normalise(model)
    first = _dumped(model)
    # Loading once more settles which equal strings are one object; from then on the bytes stay.
    sealed.write_bytes(_dumped(_loaded(first)))
    return notes


def _normalise(model: Any) -> tuple[str, ...]:
    parallel = False
    for part in _parts(model):
        for name in _OF_THE_PROCESS:
            vars(part).pop(name, None)
        _stop_clocks(vars(part))
        if type(part).__module__ == "xgboost.core" and hasattr(part, "set_param"):
            part.set_param({"nthread": 1})  # the booster keeps what its wrapper had when it was fitted
        if vars(part).get("n_jobs") not in (None, 1) and hasattr(part, "get_params"):
            part.n_jobs, parallel = 1, True
    return ("n_jobs is 1 in the sealed model: the service scales by processes",) if parallel else ()


def _stop_clocks(attributes: dict[str, Any]) -> None:
    """A search keeps how long its fits took on this machine, on this day."""
    if "refit_time_" in attributes:
        attributes["refit_time_"] = 0.0
    results = attributes.get("cv_results_")
    if isinstance(results, dict):
        results.update({name: times * 0.0 for name, times in results.items() if name.endswith("_time")})


def _parts(root: Any) -> Iterator[Any]:
    """Every object with attributes below the model, once each."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, type):
            continue
        seen.add(id(part))
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list | tuple | set):
            waiting.extend(part)
        elif type(part).__module__ == "numpy":
            waiting.extend(part.ravel() if getattr(getattr(part, "dtype", None), "hasobject", False) else ())
        elif hasattr(part, "__dict__") and not callable(getattr(part, "__code__", None)):
            yield part
            waiting.extend(vars(part).values())


def _dumped(model: Any) -> bytes:
    from joblib.numpy_pickle import NumpyPickler

    target = io.BytesIO()
    kept: list[Any] = []

    class Canonical(NumpyPickler):  # type: ignore[misc]
        """joblib's own, less the bytes between a record's fields: a tree's nodes bring along what lay there."""

        def save(self, value: Any) -> None:
            if type(value).__name__ == "ndarray" and value.dtype.names:
                value = _without_padding(value)
                kept.append(value)  # the pickler knows objects by their address
            super().save(value)

    Canonical(target, protocol=4).dump(model)
    return target.getvalue()


def _without_padding(records: Any) -> Any:
    import numpy as np

    clean = np.zeros(records.shape, dtype=records.dtype)
    for name in records.dtype.names:
        clean[name] = records[name]
    return clean


def _loaded(content: bytes) -> Any:
    import joblib

    return joblib.load(io.BytesIO(content))

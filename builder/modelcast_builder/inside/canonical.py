"""Stores the model so that the same training gives the same bytes."""

import io
import shutil
from pathlib import Path
from typing import Any

from . import hyperparameters
from .messages import DescribeRequest
from .parts import parts_of

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
    changed: set[str] = set()
    for part in parts_of(model):
        for name in _OF_THE_PROCESS:
            vars(part).pop(name, None)
        _stop_clocks(vars(part))
        if type(part).__module__ == "xgboost.core" and hasattr(part, "set_param"):
            part.set_param({"nthread": 1})  # the booster keeps what its wrapper had when it was fitted
        changed |= hyperparameters.make_harmless(part)
    return hyperparameters.notes(changed)


def _stop_clocks(attributes: dict[str, Any]) -> None:
    """A search keeps how long its fits took on this machine, on this day."""
    if "refit_time_" in attributes:
        attributes["refit_time_"] = 0.0
    results = attributes.get("cv_results_")
    if isinstance(results, dict):
        results.update({name: times * 0.0 for name, times in results.items() if name.endswith("_time")})


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

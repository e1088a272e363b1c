"""Writes the allow-list's generated half: what scikit-learn 1.3 to newest offer to a fitted model.

`python -m tools.allowed` asks each version, in an environment of its own, for its estimators and for the members of the
modules in `REVIEWED`: those were read, and hold nothing that opens, runs or imports what a caller says. A class is
listed as made without a call, a compiled one as called; what a model only refers to is a value.
"""

import json
import subprocess
import sys
from pathlib import Path

from modelcast_builder.environment import Requirements, base_python, create, resolve

from tests.matrix.matrix import VERSIONS

TARGET = Path(__file__).parents[1] / "builder/modelcast_builder/artifact/allowed/scikit-learn.txt"
HEAD = """\
# Written by `python -m tools.allowed`: what scikit-learn %s offer to a fitted model.
# USE MODULE: NAMES. An `estimator` or `object` is made by __new__ without arguments,
# a `call` may be called, a `value` may only be referred to.
"""
REVIEWED: dict[str, str | tuple[str, ...]] = {
    # Losses, links, kernels, distances: arithmetic on their own arrays.
    "sklearn._loss.link": "object",
    "sklearn._loss.loss": "object",
    "sklearn._loss._loss": "call",
    "sklearn.ensemble._gb_losses": "object",
    "sklearn.ensemble._hist_gradient_boosting.binning": "object",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "object",
    "sklearn.gaussian_process.kernels": "object",
    "sklearn.gaussian_process._gpc": "object",
    "sklearn.linear_model._sgd_fast": "call",
    "sklearn.linear_model._loss": "call",
    "sklearn.metrics._dist_metrics": "object",
    # Trees of nodes and of neighbours: their arrays are validated apart.
    "sklearn.neighbors._ball_tree": "object",
    "sklearn.neighbors._kd_tree": "object",
    "sklearn.tree._tree": ("call", "Tree"),
    "sklearn.tree._classes": "object",
    "sklearn.cluster._birch": "object",
    "sklearn.cluster._bisect_k_means": "object",
    "sklearn.cluster._kmeans": "value",
    "sklearn.cluster._hdbscan._tree": "call",
    # Parts of estimators.
    "sklearn.calibration": ("object", "_CalibratedClassifier", "_SigmoidCalibration", "_TemperatureScaling"),
    "sklearn.compose._column_transformer": "object",
    "sklearn.frozen._frozen": "object",
    "sklearn.impute._iterative": ("call", "_ImputerTriplet"),
    "sklearn.multiclass": "object",
    "sklearn.neural_network._stochastic_optimizers": "object",
    "sklearn.preprocessing._function_transformer": "value",
    "sklearn.utils._bunch": "object",
    "sklearn.utils._metadata_requests": "object",
    # How a search splits and scores: pure functions of arrays, referred to and not called by a load.
    "sklearn.model_selection._split": "object",
    "sklearn.model_selection._classification_threshold": "object",
    "sklearn.metrics._scorer": "object",
    "sklearn.metrics._classification": "value",
    "sklearn.metrics._ranking": "value",
    "sklearn.metrics._regression": "value",
    "sklearn.metrics.pairwise": "value",
    "sklearn.metrics.cluster._supervised": "value",
    "sklearn.metrics.cluster._unsupervised": "value",
    "sklearn.feature_selection._univariate_selection": "value",
    "sklearn.feature_selection._mutual_info": "value",
}
"""Module -> how its members may be used, or some of them; what a version does not have is left out."""
INSIDE = """
import importlib, inspect, json, sys
from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer
from sklearn.utils import all_estimators
found = {("estimator", kind.__module__, name) for name, kind in all_estimators()}
taken = {(module, name) for _, module, name in found}
for place, use in json.load(sys.stdin).items():
    use, *only = [use] if isinstance(use, str) else use
    try:
        module = importlib.import_module(place)
    except ImportError:
        continue
    for name, member in vars(module).items():
        home = getattr(member, "__module__", None)
        if (place, name) in taken or only and name not in only:
            continue
        if inspect.isclass(member) and home in (place, "_loss") and not issubclass(member, BaseException):
            found.add((use if use == "call" else "object", place, name))
        elif name == "newObj" or name.startswith("__pyx_unpickle_Cy"):
            found.add(("call", place, name))
        elif inspect.isfunction(member) and home == place and use == "value" and name[0] != "_":
            found.add(("value", place, name))
        elif use == "value" and name.startswith("_kmeans_single_"):
            found.add(("value", place, name))
print(json.dumps(sorted(found)))
"""


def main() -> None:
    """Ask every version and write the file."""
    found: set[tuple[str, str, str]] = set()
    for version in VERSIONS:
        found |= _offered(version)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(HEAD % f"{VERSIONS[0]} to {VERSIONS[-1]}" + _listed(found), encoding="utf-8")
    print(f"{len(found)} names in {TARGET}")


def _offered(version: str) -> set[tuple[str, str, str]]:
    cache = Path("build/test-cache").resolve()
    asked = Requirements(pins=(f"scikit-learn=={version}",), ranges=("pandas",))
    python = create(resolve(asked, {}, python=base_python(), cache=cache), cache=cache).python
    done = subprocess.run(
        [python, "-W", "ignore", "-c", INSIDE], input=json.dumps(REVIEWED), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    return {(use, module, name) for use, module, name in json.loads(done.stdout)}


def _listed(found: set[tuple[str, str, str]]) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for use, module, name in sorted(found):
        groups.setdefault((module, use), []).append(name)
    return "".join(f"{use} {module}: {' '.join(names)}\n" for (module, use), names in sorted(groups.items()))


if __name__ == "__main__":
    main()

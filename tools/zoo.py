"""Every estimator of some scikit-learn that can be fitted without asking its author: `python tools/zoo.py FOLDER`.

Runs in any environment of scikit-learn >= 1.3, and needs nothing else. Leaves FOLDER/NAME.FORMAT for each of the
formats that are named after it (all by default), and prints the names, one a line, of what was fitted.
"""

import importlib
import inspect
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import all_estimators

DRAW = np.random.default_rng(5)
NUMBERS = DRAW.uniform(0.1, 3.0, size=(60, 4))
CLASSES = np.array(["low", "mid", "top"], dtype=object)[np.arange(60) % 3]
TWO = np.arange(60) % 2
TARGET = NUMBERS @ np.array([1.0, -2.0, 0.5, 3.0]) + 5
TEXTS = [f"{'win free' if n % 2 else 'lunch at'} word{n % 7} again" for n in range(60)]
DATA: tuple[tuple[Any, Any], ...] = (
    (NUMBERS, CLASSES),
    (NUMBERS, TARGET),
    (NUMBERS, TWO),
    (NUMBERS, np.column_stack([TWO, 1 - TWO])),
    (NUMBERS, np.column_stack([TARGET, -TARGET])),
    (NUMBERS[:, 0], TARGET),
    (TEXTS, TWO),
    ([{"a": n, "b": "x"} for n in range(60)], TWO),
    (NUMBERS @ NUMBERS.T, CLASSES),
    (CLASSES, None),
    ([["a", "b"], ["b"]] * 30, None),
)
"""What is tried in this order: classes, numbers, two classes, several outputs, texts, records, kernels, labels."""
STEPS = {
    "classifier": LogisticRegression(),
    "regressor": LinearRegression(),
    "estimator": LogisticRegression(),
    "base_estimator": LogisticRegression(),
    "estimators": [("tree", DecisionTreeClassifier(max_depth=2)), ("line", LogisticRegression())],
    "transformers": [("scale", StandardScaler(), [0, 1]), ("rest", "passthrough", [2, 3])],
    "transformer_list": [("scale", StandardScaler())],
    "steps": [("scale", StandardScaler()), ("line", LogisticRegression())],
    "param_grid": {"C": [0.5, 1.0]},
    "param_distributions": {"C": [0.5, 1.0]},
    "dictionary": NUMBERS[:4],
}
"""What the meta-estimators are given."""
OTHERS = {
    "VotingRegressor": {"estimators": [("tree", DecisionTreeRegressor(max_depth=2)), ("line", LinearRegression())]},
    "StackingRegressor": {"estimators": [("tree", DecisionTreeRegressor(max_depth=2)), ("line", LinearRegression())]},
    "RegressorChain": {"estimator": LinearRegression(), "base_estimator": LinearRegression()},
    "MultiOutputRegressor": {"estimator": LinearRegression()},
    "FrozenEstimator": {"estimator": LinearRegression().fit(NUMBERS, TARGET)},
    "RFE": {"estimator": LogisticRegression(), "n_features_to_select": 2},
    "RandomizedSearchCV": {"estimator": LogisticRegression(), "n_iter": 2},
    "HalvingRandomSearchCV": {"estimator": LogisticRegression(), "n_candidates": 2},
    "SelectFromModel": {"estimator": RandomForestClassifier(3)},
    "IterativeImputer": {"estimator": LinearRegression()},
    "FunctionTransformer": {"func": np.log1p, "inverse_func": np.expm1},
}


def fitted() -> Iterator[tuple[str, Any]]:
    """Name and model, of all that can be fitted to any of the data."""
    for module in ("enable_halving_search_cv", "enable_iterative_imputer"):
        importlib.import_module(f"sklearn.experimental.{module}")
    for name, kind in all_estimators():
        for rows, y in DATA:
            with suppress(Exception):  # the next data may suit it
                yield name, _made(name, kind).fit(rows, y)
                break


def _made(name: str, kind: type[BaseEstimator]) -> BaseEstimator:
    """The estimator, small, with the parts that it asks for."""
    asked = kind.__init__.__code__.co_varnames if hasattr(kind.__init__, "__code__") else ()
    given = {key: value for key, value in (STEPS | OTHERS.get(name, {})).items() if key in asked}
    required = {key for key in given if key in _required(kind) or key in OTHERS.get(name, {})}
    made = kind(**{key: given[key] for key in required})
    small = {"n_estimators": 4, "max_iter": 40, "random_state": 0, "n_init": 1, "cv": 2, "n_components": 2}
    known = made.get_params(deep=False)
    return made.set_params(**{key: value for key, value in small.items() if key in known})


def _required(kind: type[BaseEstimator]) -> set[str]:
    parameters = inspect.signature(kind.__init__).parameters.values()
    return {parameter.name for parameter in parameters if parameter.default is parameter.empty}


def _compressed(how: Any) -> Callable[[Any, Path], Any]:
    return lambda model, path: joblib.dump(model, path, compress=how)


def _pickled(protocol: int) -> Callable[[Any, Path], Any]:
    return lambda model, path: path.write_bytes(pickle.dumps(model, protocol))


FORMATS: dict[str, Callable[[Any, Path], Any]] = {
    **{f"p{protocol}.pkl": _pickled(protocol) for protocol in (2, 3, 4, 5)},
    "joblib": joblib.dump,
    "zlib.joblib": _compressed(3),
}


def main() -> None:
    """Fit, save, print."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in fitted():
        for ending in sys.argv[2:] or FORMATS:
            FORMATS[ending](model, folder / f"{name}.{ending}")
        print(name, flush=True)


if __name__ == "__main__":
    main()

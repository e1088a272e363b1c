"""Runs in an environment of some scikit-learn: fits six kinds of models and saves each in three formats.

`makers.py FOLDER KIND...` leaves FOLDER/KIND.FORMAT, the rows to ask as FOLDER/KIND.json (a request of ours) and what
this very process answers for them as FOLDER/KIND.expected.json.
"""

import json
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DRAW = np.random.default_rng(11)
NUMBERS = DRAW.normal(size=(120, 4))
FRAME = pd.DataFrame(
    {
        "age": DRAW.integers(18, 90, size=120),
        "income": DRAW.gamma(2.0, 900.0, size=120),
        "region": DRAW.choice(["north", "south", "east"], size=120),
    }
)
TEXTS = [f"{DRAW.choice(['win', 'free', 'cheap'])} money {n}" for n in range(20)]
TEXTS += [f"lunch at {DRAW.choice(['noon', 'one', 'two'])} with {n}" for n in range(20)]


def forest() -> tuple[Any, Any]:
    model = RandomForestClassifier(15, random_state=0)
    return model.fit(NUMBERS, np.where(NUMBERS[:, 0] > NUMBERS[:, 1], "up", "down")), NUMBERS


def linear() -> tuple[Any, Any]:
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "income"]),
            ("names", OneHotEncoder(handle_unknown="ignore"), ["region"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression()).fit(FRAME, FRAME["income"] > 1500), FRAME


def boosting() -> tuple[Any, Any]:
    model = GradientBoostingRegressor(n_estimators=20, random_state=0)
    return model.fit(NUMBERS, 3 * NUMBERS[:, 0] - NUMBERS[:, 3]), NUMBERS


def clusters() -> tuple[Any, Any]:
    return KMeans(3, n_init=2, random_state=0).fit(NUMBERS), NUMBERS


def text() -> tuple[Any, Any]:
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1] * 20 + [0] * 20), TEXTS


def outputs() -> tuple[Any, Any]:
    model = RandomForestRegressor(8, random_state=0)
    return model.fit(NUMBERS[:, :3], NUMBERS[:, 2:] * 2 + 1), NUMBERS[:, :3]


KINDS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "forest": forest,
    "linear": linear,
    "boosting": boosting,
    "clusters": clusters,
    "text": text,
    "outputs": outputs,
}


def save(model: Any, path: Path) -> None:
    joblib.dump(model, path.with_suffix(".joblib"), compress=3)
    path.with_suffix(".pkl").write_bytes(pickle.dumps(model, protocol=5))
    if folder.name.endswith("skops"):
        from skops import io

        io.dump(model, path.with_suffix(".skops"))


def answered(model: Any, rows: Any) -> list[dict[str, Any]]:
    """As `modelcast predict --proba` prints it."""
    answers = [{"prediction": prediction} for prediction in model.predict(rows).tolist()]
    if hasattr(model, "predict_proba"):
        names = [str(label).lower() if isinstance(label, bool) else str(label) for label in model.classes_.tolist()]
        for answer, shares in zip(answers, model.predict_proba(rows).tolist(), strict=True):
            answer["probabilities"] = dict(zip(names, shares, strict=True))
    return answers


def request(rows: Any) -> dict[str, Any]:
    if isinstance(rows, pd.DataFrame):
        return {"columns": {name: rows[name].tolist() for name in rows.columns}}
    return {"instances": rows if isinstance(rows, list) else rows.tolist()}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    for kind in sys.argv[2:]:
        made, asked = KINDS[kind]()
        save(made, folder / kind)
        (folder / f"{kind}.json").write_text(json.dumps(request(asked[:25])))
        (folder / f"{kind}.expected.json").write_text(json.dumps(answered(made, asked[:25])))

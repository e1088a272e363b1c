"""The models that every server serves: trained here, once, by the scikit-learn that all environments share."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROWS = 1000
"""As many as the largest request has."""

Kind = Literal["array", "frame", "text"]
Row = Sequence[Any] | str
"""Cells in the columns' order; of a text model, the text."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted estimator, and the rows that it is asked for in its own form."""

    estimator: Any
    columns: tuple[str, ...]
    rows: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One line of the comparison."""

    name: str
    title: str
    kind: Kind
    train: Callable[[], Trained]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A trained model on disk: `folder` holds `model.joblib` and `case.json`."""

    model: Model
    folder: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    expected: tuple[int, ...]
    """What scikit-learn answers for the rows."""


def prepare(model: Model, into: Path) -> Case:
    """The model on disk; trained where it is not there as this module trains it."""
    folder = into / model.name
    written = folder / "case.json"
    stamp = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if not written.exists() or json.loads(written.read_bytes())["stamp"] != stamp:
        _train(model, folder, stamp)
    told = json.loads(written.read_bytes())
    return Case(
        model=model,
        folder=folder,
        columns=tuple(told["columns"]),
        rows=tuple(told["rows"]),
        expected=tuple(told["expected"]),
    )


def _train(model: Model, folder: Path, stamp: str) -> None:
    import joblib

    trained = model.train()
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(trained.estimator, folder / "model.joblib")
    rows = trained.rows.to_numpy().tolist() if model.kind == "frame" else list(trained.rows)
    told = {
        "name": model.name,
        "kind": model.kind,
        "columns": trained.columns,
        "texts": [name for name in trained.columns if trained.rows[name].dtype.kind not in "fi"]
        if model.kind == "frame"
        else [],
        "rows": [row if isinstance(row, str) else list(row) for row in rows],
        "expected": trained.estimator.predict(trained.rows).tolist(),
        "stamp": stamp,
    }
    (folder / "case.json").write_text(json.dumps(told), encoding="utf-8")


def _logistic() -> Trained:
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return _of_array(make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), load_iris())


def _forest() -> Trained:
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier

    return _of_array(RandomForestClassifier(n_estimators=100, random_state=0), load_breast_cancer())


def _boosting() -> Trained:
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    return _of_array(HistGradientBoostingClassifier(random_state=0), load_breast_cancer())


def _of_array(estimator: Any, data: Any) -> Trained:
    import numpy as np

    estimator.fit(data.data, data.target)
    chosen = np.random.default_rng(0).integers(0, len(data.data), ROWS)
    names = tuple(f"x{n}" for n in range(data.data.shape[1]))
    return Trained(estimator, names, data.data[chosen].tolist())


def _mixed() -> Trained:
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(0)
    # Quarters and halves: exact in 32 bits too, so that a graph of floats has no other answer to give.
    frame = pd.DataFrame(
        {
            "age": random.integers(72, 320, ROWS) / 4,
            "income": random.integers(1000, 9000, ROWS) / 2,
            "months": random.integers(0, 120, ROWS).astype(float),
            "plan": random.choice(["basic", "plus", "family"], ROWS),
            "region": random.choice(["north", "east", "south", "west"], ROWS),
        }
    )
    leaves = (frame["plan"] == "basic") * 1500 + frame["income"] - 20 * frame["months"] + random.normal(0, 500, ROWS)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["age", "income", "months"]), (OneHotEncoder(handle_unknown="ignore"), ["plan", "region"])
    )
    estimator = make_pipeline(columns, RandomForestClassifier(n_estimators=100, random_state=0))
    estimator.fit(frame, (leaves > leaves.median()).astype(int))
    return Trained(estimator, tuple(frame.columns), frame)


def _text() -> Trained:
    import csv

    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    sample = Path(__file__).resolve().parents[2] / "sample-models" / "spam" / "data" / "messages.csv"
    with sample.open(newline="", encoding="utf-8") as lines:
        messages = list(csv.DictReader(lines))
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    estimator.fit([message["text"] for message in messages], [int(message["label"] == "spam") for message in messages])
    chosen = np.random.default_rng(0).integers(0, len(messages), ROWS)
    return Trained(estimator, ("text",), [messages[n]["text"] for n in chosen])


MODELS = {
    model.name: model
    for model in (
        Model(name="logistic", title="LogisticRegression, 4 numbers", kind="array", train=_logistic),
        Model(name="forest", title="RandomForest(100), 30 numbers", kind="array", train=_forest),
        Model(name="mixed", title="imputer, scaler, one-hot, RandomForest(100)", kind="frame", train=_mixed),
        Model(name="text", title="Tf-idf, LogisticRegression", kind="text", train=_text),
        Model(name="boosting", title="HistGradientBoosting, 30 numbers", kind="array", train=_boosting),
    )
}

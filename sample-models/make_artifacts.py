"""Makes the ready-made artifacts among the samples again; run it with the builder's default scikit-learn."""

import pickle
import sys
from pathlib import Path
from types import ModuleType

import joblib
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

HERE = Path(__file__).parent


def main() -> None:
    breast_cancer()
    line = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    for name in ("model.joblib", "model_old.joblib"):
        save(line, "two-artifacts", name)
    measures = pd.DataFrame({"height": [1.6, 1.7, 1.8, 1.9], "weight": [50.0, 60.0, 90.0, 99.0]})
    save(LogisticRegression().fit(measures, [0, 0, 1, 1]), "wrong-dtype-in-data")
    below_the_gate()
    save({"model": line, "accuracy": 0.9}, "dictionary")
    save(with_a_class_of("features"), "lacking-module")
    save(with_a_class_of("gradientlib.scaling"), "missing-requirement")
    save(with_a_class_of("__main__"), "defined-in-a-script")
    save(line, "version-differs")
    whole = pickle.dumps(line)
    (folder("corrupt-pickle") / "model.pkl").write_bytes(whole[: len(whole) // 2])


def breast_cancer() -> None:
    data = load_breast_cancer(as_frame=True)
    names = {0: "malignant", 1: "benign"}
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, data.target.map(names), test_size=0.25, random_state=0, stratify=data.target
    )
    forest = RandomForestClassifier(n_estimators=100, random_state=0).fit(X_train, y_train)
    joblib.dump(forest, HERE / "breast-cancer" / "model.joblib", compress=3)
    X_test.assign(diagnosis=y_test).to_csv(HERE / "breast-cancer" / "data" / "holdout.csv", index=False)


def below_the_gate() -> None:
    """A model that does well on average, and not for the smaller site."""
    rows = [(size, site) for site, count in (("north", 30), ("south", 10)) for size in range(count)]
    sizes = pd.DataFrame({"size": [float(size % 10) for size, _ in rows]})
    late = ["yes" if size % 10 > (4 if site == "north" else 7) else "no" for size, site in rows]
    save(LogisticRegression().fit(sizes[:30], late[:30]), "below-the-gate")
    (folder("below-the-gate") / "data").mkdir(exist_ok=True)
    holdout = sizes.assign(site=[site for _, site in rows], late=late)
    holdout.to_csv(folder("below-the-gate") / "data" / "holdout.csv", index=False)


def with_a_class_of(module: str) -> object:
    """A pipeline with an own step, as if a module of this name had defined it."""
    clip = type("Clip", (TransformerMixin, BaseEstimator), {"__module__": module, "fit": keep, "transform": passed})
    parent, _, child = module.rpartition(".")
    for name in (parent, module):
        if name:
            sys.modules.setdefault(name, ModuleType(name))
    setattr(sys.modules[module], "Clip", clip)
    return make_pipeline(clip(), LogisticRegression()).fit([[0.0], [1.0]], [0, 1])


def keep(self, X, y=None):
    return self


def passed(self, X):
    return X


def save(model: object, case: str, name: str = "model.joblib") -> None:
    joblib.dump(model, folder(case) / name)


def folder(case: str) -> Path:
    found = HERE / f"{case}-should-fail"
    found.mkdir(exist_ok=True)
    return found


if __name__ == "__main__":
    main()

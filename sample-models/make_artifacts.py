"""Makes the ready-made artifacts among the samples again; run it with the builder's default scikit-learn."""

from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

HERE = Path(__file__).parent


def main() -> None:
    data = load_breast_cancer(as_frame=True)
    names = {0: "malignant", 1: "benign"}
    X_train, X_test, y_train, y_test = train_test_split(
        data.data, data.target.map(names), test_size=0.25, random_state=0, stratify=data.target
    )
    forest = RandomForestClassifier(n_estimators=100, random_state=0).fit(X_train, y_train)
    joblib.dump(forest, HERE / "breast-cancer" / "model.joblib", compress=3)
    X_test.assign(diagnosis=y_test).to_csv(HERE / "breast-cancer" / "data" / "holdout.csv", index=False)

    line = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    for name in ("model.joblib", "model_old.joblib"):
        joblib.dump(line, HERE / "two-artifacts-should-fail" / name)


if __name__ == "__main__":
    main()

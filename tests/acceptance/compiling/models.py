"""Models as people train them, and what they are asked with: one line each in docs/compiled-models.md."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import (
    calibration,
    cluster,
    decomposition,
    discriminant_analysis,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn import linear_model as linear
from sklearn import preprocessing as steps
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from xgboost import XGBClassifier, XGBRegressor


@dataclass(frozen=True)
class Trained:
    """A model and the rows that it was fitted on."""

    model: Any
    rows: Any


Make = Callable[[], Trained]
TREES = 30


def _tumours(model: Any) -> Make:
    rows, answers = load_breast_cancer(return_X_y=True)
    return lambda: Trained(model.fit(rows, answers), rows)


def _flowers(model: Any) -> Make:
    rows, answers = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[answers]
    # Boosting libraries count their classes.
    return lambda: Trained(model.fit(rows, answers if isinstance(model, XGBClassifier) else names), rows)


def _numbers(model: Any) -> Make:
    rows, answers = load_diabetes(return_X_y=True)
    return lambda: Trained(model.fit(rows, answers), rows)


def _scaled(model: Any) -> Any:
    return make_pipeline(steps.StandardScaler(), model)


def _passengers() -> tuple[pd.DataFrame, np.ndarray]:
    draw, count = np.random.default_rng(0), 400
    frame = pd.DataFrame(
        {
            "age": np.where(draw.random(count) < 0.1, np.nan, draw.normal(40, 12, count).round(1)),
            "fare": draw.gamma(2, 20, count).round(2),
            "sex": pd.Series(draw.choice(["male", "female"], count), dtype=object),
            "town": pd.Series(draw.choice(np.array(["Köln", "Bonn", "Aachen", np.nan], dtype=object), count), dtype=object),
            "grade": draw.integers(1, 5, count),
        }
    )  # fmt: skip
    score = frame["fare"] + frame["grade"] * 5 + (frame["sex"] == "male") * 10 + draw.normal(0, 10, count)
    return frame, np.where(score > 55, "yes", "no")


def _mixed(model: Any) -> Make:
    frame, answers = _passengers()
    text = make_pipeline(
        SimpleImputer(strategy="most_frequent"), steps.OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), steps.StandardScaler()), ["age", "fare"]),
            ("texts", text, ["sex", "town"]),
            ("grade", steps.OneHotEncoder(), ["grade"]),
        ]
    )
    return lambda: Trained(make_pipeline(columns, model).fit(frame, answers), frame)


def _ordered(model: Any) -> Make:
    frame, answers = _passengers()
    frame = frame[["age", "fare", "sex"]]
    encoder = steps.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = ColumnTransformer([("sex", encoder, ["sex"])], remainder="passthrough")
    return lambda: Trained(make_pipeline(columns, model).fit(frame, answers), frame)


def _kinds(model: Any) -> Make:
    frame, answers = _passengers()
    frame = frame[["fare", "sex"]].astype({"sex": "category"})
    return lambda: Trained(model.fit(frame, answers), frame)


def _mail(model: Any) -> Make:
    draw = np.random.default_rng(0)
    words = [
        "free",
        "money",
        "win",
        "prize",
        "now",
        "click",
        "meeting",
        "report",
        "monday",
        "lunch",
        "project",
        "budget",
        "call",
        "mom",
        "love",
        "dinner",
    ]
    texts = [" ".join(draw.choice(words, draw.integers(3, 12))) for _ in range(200)]
    answers = np.array(["spam" if "free" in text or "win" in text else "ham" for text in texts])
    return lambda: Trained(model.fit(texts, answers), texts)


def _pairs(model: Any) -> Make:
    rows, answers = load_diabetes(return_X_y=True)
    both = np.stack([answers, answers * 2 + 1], axis=1)
    return lambda: Trained(model.fit(rows, both), rows)


def _one(model: Any) -> Make:
    rows, answers = load_diabetes(return_X_y=True)
    return lambda: Trained(model.fit(rows[:, 2:3], answers), rows[:, 2:3])


_members = [
    ("forest", ensemble.RandomForestClassifier(10, random_state=0)),
    ("line", _scaled(linear.LogisticRegression())),
]
_numbered = [("tree", tree.DecisionTreeRegressor(max_depth=4)), ("line", linear.Ridge())]

MODELS: dict[str, Make] = {
    "StandardScaler + LogisticRegression": _flowers(_scaled(linear.LogisticRegression())),
    "StandardScaler + LinearSVC": _tumours(_scaled(svm.LinearSVC())),
    "StandardScaler + SVC": _flowers(_scaled(svm.SVC())),
    "StandardScaler + SGDClassifier": _tumours(_scaled(linear.SGDClassifier(random_state=0))),
    "StandardScaler + Perceptron": _flowers(_scaled(linear.Perceptron())),
    "RidgeClassifier": _flowers(linear.RidgeClassifier()),
    "LinearDiscriminantAnalysis": _flowers(discriminant_analysis.LinearDiscriminantAnalysis()),
    "QuadraticDiscriminantAnalysis": _flowers(discriminant_analysis.QuadraticDiscriminantAnalysis()),
    "GaussianNB": _flowers(naive_bayes.GaussianNB()),
    "BernoulliNB": _flowers(naive_bayes.BernoulliNB(binarize=3.0)),
    "DecisionTreeClassifier": _tumours(tree.DecisionTreeClassifier(random_state=0)),
    "RandomForestClassifier": _tumours(ensemble.RandomForestClassifier(TREES, random_state=0)),
    "StandardScaler + RandomForestClassifier": _tumours(
        _scaled(ensemble.RandomForestClassifier(TREES, random_state=0))
    ),
    "ExtraTreesClassifier": _flowers(ensemble.ExtraTreesClassifier(TREES, random_state=0)),
    "GradientBoostingClassifier": _flowers(ensemble.GradientBoostingClassifier(n_estimators=TREES, random_state=0)),
    "HistGradientBoostingClassifier": _tumours(ensemble.HistGradientBoostingClassifier(max_iter=TREES)),
    "HistGradientBoostingClassifier, categories": _kinds(
        ensemble.HistGradientBoostingClassifier(max_iter=TREES, categorical_features="from_dtype")
    ),
    "AdaBoostClassifier": _tumours(ensemble.AdaBoostClassifier(n_estimators=TREES, random_state=0)),
    "BaggingClassifier": _tumours(ensemble.BaggingClassifier(random_state=0)),
    "StandardScaler + KNeighborsClassifier": _flowers(_scaled(neighbors.KNeighborsClassifier())),
    "StandardScaler + MLPClassifier": _flowers(
        _scaled(neural_network.MLPClassifier((16,), max_iter=400, random_state=0))
    ),
    "CalibratedClassifierCV": _flowers(calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=3)),
    "StackingClassifier": _tumours(ensemble.StackingClassifier(_members, cv=3)),
    "VotingClassifier, soft": _tumours(ensemble.VotingClassifier(_members, voting="soft")),
    "VotingClassifier, hard": _tumours(ensemble.VotingClassifier(_members)),
    "XGBClassifier": _flowers(XGBClassifier(n_estimators=TREES)),
    "StandardScaler + XGBClassifier": _tumours(_scaled(XGBClassifier(n_estimators=TREES))),
    "LGBMClassifier": _flowers(LGBMClassifier(n_estimators=TREES, n_jobs=1, verbose=-1)),
    "IsolationForest": _tumours(ensemble.IsolationForest(n_estimators=TREES, random_state=0)),
    "StandardScaler + OneClassSVM": _tumours(_scaled(svm.OneClassSVM())),
    "DummyClassifier": _flowers(dummy.DummyClassifier()),
    "LinearRegression": _numbers(linear.LinearRegression()),
    "LinearRegression, two targets": _pairs(linear.LinearRegression()),
    "Ridge": _numbers(linear.Ridge()),
    "Lasso": _numbers(linear.Lasso(alpha=0.1)),
    "ElasticNet": _numbers(linear.ElasticNet(alpha=0.1)),
    "StandardScaler + SVR": _numbers(_scaled(svm.SVR())),
    "StandardScaler + PoissonRegressor": _numbers(_scaled(linear.PoissonRegressor())),
    "GaussianProcessRegressor": _numbers(gaussian_process.GaussianProcessRegressor(alpha=0.1)),
    "DecisionTreeRegressor": _numbers(tree.DecisionTreeRegressor(random_state=0)),
    "RandomForestRegressor": _numbers(ensemble.RandomForestRegressor(TREES, random_state=0)),
    "RandomForestRegressor, two targets": _pairs(ensemble.RandomForestRegressor(5, random_state=0)),
    "GradientBoostingRegressor": _numbers(ensemble.GradientBoostingRegressor(n_estimators=TREES, random_state=0)),
    "HistGradientBoostingRegressor": _numbers(ensemble.HistGradientBoostingRegressor(max_iter=TREES)),
    "AdaBoostRegressor": _numbers(ensemble.AdaBoostRegressor(n_estimators=TREES, random_state=0)),
    "StandardScaler + KNeighborsRegressor": _numbers(_scaled(neighbors.KNeighborsRegressor())),
    "StandardScaler + MLPRegressor": _numbers(
        _scaled(neural_network.MLPRegressor(hidden_layer_sizes=(16,), max_iter=300, random_state=0, tol=1e-2))
    ),
    "StackingRegressor": _numbers(ensemble.StackingRegressor(_numbered, cv=3)),
    "VotingRegressor": _numbers(ensemble.VotingRegressor(_numbered)),
    "XGBRegressor": _numbers(XGBRegressor(n_estimators=TREES)),
    "LGBMRegressor": _numbers(LGBMRegressor(n_estimators=TREES, n_jobs=1, verbose=-1)),
    "IsotonicRegression": _one(isotonic.IsotonicRegression(out_of_bounds="clip")),
    "StandardScaler + KMeans": _flowers(_scaled(cluster.KMeans(3, n_init=2, random_state=0))),
    "MiniBatchKMeans": _flowers(cluster.MiniBatchKMeans(3, n_init=2, random_state=0)),
    "StandardScaler + PCA + LogisticRegression": _tumours(
        make_pipeline(steps.StandardScaler(), decomposition.PCA(5), linear.LogisticRegression())
    ),
    "StandardScaler + PCA + RandomForestClassifier": _tumours(
        make_pipeline(steps.StandardScaler(), decomposition.PCA(5), ensemble.RandomForestClassifier(10, random_state=0))
    ),
    "PolynomialFeatures + LogisticRegression": _flowers(
        make_pipeline(steps.StandardScaler(), steps.PolynomialFeatures(2), linear.LogisticRegression(max_iter=500))
    ),
    "KBinsDiscretizer + LogisticRegression": _flowers(
        make_pipeline(steps.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), linear.LogisticRegression())
    ),
    "ColumnTransformer (numbers, texts, gaps) + LogisticRegression": _mixed(linear.LogisticRegression()),
    "ColumnTransformer (numbers, texts, gaps) + RandomForestClassifier": _mixed(
        ensemble.RandomForestClassifier(TREES, random_state=0)
    ),
    "ColumnTransformer (OrdinalEncoder) + HistGradientBoostingClassifier": _ordered(
        ensemble.HistGradientBoostingClassifier(max_iter=TREES)
    ),
    "TfidfVectorizer + LogisticRegression": _mail(make_pipeline(TfidfVectorizer(), linear.LogisticRegression())),
    "CountVectorizer + MultinomialNB": _mail(make_pipeline(CountVectorizer(), naive_bayes.MultinomialNB())),
    "HashingVectorizer + LogisticRegression": _mail(
        make_pipeline(HashingVectorizer(n_features=256), linear.LogisticRegression())
    ),
    "TfidfVectorizer (words and pairs, without accents) + LinearSVC": _mail(
        make_pipeline(TfidfVectorizer(ngram_range=(1, 2), strip_accents="unicode"), svm.LinearSVC())
    ),
    "TfidfVectorizer (letters inside of words) + SGDClassifier": _mail(
        make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
            linear.SGDClassifier(loss="log_loss", random_state=0),
        )
    ),
    "HashingVectorizer + TfidfTransformer + RidgeClassifier": _mail(
        make_pipeline(HashingVectorizer(n_features=256, norm=None), TfidfTransformer(), linear.RidgeClassifier())
    ),
    "CountVectorizer + SelectKBest + ComplementNB": _mail(
        make_pipeline(CountVectorizer(), SelectKBest(chi2, k=5), naive_bayes.ComplementNB())
    ),
    "FeatureUnion (TfidfVectorizer of words, of letters) + LogisticRegression": _mail(
        make_pipeline(
            make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char", ngram_range=(1, 3))),
            linear.LogisticRegression(),
        )
    ),
    "TfidfVectorizer with a function of its own + LogisticRegression": _mail(
        make_pipeline(TfidfVectorizer(tokenizer=str.split, token_pattern=None), linear.LogisticRegression())
    ),
    "TfidfVectorizer + RandomForestClassifier": _mail(
        make_pipeline(TfidfVectorizer(), ensemble.RandomForestClassifier(TREES, random_state=0))
    ),
}

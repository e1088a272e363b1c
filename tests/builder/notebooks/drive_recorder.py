"""Fits all kinds of estimators under the recorder, in a model's environment: one JSON object of facts on stdout."""

import copy
import inspect
import json
import pickle
import sys
import threading
import warnings

from modelcast_builder.inside import recorder

recorder.install(first_id=101)  # before scikit-learn is imported, as in the kernel

import joblib
import numpy as np
import pandas as pd
from sklearn import base, cluster, decomposition, ensemble, linear_model, model_selection, pipeline, preprocessing
from sklearn.feature_extraction.text import TfidfVectorizer

try:
    import cloudpickle
except ImportError:  # joblib had its own copy until 1.5
    from joblib.externals import cloudpickle

rng = np.random.default_rng(0)
frame = pd.DataFrame({"a": rng.normal(size=60), "b": ["u", None, "w"] * 20, "c": rng.normal(size=60)})
frame.loc[[4, 5], "a"] = np.nan
numbers = rng.normal(size=(60, 3))
labels = (numbers[:, 0] > 0).astype(int)


class Clip(base.TransformerMixin, base.BaseEstimator):
    """A notebook's own transformer."""

    def __init__(self, low=0):
        self.low = low

    def fit(self, data, target=None, *, weight=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.clip(X, self.low, None)


class Slim(base.BaseEstimator):
    """Refuses every attribute."""

    def fit(self, X, y=None):
        return self

    @property
    def __dict__(self):
        return types_mapping


types_mapping = type(int.__dict__)({})  # a read-only mapping


def mark(estimator):
    return vars(estimator).get("_modelcast_fit")


def recorded(work):
    """The records that some work leaves, and what it returned."""
    recorder.LOG.records.clear()
    recorder.LOG.notes.clear()
    result = work()
    return list(recorder.LOG.records), result


def told(record):
    return {
        "estimator": record.estimator,
        "method": record.method,
        "X": type(record.X).__name__,
        "shape": list(getattr(record.X, "shape", [len(record.X)])),
        "y": type(record.y).__name__,
        "rows": record.rows,
        "nulls": {str(name): count for name, count in record.nulls.items()},
        "sampled": record.sampled,
    }


def frame_in_a_pipeline():
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer

    columns = make_column_transformer(
        (pipeline.make_pipeline(SimpleImputer(), preprocessing.StandardScaler()), ["a", "c"]),
        (pipeline.make_pipeline(SimpleImputer(strategy="most_frequent"), preprocessing.OneHotEncoder()), ["b"]),
    )
    model = pipeline.make_pipeline(columns, linear_model.LogisticRegression())
    records, _ = recorded(lambda: model.fit(frame, pd.Series(labels)))
    again = pickle.loads(pickle.dumps(model))
    return {
        "records": [told(record) for record in records],
        "is_marked": mark(model) == records[0].id == mark(again),
        "inner": mark(model[-1]),
        "clone": mark(base.clone(model)),
    }


def grid_search():
    model = model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1, 2]}, cv=2)
    records, _ = recorded(lambda: model.fit(numbers, labels))
    return {"estimators": names(records), "is_best_marked": mark(model.best_estimator_) == records[0].id == mark(model)}


def names(records):
    return [f"{record.estimator.rpartition('.')[2]}.{record.method}" for record in records]


def many_rows():
    big = np.arange(25_000 * 2, dtype=float).reshape(-1, 2)
    big[7, 1] = np.nan
    records, _ = recorded(lambda: preprocessing.StandardScaler(copy=False).fit_transform(big))
    (record,) = records
    return {
        **told(record),
        "is_ordered": bool((np.diff(record.X[:, 0]) > 0).all()),
        "ends": [record.X[0, 0], record.X[-1, 0]],
        "is_untouched": bool(big[-1, 0] != record.X[-1, 0]),
    }


def wide_rows():
    records, _ = recorded(lambda: preprocessing.StandardScaler().fit(np.zeros((1500, 2000))))
    return told(records[0])["shape"]


def texts():
    model = pipeline.make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression())
    records, _ = recorded(lambda: model.fit(["good word", "bad word"] * 5, ["g", "b"] * 5))
    return told(records[0])


def kinds_of_calls():
    from scipy import sparse

    scaler, kmeans = preprocessing.StandardScaler(), cluster.KMeans(2, n_init=1)
    two = pipeline.make_pipeline(preprocessing.StandardScaler(), cluster.KMeans(2, n_init=1))
    sgd = linear_model.SGDClassifier()
    calls = {
        "keywords": lambda: linear_model.LinearRegression().fit(y=labels, X=numbers),
        "weights": lambda: linear_model.LinearRegression().fit(numbers, labels, np.ones(60)),
        "only rows": lambda: kmeans.fit(numbers),
        "fit_predict": lambda: kmeans.fit_predict(numbers),
        "pipeline's fit_predict": lambda: two.fit_predict(numbers),
        "fit_transform": lambda: decomposition.PCA(2).fit_transform(numbers),
        "inherited fit_transform": lambda: scaler.fit_transform(numbers),
        "partial_fit": lambda: sgd.partial_fit(numbers, labels, classes=[0, 1]),
        "sparse": lambda: linear_model.LogisticRegression().fit(sparse.csr_matrix(numbers), labels),
        "own names": lambda: Clip().fit(data=numbers, target=labels),
        "own keyword": lambda: Clip().fit(numbers, weight=3),
        "on the class": lambda: Clip.fit(Clip(), numbers),
    }
    found = {}
    for name, call in calls.items():
        records, _ = recorded(call)
        found[name] = [[*names([record]), type(record.X).__name__, type(record.y).__name__] for record in records]
    return found


def failures():
    try:
        recorded(lambda: linear_model.LogisticRegression().fit(numbers, labels[:5]))
    except ValueError as error:
        message = str(error)
    left = len(recorder.LOG.records), len(recorder.LOG.active)
    generator = (word for word in ["a word", "two words"])
    records, vectoriser = recorded(lambda: TfidfVectorizer().fit(generator))
    notes = list(recorder.LOG.notes)
    slim, _ = recorded(lambda: Slim().fit(numbers))
    return {
        "message": message,
        "left": left,
        "generator": [len(records), sorted(vectoriser.vocabulary_), notes],
        "slim": [len(slim), list(recorder.LOG.notes)],
    }


def sharing():
    other = numbers.copy()
    records, _ = recorded(lambda: [linear_model.LinearRegression().fit(x, labels) for x in (numbers, other, -numbers)])
    many, _ = recorded(lambda: [linear_model.LinearRegression().fit(numbers + n, labels) for n in range(40)])
    return {
        "is_shared": [records[1].X is records[0].X, records[2].X is records[0].X, records[2].y is records[0].y],
        "kept": len(many),
        "rising": many[-1].id - many[0].id,
    }


def parallel():
    forest = ensemble.RandomForestClassifier(4, n_jobs=2)
    voting = ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", forest)], n_jobs=2)
    records, _ = recorded(lambda: [forest.fit(numbers, labels), voting.fit(numbers, labels)])
    search = model_selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [1, 2]}, cv=2, n_jobs=2)
    with joblib.parallel_backend("threading"):
        threads, _ = recorded(lambda: search.fit(numbers, labels))
    thread = threading.Thread(target=lambda: linear_model.LinearRegression().fit(numbers, labels))
    own, _ = recorded(lambda: (thread.start(), thread.join()))
    return names(records), names(threads), names(own)


def by_value():
    class Local(Clip):
        def fit(self, X, y=None):
            return super().fit(X, y)

    stored = cloudpickle.dumps(Local())
    copied = copy.deepcopy(Local())
    loaded = pickle.loads(stored)
    return {
        "mentions_us": b"inside.recorder" in stored or b"Recorded" in stored,
        "fits": loaded.fit(numbers).fitted_ and copied.fit(numbers).fitted_,
    }


def looked_at():
    import sklearn

    sklearn.set_config(enable_metadata_routing=True)

    class Routed(base.BaseEstimator):
        def fit(self, X, y=None, sample_weight=None):
            return self

    requested = Routed().set_fit_request(sample_weight=True)
    sklearn.set_config(enable_metadata_routing=False)
    plain = pipeline.make_pipeline(linear_model.LogisticRegression())
    logistic = linear_model.LogisticRegression
    return {
        "is_function": inspect.isfunction(logistic.fit),
        "parameters": list(inspect.signature(logistic().fit).parameters),
        "doc": logistic().fit.__doc__ == logistic.fit.__doc__,
        "routed": requested.get_metadata_routing().fit.requests,
        "fit_predict": hasattr(plain, "fit_predict"),
        "set_output": type(
            preprocessing.StandardScaler().set_output(transform="pandas").fit_transform(frame[["c"]])
        ).__name__,
    }


warnings.simplefilter("ignore")
scenarios = [
    frame_in_a_pipeline, grid_search, many_rows, wide_rows, texts, kinds_of_calls, failures, sharing, parallel,
    by_value, looked_at,
]  # fmt: skip
json.dump({scenario.__name__: scenario() for scenario in scenarios}, sys.stdout)

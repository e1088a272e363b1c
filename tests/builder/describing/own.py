"""A repository's own module: classes that its models are made of."""

import ctypes
import os
import signal
import sys

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin


class DayOfWeek(TransformerMixin, BaseEstimator):
    """Takes datetimes, gives the day of the week and the hour."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        return self

    def transform(self, X):
        return np.stack([X[name].dt.dayofweek + X[name].dt.hour / 24 for name in X.columns], axis=1)


class Clip(TransformerMixin, BaseEstimator):
    """Changes values and keeps the columns."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.clip(np.asarray(X, dtype=float), -1, 1)


class Bare(RegressorMixin, BaseEstimator):
    """Keeps nothing about what it was fitted on."""

    def fit(self, X, y=None):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


class Objects(ClassifierMixin, BaseEstimator):
    """Holds and predicts numpy's integers among objects."""

    def fit(self, X, y=None):
        self.classes_ = np.array([np.int64(1), np.int64(2)], dtype=object)
        return self

    def predict(self, X):
        return np.array([self.classes_[int(value > 0)] for value in X["a"]], dtype=object)


class Missing(TransformerMixin, BaseEstimator):
    """Tells None from NaN."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return np.array([[value is None, value is True] for value in X.iloc[:, 0]], dtype=float)


class Order(DayOfWeek):
    """Takes an ordered category, moments of a zone and integers that no float64 holds."""

    def transform(self, X):
        return np.stack([X["size"] > "S", X["when"].dt.hour, X["large"] % 10], axis=1).astype(float)


class FirstColumn(Bare):
    """Takes arrays only."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[:, 0]


class Words(ClassifierMixin, BaseEstimator):
    """Holds a set of strings."""

    def fit(self, X, y=None):
        self.known_ = {f"word{index}" for index in range(60)}
        self.frozen_ = frozenset(f"other{index}" for index in range(60))
        self.classes_ = np.unique(y)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return self.classes_[np.zeros(len(X), dtype=int)]


class Falls(Bare):
    """Ends the process when it is asked."""

    def predict(self, X):
        os.kill(os.getpid(), signal.SIGSEGV)


class Exits(Bare):
    """Leaves politely in the middle of everything."""

    def predict(self, X):
        sys.exit(0)


class LeavesOnLoad(Bare):
    """Leaves when it is loaded."""

    def __setstate__(self, state):
        sys.exit("bye")


class RaisesOnLoad(Bare):
    """Cannot be loaded."""

    def __setstate__(self, state):
        raise RuntimeError("the licence server is away\nsecond line")


class NeedsLibrary(Bare):
    """Opens a shared library that the machine lacks."""

    def __setstate__(self, state):
        ctypes.CDLL("libnobody.so.1")


class Raises(Bare):
    """Can be loaded, and cannot answer."""

    def predict(self, X):
        raise ValueError("no answer today")


class Draws(Bare):
    """Answers otherwise every time."""

    def predict(self, X):
        return np.random.default_rng().random(len(X))  # not a clock: its calls may be closer than what counts as equal


class NoPredict(TransformerMixin, BaseEstimator):
    """Is no model."""

    def fit(self, X, y=None):
        return self


class Prints(Bare):
    """Writes to stdout when it predicts."""

    def predict(self, X):
        print("scoring", len(X))
        return super().predict(X)


class Threshold:
    """Somebody's own class, with nothing of scikit-learn: labels of what is above and below."""

    def __init__(self, **known):
        self.n_features_in_ = 3
        vars(self).update(known)

    def predict(self, X):
        return [self.labels[int(value > 0)] for value in np.asarray(X)[:, 0]]

    def predict_proba(self, X):
        above = np.asarray(X)[:, 0] > 0
        return np.stack([~above, above], axis=1).astype(float)

"""A scikit-learn object as it was trained (`model.joblib`), scored by scikit-learn itself."""

import re
import sys
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from modelcast_runtime.baseline import PATHS, Leaves
from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Column, Signature, Wanted
from modelcast_runtime.formats import within
from modelcast_runtime.formats.forest_tail import MOST_ROWS, tail_of
from modelcast_runtime.watching import Told, told_of


def load(bundle: Bundle) -> "NativeScorer":
    """Unpickle the sealed model; raises `BundleError` in one line."""
    # The sealed modules stand first, as the repository's root did while the model was trained; and nothing may
    # be written beside them: a stray __pycache__ is a file that the manifest does not know.
    sys.dont_write_bytecode = True
    if bundle.code.is_dir():
        sys.path.insert(0, str(bundle.code))
    import joblib

    try:
        with warnings.catch_warnings():
            # Another scikit-learn than the one that trained the model only warns, and then answers differently.
            warnings.filterwarnings("error", message="Trying to unpickle estimator")
            model = joblib.load(bundle.model)
    except Exception as error:
        # scikit-learn's warning of another version has a second line.
        reason = " ".join(str(error).split())
        raise BundleError(f"{bundle.manifest.model} cannot be loaded: {type(error).__name__}: {reason}") from error
    leaves = bundle.baseline.leaves if bundle.baseline is not None else None
    table = None if leaves is None else np.load(bundle.root / PATHS, allow_pickle=False)
    by_tree = bool(bundle.manifest.compilation.tail)
    return NativeScorer(model, bundle.manifest.signature, by_tree=by_tree, leaves=leaves, table=table)


class NativeScorer:
    """Calls the model as it was called in training: with a frame, an array or a list of texts."""

    inline_rows = 0

    def __init__(
        self,
        model: Any,
        signature: Signature,
        *,
        by_tree: bool = False,
        leaves: Leaves | None = None,
        table: Any = None,
    ) -> None:
        """Choose the way to call once; the signature says it, nothing is guessed here.

        `by_tree`: a build has proven that the forest at the model's end may be asked tree by tree. `leaves` and
        `table`: what the paths through its trees are told by.
        """
        self._model = model
        self._signature = signature
        self._tail = tail_of(model) if by_tree else None
        self._within = within.watcher(model, leaves, table)
        ways: dict[str, Callable[[Columns], Any]] = {
            "frame": _Frame(signature),
            "array": _Array(signature),
            "text": _texts,
        }
        self.rows = ways[signature.layout]

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Predict, and where asked for give probabilities or distances."""
        return self._score(self.rows(columns), wanted)

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        """One call for all parts that the model would be given with the same dtypes.

        A part's dtypes depend on all of its own values (`41.5` makes whole numbers floats), never on its neighbours'.
        """
        if len(parts) == 1:
            return [self.score(parts[0], wanted)]
        rows = [self.rows(part) for part in parts]
        together: dict[Hashable, list[int]] = {}
        for index, given in enumerate(rows):
            together.setdefault(_kind(given), []).append(index)
        scores: dict[int, Scores] = {}
        for indexes in together.values():
            joined = self._score(_joined([rows[index] for index in indexes]), wanted)
            scores |= zip(indexes, joined.split([parts[index].rows for index in indexes]), strict=True)
        return [scores[index] for index in range(len(parts))]

    def watch(self, columns: Columns) -> Told:
        """How sure the model is and which ways the rows go: it is asked once more, as few requests ask for that."""
        told = self.paths(columns)
        further = frozenset(output.name for output in self._signature.outputs if output.name != "predict")
        return told | told_of(self._signature, self.score(columns, further)) if further else told

    def paths(self, columns: Columns) -> Told:
        """Which ways the rows go, and the work on them."""
        return self._within(self.rows(columns))

    def gathers(self) -> bool:
        """Whether every step is known to answer row by row; own code may do anything with its neighbours."""
        return all(_is_row_wise(step) for step in _steps(self._model))

    def _score(self, rows: Any, wanted: frozenset[Wanted]) -> Scores:
        if self._tail is not None and len(rows) <= MOST_ROWS:
            return self._tail.score(rows, wanted)
        return Scores(
            predictions=np.asarray(self._model.predict(rows)),
            probabilities=np.asarray(self._model.predict_proba(rows)) if "predict_proba" in wanted else None,
            distances=np.asarray(self._model.transform(rows)) if "distances" in wanted else None,
        )


def _kind(rows: Any) -> Hashable:
    if isinstance(rows, list):
        return None
    return rows.dtype if isinstance(rows, np.ndarray) else tuple(rows.dtypes)


def _joined(rows: list[Any]) -> Any:
    if isinstance(rows[0], list):
        return [text for texts in rows for text in texts]
    if isinstance(rows[0], np.ndarray):
        return np.concatenate(rows)
    import pandas as pd

    return pd.concat(rows, ignore_index=True)


_ROW_WISE = ("sklearn", "xgboost", "lightgbm")
_OF_ALL_ROWS = {"DummyClassifier", "LatentDirichletAllocation", "MiniBatchNMF", "NMF"}
"""Of scikit-learn's own, those that draw at random by a row's position, or iterate until all rows fit."""


def _steps(model: Any) -> Iterator[Any]:
    """The model and everything in it that has parameters, and the functions that it was given."""
    yield model
    parameters: dict[str, Any] = getattr(model, "get_params", dict)()
    yield from (value for value in parameters.values() if callable(value) or hasattr(value, "get_params"))


def _is_row_wise(step: Any) -> bool:
    if isinstance(step, np.ufunc | type):
        return True
    if not hasattr(step, "get_params"):
        return (getattr(step, "__module__", None) or "").partition(".")[0] == "sklearn"
    kind, parameters = type(step), step.get_params(deep=False)
    known = kind.__module__.partition(".")[0] in _ROW_WISE and kind.__name__ not in _OF_ALL_ROWS
    return known and not parameters.get("sample_posterior")


class _Array:
    """Makes the 2-D array, of one dtype or of objects."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = {column.name: column for column in signature.inputs}

    def __call__(self, columns: Columns) -> np.ndarray:
        if columns.matrix is not None:
            return columns.matrix
        values = [
            _objects(values, self._inputs[name]) if values.dtype.kind == "O" else values
            for name, values in columns.arrays.items()
        ]
        return np.stack(values, axis=1) if len({value.dtype for value in values}) == 1 else _mixed(values, columns.rows)


def _mixed(values: list[np.ndarray], rows: int) -> np.ndarray:
    mixed = np.empty((rows, len(values)), dtype=object)
    for index, value in enumerate(values):
        mixed[:, index] = value
    return mixed


def _texts(columns: Columns) -> list[str]:
    (texts,) = columns.arrays.values()
    return list(texts)


class _Frame:
    """Makes the DataFrame that the model was fitted on again: names, order and pandas dtypes."""

    def __init__(self, signature: Signature) -> None:
        self._inputs = {column.name: column for column in signature.inputs}

    def __call__(self, columns: Columns) -> Any:
        import pandas as pd

        return pd.DataFrame({name: _series(values, self._inputs[name]) for name, values in columns.arrays.items()})


def _series(values: np.ndarray, column: Column) -> Any:
    """The values with the dtype seen in training, where they can have it without loss."""
    import pandas as pd

    trained_as = column.trained_as
    if trained_as == "category":
        # What was not seen in training is missing, as pandas took it to be; it will raise for it from version 4 on.
        known = dict.fromkeys(column.categories or ())
        seen = [value if value in known else None for value in values]
        return pd.Series(pd.Categorical(seen, categories=list(known), ordered=column.ordered))
    if values.dtype.kind in "fi" and _INTEGER.fullmatch(trained_as):
        # `41.5`, and null where pandas' integer has none, are answered as floats, as scikit-learn does.
        return pd.Series(values).astype(trained_as) if _fits(values, trained_as) else pd.Series(values)
    if values.dtype.kind == "O" and trained_as in ("object", "bool"):
        # A missing boolean: pandas' own cast would make it false.
        return pd.Series(_objects(values, column), dtype=object)
    if values.dtype.kind == "M" and _ZONED.fullmatch(trained_as):
        # What was decoded is UTC; years and hours are those of the zone of training.
        return pd.Series(values).dt.tz_localize("UTC").astype(trained_as)
    if trained_as and trained_as != str(values.dtype):
        return pd.Series(list(values) if values.dtype.kind == "O" else values).astype(trained_as)
    return pd.Series(values)


_INTEGER = re.compile(r"[Uu]?[Ii]nt[0-9]+")
_ZONED = re.compile(r"datetime64\[\w+, .+\]")


def _objects(values: np.ndarray, column: Column) -> np.ndarray:
    """read_csv gives NaN for a missing text, and imputers look for that; other data had None."""
    if column.missing_as == "None":
        return values
    return np.array([np.nan if value is None else value for value in values], dtype=object)


def _fits(values: np.ndarray, trained_as: str) -> bool:
    """Whether these are whole numbers that the integer type holds: beyond it numpy would wrap them silently."""
    if not trained_as[0].islower():  # pandas' own integers may be missing
        values = values[~np.isnan(values)]
    span = np.iinfo(trained_as.lower())
    inside = (values >= span.min) & (values <= span.max)
    if values.dtype.kind == "f":
        inside &= (np.abs(values) < 2**53) & (values == np.trunc(values))
    return bool(inside.all())

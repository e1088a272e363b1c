"""A model compiled to ONNX (`model.onnx`), scored by ONNX Runtime: no scikit-learn, no pandas.

The graph's inputs are either one tensor `rows` (double, [rows, columns], in the signature's order) or one tensor of
[rows, 1] a column, called `x0`, `x1`, ... in the signature's order. Its outputs are `predict` and, where the
signature has them, `predict_proba` and `distances`; and `refused` (bool, of any shape) where the model itself raises
for numbers that its graph would answer. Its metadata may name the number by which a batch is sorted (`SORTED_BY`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcast_runtime.baseline import PATH_GRAPH, Leaves
from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Compilation, Signature, Wanted
from modelcast_runtime.formats.within import leaves_told
from modelcast_runtime.watching import Told

MATRIX = "rows"
INLINE_ROWS = 256
"""A hundred trees take half a millisecond for them, what a turn of a busy event loop takes anyway."""
REFUSED = "refused"
SORTED_BY = "modelcast.sorted_by"
"""In a graph's metadata: the place of the number by which a batch is sorted before it is scored."""
_SORTED_ROWS = 64
"""From so many rows on sorting takes less time than it saves."""
MISSING = "\ue000missing\ue000"
"""What a missing text is in a graph, which has no other; two letters of nobody's make it no text of anybody's."""
TIE = 1e-6
"""Classes closer than this to the highest probability are as likely as it is: the first of them is the label."""


TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Paths:
    """The graph of the paths (`paths.onnx`), and how its sums are read."""

    graph: bytes
    leaves: Leaves


def load(bundle: Bundle) -> "OnnxScorer":
    """Open the session; raises `BundleError` in one line. Safe before the fork: it has no threads of its own."""
    try:
        leaves = bundle.baseline.leaves if bundle.baseline is not None else None
        paths = None if leaves is None else Paths((bundle.root / PATH_GRAPH).read_bytes(), leaves)
        return OnnxScorer(bundle.model.read_bytes(), bundle.manifest.signature, bundle.manifest.compilation, paths)
    except ImportError as error:
        raise BundleError("this bundle is compiled: onnxruntime is needed (modelcast-runtime[onnx])") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{bundle.manifest.model} cannot be opened: {type(error).__name__}: {reason}") from error


class OnnxScorer:
    """One session; numbers in and out as the signature has them."""

    inline_rows = INLINE_ROWS

    def __init__(
        self, graph: bytes, signature: Signature, compilation: Compilation, paths: "Paths | None" = None
    ) -> None:
        """Raises what ONNX Runtime raises for a graph that it does not take."""
        session = _session(graph)
        self._paths = paths
        self._run_paths: Callable[..., list[Any]] = _session(paths.graph).run if paths else session.run
        self._run: Callable[..., list[Any]] = session.run
        self._types = {tensor.name: _DTYPES[tensor.type] for tensor in session.get_inputs()}
        self._is_matrix = list(self._types) == [MATRIX]
        key = session.get_modelmeta().custom_metadata_map.get(SORTED_BY)
        self._sorted_by = None if key is None else int(key)
        self._refuses = [REFUSED] if any(output.name == REFUSED for output in session.get_outputs()) else []
        self._picks_highest = compilation.labels == "highest"
        self._classes = np.array(signature.classes or (), dtype=_label_dtype(signature))
        self._is_text = signature.layout == "text"
        self._integral = next(one.dtype == "int64" for one in signature.outputs if one.name == "predict")
        self._largest = _LARGEST if signature.largest is None else signature.largest
        self._numbers = tuple(index for index, one in enumerate(signature.inputs) if one.dtype == "float64")
        self._nullable = np.array([one.nullable for one in signature.inputs])
        self._asked: dict[frozenset[Wanted], list[str]] = {}

    def gathers(self) -> bool:
        """Always: a graph has no memory, and what was compiled answers row by row."""
        return True

    def watch(self, columns: Columns) -> Told:
        """Which ways the rows go through the model's trees, and how many comparisons that takes."""
        if self._paths is None:
            return {}
        (totals,) = self._run_paths([TOTAL], self._feed(columns))
        return leaves_told(self._paths.leaves, totals)

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Predict, and where asked for give probabilities or distances; raises ValueError where the model would."""
        return self._score(self._feed(columns), wanted)

    def score_together(self, parts: Sequence[Columns], wanted: frozenset[Wanted]) -> list[Scores]:
        """One run."""
        if len(parts) == 1:
            return [self.score(parts[0], wanted)]
        feeds = [self._feed(part) for part in parts]
        joined = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
        return self._score(joined, wanted).split([part.rows for part in parts])

    def _score(self, feed: dict[str, np.ndarray], wanted: frozenset[Wanted]) -> Scores:
        if self._is_matrix:
            self._check(feed[MATRIX], self._nullable)
        elif self._is_text and (middle := _middle(feed)):
            parts = (
                {name: texts[part] for name, texts in feed.items()} for part in (slice(middle), slice(middle, None))
            )
            return Scores.joined([self._score(part, wanted) for part in parts])
        names = self._asked.get(wanted) or self._ask(wanted)
        given = dict(zip(names, self._answered(names, feed), strict=True))
        if self._refuses and _TRUE in given[REFUSED].tobytes():  # as numpy's any, which a lone request finds cold
            raise ValueError("a number is not finite, or too large for the model")
        probabilities, distances = given.get("predict_proba"), given.get("distances")
        return Scores(
            predictions=self._highest(probabilities) if self._picks_highest else self._plain(given["predict"]),
            probabilities=probabilities if "predict_proba" in wanted else None,
            distances=distances,
        )

    def _answered(self, names: list[str], feed: dict[str, np.ndarray]) -> list[Any]:
        """The graph's outputs, each row's in its place; trees are the faster, the more alike two neighbours are."""
        if self._sorted_by is None or len(feed[MATRIX]) < _SORTED_ROWS:
            return self._run(names, feed)
        order = np.argsort(feed[MATRIX][:, self._sorted_by])
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        return [output[place] for output in self._run(names, {MATRIX: feed[MATRIX][order]})]

    def _ask(self, wanted: frozenset[Wanted]) -> list[str]:
        """The graph's outputs that answer this; there are as many sets as a signature has outputs, and few."""
        named = dict.fromkeys(["predict_proba" if self._picks_highest else "predict", *(wanted - {"predict"})])
        names = self._asked[wanted] = [*named, *self._refuses]
        return names

    def _feed(self, columns: Columns) -> dict[str, np.ndarray]:
        """The graph's inputs; the numbers of a matrix are checked when all parts of it are together."""
        if self._is_matrix:
            matrix = columns.matrix
            if matrix is None:
                matrix = np.stack(list(columns.arrays.values()), axis=1, dtype=np.float64, casting="same_kind")
            return {MATRIX: matrix}
        arrays = list(columns.arrays.values())
        for index in self._numbers:
            self._check(arrays[index], self._nullable[index])
        return {
            name: _as(array, dtype).reshape(-1, 1)
            for (name, dtype), array in zip(self._types.items(), arrays, strict=True)
        }

    def _check(self, numbers: np.ndarray, nullable: Any) -> None:
        """Raise `ValueError` for numbers that the original refuses, as it does; a graph may know better."""
        if self._refuses:
            return
        if numbers.size <= _FEW and _all_fit(numbers.ravel().tolist(), self._largest):
            return
        # A NaN compares to nothing: where one may be missing it is looked for by itself, which is rare.
        fits = np.abs(numbers) <= self._largest
        if not fits.all() and not (fits | (nullable & np.isnan(numbers))).all():
            raise ValueError("a number is not finite, or too large for the model")

    def _highest(self, probabilities: Any) -> np.ndarray:
        best = probabilities.max(axis=1, keepdims=True)
        labels: np.ndarray = self._classes[np.argmax(probabilities >= best - TIE, axis=1)]
        return labels

    def _plain(self, predictions: np.ndarray) -> np.ndarray:
        flat = predictions[:, 0] if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions
        return flat.astype(np.int64) if self._integral and flat.dtype.kind == "f" else flat


_TRUE = b"\x01"


def _session(graph: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False  # no faster with it, and it keeps what the largest request took
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


_MOST_LETTERS = 2_000_000
_LARGEST = float(np.finfo(np.float64).max)
_FEW = 64
"""So many numbers are looked at by Python faster than by three calls of numpy, which a lone request finds cold."""


def _all_fit(numbers: list[float], largest: float) -> bool:
    """Whether none is too large and none is NaN, which min() and max() may miss, and a sum does not."""
    total = sum(numbers)
    return -largest <= min(numbers) and max(numbers) <= largest and total == total  # noqa: PLR0124


_DTYPES: dict[str, Any] = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def _middle(feed: dict[str, np.ndarray]) -> int:
    """Where texts are to be parted; 0 where they need not be: words lie in a table as wide as the longest text."""
    (texts,) = feed.values()
    rows = len(texts)
    return rows // 2 if rows > 1 and rows * max(map(len, texts.ravel())) > _MOST_LETTERS else 0


def _as(array: np.ndarray, dtype: Any) -> np.ndarray:
    """The column in the graph's type."""
    if dtype is object:
        return np.array([MISSING if value is None else value for value in array.tolist()], dtype=object)
    return array.astype(dtype)


def _label_dtype(signature: Signature) -> Any:
    texts = any(isinstance(label, str) for label in signature.classes or ())
    return object if texts else None

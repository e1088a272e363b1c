"""A model compiled to ONNX (`model.onnx`), scored by ONNX Runtime: no scikit-learn, no pandas.

The graph's inputs are either one tensor `rows` (double, [rows, columns], in the signature's order) or one tensor of
[rows, 1] a column, called `x0`, `x1`, ... in the signature's order. Its outputs are `predict` and, where the
signature has them, `predict_proba` and `distances`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.columns import Columns, Scores
from modelcast_runtime.contract import Compilation, Signature, Wanted

MATRIX = "rows"
TIE = 1e-6
"""Classes closer than this to the highest probability are as likely as it is: the first of them is the label."""


def load(bundle: Bundle) -> "OnnxScorer":
    """Open the session; raises `BundleError` in one line. Safe before the fork: it has no threads of its own."""
    try:
        return OnnxScorer(bundle.model.read_bytes(), bundle.manifest.signature, bundle.manifest.compilation)
    except ImportError as error:
        raise BundleError("this bundle is compiled: onnxruntime is needed (modelcast-runtime[onnx])") from error
    except Exception as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{bundle.manifest.model} cannot be opened: {type(error).__name__}: {reason}") from error


class OnnxScorer:
    """One session; numbers in and out as the signature has them."""

    def __init__(self, graph: bytes, signature: Signature, compilation: Compilation) -> None:
        """Raises what ONNX Runtime raises for a graph that it does not take."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._run: Callable[..., list[Any]] = session.run
        self._types = {tensor.name: _DTYPES[tensor.type] for tensor in session.get_inputs()}
        self._is_matrix = list(self._types) == [MATRIX]
        self._picks_highest = compilation.labels == "highest"
        self._classes = np.array(signature.classes or (), dtype=_label_dtype(signature))
        self._integral = next(one.dtype == "int64" for one in signature.outputs if one.name == "predict")

    def score(self, columns: Columns, wanted: frozenset[Wanted]) -> Scores:
        """Predict, and where asked for give probabilities or distances."""
        asked = ["predict_proba" if self._picks_highest else "predict", *(wanted - {"predict"})]
        asked = list(dict.fromkeys(asked))
        given = dict(zip(asked, self._run(asked, self._feed(columns)), strict=True))
        probabilities, distances = given.get("predict_proba"), given.get("distances")
        return Scores(
            predictions=self._highest(probabilities) if self._picks_highest else self._plain(given["predict"]),
            probabilities=probabilities if "predict_proba" in wanted else None,
            distances=distances,
        )

    def _feed(self, columns: Columns) -> dict[str, np.ndarray]:
        arrays = columns.arrays.values()
        if self._is_matrix:
            return {MATRIX: np.stack(list(arrays), axis=1, dtype=self._types[MATRIX], casting="same_kind")}
        return {
            name: _as(array, dtype).reshape(-1, 1)
            for (name, dtype), array in zip(self._types.items(), arrays, strict=True)
        }

    def _highest(self, probabilities: Any) -> np.ndarray:
        best = probabilities.max(axis=1, keepdims=True)
        labels: np.ndarray = self._classes[np.argmax(probabilities >= best - TIE, axis=1)]
        return labels

    def _plain(self, predictions: np.ndarray) -> np.ndarray:
        flat = predictions[:, 0] if predictions.ndim == 2 and predictions.shape[1] == 1 else predictions
        return flat.astype(np.int64) if self._integral and flat.dtype.kind == "f" else flat


_DTYPES: dict[str, Any] = {
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(string)": object,
}


def _as(array: np.ndarray, dtype: Any) -> np.ndarray:
    """The column in the graph's type; a missing text is the empty one, as the graph has no other."""
    if dtype is object:
        return np.array(["" if value is None else value for value in array.tolist()], dtype=object)
    return array.astype(dtype)


def _label_dtype(signature: Signature) -> Any:
    texts = any(isinstance(label, str) for label in signature.classes or ())
    return object if texts else None

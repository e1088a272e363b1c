"""Support vector machines, whose C code reads every array by the sizes of the others."""

from collections.abc import Mapping

from .damage import need
from .values import fields, integer, numbers, shape_of, whole_numbers

_KERNELS = {"linear", "poly", "rbf", "sigmoid", "precomputed"}


def check_machine(state: Mapping[str, object]) -> None:
    """Check what `libsvm` is handed with each row. Raises `Damaged`."""
    need(not state.keys() & {"_impl", "_sparse_kernels"}, "says itself which algorithm reads it")
    kernel = state.get("kernel")
    # A callable one is computed by Python: what is read then are columns of its table, as if precomputed.
    is_table = kernel == "precomputed" or type(kernel) is not str
    need(is_table or kernel in _KERNELS, "has a kernel that there is not")
    support, vectors = numbers(state, "support_"), state.get("support_vectors_")
    count = len(support) if support.ndim == 1 else -1
    counts = whole_numbers(state.get("_n_support"))
    if "classes_" in state:
        kinds = shape_of(state["classes_"])
        need(kinds == (len(counts),) and len(counts) >= 2, "counts support vectors of other classes")
        need(min(counts) >= 0 and sum(counts) == count, "counts other support vectors than it has")
    else:
        need(len(counts) == 2 and counts[0] == count, "counts other support vectors than it has")
    pairs = len(counts) * (len(counts) - 1) // 2
    need(shape_of(state.get("_intercept_")) == (pairs,), "has intercepts of other classes")
    for name in ("_probA", "_probB"):
        need(shape_of(state.get(name)) in ((0,), (pairs,)), "has probabilities of other classes")
    features = integer(state, "n_features_in_")
    _check_coefficients(state.get("_dual_coef_"), len(counts) - 1, count)
    if is_table:
        rows = whole_numbers(state.get("shape_fit_"))
        need(rows and ((support >= 0) & (support < rows[0])).all(), "has a support vector that lies outside")
    else:
        shape = shape_of(vectors) or whole_numbers(fields(vectors).get("_shape"))
        need(shape == (count, features), "has support vectors of another number or of other features")


def _check_coefficients(coefficients: object, rows: int, columns: int) -> None:
    """Check an array, or the data of a sparse matrix, which are read as if it were one."""
    data = fields(coefficients).get("data")
    if data is None:
        need(shape_of(coefficients) == (rows, columns), "has coefficients of other support vectors")
    else:
        need(shape_of(data) == (rows * columns,), "has coefficients of other support vectors")

"""scipy's sparse matrices and splines, whose compiled code trusts the indexes in them."""

import numpy as np

from .damage import need
from .values import Numbers, fields, integer, items, name_of, number_array, numbers, whole_numbers


def check_compressed(matrix: object) -> None:
    """Check a `csr_*`, `csc_*` or `bsr_*`: rows (or columns) begin where `indptr` says. Raises `Damaged`."""
    state = fields(matrix)
    shape = _shape(matrix)
    pointers, indexes, data = (numbers(state, name) for name in ("indptr", "indices", "data"))
    kind = (name_of(matrix) or ("", ""))[1]
    block = (1, 1)
    if kind.startswith("bsr"):
        need(data.ndim == 3 and min(data.shape[1:]) >= 1, "has blocks of no size")
        block = (data.shape[1], data.shape[2])
        need(not shape[0] % block[0] and not shape[-1] % block[1], "has blocks of another size than its own")
    rows, columns = (shape[0] // block[0] if len(shape) == 2 else 1), shape[-1] // block[1]
    if kind.startswith("csc"):
        rows, columns = columns, rows
    need(pointers.shape == (rows + 1,) and pointers.dtype.kind in "iu", "has other rows than it says")
    need(indexes.ndim == 1 and indexes.dtype.kind in "iu", "has indexes in another form")
    need(len(data) >= len(indexes), "has fewer values than indexes")
    need(data.ndim == (3 if kind.startswith("bsr") else 1), "has values in another form")
    need(pointers[0] == 0 and (pointers[1:] >= pointers[:-1]).all(), "has a row that ends before it begins")
    need(pointers[-1] <= len(indexes), "has a row whose values lie outside")
    _check_places(indexes, columns)


def check_coordinates(matrix: object) -> None:
    """Check a `coo_*`: the place of each value. Raises `Damaged`."""
    state = fields(matrix)
    shape, data = _shape(matrix), numbers(state, "data")
    places = items(state["coords"]) if "coords" in state else [state.get("row"), state.get("col")]
    need(len(places) == len(shape), "has values in other dimensions than its own")
    for place, length in zip(places, shape, strict=True):
        indexes = number_array(place)
        need(indexes.shape == data.shape and indexes.dtype.kind in "iu", "has other values than places")
        _check_places(indexes, length)


def check_diagonals(matrix: object) -> None:
    """Check a `dia_*`: a row of values for each offset. Raises `Damaged`."""
    state = fields(matrix)
    _shape(matrix)
    data, offsets = numbers(state, "data"), numbers(state, "offsets")
    need(data.ndim == 2 and offsets.shape == (len(data),), "has other diagonals than offsets")


def check_spline(spline: object) -> None:
    """Check a `BSpline`: knots in order, and as many coefficients as they need. Raises `Damaged`."""
    state = fields(spline)
    # scipy 1.15 and newer write them with an underscore.
    knots, coefficients = (numbers({name: state.get(f"_{name}", state.get(name))}, name) for name in ("t", "c"))
    degree = integer(state, "k")
    need(knots.ndim == 1 and coefficients.ndim >= 1 and degree >= 0, "has no knots")
    needed = len(coefficients) + degree + 1
    need(len(knots) >= needed >= 2 * degree + 2, "has other knots than coefficients")
    need((knots[1:] >= knots[:-1]).all(), "has knots that are not in order")


def check_random_state(state: object) -> None:
    """Check what a random generator is set to: the place in its key is read as it stands. Raises `Damaged`."""
    kept = fields(state)
    inner = fields(kept.get("state"))
    if kept.get("bit_generator") == "MT19937":
        need(numbers(inner, "key").shape == (624,), "has a key of another size")
        need(0 <= integer(inner, "pos") <= 624, "stands outside of its key")
    if kept.get("bit_generator") == "Philox":
        need(0 <= integer(kept, "buffer_pos") <= 4, "stands outside of its buffer")


def _shape(matrix: object) -> tuple[int, ...]:
    shape = whole_numbers(fields(matrix).get("_shape"))
    need(len(shape) in (1, 2) and min(shape) >= 0, "has no shape")
    return shape


def _check_places(indexes: Numbers, length: int) -> None:
    is_inside = not indexes.size or (np.min(indexes) >= 0 and np.max(indexes) < length)
    need(is_inside, "has a value whose index lies outside")

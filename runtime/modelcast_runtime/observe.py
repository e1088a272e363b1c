"""What a worker counts about its requests: a few cells of its own row, written from the event loop's thread only."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelcast_runtime import metrics
from modelcast_runtime.contract import Manifest, label_text
from modelcast_runtime.store import Labels, Layout, Store

_SCALARS = (bool, int, float, str, np.generic)
# From here numpy counts numbers faster than `Counter` (10,000: 32 us and 630 us; 10: 14 us and 4 us); strings never.
_MANY = 256


@dataclass(frozen=True, slots=True)
class _Protocol:
    """Where one protocol's cells are."""

    codes: Mapping[int, int]
    other_code: int
    seconds: int
    seconds_sum: int


class Seen(NamedTuple):
    """A request that was scored: its rows, their predictions, and by input its missing and unseen values."""

    rows: int
    predictions: npt.NDArray[np.generic]
    missing: Mapping[str, int]
    unseen: Mapping[str, int]


class Observer:
    """Counts for one worker; made after `Store.use`. A value outside the closed sets goes to `other` or nowhere."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        """Looks up every cell once, so that a request costs additions only."""
        layout = self._layout = store.layout
        self._cells = store.row
        # Plain floats in and out of the same memory: half of what numpy takes for one cell.
        self._row = store.row.data.cast("B").cast("d")
        self._protocols = {name: _protocol_cells(layout, name) for name in metrics.PROTOCOLS}
        self._other = self._protocols[metrics.OTHER]
        self._in_flight = layout.start(metrics.IN_FLIGHT)
        self._rows = layout.start(metrics.ROWS)
        self._batch = layout.start(metrics.BATCH_ROWS)
        self._batch_sum = self._batch + len(metrics.ROWS_BOUNDS) + 1
        self._classes: dict[object, int] = {
            value: layout.start(metrics.PREDICTIONS, (("class", label_text(value)),))
            for value in manifest.signature.classes or ()
        }
        prediction = next((one for one in layout.series if one.name == metrics.PREDICTION), None)
        self._prediction_cells = None if prediction is None else layout.start(metrics.PREDICTION)
        self._bounds = () if prediction is None else prediction.bounds
        self._bounds_array = np.array(self._bounds, np.float64)
        inputs = manifest.signature.inputs
        self._missing = _input_cells(layout, metrics.INPUT_MISSING, (one.name for one in inputs))
        watched = (one.name for one in inputs if metrics.is_watched(one))
        self._unseen = _input_cells(layout, metrics.INPUT_UNSEEN, watched)

    def adding_from(self, name: str, labels: Labels) -> Callable[[npt.NDArray[np.int64]], None]:
        """What adds counts to the cells from this series' on, one each."""
        start = self._layout.start(name, labels)

        def add(counts: npt.NDArray[np.int64]) -> None:
            self._cells[start : start + len(counts)] += counts

        return add

    def started(self) -> None:
        """A request has come; `finished` must follow, whatever becomes of it."""
        self._row[self._in_flight] += 1.0

    def finished(self, protocol: str, code: int, seconds: float) -> None:
        """A request was answered with this HTTP status."""
        row = self._row
        cells = self._protocols.get(protocol, self._other)
        row[cells.codes.get(code, cells.other_code)] += 1.0
        row[cells.seconds + bisect_left(metrics.SECONDS_BOUNDS, seconds)] += 1.0
        row[cells.seconds_sum] += seconds
        row[self._in_flight] -= 1.0

    def scored(
        self, rows: int, predictions: npt.NDArray[np.generic], missing: Mapping[str, int], unseen: Mapping[str, int]
    ) -> None:
        """The model has answered: `missing` and `unseen` are the values of this request, by input."""
        self.scored_together((Seen(rows, predictions, missing, unseen),))

    def scored_together(self, requests: Sequence[Seen]) -> None:
        """The model has answered several requests: the counts of one after the other, all predictions at once."""
        for one in requests:
            self._count_rows(one)
        if self._classes:
            # Several outputs share no list of classes: not counted.
            for predictions in _joined([one.predictions for one in requests if one.predictions.ndim == 1]):
                for value, count in _tally(predictions):
                    self._add(self._classes.get(value), count)
        if self._prediction_cells is not None:
            numbers = [one.predictions for one in requests if one.predictions.dtype.kind in "iuf"]
            for predictions in _joined(numbers):
                self._count_numbers(predictions, self._prediction_cells)

    def _count_rows(self, one: Seen) -> None:
        row = self._row
        row[self._rows] += one.rows
        row[self._batch + bisect_left(metrics.ROWS_BOUNDS, one.rows)] += 1.0
        row[self._batch_sum] += one.rows
        for name, count in one.missing.items():
            self._add(self._missing.get(name), count)
        for name, count in one.unseen.items():
            self._add(self._unseen.get(name), count)

    def _count_numbers(self, predictions: npt.NDArray[np.generic], first: int) -> None:
        row, total = self._row, first + len(self._bounds) + 1
        # What is no number would make the sum none for ever.
        if predictions.size == 1:
            number = float(predictions.item())
            if math.isfinite(number):
                row[first + bisect_left(self._bounds, number)] += 1.0
                row[total] += number
            return
        numbers = predictions[np.isfinite(predictions)].astype(np.float64)
        for bucket, count in Counter(np.searchsorted(self._bounds_array, numbers).tolist()).items():
            row[first + bucket] += count
        row[total] += float(numbers.sum())

    def _add(self, cell: int | None, count: int) -> None:
        if cell is not None:
            self._row[cell] += count


def _protocol_cells(layout: Layout, protocol: str) -> _Protocol:
    def code_cell(code: str) -> int:
        return layout.start(metrics.REQUESTS, (("protocol", protocol), ("code", code)))

    seconds = layout.start(metrics.REQUEST_SECONDS, (("protocol", protocol),))
    return _Protocol(
        codes={code: code_cell(str(code)) for code in metrics.CODES},
        other_code=code_cell(metrics.OTHER),
        seconds=seconds,
        seconds_sum=seconds + len(metrics.SECONDS_BOUNDS) + 1,
    )


def _input_cells(layout: Layout, metric: str, names: Iterable[str]) -> dict[str, int]:
    return {name: layout.start(metric, (("input", name),)) for name in names}


def _joined(arrays: list[npt.NDArray[np.generic]]) -> Iterable[npt.NDArray[np.generic]]:
    """As one array where that changes no value: one dtype, and one width."""
    if len(arrays) > 1 and len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
        return (np.concatenate(arrays),)
    return arrays


def _tally(predictions: npt.NDArray[np.generic]) -> Iterable[tuple[object, int]]:
    """How often each value occurs; what cannot be a class (a list in an object array) is left out."""
    if predictions.size == 1:
        value: object = predictions.item()
        return ((value, 1),) if isinstance(value, _SCALARS) else ()
    if predictions.dtype.kind in "biuf" and predictions.size >= _MANY:
        found, counts = np.unique(predictions, return_counts=True)
        return zip(found.tolist(), counts.tolist(), strict=True)
    values = predictions.tolist()
    try:
        return Counter(values).items()
    except TypeError:
        return Counter(value for value in values if isinstance(value, _SCALARS)).items()

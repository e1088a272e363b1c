"""What `/metrics` tells: the closed set of series that a manifest gives, and the text that Prometheus reads.

Every label value comes from a tuple here or from the manifest, so no client can make a new series.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby, product

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from modelcast_runtime.baseline import Baseline, Signal, shares
from modelcast_runtime.contract import Column, Golden, Label, Manifest, label_text
from modelcast_runtime.store import Cells, Labels, Layout, Series, Store

OTHER = "other"
PROTOCOLS = ("predict", "v2", "v1", "mlflow", "sagemaker", "vertex", OTHER)
CODES = (200, 400, 404, 405, 408, 413, 414, 415, 431, 500, 501, 503)

REQUESTS = "modelcast_requests_total"
REQUEST_SECONDS = "modelcast_request_seconds"
ROWS = "modelcast_rows_total"
BATCH_ROWS = "modelcast_batch_rows"
IN_FLIGHT = "modelcast_in_flight"
PREDICTIONS = "modelcast_predictions_total"
PREDICTION = "modelcast_prediction"
INPUT_MISSING = "modelcast_input_missing_total"
INPUT_UNSEEN = "modelcast_input_unseen_total"
MODEL_INFO = "modelcast_model_info"
_SLOT_ERRORS = "modelcast_metrics_slot_errors_total"
WATCHED = {
    "input": ("modelcast_input_bin", "Values of an input, by its bin of the baseline."),
    "joint": ("modelcast_joint_bin", "Rows by how unusual the combination of their inputs is."),
    "score": ("modelcast_score_bin", "Rows by how sure the model is."),
    "path": ("modelcast_path_bin", "Rows by the path that they take through the model."),
    "work": ("modelcast_work_bin", "Rows by how much work it is to score them."),
}
"""Kind of signal -> its metrics' name, before `_total` and `_expected_ratio`, and what they tell. Predictions have
metrics of their own."""
_LABEL_OF = {"input": "input", "path": "signal", "work": "signal"}
"""The label that names the signal; the other kinds have one signal."""

SECONDS_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0)

_OPENMETRICS = "application/openmetrics-text"
_VERSIONS = ("", "1.0.0")


def layout_for(manifest: Manifest, golden: Golden, baseline: Baseline | None = None) -> Layout:
    """The series of one model, all of them from the start: a series that appears late hides its first increase."""
    signature = manifest.signature
    predicted = (*_predictions(signature.classes or ()), *_prediction(manifest, golden, baseline))
    return Layout.of((*_requests(), *predicted, *_inputs(signature.inputs), *_watched(baseline)))


def counted(baseline: Baseline | None) -> tuple[Signal, ...]:
    """The signals that have bins of their own, kind by kind: their cells lie one behind the other, in this order."""
    signals = () if baseline is None else baseline.signals
    return tuple(signal for kind in WATCHED for signal in signals if signal.kind == kind)


def labels_of(signal: Signal, name: str) -> Labels:
    """What tells one bin of a signal from all others."""
    label = _LABEL_OF.get(signal.kind)
    return ((label, signal.name), ("bin", name)) if label else (("bin", name),)


def bound_text(bound: float) -> str:
    """A histogram's bound as the label `le` has it."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


def exposition(
    store: Store, manifest: Manifest, accept: str | None, prefix: str = "", baseline: Baseline | None = None
) -> tuple[bytes, str]:
    """All workers summed, as text, and its content type: OpenMetrics where `accept` names it, else the plain format.

    Under `prefix`, where it is not empty, the metrics of nachlass are told too.
    """
    registry = CollectorRegistry()
    registry.register(_Reading(store, manifest, prefix, baseline))
    # Never the caller's own header: the formatter raises TypeError on `version=x` and echoes any number back.
    encode, content_type = choose_encoder(_OPENMETRICS if _asks_openmetrics(accept or "") else "")
    return encode(registry), content_type


def is_watched(column: Column) -> bool:
    """Whether a value outside the column's categories is scored and counted, rather than refused."""
    return column.categories is not None and column.unknown == "accept"


def _requests() -> Iterator[Series]:
    told = "Requests answered, by protocol and HTTP status."
    for protocol, code in product(PROTOCOLS, (*map(str, CODES), OTHER)):
        yield Series(name=REQUESTS, kind="counter", help=told, labels=(("protocol", protocol), ("code", code)))
    told = "Seconds from a request's head to its answer, by protocol."
    for protocol in PROTOCOLS:
        labels = (("protocol", protocol),)
        yield Series(name=REQUEST_SECONDS, kind="histogram", help=told, labels=labels, bounds=SECONDS_BOUNDS)
    yield Series(name=ROWS, kind="counter", help="Rows scored.")
    yield Series(name=BATCH_ROWS, kind="histogram", help="Rows in one scored request.", bounds=ROWS_BOUNDS)
    yield Series(name=IN_FLIGHT, kind="gauge", help="Requests being answered now.")


def _predictions(classes: Iterable[Label]) -> Iterator[Series]:
    # 1 and "1" print alike and are one series: two lines with equal labels would make a scrape fail.
    for label in dict.fromkeys(map(label_text, classes)):
        yield Series(name=PREDICTIONS, kind="counter", help="Rows by predicted class.", labels=(("class", label),))


def _prediction(manifest: Manifest, golden: Golden, baseline: Baseline | None) -> Iterator[Series]:
    if manifest.task == "regressor" and [output.shape for output in manifest.signature.outputs] == [(-1,)]:
        signals = () if baseline is None else baseline.signals
        edges = next((signal.edges for signal in signals if signal.kind == "prediction"), ())
        yield Series(
            name=PREDICTION, kind="histogram", help="Predicted numbers.", bounds=edges or _round_bounds(golden)
        )


def _watched(baseline: Baseline | None) -> Iterator[Series]:
    for signal in counted(baseline):
        name, told = WATCHED[signal.kind]
        for one in signal.bins:
            yield Series(name=f"{name}_total", kind="counter", help=told, labels=labels_of(signal, one))


_BUCKETS = 10
_BEYOND = 2
_ROUND = (1, 2, 5, 10)


def _round_bounds(golden: Golden) -> tuple[float, ...]:
    """About ten steps of a round width over what was predicted for the golden rows, and two beyond on each side.

    None below zero without need: a histogram that counts there has no sum, as sums of counters may not fall.
    """
    numbers = [number for number in golden.predictions if isinstance(number, int | float)]
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    width = high / _BUCKETS - low / _BUCKETS or abs(high) / _BUCKETS or 1.0
    power = math.floor(math.log10(width))
    factor = next((factor for factor in _ROUND if float(f"{factor}e{power}") >= width), _ROUND[-1])
    step = float(f"{factor}e{power}")
    first, last = math.floor(low / step) - _BEYOND, math.ceil(high / step) + _BEYOND
    steps = range(first if low < 0 else max(first, 0), last + 1)
    # By way of a text, as 3 * 0.1 is no round number.
    bounds = {float(f"{count * factor}e{power}") for count in steps}
    return tuple(sorted(bound for bound in bounds if math.isfinite(bound)))


def _inputs(columns: Iterable[Column]) -> Iterator[Series]:
    missing, unseen = "Missing values, by input.", "Values that the model was not fitted on, by input."
    for column in columns:
        yield Series(name=INPUT_MISSING, kind="counter", help=missing, labels=(("input", column.name),))
    for column in filter(is_watched, columns):
        yield Series(name=INPUT_UNSEEN, kind="counter", help=unseen, labels=(("input", column.name),))


def _asks_openmetrics(accept: str) -> bool:
    for offer in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in offer.split(";"))
        named = dict(parameter.partition("=")[::2] for parameter in parameters)
        if kind == _OPENMETRICS and named.get("version", "") in _VERSIONS:
            return True
    return False


class _Reading:
    """One scrape, as prometheus_client's registry asks for it."""

    def __init__(self, store: Store, manifest: Manifest, prefix: str, baseline: Baseline | None) -> None:
        self._store = store
        self._manifest = manifest
        self._prefix = prefix
        self._baseline = baseline

    def collect(self) -> Iterator[Metric]:
        """Every family once, over one sum of the slots."""
        yield _model_info(self._manifest)
        told = "Workers' rows of counts that hold what nobody counted: it is left out of all sums."
        yield CounterMetricFamily(_SLOT_ERRORS, told, value=self._store.unreadable())
        totals = self._store.total()
        layout = self._store.layout
        for _, members in groupby(layout.series, key=lambda series: series.name):
            yield _family([(series, totals[layout.spans[series.name, series.labels]]) for series in members])
        yield from _expected(self._baseline)
        if self._prefix:
            yield from _as_nachlass(self._prefix, layout, totals, self._manifest.signature.classes or ())


def _expected(baseline: Baseline | None) -> Iterator[Metric]:
    """The baseline's shares, which never change: what the counters are held against."""
    for kind, members in groupby(counted(baseline), key=lambda signal: signal.kind):
        name, told = WATCHED[kind]
        family: GaugeMetricFamily | None = None
        for signal in members:
            for one, share in zip(signal.bins, shares(signal.counts), strict=True):
                labels = labels_of(signal, one)
                if family is None:
                    names = tuple(label for label, _ in labels)
                    family = GaugeMetricFamily(f"{name}_expected_ratio", f"{told} The baseline's share.", labels=names)
                family.add_metric(tuple(value for _, value in labels), share)
        if family is not None:
            yield family


def _as_nachlass(prefix: str, layout: Layout, totals: Cells, classes: Iterable[Label]) -> Iterator[Metric]:
    """The same numbers under the names that nachlass' users scrape: no cell of their own, no cost to a request."""

    def cells(name: str, labels: Labels = ()) -> Cells:
        return totals[layout.spans[name, labels]]

    scoring = [(("protocol", protocol),) for protocol in PROTOCOLS if protocol != OTHER]
    seconds: Cells = np.sum([cells(REQUEST_SECONDS, labels) for labels in scoring], axis=0)
    yield SummaryMetricFamily(
        f"{prefix}_processing_seconds",
        "Seconds from a scoring request's head to its answer.",
        count_value=seconds[:-1].sum(),
        sum_value=seconds[-1],
    )
    # The text of a label is Python's own there: True, where ours is true.
    if texts := {label_text(label): str(label) for label in classes}:
        counter = CounterMetricFamily(f"{prefix}_predictions", "Rows by predicted value.", labels=("value",))
        for label, text in texts.items():
            counter.add_metric((text,), float(cells(PREDICTIONS, (("class", label),))[0]))
        yield counter
    for series in layout.series:
        if series.name == PREDICTION:
            buckets, total = _buckets(series, cells(PREDICTION)), float(cells(PREDICTION)[-1])
            yield HistogramMetricFamily(f"{prefix}_predictions", series.help, buckets=buckets, sum_value=total)


def _model_info(manifest: Manifest) -> Metric:
    told = "The model that is served: always 1."
    labels = {key: getattr(manifest, key) for key in ("name", "version", "format", "framework")}
    family = GaugeMetricFamily(MODEL_INFO, told, labels=tuple(labels))
    family.add_metric(tuple(labels.values()), 1.0)
    return family


def _family(members: list[tuple[Series, Cells]]) -> Metric:
    first = members[0][0]
    names = tuple(name for name, _ in first.labels)
    if first.kind == "histogram":
        histogram = HistogramMetricFamily(first.name, first.help, labels=names)
        for series, cells in members:
            histogram.add_metric(_values(series), _buckets(series, cells), float(cells[-1]))
        return histogram
    single = CounterMetricFamily if first.kind == "counter" else GaugeMetricFamily
    family = single(first.name, first.help, labels=names)
    for series, cells in members:
        family.add_metric(_values(series), float(cells[0]))
    return family


def _values(series: Series) -> tuple[str, ...]:
    return tuple(value for _, value in series.labels)


def _buckets(series: Series, cells: Cells) -> list[tuple[str, float]]:
    # The count is the last bucket, not a cell of its own: a scrape in the middle of a write still adds up.
    bounds = map(bound_text, (*series.bounds, math.inf))
    return list(zip(bounds, cells[:-1].cumsum().tolist(), strict=True))

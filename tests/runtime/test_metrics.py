"""What a scrape tells, read back by the parsers that read it for Prometheus: exact, closed, complete."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelcast_runtime import metrics
from modelcast_runtime.contract import Cell, Column, Compilation, Golden, Label, Manifest, Output, Signature, Task
from modelcast_runtime.observe import Observer
from modelcast_runtime.store import Store
from prometheus_client import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1"
    ";q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PARSERS: dict[str, Callable[[str], Iterable[Metric]]] = {
    PLAIN: text_string_to_metric_families,
    OPENMETRICS: openmetrics.text_string_to_metric_families,
}
NASTY = [
    'say "hi"',
    "two\nlines",
    "back\\slash",
    "\\n",
    "naïve 猫 🐈",
    "",
    " pad ",
    "a,b={}",
    "# HELP x",
    "+Inf",
    "tail\\",
]

Sample = tuple[str, tuple[tuple[str, str], ...]]


def manifest_of(
    *, classes: Iterable[Label] | None = ("spam", "ham"), inputs: Iterable[Column] = (), task: Task = "classifier"
) -> Manifest:
    """A manifest that differs in what metrics look at."""
    signature = Signature(
        layout="frame",
        inputs=tuple(inputs),
        outputs=(Output(name="predict", dtype="string", shape=(-1,)),),
        classes=None if classes is None else tuple(classes),
    )
    return Manifest(
        name="mail",
        version="sha256:3f2a",
        format="joblib",
        framework="sklearn",
        task=task,
        model="model.joblib",
        signature=signature,
        compilation=Compilation(backend="native", reason="not asked for"),
        files=(),
    )


COLUMNS = (
    Column(name="age", dtype="float64"),
    Column(name="island", dtype="string", categories=("Biscoe", "Dream"), unknown="accept"),
    Column(name="sex", dtype="string", categories=("f", "m"), unknown="refuse"),
    Column(name="note", dtype="string", unknown="accept"),
)


class Service:
    """One worker's store and observer, and the scrape that an outsider sees."""

    def __init__(self, manifest: Manifest, slots: int = 1, predicted: tuple[Cell, ...] = ()) -> None:
        self.manifest = manifest
        self.store = Store.create(metrics.layout_for(manifest, Golden(rows=(), predictions=predicted)), slots)
        self.store.use(self.store.claim())
        self.observer = Observer(self.store, manifest)

    def scrape(self, accept: str | None = None) -> tuple[str, str]:
        """The text and its content type."""
        content, content_type = metrics.exposition(self.store, self.manifest, accept)
        return content.decode(), content_type

    def families(self) -> dict[str, Metric]:
        """The plain text, parsed; a family that comes twice is a fault."""
        parsed = list(text_string_to_metric_families(self.scrape()[0]))
        assert len({family.name for family in parsed}) == len(parsed)
        return {family.name: family for family in parsed}

    def samples(self) -> dict[Sample, float]:
        """Every sample by name and labels; one that comes twice is a fault."""
        return samples_of(self.families().values())

    def value(self, name: str, /, **labels: str) -> float:
        """One sample, which must exist."""
        return self.samples()[name, tuple(sorted(labels.items()))]


def samples_of(families: Iterable[Metric]) -> dict[Sample, float]:
    found: dict[Sample, float] = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def labels_of(family: Metric, name: str) -> list[str]:
    return [sample.labels[name] for sample in family.samples]


def test_every_series_is_there_at_zero_before_any_event() -> None:
    service = Service(manifest_of(inputs=COLUMNS))
    families = service.families()
    assert {name: family.type for name, family in families.items()} == {
        "modelcast_model_info": "gauge",
        "modelcast_metrics_slot_errors": "counter",
        "modelcast_requests": "counter",
        "modelcast_request_seconds": "histogram",
        "modelcast_rows": "counter",
        "modelcast_batch_rows": "histogram",
        "modelcast_in_flight": "gauge",
        "modelcast_predictions": "counter",
        "modelcast_input_missing": "counter",
        "modelcast_input_unseen": "counter",
    }
    samples = service.samples()
    assert {key for key, value in samples.items() if value != 0.0} == {
        (
            "modelcast_model_info",
            (("format", "joblib"), ("framework", "sklearn"), ("name", "mail"), ("version", "sha256:3f2a")),
        )
    }
    assert len(families["modelcast_requests"].samples) == 7 * 13
    assert len(families["modelcast_request_seconds"].samples) == 7 * (15 + 2)
    assert len(families["modelcast_batch_rows"].samples) == 14 + 2
    assert labels_of(families["modelcast_predictions"], "class") == ["spam", "ham"]
    assert labels_of(families["modelcast_input_missing"], "input") == ["age", "island", "sex", "note"]
    assert labels_of(families["modelcast_input_unseen"], "input") == ["island"]


def test_model_info_names_the_model_and_is_one() -> None:
    labels = {"name": "mail", "version": "sha256:3f2a", "format": "joblib", "framework": "sklearn"}
    assert Service(manifest_of()).value("modelcast_model_info", **labels) == 1.0


def test_requests_are_labelled_by_a_closed_set_of_protocols_and_codes() -> None:
    family = Service(manifest_of()).families()["modelcast_requests"]
    codes = ["200", "400", "404", "405", "408", "413", "414", "415", "431", "500", "501", "503", "other"]
    told = [(sample.labels["protocol"], sample.labels["code"]) for sample in family.samples]
    protocols = ["predict", "v2", "v1", "mlflow", "sagemaker", "vertex", "other"]
    assert told == [(protocol, code) for protocol in protocols for code in codes]


def test_every_metric_has_a_help_sentence() -> None:
    for family in Service(manifest_of(inputs=COLUMNS)).families().values():
        assert family.documentation.endswith("."), family.name
        assert family.documentation[0].isupper(), family.name


def test_a_model_without_classes_or_inputs_has_no_such_series() -> None:
    families = Service(manifest_of(classes=None, task="regressor")).families()
    assert not families.keys() & {"modelcast_predictions", "modelcast_input_missing", "modelcast_input_unseen"}


def test_a_request_is_counted_once_in_each_of_its_metrics() -> None:
    service = Service(manifest_of())
    service.observer.started()
    assert service.value("modelcast_in_flight") == 1.0
    service.observer.scored(3, np.array(["spam", "ham", "spam"]), {}, {})
    service.observer.finished("predict", 200, 0.0625)
    changed = {key: value for key, value in service.samples().items() if value and "info" not in key[0]}
    predict = ("protocol", "predict")
    seconds = ["0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"]
    batches = [
        "5.0",
        "10.0",
        "20.0",
        "50.0",
        "100.0",
        "200.0",
        "500.0",
        "1000.0",
        "2000.0",
        "5000.0",
        "10000.0",
        "+Inf",
    ]
    expected: dict[Sample, float] = {
        ("modelcast_requests_total", (("code", "200"), predict)): 1.0,
        **{("modelcast_request_seconds_bucket", (("le", bound), predict)): 1.0 for bound in seconds},
        ("modelcast_request_seconds_count", (predict,)): 1.0,
        ("modelcast_request_seconds_sum", (predict,)): 0.0625,
        ("modelcast_rows_total", ()): 3.0,
        **{("modelcast_batch_rows_bucket", (("le", bound),)): 1.0 for bound in batches},
        ("modelcast_batch_rows_count", ()): 1.0,
        ("modelcast_batch_rows_sum", ()): 3.0,
        ("modelcast_predictions_total", (("class", "spam"),)): 2.0,
        ("modelcast_predictions_total", (("class", "ham"),)): 1.0,
    }
    assert changed == expected


@pytest.mark.parametrize(
    ("seconds", "first"),
    [(0.0, "0.0005"), (0.0005, "0.0005"), (0.00051, "0.001"), (10.0, "10.0"), (10.1, "+Inf"), (1e9, "+Inf")],
)
def test_a_value_on_a_bound_belongs_to_that_bucket_and_buckets_are_cumulative(seconds: float, first: str) -> None:
    service = Service(manifest_of())
    service.observer.finished("predict", 200, seconds)
    buckets = [
        (sample.labels["le"], sample.value)
        for sample in service.families()["modelcast_request_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["protocol"] == "predict"
    ]
    at = [bound for bound, _ in buckets].index(first)
    assert [value for _, value in buckets] == [0.0] * at + [1.0] * (len(buckets) - at)


@pytest.mark.parametrize(("protocol", "code"), [("predict", 499), ("predict", 418), ("predict", 0), ("gopher", 200)])
def test_what_is_outside_the_closed_sets_is_other(protocol: str, code: int) -> None:
    service = Service(manifest_of())
    before = service.samples().keys()
    service.observer.finished(protocol, code, 0.001)
    told = {"protocol": protocol, "code": "other"} if protocol == "predict" else {"protocol": "other", "code": "200"}
    assert service.value("modelcast_requests_total", **told) == 1.0
    assert service.samples().keys() == before


def test_missing_and_unseen_values_are_counted_by_input() -> None:
    service = Service(manifest_of(inputs=COLUMNS))
    before = service.samples().keys()
    service.observer.scored(
        9, np.array(["ham"] * 9), {"age": 4, "island": 1, "no such": 7}, {"island": 2, "sex": 3, "no such": 7}
    )
    assert service.value("modelcast_input_missing_total", input="age") == 4.0
    assert service.value("modelcast_input_missing_total", input="island") == 1.0
    assert service.value("modelcast_input_missing_total", input="sex") == 0.0
    assert service.value("modelcast_input_unseen_total", input="island") == 2.0
    assert service.samples().keys() == before


OBJECTS = np.array(["spam", ["spam"], None, {"spam": 1}, ("spam", []), "ham", np.str_("ham"), object()], dtype=object)


@pytest.mark.parametrize(
    ("classes", "predictions", "expected"),
    [
        pytest.param(("spam", "ham"), np.array(["ham"]), {"spam": 0, "ham": 1}, id="one row"),
        pytest.param(("spam", "ham"), np.array(["ham"], object), {"spam": 0, "ham": 1}, id="one object"),
        pytest.param(("spam", "ham"), np.array(["eggs", "ham"]), {"spam": 0, "ham": 1}, id="unknown string"),
        pytest.param(("spam", "ham"), np.array(["eggs"]), {"spam": 0, "ham": 0}, id="one unknown"),
        pytest.param(("spam", "ham"), OBJECTS, {"spam": 1, "ham": 2}, id="objects that cannot be a class"),
        pytest.param(("spam", "ham"), OBJECTS[1:2], {"spam": 0, "ham": 0}, id="one list"),
        pytest.param(("spam", "ham"), np.array([["ham", "spam"]]), {"spam": 0, "ham": 0}, id="several outputs"),
        pytest.param(("spam", "ham"), np.array([["ham"]]), {"spam": 0, "ham": 0}, id="a single cell of two dimensions"),
        pytest.param((0, 1), np.array([np.int64(1), [1]], object), {"0": 0, "1": 1}, id="numpy integer beside a list"),
        pytest.param(("spam", "ham"), np.array([], str), {"spam": 0, "ham": 0}, id="no rows"),
        pytest.param((0, 1, 2), np.array([2, 2, 0, 7]), {"0": 1, "1": 0, "2": 2}, id="clusters"),
        pytest.param((0, 1), np.array([1.0, 0.0, np.nan, np.inf]), {"0": 1, "1": 1}, id="integers as floats"),
        pytest.param((0, 1), np.array([1, 0, 1], np.uint8), {"0": 1, "1": 2}, id="small integers"),
        pytest.param((0, 1, 2), np.arange(3000) % 4, {"0": 750, "1": 750, "2": 750}, id="many integers"),
        pytest.param((0.5, 1), np.tile([0.5, 1.0, np.nan], 999), {"0.5": 999, "1": 999}, id="many floats"),
        pytest.param(
            (False, True), np.tile([True, False, True], 999), {"false": 999, "true": 1998}, id="many booleans"
        ),
        pytest.param(("a", "b"), np.tile(["a", "b", "c"], 999), {"a": 999, "b": 999}, id="many strings"),
        pytest.param((0, 1), np.array([np.int64(1), 0, 1], object), {"0": 1, "1": 2}, id="integers as objects"),
        pytest.param((0.5, 1.5), np.array([1.5, 1.5]), {"0.5": 0, "1.5": 2}, id="floats"),
        pytest.param((False, True), np.array([True, False, True]), {"false": 1, "true": 2}, id="booleans"),
        pytest.param((True, False), np.array([True]), {"true": 1, "false": 0}, id="one boolean"),
        pytest.param((1, "1", 2), np.array([1, "1", 2], object), {"1": 2, "2": 1}, id="classes that print alike"),
        pytest.param((True, "true"), np.array([True, "true"], object), {"true": 2}, id="booleans that print alike"),
    ],
)
def test_predictions_are_counted_by_known_class(
    classes: tuple[Label, ...], predictions: "np.ndarray[Any, Any]", expected: dict[str, int]
) -> None:
    service = Service(manifest_of(classes=classes))
    service.observer.scored(len(predictions), predictions, {}, {})
    family = service.families()["modelcast_predictions"]
    assert {sample.labels["class"]: sample.value for sample in family.samples} == expected


def buckets(family: Metric) -> dict[str, float]:
    return {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}


@pytest.mark.parametrize(
    ("predictions", "counted", "total"),
    [
        pytest.param(np.array([1.9]), {"2.0": 1, "3.0": 1, "+Inf": 1}, 1.9, id="one"),
        pytest.param(np.array([2.0]), {"1.0": 0, "2.0": 1}, 2.0, id="on a bound"),
        pytest.param(
            np.array([0.5, 99.5, -1e9]), {"0.0": 1, "1.0": 2, "12.0": 2, "+Inf": 3}, 100.0 - 1e9, id="outside"
        ),
        pytest.param(np.array([np.nan, np.inf, -np.inf, 4.0]), {"3.0": 0, "4.0": 1, "+Inf": 1}, 4.0, id="no numbers"),
        pytest.param(np.array([np.nan]), {"+Inf": 0}, 0.0, id="no number at all"),
        pytest.param(np.arange(10, dtype=np.int32), {"0.0": 1, "5.0": 6, "+Inf": 10}, 45.0, id="integers"),
        pytest.param(np.array([1.5], np.float32), {"1.0": 0, "2.0": 1}, 1.5, id="small floats"),
        pytest.param(np.array([[1.5], [2.5]]), {"+Inf": 2}, 4.0, id="a column"),
        pytest.param(np.array([1.5, None], object), {"+Inf": 0}, 0.0, id="objects"),
    ],
)
def test_a_regressors_predictions_are_a_histogram_over_round_bounds(
    predictions: "np.ndarray[Any, Any]", counted: dict[str, float], total: float
) -> None:
    service = Service(manifest_of(classes=None, task="regressor"), predicted=(0.5, 3.25, None, 10))
    service.observer.scored(len(predictions), predictions, {}, {})
    family = service.families()["modelcast_prediction"]
    assert family.type == "histogram"
    told = buckets(family)
    assert list(told) == [f"{bound}.0" for bound in range(13)] + ["+Inf"]
    assert {bound: told[bound] for bound in counted} == counted
    assert service.value("modelcast_prediction_sum") == total
    assert "modelcast_predictions" not in service.families()


BOUNDS: list[tuple[tuple[Cell, ...], list[float]]] = [
    ((0.1, 0.3), [0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.22, 0.24, 0.26, 0.28, 0.3, 0.32, 0.34]),
    ((152.0, 31.0, 300.5), [0, 50, 100, 150, 200, 250, 300, 350, 400, 450]),
    ((2,), [1.6, 1.8, 2, 2.2, 2.4]),
    ((-50, 50.0), [-70, -60, -50, -40, -30, -20, -10, 0, 10, 20, 30, 40, 50, 60, 70]),
    ((None, 0.0), [0, 1, 2]),
    ((), [0, 1, 2]),
    ((1e308, 1e308), [8e307, 9e307, 1e308, 1.1e308, 1.2e308]),
    ((5e-324, 0.0), [0, 1, 2, 3]),
]


@pytest.mark.parametrize(("predicted", "expected"), BOUNDS, ids=str)
def test_the_bounds_are_round_and_reach_beyond_what_was_predicted(
    predicted: tuple[Cell, ...], expected: list[float]
) -> None:
    service = Service(manifest_of(classes=None, task="regressor"), predicted=predicted)
    told = list(buckets(service.families()["modelcast_prediction"]))
    assert [float(bound) for bound in told] == [*expected, np.inf]


@settings(deadline=None)
@given(st.lists(st.floats(-1e307, 1e307), min_size=1, max_size=4))
def test_any_predictions_give_a_few_ascending_bounds_around_them(predicted: list[float]) -> None:
    service = Service(manifest_of(classes=None, task="regressor"), predicted=tuple(predicted))
    *bounds, _ = map(float, buckets(service.families()["modelcast_prediction"]))
    assert bounds == sorted(set(bounds))
    assert len(bounds) <= 18
    assert bounds[0] <= min(predicted)
    assert bounds[-1] >= max(predicted)


def test_predictions_below_zero_are_counted_without_a_sum_which_could_fall() -> None:
    service = Service(manifest_of(classes=None, task="regressor"), predicted=(-50, 50))
    service.observer.scored(2, np.array([-12.0, 7.0]), {}, {})
    family = service.families()["modelcast_prediction"]
    assert {bound: count for bound, count in buckets(family).items() if bound in ("-20.0", "-10.0", "10.0", "+Inf")} == {
        "-20.0": 0.0, "-10.0": 1.0, "10.0": 2.0, "+Inf": 2.0
    }  # fmt: skip
    assert {sample.name for sample in family.samples} == {"modelcast_prediction_bucket"}


@pytest.mark.parametrize("task", ["classifier", "clusterer", "generic"])
def test_what_predicts_no_numbers_has_no_histogram(task: Task) -> None:
    assert "modelcast_prediction" not in Service(manifest_of(classes=None, task=task)).families()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, PLAIN),
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/plain", PLAIN),
        ("text/html,application/xhtml+xml,*/*;q=0.8", PLAIN),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", PLAIN),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", OPENMETRICS),
        ("APPLICATION/OpenMetrics-Text;Version=1.0.0", OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", PLAIN),
        ("application/openmetrics-text;version=99.7", PLAIN),
        # prometheus_client 0.26 raises TypeError for these two, and for escaping=values writes names that do not match.
        ("application/openmetrics-text;version=x", PLAIN),
        ("text/plain;version=x", PLAIN),
        ("application/openmetrics-text;version=1.0.0;escaping=values", OPENMETRICS),
        (";;=,,=;a", PLAIN),
    ],
)
def test_the_format_is_one_of_two_whatever_is_asked(accept: str | None, content_type: str) -> None:
    service = Service(manifest_of(inputs=COLUMNS))
    text, told = service.scrape(accept)
    assert told == content_type
    assert text.endswith("# EOF\n") == (content_type == OPENMETRICS)
    parse = PARSERS[content_type]
    assert samples_of(parse(text)) == service.samples()


def test_both_formats_tell_the_same_numbers() -> None:
    service = Service(manifest_of(inputs=COLUMNS))
    for rows in (1, 7, 20_000):
        service.observer.started()
        service.observer.scored(rows, np.array(["spam"] * rows), {"age": rows}, {"island": 1})
        service.observer.finished("predict", 200, rows / 1024)
    text, _ = service.scrape("application/openmetrics-text")
    assert samples_of(PARSERS[OPENMETRICS](text)) == service.samples()
    assert service.value("modelcast_predictions_total", **{"class": "spam"}) == 20_008.0


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, unique=True))
def test_any_class_or_input_name_comes_back_as_it_is(accept: str | None, names: list[str]) -> None:
    assert_names_come_back(accept, names)


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
def test_quotes_newlines_and_unicode_in_names_come_back_as_they_are(accept: str | None) -> None:
    assert_names_come_back(accept, NASTY)


def assert_names_come_back(accept: str | None, names: list[str]) -> None:
    inputs = [Column(name=name, dtype="string", categories=("a",)) for name in names]
    service = Service(manifest_of(classes=names, inputs=inputs))
    for count, name in enumerate(names, start=1):
        service.observer.scored(count, np.array([name] * count, object), {name: count}, {name: count})
    text, content_type = service.scrape(accept)
    parse = PARSERS[content_type]
    families = {family.name: family for family in parse(text)}
    expected = list(enumerate(names, start=1))
    for metric, label in (("predictions", "class"), ("input_missing", "input"), ("input_unseen", "input")):
        family = families[f"modelcast_{metric}"]
        assert [(sample.value, sample.labels[label]) for sample in family.samples] == expected


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning")
def test_four_workers_add_up_exactly() -> None:
    manifest = manifest_of(inputs=COLUMNS)
    store = Store.create(metrics.layout_for(manifest, Golden(rows=(), predictions=())), slots=5)
    children = []
    for _ in range(4):
        slot = store.claim()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                store.use(slot)
                serve_some(Observer(store, manifest), 1000 * (slot + 1))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    text = metrics.exposition(store, manifest, None)[0].decode()
    samples = samples_of(text_string_to_metric_families(text))
    predict = ("protocol", "predict")
    assert samples["modelcast_requests_total", (("code", "200"), predict)] == 10_000.0
    assert samples["modelcast_request_seconds_count", (predict,)] == 10_000.0
    assert samples["modelcast_request_seconds_sum", (predict,)] == 10_000.0 / 512
    assert samples["modelcast_rows_total", ()] == 20_000.0
    assert samples["modelcast_predictions_total", (("class", "ham"),)] == 10_000.0
    assert samples["modelcast_input_missing_total", (("input", "age"),)] == 10_000.0
    assert samples["modelcast_in_flight", ()] == 0.0


def serve_some(observer: Observer, requests: int) -> None:
    for _ in range(requests):
        observer.started()
        observer.scored(2, np.array(["spam", "ham"]), {"age": 1}, {})
        observer.finished("predict", 200, 1 / 512)


def test_counters_go_on_and_in_flight_starts_again_when_a_slot_is_reused() -> None:
    service = Service(manifest_of())
    service.observer.started()
    service.observer.started()
    service.observer.finished("predict", 200, 0.5)
    service.store.release(0)
    service.store.use(service.store.claim())
    successor = Observer(service.store, service.manifest)
    successor.started()
    successor.finished("predict", 200, 0.5)
    assert service.value("modelcast_requests_total", protocol="predict", code="200") == 2.0
    assert service.value("modelcast_request_seconds_sum", protocol="predict") == 1.0
    assert service.value("modelcast_in_flight") == 0.0


CODES = st.sampled_from([200, 400, 404, 405, 408, 413, 414, 415, 431, 500, 501, 503, 418, 499, 599])
SECONDS = st.integers(0, 16_384).map(lambda ticks: ticks / 1024)  # sums of these are exact in any order
SCORED = st.lists(st.sampled_from(["spam", "ham", "eggs"]), min_size=1, max_size=30)
INPUT_COUNTS = st.dictionaries(st.sampled_from([column.name for column in COLUMNS]), st.integers(0, 30))
EVENTS = st.tuples(st.sampled_from(["predict", "other"]), CODES, SECONDS, SCORED, INPUT_COUNTS, INPUT_COUNTS)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2), EVENTS), max_size=25))
def test_any_sequence_of_events_is_told_as_a_plain_counter_has_it(
    steps: list[tuple[int, tuple[str, int, float, list[str], dict[str, int], dict[str, int]]]],
) -> None:
    service = Service(manifest_of(inputs=COLUMNS), slots=3)
    observers = [service.observer]
    for _ in range(2):
        service.store.use(service.store.claim())
        observers.append(Observer(service.store, service.manifest))
    model: Counter[Sample] = Counter()
    for worker, (protocol, code, seconds, predictions, missing, unseen) in steps:
        observers[worker].started()
        observers[worker].scored(len(predictions), np.array(predictions), missing, unseen)
        observers[worker].finished(protocol, code, seconds)
        count_request(model, protocol, code, seconds)
        count_rows(model, predictions, missing, unseen)
    told = {key: value for key, value in service.samples().items() if value and key[0] != "modelcast_model_info"}
    assert told == {key: value for key, value in model.items() if value}


def count_request(model: "Counter[Sample]", protocol: str, code: int, seconds: float) -> None:
    label = str(code) if code not in (418, 499, 599) else "other"
    bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]
    model["modelcast_requests_total", (("code", label), ("protocol", protocol))] += 1
    count_histogram(model, "modelcast_request_seconds", {"protocol": protocol}, seconds, bounds)


def count_rows(
    model: "Counter[Sample]", predictions: list[str], missing: Mapping[str, int], unseen: Mapping[str, int]
) -> None:
    bounds = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0]
    count_histogram(model, "modelcast_batch_rows", {}, len(predictions), bounds)
    model["modelcast_rows_total", ()] += len(predictions)
    for name in ("spam", "ham"):
        model["modelcast_predictions_total", (("class", name),)] += predictions.count(name)
    for name, count in missing.items():
        model["modelcast_input_missing_total", (("input", name),)] += count
    model["modelcast_input_unseen_total", (("input", "island"),)] += unseen.get("island", 0)


def count_histogram(
    model: "Counter[Sample]", name: str, labels: dict[str, str], value: float, bounds: list[float]
) -> None:
    for bound in [bound for bound in bounds if value <= bound]:
        model[f"{name}_bucket", tuple(sorted({**labels, "le": str(bound)}.items()))] += 1
    model[f"{name}_bucket", tuple(sorted({**labels, "le": "+Inf"}.items()))] += 1
    model[f"{name}_count", tuple(labels.items())] += 1
    model[f"{name}_sum", tuple(labels.items())] += value  # type: ignore[assignment]

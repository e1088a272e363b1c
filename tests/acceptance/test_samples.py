"""Both samples answer exactly as scikit-learn does, by one worker and by four, and count exactly what was sent."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.commands import SAMPLES, Modelcast, Service, near
from tests.acceptance.files import as_csv, code_of, contents, copy
from tests.acceptance.workshop import Case, Workshop

PROGRAMS = {
    "breast-cancer": (
        "import joblib, pandas\n"
        'model = joblib.load("model.joblib")\n'
        'X = pandas.read_csv("data/holdout.csv").drop(columns="diagnosis")'
    ),
    "penguins": f'{code_of(SAMPLES / "penguins" / "train.ipynb")}\nX = penguins.drop(columns="species")',
}
ROWS = {"breast-cancer": 143, "penguins": 344}
CLASSES = {"breast-cancer": {"malignant", "benign"}, "penguins": {"Adelie", "Chinstrap", "Gentoo"}}
BATCH = 13

Rows = list[list[Any]]
FORMS: dict[str, Callable[[list[str], Rows], Any]] = {
    "instances, lists": lambda names, rows: {"instances": rows},
    "instances, objects": lambda names, rows: {"instances": [dict(zip(names, row, strict=True)) for row in rows]},
    "a bare list": lambda names, rows: rows,
    "records": lambda names, rows: {"records": [dict(zip(reversed(names), reversed(row))) for row in rows]},
    "columns": lambda names, rows: {"columns": dict(zip(names, map(list, zip(*rows)), strict=True))},
    "split": lambda names, rows: {"split": {"columns": names[::-1], "data": [row[::-1] for row in rows]}},
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A sample and what scikit-learn says of its rows."""

    case: Case
    hand: dict[str, Any]

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.case.source.name


@pytest.fixture(scope="module", params=list(PROGRAMS))
def sample(request: pytest.FixtureRequest, workshop: Workshop, folder: Path) -> Sample:
    case = workshop.begin(request.param).result()
    work = copy(case.source, folder / f"by-hand-{request.param}")
    python = workshop.modelcast.python_of(case.built.root)
    return Sample(case=case, hand=workshop.hands.ask(python, work, PROGRAMS[request.param], "probabilities"))


@pytest.fixture(scope="module", params=[1, 4], ids=["1-worker", "4-workers"])
def service(request: pytest.FixtureRequest, modelcast: Modelcast, sample: Sample) -> Iterator[Service]:
    with modelcast.serving(sample.case.source, workers=request.param) as running:
        assert len(running.workers()) == request.param
        yield running


def test_the_line_on_stdout_names_the_sample_and_its_version(sample: Sample, service: Service) -> None:
    told = service.ask("/info").json()
    assert (service.name, service.version) == (sample.name, told["version"])
    assert service.version.startswith("sha256:")
    assert len(sample.hand["rows"]) == ROWS[sample.name]


@pytest.mark.parametrize("form", FORMS)
def test_every_row_in_every_form_is_answered_as_scikit_learn_answers(
    sample: Sample, service: Service, form: str
) -> None:
    document = FORMS[form](sample.hand["names"], sample.hand["rows"])
    assert_same(service.ask("/predict?proba=true", json=document), sample)


def test_every_row_as_csv_is_answered_as_scikit_learn_answers(sample: Sample, service: Service) -> None:
    text = as_csv(sample.hand["names"], sample.hand["rows"])
    answer = service.ask("/predict?proba=true", content=text.encode(), headers={"Content-Type": "text/csv"})
    assert_same(answer, sample)


def assert_same(answer: httpx.Response, sample: Sample) -> None:
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["predictions"] == sample.hand["predictions"]
    assert near(document["probabilities"], sample.hand["probabilities"])
    assert answer.headers["Model-Version"] == document["model"]["version"]
    assert answer.headers["Prediction-Id"] == document["prediction_id"]


def test_counters_add_up_to_exactly_what_a_client_sent(sample: Sample, service: Service) -> None:
    names, rows = sample.hand["names"], sample.hand["rows"]
    starts = list(range(0, len(rows), BATCH)) * 3
    forms = [form for _, form in zip(starts, cycle(FORMS.values()), strict=False)]
    before = service.metrics()
    refused = [{"instances": []}, {"instances": [rows[0], ["too", "short"]]}, {"rows": rows}, {"instances": [[None]]}]

    def send(document: Any) -> httpx.Response:
        return service.ask("/predict", json=document)

    with ThreadPoolExecutor(8) as clients:
        documents = [form(names, rows[start : start + BATCH]) for start, form in zip(starts, forms, strict=True)]
        answers = list(clients.map(send, [*documents, *refused]))
    after = service.metrics()

    def added(name: str, **labels: str) -> float:
        key = (name, frozenset(labels.items()))
        return after[key] - before[key]

    predictions = Counter(label for answer in answers[: len(documents)] for label in answer.json()["predictions"])
    assert {answer.status_code for answer in answers[: len(documents)]} == {200}
    assert {answer.status_code for answer in answers[len(documents) :]} == {400}
    assert added("modelcast_requests_total", protocol="predict", code="200") == len(documents)
    assert added("modelcast_requests_total", protocol="predict", code="400") == len(refused)
    assert added("modelcast_requests_total", protocol="other", code="200") == 1, "the first scrape"
    assert added("modelcast_rows_total") == 3 * len(rows)
    assert predictions == Counter(sample.hand["predictions"] * 3)
    told = {name: added("modelcast_predictions_total", **{"class": name}) for name in CLASSES[sample.name]}
    assert told == dict(predictions)
    assert added("modelcast_request_seconds_count", protocol="predict") == len(documents) + len(refused)
    assert added("modelcast_batch_rows_count") == len(documents)
    missing = Counter(name for row in rows for name, value in zip(names, row, strict=True) if value is None)
    counted = {name: added("modelcast_input_missing_total", input=name) for name in names}
    assert counted == {name: 3 * missing[name] for name in names}
    assert after["modelcast_in_flight", frozenset()] == 1, "the scrape itself"
    # Two threads that score a forest lose each other's warning filters: it then warned once a tree, in every request.
    assert "Warning" not in service.logged()


def test_building_and_serving_write_nothing_into_the_repository(sample: Sample, service: Service) -> None:
    assert_same(service.ask("/predict?proba=true", json={"instances": sample.hand["rows"]}), sample)
    assert contents(sample.case.source) == sample.case.before


def test_an_unchanged_repository_is_not_built_again(sample: Sample, service: Service, modelcast: Modelcast) -> None:
    assert modelcast.kept(sample.name) == [sample.case.built.root]
    assert service.version == sample.case.built.told["version"]
    # Of its own: builds of other repositories are under way in the background.
    assert list(modelcast.cache.glob(f"bundles/.{sample.case.built.root.name}*")) == []


def test_a_category_that_the_model_fails_on_is_refused_with_the_place_and_the_known_ones(
    sample: Sample, service: Service
) -> None:
    if sample.name != "penguins":
        wrong, expected = ["text", *sample.hand["rows"][0][1:]], "a number"
        place, got = "$.instances[1][0]", "string"
    else:
        wrong, expected = ["Atlantis", *sample.hand["rows"][0][1:]], 'one of "Biscoe", "Dream", "Torgersen"'
        place, got = "$.instances[1][0]", "another string"
    answer = service.ask("/predict", json={"instances": [sample.hand["rows"][0], wrong]})
    assert answer.status_code == 400
    problem = answer.json()
    assert (problem["at"], problem["expected"], problem["got"]) == (place, expected, got)

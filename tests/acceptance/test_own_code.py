"""`prediction.py` from a repository to a running service, by one worker and by four: the convention of Red Hat's sample."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.commands import SAMPLES, Modelcast, Service
from tests.acceptance.workshop import Case, Workshop

IMAGE = [[0, 200, 200, 0], [0, 200, 200, 0], [0, 200, 200, 0], [0, 0, 0, 0], [255, 0, 0, 0]]
FOUND = {
    "objects": 2,
    "detections": [
        {"box": {"yMin": 0, "xMin": 1, "yMax": 3, "xMax": 3}, "label": "large", "score": 200 / 255},
        {"box": {"yMin": 4, "xMin": 0, "yMax": 5, "xMax": 1}, "label": "small", "score": 1.0},
    ],
}


@pytest.fixture(scope="module")
def case(workshop: Workshop) -> Case:
    return workshop.begin("object-counter").result()


@pytest.fixture(scope="module")
def own(workshop: Workshop) -> Case:
    return workshop.begin("own_code").result()


@pytest.fixture(scope="module")
def service(modelcast: Modelcast, own: Case, folder: Path) -> Iterator[Service]:
    """Four workers, from another working directory, of a bundle in which nobody may write."""
    root = own.built.root
    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    for place in folders:
        place.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with modelcast.serving(root, workers=4, cwd=folder) as running:
        yield running
    for place in folders:
        place.chmod(0o755)


def test_the_sample_answers_as_its_own_function_does(modelcast: Modelcast, case: Case) -> None:
    with modelcast.serving(SAMPLES / "object-counter", workers=1) as service:
        answer = service.ask("/predict", json={"image": IMAGE})
        assert (answer.status_code, answer.json()) == (200, FOUND)
        assert answer.headers["Model-Version"] == service.version == case.built.told["version"]
        assert service.ask("/predict", json={"image": IMAGE, "threshold": 220}).json()["objects"] == 1
        refusal = service.ask("/predict", json={"picture": IMAGE})
        assert (refusal.status_code, refusal.json()["got"]) == (
            400,
            "one on which it raises KeyError for the key image",
        )
        assert service.ask("/predict", json={"image": [["dark"]]}).status_code == 400, "numpy's ValueError"
        assert service.ask("/readyz").status_code == 200


def test_the_sealed_bundle_holds_the_repository_and_says_what_it_is(modelcast: Modelcast, own: Case) -> None:
    manifest = own.built.manifest
    assert (manifest["format"], manifest["framework"], manifest["task"]) == ("python", "python", "generic")
    assert [file["path"] for file in manifest["files"]] == [
        "code/detector/__init__.py", "code/detector/scale.txt", "code/detector/steps.py", "code/models/line.joblib",
        "code/prediction.py", "code/requirements.txt", "code/words/table.json", "code/wsgi.py", "environment.lock",
        "golden.json", "model-card.html", "sbom.cdx.json",
    ]  # fmt: skip
    page = modelcast.run("inspect", own.built.root).stdout
    assert "generic, python, native" in page
    assert "\ninputs\n  any JSON object\noutputs\n  what predict() gives\nfiles\n" in page


def test_files_are_found_by_the_working_directory_by_the_module_and_by_the_package(service: Service) -> None:
    answer = service.ask("/predict", json={"do": "files"}).json()
    assert answer == {"relative": "apple", "beside": "apple", "package": 3.0, "line": 7.0}


def test_four_workers_import_it_each_and_answer_many_clients(service: Service) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda n: service.ask("/predict", json={"do": "work", "n": n}), range(60)))
    assert [answer.status_code for answer in answers] == [200] * 60
    assert [answer.json()["twice"] for answer in answers] == [2 * n for n in range(60)]
    seen = {(answer.json()["worker"], answer.json()["imported_by"]) for answer in answers}
    assert all(worker == imported for worker, imported in seen), "imported after the fork"
    assert {worker for worker, _ in seen} <= service.workers()


def test_its_failures_end_no_worker(service: Service) -> None:
    before = service.workers()
    codes = [service.ask("/predict", json={"do": how}).status_code for how in ("exit", "divide", "unknown")]
    assert codes == [500, 500, 400]
    assert service.workers() == before
    logged = service.logged()
    assert "predict() failed: SystemExit at detector/steps.py:" in logged
    assert "predict() refused a request: KeyError at prediction.py:" in logged
    assert "Traceback" not in logged


def test_threads_that_it_began_when_it_was_imported_are_there_in_every_worker(service: Service) -> None:
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: service.ask("/predict", json={"do": "cluster"}).json(), range(8)))
    assert answers == [{"cluster": answers[0]["cluster"]}] * 8


def test_the_bundle_that_it_works_in_is_left_as_it_was(service: Service, own: Case, modelcast: Modelcast) -> None:
    assert service.ask("/predict", json={"do": "files"}).status_code == 200
    if os.geteuid():  # the superuser may write everywhere
        assert service.ask("/predict", json={"do": "write"}).status_code == 500
    done = modelcast.run("inspect", own.built.root)
    assert done.returncode == 0, "every hash is checked, and a file too much is refused"

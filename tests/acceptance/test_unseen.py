"""Repositories with no file of ours in them go the same way, and answer as scikit-learn does when called by hand."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance import repositories
from tests.acceptance.commands import Modelcast, Service, near
from tests.acceptance.files import as_csv, write
from tests.acceptance.workshop import Case

Hand = Callable[..., dict[str, Any]]


def code(case: Case) -> list[str]:
    return sorted(record["path"] for record in case.built.manifest["files"] if record["path"].startswith("code/"))


def test_a_notebook_with_an_own_class_in_a_sibling_module_and_matplotlib_without_a_newline(
    modelcast: Modelcast, sibling_module: Case, hand: Hand
) -> None:
    assert sibling_module.built.told["name"] == "sibling-module"
    assert code(sibling_module) == ["code/features.py"]
    assert [line for line in sibling_module.built.lock if line.startswith("matplotlib==")] != []
    receipt = (sibling_module.built.root / "receipts" / "notebooks" / "train model.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in receipt
    expected = hand(sibling_module, "probabilities")
    with modelcast.serving(sibling_module.built.root, workers=4) as service:
        assert_all_agree(load(service, expected, "?proba=true"), expected)


def test_hist_gradient_boosting_answers_four_workers_under_load_and_none_hangs(
    modelcast: Modelcast, boosting: Case, hand: Hand
) -> None:
    expected = hand(boosting, "probabilities")
    # Two OpenMP threads in each worker: what hangs after a fork hangs with these.
    with modelcast.serving(boosting.built.root, workers=4, OMP_NUM_THREADS="2") as service:
        answers = load(service, expected, "?proba=true", times=32)
        assert_all_agree(answers, expected)
    assert boosting.built.manifest["signature"]["classes"] == [0, 1, 2]


def test_k_means_answers_four_workers_under_load_with_distances_and_none_hangs(
    modelcast: Modelcast, clusters: Case, hand: Hand
) -> None:
    assert (clusters.built.manifest["task"], clusters.built.manifest["model"]) == ("clusterer", "model.onnx")
    expected = hand(clusters, "distances")
    with modelcast.serving(clusters.built.root, workers=4, OMP_NUM_THREADS="2") as service:
        answers = load(service, expected, "?distances=true", times=32)
        assert_all_agree(answers, expected)
        refused = service.ask("/predict?proba=true", json={"instances": expected["rows"]})
        assert (refused.status_code, refused.json()["detail"]) == (
            400, "?proba: expected a model that gives this, got a clusterer. Leave proba out of the query.",
        )  # fmt: skip


def test_a_class_and_a_function_of_the_notebook_itself(modelcast: Modelcast, own_definitions: Case, hand: Hand) -> None:
    assert len([name for name in code(own_definitions) if name.endswith(".py")]) == 1
    expected = hand(own_definitions, "probabilities")
    with modelcast.serving(own_definitions.built.root, workers=1) as service:
        assert_all_agree(load(service, expected, "?proba=true", times=2), expected)


def test_an_artifact_of_scikit_learn_1_4_2_is_served_by_1_4_2(modelcast: Modelcast, old_artifact: Case) -> None:
    expected = dict(old_artifact.made or {})
    assert expected["scikit-learn"] == "1.4.2"
    assert "scikit-learn==1.4.2" in old_artifact.built.lock
    with modelcast.serving(old_artifact.built.root, workers=1) as service:
        assert_all_agree(load(service, expected, "?proba=true", times=2), expected)


def test_scikit_learn_1_2_2_in_requirements_trains_builds_and_answers(
    modelcast: Modelcast, old_pin: Case, hand: Hand
) -> None:
    assert "scikit-learn==1.2.2" in old_pin.built.lock
    expected = hand(old_pin)
    assert expected["scikit-learn"] == "1.2.2"
    with modelcast.serving(old_pin.built.root, workers=1) as service:
        assert_all_agree(load(service, expected, "", times=2), expected)


def test_a_text_pipeline_with_its_tokenizer_in_a_package(modelcast: Modelcast, text: Case, hand: Hand) -> None:
    assert code(text) == ["code/lib/__init__.py", "code/lib/stop.py", "code/lib/text.py"]
    expected = hand(text, "probabilities")
    with modelcast.serving(text.built.root, workers=1) as service:
        assert_all_agree(load(service, expected, "?proba=true", times=2), expected)
        (column,) = text.built.manifest["signature"]["inputs"]
        named = {"columns": {column["name"]: expected["rows"]}}
        assert_all_agree([service.ask("/predict?proba=true", json=named)], expected)


def test_a_regression_on_integers_booleans_categories_and_dates(
    modelcast: Modelcast, regression: Case, hand: Hand
) -> None:
    inputs = {column["name"]: column["dtype"] for column in regression.built.manifest["signature"]["inputs"]}
    assert inputs == {"rooms": "float64", "garden": "bool", "zone": "string", "sold": "datetime"}
    assert code(regression) == ["code/calendars.py"]
    expected = hand(regression)
    names, rows = expected["names"], expected["rows"]
    assert [type(value) for value in rows[0]] == [int, bool, str, str]
    with modelcast.serving(regression.built.root, workers=1) as service:
        assert_all_agree(load(service, expected, "", times=2), expected)
        body = as_csv(names, rows).encode()
        assert_all_agree([service.ask(content=body, headers={"Content-Type": "text/csv; charset=utf-8"})], expected)


@pytest.mark.parametrize("saved", ["search", "search.best_estimator_"])
def test_a_grid_search_and_its_best_estimator_by_the_command_line(
    modelcast: Modelcast, git_main: Case, git_branch: Case, hand: Hand, saved: str, tmp_path: Path
) -> None:
    built = {"search": git_main, "search.best_estimator_": git_branch}[saved].built
    source = write(tmp_path / "source", repositories.searched(saved))
    expected = hand(Case(source=source, built=built), "probabilities")
    rows = tmp_path / "rows.csv"
    rows.write_text(as_csv(expected["names"], expected["rows"]), encoding="utf-8")
    done = modelcast.run("predict", built.root, rows, "--proba")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"prediction": label, "probabilities": shares}
        for label, shares in zip(expected["predictions"], expected["probabilities"], strict=True)
    ]


def load(service: Service, expected: dict[str, Any], query: str, times: int = 12) -> list[httpx.Response]:
    """The same rows many times at once; a worker that hangs is a timeout."""
    with ThreadPoolExecutor(8) as clients:
        asked = [
            clients.submit(service.ask, f"/predict{query}", json={"instances": expected["rows"]}) for _ in range(times)
        ]
        return [one.result(timeout=300) for one in asked]


def assert_all_agree(answers: list[httpx.Response], expected: dict[str, Any]) -> None:
    """Every answer is scikit-learn's."""
    wanted = {key: expected[key] for key in ("predictions", "probabilities", "distances") if key in expected}
    for answer in answers:
        assert answer.status_code == 200, answer.text
        document = answer.json()
        told = {key: document.get(key) for key in wanted}
        assert near(told, wanted), (told, wanted)

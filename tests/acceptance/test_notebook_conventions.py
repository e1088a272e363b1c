"""Stages in nachlass' convention, papermill's parameters and the build's variables, from a repository to its answers."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import SAMPLES, Modelcast, Service, near
from tests.acceptance.files import code_of, copy, notebook, write
from tests.acceptance.hands import Hands
from tests.acceptance.workshop import Case

Hand = Callable[..., dict[str, Any]]
TOGETHER = 'from sklearn.pipeline import Pipeline\nmodel = Pipeline([("first", {}), ("last", model)])\nX = {}'


@pytest.fixture
def hand(modelcast: Modelcast, hands: Hands, tmp_path: Path) -> Hand:
    """What notebooks make when their code is run by hand, one after the other, with a last line of the test's."""

    def ask(case: Case, *outputs: str, notebooks: list[str], first: str = "", last: str = "") -> dict[str, Any]:
        work = copy(case.source, tmp_path / "by-hand")
        place = 'import os\nos.environ["S2I_PIPELINE_STAGE_SAVE_FILE"] = "features.sav"\n'
        program = "\n".join([place + first, *(code_of(work / name) for name in notebooks), last])
        return hands.ask(modelcast.python_of(case.built.root), work, program, *outputs)

    return ask


def agrees(service: Service, expected: dict[str, Any], *outputs: str) -> None:
    query = "&".join(f"{'proba' if output == 'probabilities' else output}=true" for output in outputs)
    answer = service.ask(f"/predict?{query}", json={"instances": expected["rows"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == expected["predictions"]
    for output in outputs:
        assert near(answer.json()[output], expected[output]), answer.text


def text_of(receipt: Path) -> str:
    return re.sub(r"<[^>]+>", "", receipt.read_text(encoding="utf-8"))


def test_two_notebooks_of_the_talks_answer_texts_as_their_pipeline_does(
    modelcast: Modelcast, spam: Case, hand: Hand
) -> None:
    last = TOGETHER.format("features", 'messages["text"].tolist()')
    expected = hand(spam, "probabilities", notebooks=["features.ipynb", "model.ipynb"], last=last)
    assert set(expected["predictions"]) == {"legitimate", "spam"}
    with modelcast.serving(SAMPLES / "spam", workers=2) as service:
        assert service.version == spam.built.told["version"], "not built again"
        agrees(service, expected, "probabilities")


def test_a_variable_of_the_build_is_a_hyper_parameter(spam: Case, spam_in_few_buckets: Case, hand: Hand) -> None:
    receipt = text_of(spam_in_few_buckets.built.root / "receipts" / "notebooks" / "features.html")
    assert "(600, 64)" in receipt
    assert spam_in_few_buckets.built.told["version"] != spam.built.told["version"]


def test_the_kinds_of_customers_are_those_of_scikit_learn(modelcast: Modelcast, customers: Case, hand: Hand) -> None:
    assert customers.built.manifest["parameters"] == {"k": 5}
    expected = hand(
        customers, "distances", notebooks=["segments.ipynb"],
        last="k = 5\nmodel = make_pipeline(StandardScaler(), KMeans(k, n_init=10, random_state=seed)).fit(customers)\nX = customers",
    )  # fmt: skip
    assert set(expected["predictions"]) == set(range(5))
    with modelcast.serving(customers.built.root, workers=1) as service:
        agrees(service, expected, "distances")


def test_a_parameter_of_a_template_changes_k_and_the_models_version_with_it(
    modelcast: Modelcast, customers: Case, customers_of_seven_kinds: Case, customers_of_seven_kinds_again: Case
) -> None:
    five, seven, again = (case.built for case in (customers, customers_of_seven_kinds, customers_of_seven_kinds_again))
    assert (five.manifest["signature"]["classes"], five.manifest["parameters"]) == ([0, 1, 2, 3, 4], {"k": 5})
    assert (seven.manifest["signature"]["classes"], seven.manifest["parameters"]) == ([0, 1, 2, 3, 4, 5, 6], {"k": 7})
    assert seven.told["version"] != five.told["version"]
    assert (again.told["version"], again.told["bundle_digest"]) == (seven.told["version"], seven.told["bundle_digest"])
    receipt = text_of(seven.root / "receipts" / "notebooks" / "segments.html")
    assert "k = 3\nseed = 1" in receipt
    assert "# Parameters\nk = 7" in receipt
    shown = modelcast.run("inspect", seven.root)
    assert "\nparameter  k = 7\n" in shown.stdout


def test_stages_of_own_classes_with_one_name_are_told_apart(modelcast: Modelcast, own_stages: Case, hand: Hand) -> None:
    assert "a Pipeline of the stages that the notebooks saved: features, Das Modell\n" in own_stages.built.log
    receipt = text_of(own_stages.built.root / "receipts" / "notebooks" / "prepare.html")
    assert "Requirement already satisfied: scikit-learn in " in receipt
    names = [column["name"] for column in own_stages.built.manifest["signature"]["inputs"]]
    assert names == ["a", "b", "c"], "what the first stage was fitted on"
    expected = hand(
        own_stages,
        notebooks=["features.ipynb", "my notebooks/Das Modell.ipynb"],
        last=TOGETHER.format("stage", "frame"),
    )
    assert set(expected["predictions"]) == {"Güte 0", "Güte 1"}
    with modelcast.serving(own_stages.built.root, workers=1) as service:
        agrees(service, expected)


def test_stages_that_hold_their_code_are_one_pipeline_too(
    modelcast: Modelcast, stages_by_value: Case, hand: Hand
) -> None:
    expected = hand(
        stages_by_value, "probabilities", notebooks=["features.ipynb", "model.ipynb"],
        first='os.environ["TFIDF_BUCKETS"] = "32"', last=TOGETHER.format("stage", '["WIN money", "Noon", "at lunch", ""]'),
    )  # fmt: skip
    with modelcast.serving(stages_by_value.built.root, workers=1) as service:
        agrees(service, expected, "probabilities")


def wheel() -> bytes:
    """A distribution of one empty module."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return content.getvalue()


def test_what_a_notebook_installs_is_refused_with_the_line_to_write(modelcast: Modelcast, tmp_path: Path) -> None:
    files = {
        # Of its own: the environment that was changed is thrown away.
        "requirements.txt": "threadpoolctl==3.5.0\n",
        "tiny-1.0-py3-none-any.whl": wheel(),
        "train.ipynb": notebook("!pip install --no-index --find-links . tiny", "import tiny"),
    }
    done = modelcast.run("build", write(tmp_path / "installs", files), "--out", tmp_path / "bundle")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: notebooks: a notebook installed tiny==1.0 while it ran, and the environment's lock does not hold that. "
        "Add tiny to requirements.txt, and take the installation out of the notebook."
    )
    assert not (tmp_path / "bundle").exists()

"""Boosted trees of other libraries, MLflow's folders and skops files go the same way as scikit-learn's own models."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import Modelcast, near
from tests.acceptance.files import code_of, copy, write
from tests.acceptance.hands import Hands
from tests.acceptance.test_unseen import assert_all_agree, load
from tests.acceptance.workshop import Case

LOGGED = Path(__file__).with_name("logged")


def refused(modelcast: Modelcast, source: Path) -> str:
    done = modelcast.run("build", source, "--out", source.parent / "bundle")
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()[-1]


def test_xgboost_trains_in_a_notebook_and_answers_four_workers(
    modelcast: Modelcast, xgboost: Case, hands: Hands, tmp_path: Path
) -> None:
    assert "xgboost==3.2.0" in xgboost.built.lock
    assert [line for line in xgboost.built.lock if "nccl" in line] == []
    work = copy(xgboost.source, tmp_path / "by-hand")
    python = modelcast.python_of(xgboost.built.root)
    expected = hands.ask(python, work, code_of(work / "train.ipynb"), "probabilities")
    with modelcast.serving(xgboost.built.root, workers=4, OMP_NUM_THREADS="2") as service:
        assert_all_agree(load(service, expected, "?proba=true", times=32), expected)


def test_a_bare_lightgbm_classifier_answers_four_workers(modelcast: Modelcast, lightgbm: Case) -> None:
    expected: dict[str, Any] = dict(lightgbm.made)
    assert lightgbm.built.manifest["signature"]["classes"] == ["down", "up"]
    with modelcast.serving(lightgbm.built.root, workers=4, OMP_NUM_THREADS="2") as service:
        assert_all_agree(load(service, expected, "?proba=true", times=32), expected)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_boosted_trees_are_sealed_in_the_same_bytes_each_time(
    modelcast: Modelcast, name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    case: Case = request.getfixturevalue(name)
    again = modelcast.build(case.source, tmp_path / "again")
    assert again.told["version"] == case.built.told["version"]


@pytest.mark.parametrize("name", ["logged_old", "logged_new"])
def test_a_folder_of_mlflow_answers_as_the_model_did_that_was_logged(
    modelcast: Modelcast, name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    signature = case.built.manifest["signature"]
    assert [(column["name"], column["dtype"]) for column in signature["inputs"]] == [
        ("age", "float64"), ("plan", "string"), ("member", "bool"),
    ]  # fmt: skip
    assert [line for line in case.built.lock if line.startswith("mlflow")] == []
    assert (case.built.root / "code" / "measures" / "cap.py").is_file()
    with modelcast.serving(case.built.root, workers=1) as service:
        answer = service.ask("/predict?proba=true", json=case.made["request"])
    assert answer.status_code == 200, answer.text
    document = answer.json()
    assert document["predictions"] == case.made["predictions"]
    shares = [[row["leaves"], row["stays"]] for row in document["probabilities"]]
    assert near(shares, case.made["probabilities"])


def with_a_call(target: Path, module: str, name: str) -> Path:
    """The model that MLflow logged, with one more attribute: what calling this with `id` gives."""
    words = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    call = {"__class__": name, "__module__": module, "__loader__": "ConstructorFromReduceNode", "content": words}
    target.parent.mkdir(parents=True)
    real = zipfile.ZipFile(LOGGED / "new" / "model.skops")
    with real, zipfile.ZipFile(target, "w") as archive:
        for member in real.namelist():
            content = real.read(member)
            if member == "schema.json":
                schema = json.loads(content)
                schema["content"]["content"]["odd"] = call
                content = json.dumps(schema).encode()
            archive.writestr(member, content)
    shutil.copytree(LOGGED / "new" / "code" / "measures", target.parent / "measures")
    write(target.parent, {"measures/shell.py": "from subprocess import run\n"})
    return target.parent


def test_a_skops_file_of_own_functions_is_served_and_a_hostile_one_is_not(
    modelcast: Modelcast, logged_new: Case, tmp_path: Path
) -> None:
    known = write(
        tmp_path / "known", {"measures/cap.py": (LOGGED / "new" / "code" / "measures" / "cap.py").read_bytes()}
    )
    shutil.copy(LOGGED / "new" / "model.skops", known)
    built = modelcast.build(known, tmp_path / "bundle-of-known")
    assert built.manifest["signature"]["classes"] == ["leaves", "stays"]
    lines = {
        "posix.system": "error: audit: model.skops names posix.system, which is neither scikit-learn's nor of this "
        'repository. If it is meant, write `trusted: ["posix:system"]` in modelcast.yaml.',
        "sklearn.utils._testing.check_output": "error: audit: model.skops makes a load use "
        "sklearn.utils._testing.check_output, which skops does not trust by itself. "
        'If it is meant, write `trusted: ["sklearn.utils._testing:check_output"]` in modelcast.yaml.',
        "measures.shell.run": "error: audit: model.skops makes a load use measures.shell.run, which skops does not "
        'trust by itself. If it is meant, write `trusted: ["measures.shell:run"]` in modelcast.yaml.',
    }
    for name, line in lines.items():
        module, _, attribute = name.rpartition(".")
        assert refused(modelcast, with_a_call(tmp_path / name / "source" / "model.skops", module, attribute)) == line

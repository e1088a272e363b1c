"""A repository with no file of ours in it goes the same way, with no network."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.files import notebook
from tests.acceptance.repositories import OWN_STEP
from tests.e2e.conftest import Start
from tests.e2e.engine import HARDENED, S2i, config_of, docker
from tests.e2e.table import in_process, read_table

NOTEBOOK = """
%matplotlib inline
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline

from own_steps import Clip

draw = np.random.default_rng(3)
X = pd.DataFrame(draw.normal(size=(400, 3)), columns=["a", "b", "c"])
y = np.where(X["a"] + X["b"] > 0, "yes", "no")
X.head(40).to_csv("rows.csv", index=False)
plt.hist(X["a"]);
model = make_pipeline(Clip(), HistGradientBoostingClassifier(max_iter=20, random_state=0)).fit(X, y)
joblib.dump(model, "model.joblib")
"""


NOTEBOOK_NAME = "modèle – 模型.ipynb"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ENVIRONMENT = f"""\
# s2i keeps the quotes; Windows' line ends stay too where a harness copies the lines.\r
S2I_SOURCE_NOTEBOOK_LIST="{NOTEBOOK_NAME}"\r
MODELCAST_NAME='of-the-file'\r
\r
a line without a sign of equality is left out\r
"""
ASSEMBLE = "#!/bin/bash -e\necho before\n/usr/libexec/s2i/assemble\necho after\n"
RUN = "#!/bin/bash -e\necho 'the wrapper ran'\nexec /usr/libexec/s2i/run\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As somebody would have it: a nested folder, spaces, no newline at an end, read-only files, a dotfile, a link."""
    outer = tmp_path_factory.mktemp("unseen") / "repo"
    root = outer / "models" / "of ours"
    (root / "papers").mkdir(parents=True)
    (outer / "requirements.txt").write_text("no-such-package==1\n", encoding="utf-8")
    (root / "own_steps.py").write_text(OWN_STEP, encoding="utf-8")
    (root / "requirements.txt").write_text("matplotlib", encoding="utf-8")
    (root / ".editorconfig").write_text("root = true\n", encoding="utf-8")
    (root / "papers" / "read me.txt").write_text("citation", encoding="utf-8")
    (root / "papers" / "read me.txt").chmod(0o444)
    (root / "papers").chmod(0o555)
    (root / "latest.txt").symlink_to("papers/read me.txt")
    (root / ".s2i" / "bin").mkdir(parents=True)
    (root / ".s2i" / "environment").write_bytes(ENVIRONMENT.encode())
    for name, text in (("assemble", ASSEMBLE), ("run", RUN)):
        (root / ".s2i" / "bin" / name).write_text(text, encoding="utf-8")
        (root / ".s2i" / "bin" / name).chmod(0o755)
    (root / NOTEBOOK_NAME).write_text(notebook(NOTEBOOK), encoding="utf-8")
    return outer


@pytest.fixture(scope="module")
def unseen(s2i: S2i, repository: Path) -> Iterator[str]:
    """Its image: the engine's strategy, and variables that win over the repository's."""
    variables = ("--env", "MODELCAST_NAME=of-the-command", "--env", f"OPENSHIFT_BUILD_COMMIT={COMMIT}")
    yield s2i.build(repository, "modelcast-e2e-unseen", "--context-dir", "models/of ours", *variables)
    docker("image", "rm", "--force", "modelcast-e2e-unseen")


def test_unseen_repository_is_served_by_four_workers_as_scikit_learn_answers(
    unseen: str, start: Start, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c\n0.5,1.25,-3\n-0.5,-1,2\n", encoding="utf-8")
    table = read_table(rows, without=())
    service = start(unseen, *HARDENED, "--env", "WEB_CONCURRENCY=4")
    expected = in_process(unseen, table, NOTEBOOK_NAME)
    answers = [
        httpx.post(f"{service.url}/predict?proba=true", json={"instances": table.instances}, timeout=120)
        for _ in range(12)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["predictions"] for answer in answers] == [expected["predictions"]] * 12
    assert [answer.json()["probabilities"] for answer in answers] == [expected["probabilities"]] * 12
    assert "the wrapper ran" in service.log()
    assert service.terminate(30) == 0


def test_labels_of_the_image_say_what_info_says(unseen: str, start: Start) -> None:
    labels = config_of(unseen)["Labels"]
    told = httpx.get(f"{start(unseen, *HARDENED).url}/info", timeout=120).json()
    ours = {name.removeprefix("modelcast."): text for name, text in labels.items() if name.startswith("modelcast.")}
    assert ours == {
        "name": "of-the-command",
        "version": told["version"],
        "bundle-digest": told["bundle_digest"],
        "framework": "sklearn",
        "task": "classifier",
        "python": told["provenance"]["python"],
        "scikit-learn": told["provenance"]["packages"]["scikit-learn"],
        "commit": COMMIT,
    }
    assert told["provenance"]["source"] == "", "s2i was given a folder of this machine, which is nobody's business"
    assert labels["org.opencontainers.image.revision"] == COMMIT
    assert (told["name"], told["provenance"]["commit"]) == ("of-the-command", COMMIT)
    assert sum(len(name) + len(text) for name, text in labels.items()) < 10_240


def test_made_image_keeps_no_cache_and_serves_without_a_writable_path(unseen: str) -> None:
    assert docker("run", "--rm", unseen, "ls", "-A", "/tmp").splitlines() == [".s2i", "scripts", "src"]
    left = docker("run", "--rm", unseen, "ls", "-A", "/opt/app-root/src").splitlines()
    assert sorted(left) == sorted(
        [".editorconfig", ".s2i", "latest.txt", NOTEBOOK_NAME, "own_steps.py", "papers", "requirements.txt"]
    )

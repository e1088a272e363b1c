"""A repository with no file of ours in it goes the same way, with no network."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Start
from tests.e2e.engine import HARDENED, S2i, docker
from tests.e2e.table import in_process, read_table

OWN_MODULE = """
from sklearn.base import BaseEstimator, TransformerMixin


class Clip(TransformerMixin, BaseEstimator):
    def __init__(self, low=-1.0):
        self.low = low

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X.clip(lower=self.low)
"""

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


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As somebody would have it: a space in a name, no newline at an end, read-only files, a dotfile, a link."""
    root = tmp_path_factory.mktemp("unseen") / "repo"
    (root / "papers").mkdir(parents=True)
    (root / "own_steps.py").write_text(OWN_MODULE, encoding="utf-8")
    (root / "requirements.txt").write_text("matplotlib", encoding="utf-8")
    (root / ".editorconfig").write_text("root = true\n", encoding="utf-8")
    (root / "papers" / "read me.txt").write_text("citation", encoding="utf-8")
    (root / "papers" / "read me.txt").chmod(0o444)
    (root / "papers").chmod(0o555)
    (root / "latest.txt").symlink_to("papers/read me.txt")
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "only",
        "metadata": {},
        "outputs": [],
        "source": NOTEBOOK.strip(),
    }
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (root / "my model.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def unseen(s2i: S2i, repository: Path) -> Iterator[str]:
    """Its image."""
    yield s2i.build(repository, "modelcast-e2e-unseen")
    docker("image", "rm", "--force", "modelcast-e2e-unseen")


def test_unseen_repository_is_served_by_four_workers_as_scikit_learn_answers(
    unseen: str, start: Start, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b,c\n0.5,1.25,-3\n-0.5,-1,2\n", encoding="utf-8")
    table = read_table(rows, without=())
    service = start(unseen, *HARDENED, "--env", "WEB_CONCURRENCY=4")
    expected = in_process(unseen, table, "my model.ipynb")
    answers = [
        httpx.post(f"{service.url}/predict?proba=true", json={"instances": table.instances}, timeout=30)
        for _ in range(12)
    ]
    assert {answer.status_code for answer in answers} == {200}
    assert [answer.json()["predictions"] for answer in answers] == [expected["predictions"]] * 12
    assert [answer.json()["probabilities"] for answer in answers] == [expected["probabilities"]] * 12


def test_made_image_keeps_no_cache_and_serves_without_a_writable_path(unseen: str) -> None:
    assert docker("run", "--rm", unseen, "ls", "-A", "/tmp") in ("scripts\nsrc", "src")
    left = docker("run", "--rm", unseen, "ls", "-A", "/opt/app-root/src").splitlines()
    assert sorted(left) == [
        ".editorconfig",
        "latest.txt",
        "my model.ipynb",
        "own_steps.py",
        "papers",
        "requirements.txt",
    ]

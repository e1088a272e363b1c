"""A sample of `make matrix`: an old and the newest scikit-learn, two kinds of models, every format; one cell in `make test`."""

import pytest

from tests.acceptance.commands import Modelcast
from tests.matrix.matrix import NEWEST, Matrix

KINDS = ("linear", "outputs")


@pytest.fixture(scope="session")
def matrix(modelcast: Modelcast, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """The matrix of these kinds."""
    return Matrix(modelcast, tmp_path_factory.mktemp("matrix"), KINDS)


@pytest.mark.parametrize(
    ("version", "kind", "stored"),
    [
        (NEWEST, "linear", "joblib"),
        pytest.param(NEWEST, "outputs", "skops", marks=pytest.mark.long),
        pytest.param("1.4.2", "linear", "pkl", marks=pytest.mark.long),
        pytest.param("1.4.2", "linear", "skops", marks=pytest.mark.long),
    ],
)
def test_an_artifact_answers_as_its_maker_did(matrix: Matrix, version: str, kind: str, stored: str) -> None:
    matrix.check(version, kind, stored)

"""A sample of `make matrix`: an old and the newest scikit-learn, two kinds of models, every format."""

import pytest

from tests.acceptance.commands import Modelcast
from tests.matrix.matrix import FORMATS, NEWEST, Matrix

KINDS = ("linear", "outputs")


@pytest.fixture(scope="session")
def matrix(modelcast: Modelcast, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """The matrix of these kinds."""
    return Matrix(modelcast, tmp_path_factory.mktemp("matrix"), KINDS)


@pytest.mark.parametrize("stored", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", ["1.4.2", NEWEST])
def test_an_artifact_answers_as_its_maker_did(matrix: Matrix, version: str, kind: str, stored: str) -> None:
    matrix.check(version, kind, stored)

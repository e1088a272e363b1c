"""Every artifact of every scikit-learn since 1.3 is served by the version that made it (`make matrix`)."""

import pytest

from tests.matrix.matrix import FORMATS, KINDS, VERSIONS, Matrix


@pytest.mark.parametrize("stored", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_it_answers_as_its_maker_did(matrix: Matrix, version: str, kind: str, stored: str) -> None:
    matrix.check(version, kind, stored)


@pytest.mark.parametrize("version", VERSIONS)
def test_no_estimator_is_refused(matrix: Matrix, version: str) -> None:
    assert matrix.audit(version) >= 150

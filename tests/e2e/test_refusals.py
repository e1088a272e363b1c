"""A repository that cannot be served is refused through s2i with the one line that says why."""

import re
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import SAMPLES
from tests.e2e.engine import S2i

CASES = sorted(SAMPLES.glob("*-should-fail"), key=lambda path: path.name)
# Only an index can tell; these builds have no network.
ASKING_AN_INDEX = {"no-wheel-should-fail", "unknown-package-should-fail"}


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_refused_repository_gets_its_exact_last_line(s2i: S2i, case: Path, tmp_path: Path) -> None:
    # What is expected is no part of the repository.
    source = shutil.copytree(case, tmp_path / case.name, ignore=shutil.ignore_patterns("expected-stderr.txt"))
    expected = (case / "expected-stderr.txt").read_text(encoding="utf-8").strip()
    line = s2i.refused(source)
    if case.name in ASKING_AN_INDEX:
        assert re.match("error: environment: the package index .*cannot be reached", line), line
    else:
        assert line == expected


def test_empty_folder_is_refused_like_one_without_a_model(s2i: S2i, tmp_path: Path) -> None:
    assert s2i.refused(tmp_path) == (
        "error: discover: found no model and no notebook; the repository is empty. "
        'Add a notebook that ends with joblib.dump(model, "model.joblib"), or that file.'
    )

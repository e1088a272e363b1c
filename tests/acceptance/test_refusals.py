"""A repository that cannot be served is refused in one last line that teaches, and nothing is left behind."""

import re
from pathlib import Path

import pytest

from tests.acceptance.commands import SAMPLES, Modelcast
from tests.acceptance.files import contents, copy
from tests.acceptance.workshop import Case

EXPECTED = "expected-stderr.txt"
CASES = sorted(SAMPLES.glob("*-should-fail"), key=lambda path: path.name)


def test_there_are_samples_to_refuse() -> None:
    assert {path.name.removesuffix("-should-fail") for path in CASES} >= {
        "empty", "two-artifacts", "failing-cell", "saves-nothing",
    }  # fmt: skip


@pytest.mark.parametrize("sample", CASES, ids=lambda path: path.name)
def test_a_refused_sample_ends_with_its_line_and_leaves_nothing(
    modelcast: Modelcast, sample: Path, tmp_path: Path
) -> None:
    source = copy(sample, tmp_path / "source" / sample.name, EXPECTED)
    before = contents(source)
    done = modelcast.run("build", source, "--out", tmp_path / "out" / "bundle")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (sample / EXPECTED).read_text(encoding="utf-8").rstrip("\n")
    # A failing cell's own traceback is quoted, each line with its step; ours is never shown.
    assert re.findall(r"^Traceback", done.stderr, re.MULTILINE) == []
    assert list((tmp_path / "out").glob("*")) == []
    assert contents(source) == before


def test_a_refused_build_leaves_the_older_bundle_as_it_was(
    modelcast: Modelcast, copied_sample: Case, tmp_path: Path
) -> None:
    bundle = copy(copied_sample.built.root, tmp_path / "bundle")
    before = contents(bundle)
    source = copy(SAMPLES / "empty-should-fail", tmp_path / "source", EXPECTED)
    done = modelcast.run("build", source, "--out", bundle)
    assert done.returncode == 1
    assert contents(bundle) == before


def test_a_folder_that_is_no_bundle_is_never_replaced(modelcast: Modelcast, tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("years of work", encoding="utf-8")
    done = modelcast.run("build", SAMPLES / "breast-cancer", "--out", mine)
    line = f"error: seal: {mine} exists and is no bundle. Name another folder with --out, or remove it.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)
    assert (mine / "chapter.txt").read_text(encoding="utf-8") == "years of work"

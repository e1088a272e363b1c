"""What of a repository's changes asks for another build, and how they are told."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from modelcast_builder.watch import PAUSE_S, Watch

from tests.acceptance.files import write

REPOSITORY: dict[str, str | bytes] = {
    "train.ipynb": "{}",
    "features.py": "a = 1",
    "data/train.csv": "a\n1\n",
    ".s2i/environment": "A=1",
    "lib/a.py": "",
    "lib/b.py": "",
    "lib/c.py": "",
    "lib/d.py": "",
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with a cache in it."""
    return write(tmp_path / "repo", REPOSITORY)


def told(watch: Watch) -> str:
    """What two looks in a row tell."""
    return watch.changes() or watch.changes()


def test_nothing_is_told_of_a_repository_at_rest(repo: Path) -> None:
    watch = Watch(repo, apart=repo / "cache")
    assert [watch.changes() for _ in range(3)] == ["", "", ""]
    assert watch.pause_s >= PAUSE_S


def edited(repo: Path) -> None:
    write(repo, {"features.py": "a = 22"})


def saved_as_jupyter_does(repo: Path) -> None:
    write(repo, {".~train.ipynb": "{ }"})
    (repo / ".~train.ipynb").rename(repo / "train.ipynb")


def renamed(repo: Path) -> None:
    (repo / "features.py").rename(repo / "own.py")


def of_the_same_size_and_time(repo: Path) -> None:
    before = (repo / "features.py").stat()
    write(repo, {"new.py": "a = 2"})
    os.utime(repo / "new.py", ns=(before.st_atime_ns, before.st_mtime_ns))
    (repo / "new.py").rename(repo / "features.py")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "an edit": (edited, "features.py changed"),
    "a notebook saved": (saved_as_jupyter_does, "train.ipynb changed"),
    "a new name": (renamed, "own.py came, features.py went"),
    "a folder": (lambda repo: shutil.rmtree(repo / "lib"), "lib/a.py, lib/b.py, lib/c.py and 1 more went"),
    "the same size and time": (of_the_same_size_and_time, "features.py changed"),
    "what s2i reads": (lambda repo: write(repo, {".s2i/environment": "A=22"}), ".s2i/environment changed"),
    "the configuration": (lambda repo: write(repo, {"modelcast.yaml": "name: x\n"}), "modelcast.yaml came"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_told_once_and_when_it_is_over(repo: Path, case: str) -> None:
    watch = Watch(repo, apart=repo / "cache")
    change, expected = CHANGES[case]
    change(repo)
    assert [watch.changes() for _ in range(3)] == ["", expected, ""]


def test_what_is_still_being_written_is_not_told(repo: Path) -> None:
    watch = Watch(repo, apart=repo / "cache")
    for size in range(1, 4):
        write(repo, {"features.py": "#" * size})
        assert watch.changes() == ""
    assert watch.changes() == "features.py changed"


def test_a_change_that_is_taken_back_is_none(repo: Path) -> None:
    watch = Watch(repo, apart=repo / "cache")
    write(repo, {"new.py": ""})
    assert watch.changes() == ""
    (repo / "new.py").unlink()
    assert told(watch) == ""


NO_SOURCE = [
    "bundle/manifest.json",
    ".bundle-x7y/model.joblib",
    "cache/environments/1.lock",
    "__pycache__/features.cpython-311.pyc",
    ".ipynb_checkpoints/train-checkpoint.ipynb",
    ".git/index",
    ".venv/lib/x.py",
    ".features.py.swp",
    "features.py~",
    "#features.py#",
    ".#features.py",
    "4913",
    ".pytest_cache/x",
    ".mypy_cache/x.json",
    ".idea/workspace.xml",
    ".DS_Store",
]


@pytest.mark.parametrize("name", NO_SOURCE)
def test_what_tools_write_is_no_change(repo: Path, name: str) -> None:
    watch = Watch(repo, apart=repo / "cache")
    write(repo, {name: '{"bundle_version": 1}'})
    assert told(watch) == ""


def test_a_broken_configuration_is_told_and_so_is_its_mending(repo: Path) -> None:
    write(repo, {"modelcast.yaml": "wheels: vendor\n"})
    watch = Watch(repo, apart=repo / "cache")
    write(repo, {"modelcast.yaml": "wheels: [\n"})
    assert told(watch) == "modelcast.yaml changed"
    write(repo, {"modelcast.yaml": "wheels: other\n"})
    assert told(watch) == "modelcast.yaml changed"


def test_a_large_repository_is_looked_at_less_often(repo: Path) -> None:
    watch = Watch(repo, apart=repo / "cache")
    watch._took_s = 1.0
    assert watch.pause_s == 10


def test_a_folder_that_is_gone_is_waited_for(repo: Path, tmp_path: Path) -> None:
    watch = Watch(repo, apart=repo / "cache")
    repo.rename(tmp_path / "aside")
    assert told(watch) == ""
    (tmp_path / "aside").rename(repo)
    edited(repo)
    assert told(watch) == "features.py changed"

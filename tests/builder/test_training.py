"""The ready-made artifact: what is taken as it is and what is refused; and the copy that notebooks work in."""

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from modelcast_builder import source_tree, training
from modelcast_builder.config import Config
from modelcast_builder.discover import Plan
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter
from modelcast_builder.training import Trained
from sklearn.linear_model import LinearRegression

from tests.acceptance.files import notebook, write

BY_VALUE = b"\x80\x04ccloudpickle.cloudpickle\n_make_function\n)R."
IN_MAIN = b"\x80\x04c__main__\nClip\n)\x81c__main__\nAdd\n)\x81\x86."


def plan(path: Path, content: bytes) -> Plan:
    """A plan whose artifact holds this."""
    path.write_bytes(content)
    return Plan(notebooks=(), artifact=path, reason="a test")


def test_code_by_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as refused:
        training.ready_made(plan(tmp_path / "model.pkl", BY_VALUE))
    assert str(refused.value) == (
        "audit: model.pkl holds code by value (cloudpickle): taken only from a notebook that this build runs. "
        "Name that notebook: `notebooks: [train.ipynb]` in modelcast.yaml, or move the code into a module"
    )


def test_what_a_notebook_defined_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as refused:
        training.ready_made(plan(tmp_path / "model.pkl", IN_MAIN))
    assert str(refused.value) == (
        "audit: model.pkl needs Add, Clip, which a notebook or script defined. "
        "Move it into a module and train again, "
        "or name the notebook: `notebooks: [train.ipynb]` in modelcast.yaml"
    )


def test_without_an_artifact_there_is_none(tmp_path: Path) -> None:
    assert training.ready_made(Plan(notebooks=(tmp_path / "a.ipynb",), artifact=None, reason="")) is None


def test_a_ready_made_artifact_is_taken_as_it_is(tmp_path: Path) -> None:
    decided = plan(tmp_path / "model.pkl", pickle.dumps(LinearRegression()))
    artifact = training.ready_made(decided)
    assert artifact is not None
    assert training.take(tmp_path, artifact, Config()) == Trained(
        artifact=artifact, repo=tmp_path, code=(), definitions={}, receipts={}, recorded=None
    )


def test_the_copy_is_the_source_and_may_be_written(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    (root / "data" / "räume 1.csv").write_bytes(b"a,b\n")
    (root / "data" / "räume 1.csv").chmod(0o444)
    (root / "tool.sh").write_bytes(b"#!/bin/sh\n")
    (root / "tool.sh").chmod(0o755)
    (root / "link.csv").symlink_to("data/räume 1.csv")
    (root / "outside").symlink_to("/etc/passwd")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_bytes(b"[secret]")
    (root / ".s2iignore").write_bytes(b"*.tmp\n")
    (root / "big.tmp").write_bytes(b"x")
    copy = training._copy(root, tmp_path / "copy")
    assert source_tree.digest(copy) == source_tree.digest(root)
    assert sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if not path.is_dir()) == [
        ".s2iignore", "data/räume 1.csv", "link.csv", "outside", "tool.sh",
    ]  # fmt: skip
    assert os.readlink(copy / "outside") == "/etc/passwd"
    assert (copy / "data" / "räume 1.csv").stat().st_mode & 0o777 == 0o644
    assert (copy / "tool.sh").stat().st_mode & 0o777 == 0o755
    (copy / "data" / "räume 1.csv").write_bytes(b"changed")
    assert (root / "data" / "räume 1.csv").read_bytes() == b"a,b\n"


def test_parameters_that_nothing_would_take_are_refused(tmp_path: Path) -> None:
    decided = plan(tmp_path / "model.pkl", pickle.dumps({"a": 1}))
    with pytest.raises(BuildError) as refused:
        training.check_parameters(decided, Config(parameters={"k": 5, "seed": 1}))
    assert str(refused.value) == (
        "discover: parameters are given (k, seed), and no notebook is executed: model.pkl is there already. "
        "Name the notebook that trains it, `notebooks: [train.ipynb]` in modelcast.yaml, or give no parameters"
    )
    training.check_parameters(decided, Config())
    executed = Plan(notebooks=(tmp_path / "a.ipynb",), artifact=None, reason="")
    training.check_parameters(executed, Config(parameters={"k": 5}))


def test_a_module_that_is_missing_is_to_be_added_to_the_file_that_rules(
    model_environment: Environment, tmp_path: Path
) -> None:
    root = write(tmp_path / "repo", {"train.ipynb": notebook("import not_there")})
    ruled = replace(model_environment, lock=replace(model_environment.lock, file="pyproject.toml"))
    asked = Plan(notebooks=(root / "train.ipynb",), artifact=None, reason="a test")
    with pytest.raises(BuildError) as refused:
        training.execute(root, asked, Config(), ruled, work=tmp_path, reporter=Reporter())
    assert str(refused.value) == (
        "notebooks: train.ipynb, cell 1: ModuleNotFoundError: No module named 'not_there'. "
        "Add not_there to pyproject.toml"
    )

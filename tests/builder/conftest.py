"""The model's environment as the product makes it, models made in it, and questions to it."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pytest
from modelcast_builder import child, environment, own_process
from modelcast_builder.config import build_settings
from modelcast_builder.environment import Environment
from modelcast_builder.inside.messages import Data, Described, DescribeRequest, Drift, InputOverride, NamedType
from modelcast_builder.report import Reporter
from modelcast_runtime import cli, contract
from modelcast_runtime.contract import Task
from modelcast_runtime.settings import THREAD_ENV

HERE = Path(__file__).parent / "describing"
PLAIN = Path(__file__).resolve().parents[2] / "sample-models" / "breast-cancer"


@pytest.fixture(scope="session")
def model_environment() -> Environment:
    """What `modelcast build` makes for a repository without requirements, from its cache."""
    return environment.prepare(PLAIN, None, build_settings(os.environ), Reporter())


@pytest.fixture(scope="session")
def warm_environment(model_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The same environment, whose python is a fork of a process that imported scikit-learn and pandas before."""
    folder = tmp_path_factory.mktemp("warm")
    python = folder / "python"
    python.write_text(f"#!{sys.executable} -IS\n{(HERE / 'client.py').read_text(encoding='utf-8')}", encoding="utf-8")
    python.chmod(0o755)
    # Its neighbour is the service's command, which the smoke step starts.
    (folder / "modelcast-runtime").symlink_to(model_environment.python.with_name("modelcast-runtime"))
    command = [str(model_environment.python), str(HERE / "warm.py"), str(folder / "socket")]
    server = subprocess.Popen(
        command, env=os.environ | THREAD_ENV | {"PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    yield replace(model_environment, python=python)
    server.kill()
    server.wait()
    server.stdout.close()


def make_models(model_environment: Environment, folder: Path, *names: str) -> Path:
    """Make these models of describing/models.py, or all, in one process."""
    done = subprocess.run(
        [str(model_environment.python), str(HERE / "models.py"), str(folder), *names],
        env=os.environ | THREAD_ENV | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def made_models(model_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a folder for each model."""
    return make_models(model_environment, tmp_path_factory.mktemp("models"))


@pytest.fixture
def made_again(model_environment: Environment, tmp_path: Path) -> Path:
    """Some of the models, made by another process."""
    names = ("canonical_forest", "canonical_boosting", "canonical_words", "canonical_set", "canonical_object_array")
    return make_models(model_environment, tmp_path / "again", *names)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a test says of a question; the rest is what a build says."""

    work: Path | None = None
    train: str | None = None
    target: str | None = None
    train_is_written: bool = False
    holdout: str | None = None
    inputs: dict[str, InputOverride] | None = None
    with_code: bool = True
    definitions: dict[str, str] | None = None
    by_value: bool = False
    task: Literal["auto"] | Task = "auto"
    signature: tuple[NamedType, ...] = ()
    example: str | None = None
    drift: Drift | None = None


def request_for(model: Path, work: Path, asked: Asked) -> DescribeRequest:
    """The question that a build asks about a model folder."""
    code = work / "code"
    code.mkdir(parents=True)
    if asked.with_code:
        shutil.copy(HERE / "own.py", code)
    record, train = model / "recorded.joblib", model / "data" / "train.csv"
    return DescribeRequest(
        artifact=str(model / "model.joblib"),
        framework="sklearn",
        code=str(code),
        definitions=asked.definitions or {},
        by_value=asked.by_value,
        recorded=str(record) if record.exists() else None,
        data=Data(
            train=asked.train or (str(train) if train.exists() else None),
            train_is_written=asked.train_is_written,
            holdout=asked.holdout,
            target=asked.target,
        ),
        inputs=asked.inputs or {},
        task=asked.task,
        signature=asked.signature,
        example=asked.example,
        drift=asked.drift or Drift(),
        sealed=str(work / "model.joblib"),
    )


Describe = Callable[..., Described]


@pytest.fixture
def describe(warm_environment: Environment, made_models: Path, tmp_path: Path) -> Describe:
    """Ask about a model by its name: `describe("outliers", inputs=...)`; raises what a build raises."""

    def ask(name: str | Path, **asked: object) -> Described:
        question = Asked(**asked)  # type: ignore[arg-type]
        work = question.work or tmp_path
        return child.describe(warm_environment, request_for(made_models / name, work, question), work, os.environ)

    return ask


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `modelcast-runtime predict` does, without a process that imports scikit-learn for each bundle.

    Own code has a process: the next one would find its modules.
    """
    really = own_process.run

    def run(command: Sequence[str], **said: Any) -> subprocess.CompletedProcess[str]:
        if Path(command[0]).name != "modelcast-runtime" or Path(command[2], contract.CODE).exists():
            return really(command, **said)
        heard = StringIO()
        with warnings.catch_warnings(), redirect_stderr(heard):
            return subprocess.CompletedProcess(command, cli.main(list(command[1:])), "", heard.getvalue())

    monkeypatch.setattr(own_process, "run", run)

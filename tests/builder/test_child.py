"""The child as a build starts it: a cold python of the model's environment that sees nothing but what will be sealed."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from modelcast_builder import child, own_process
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Data, DescribeRequest
from modelcast_runtime import contract

HERE = Path(__file__).parent / "describing"


def request(model: Path, work: Path) -> DescribeRequest:
    """A question about a model whose module is not in `code`."""
    (work / "code").mkdir()
    return DescribeRequest(
        artifact=str(model / "model.joblib"),
        framework="sklearn",
        code=str(work / "code"),
        definitions={},
        by_value=False,
        recorded=None,
        data=Data(),
        inputs={},
        sealed=str(work / "model.joblib"),
    )


def test_the_users_pythonpath_and_folder_show_the_child_nothing(
    model_environment: Environment, made_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.chdir(HERE)
    with pytest.raises(BuildError, match="^load: model.joblib needs the module 'own', which neither the repository"):
        child.describe(
            model_environment, request(made_models / "own_class_with_a_frame", tmp_path), tmp_path, os.environ
        )


def test_a_cold_child_describes(model_environment: Environment, made_models: Path, tmp_path: Path) -> None:
    described = child.describe(model_environment, request(made_models / "grid_search", tmp_path), tmp_path, os.environ)
    assert [column.name for column in described.signature.inputs] == ["size", "count"]
    assert (tmp_path / "model.joblib").stat().st_size > 0
    assert [path.name for path in (tmp_path / "code").iterdir()] == []


def test_a_thread_that_own_code_left_behind_does_not_hold_the_child(
    model_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_process, "TIMEOUT_S", 200)
    asked = msgspec.structs.replace(request(tmp_path, tmp_path), framework="python")
    (tmp_path / "code" / "prediction.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait).start()\npredict = dict\n"
    )
    assert child.describe(model_environment, asked, tmp_path, os.environ).task == "generic"


ENVIRONMENTS: list[tuple[Mapping[str, str], dict[str, str]]] = [
    ({"PATH": "/bin", "PYTHONPATH": "/x", "PYTHONHOME": "/y", "PYTHONSTARTUP": "/z"}, {"PATH": "/bin"}),
    ({"HOME": "/root", "MY_PYTHONPATH": "kept"}, {"HOME": "/root", "MY_PYTHONPATH": "kept"}),
]


@pytest.mark.parametrize(("variables", "expected"), ENVIRONMENTS)
def test_what_steers_python_is_left_out(variables: Mapping[str, str], expected: dict[str, str]) -> None:
    assert child.without_python(variables) == expected


def python(folder: Path, lines: str) -> Path:
    """A program that stands for the python of an environment."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{lines}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_child_without_an_answer_is_our_own_bug(model_environment: Environment, tmp_path: Path, code: int) -> None:
    broken = replace(model_environment, python=python(tmp_path, f"echo what happened >&2; exit {code}"))
    with pytest.raises(child.ChildFailed) as failed:
        child.describe(broken, request(tmp_path, tmp_path), tmp_path, os.environ)
    assert str(failed.value) == f"describe ended with exit code {code}:\nwhat happened\n"


def test_a_killed_child_is_refused_with_its_signal(model_environment: Environment, tmp_path: Path) -> None:
    killed = replace(model_environment, python=python(tmp_path, "kill -9 $$"))
    with pytest.raises(BuildError) as refused:
        child.describe(killed, request(tmp_path, tmp_path), tmp_path, os.environ)
    assert str(refused.value) == (
        "describe: loading or scoring the model was killed, most often for want of memory. "
        "Train a smaller model, or give the machine or container that builds more memory"
    )


def test_a_refusal_names_the_file_that_rules(model_environment: Environment, tmp_path: Path) -> None:
    refusal = '{"step": "load", "problem": "requirements.txt is missing", "fix": "Add six to requirements.txt"}'
    script = f"""echo '{{"status": "refused", "refused": {refusal}}}' > "$4" """
    lock = replace(model_environment.lock, file="environment.yml")
    refuses = replace(model_environment, python=python(tmp_path, script), lock=lock)
    with pytest.raises(BuildError) as refused:
        child.describe(refuses, request(tmp_path, tmp_path), tmp_path, os.environ)
    assert str(refused.value) == "load: requirements.txt is missing. Add six to environment.yml"


def test_an_empty_answer_is_our_own_bug(model_environment: Environment, tmp_path: Path) -> None:
    empty = replace(model_environment, python=python(tmp_path, """echo '{"status": "described"}' > "$4" """))
    with pytest.raises(child.ChildFailed, match="^describe answered nothing$"):
        child.describe(empty, request(tmp_path, tmp_path), tmp_path, os.environ)


def test_the_question_crosses_whole(model_environment: Environment, tmp_path: Path) -> None:
    asked = request(tmp_path, tmp_path)
    keeps = replace(
        model_environment, python=python(tmp_path, f'cp "$3" {tmp_path}/kept; pwd > {tmp_path}/where; exit 1')
    )
    with pytest.raises(child.ChildFailed):
        child.describe(keeps, asked, tmp_path, os.environ)
    assert contract.decode((tmp_path / "kept").read_bytes(), DescribeRequest) == asked
    where = (tmp_path / "where").read_text(encoding="utf-8").strip()
    assert os.listdir(where) == []

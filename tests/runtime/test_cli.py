"""`modelcast-runtime` as a shell sees it: exit codes, one line for a fault, and the result alone on stdout."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from modelcast_runtime import cli, ending

MakeBundle = Callable[..., Path]


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(str(stop.code))
    out, err = capsys.readouterr()
    return code, out, err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--help")
    assert (code, err) == (0, "")
    assert cli.USAGE in f"{out}\n"
    assert out.startswith("usage: modelcast-runtime [-h] COMMAND ...\n\nServes one sealed bundle.\n")


@pytest.mark.parametrize("command", ["serve", "selftest", "predict"])
def test_every_command_has_its_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = run(capsys, command, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: modelcast-runtime {command} ")


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["selftest", "a", "b"], ["predict", "bundle"], ["serve", "--port", "x"], ["selftest", "--colour"]],
)
def test_wrong_usage_is_2_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: modelcast-runtime")


def test_a_whole_bundle_is_0_with_its_sentence(make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "selftest", make_bundle()) == (0, "array sha256:3f2a: 5 golden rows reproduced\n", "")


@pytest.mark.parametrize("command", ["selftest", "serve"])
def test_a_fault_is_1_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str) -> None:
    expected = f"error: {command}: {tmp_path} has no manifest.json; expected a bundle made by `modelcast build`\n"
    assert run(capsys, command, tmp_path) == (1, "", expected)


def test_a_bug_of_ours_is_70_with_its_traceback(
    make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("modelcast_runtime.selftest.run", broken)
    code, out, err = run(capsys, "selftest", make_bundle())
    assert (code, out) == (70, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.endswith(
        "\nerror: selftest: ZeroDivisionError: ours. It is a bug of modelcast: please report it with the lines above\n"
    )


def test_a_wrong_setting_is_1_with_one_line(
    make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELCAST_LIMITS_ROWS", "many")
    code, out, err = run(capsys, "selftest", make_bundle())
    assert (code, out) == (1, "")
    assert err.startswith("error: selftest: MODELCAST_LIMITS_ROWS: expected a whole number from 1 to ")
    assert err.count("\n") == 1


def test_predict_prints_rows_and_refuses_with_the_place(
    make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root, rows = make_bundle("own"), tmp_path / "rows.csv"
    rows.write_text("seconds,value\n0,1.5\n")
    assert run(capsys, "predict", root, rows) == (0, '{"prediction":1.5}\n', "")
    assert run(capsys, "predict", root, rows, "--out", tmp_path / "out.csv") == (0, "", "")
    assert (tmp_path / "out.csv").read_text() == "prediction\n1.5\n"
    refusal = "error: predict: --proba: this regressor gives no probabilities\n"
    assert run(capsys, "predict", root, rows, "--proba") == (1, "", refusal)


def test_the_bundle_is_the_environments_then_the_folder_bundle(
    make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(make_bundle("own").parent)
    monkeypatch.delenv("MODELCAST_BUNDLE", raising=False)
    assert run(capsys, "selftest")[1] == "own sha256:3f2a: 2 golden rows reproduced\n"
    monkeypatch.setenv("MODELCAST_BUNDLE", "")
    assert run(capsys, "selftest")[1] == "own sha256:3f2a: 2 golden rows reproduced\n"
    monkeypatch.setenv("MODELCAST_BUNDLE", str(make_bundle("pair")))
    assert run(capsys, "selftest")[1] == "pair sha256:3f2a: 4 golden rows reproduced\n"
    assert run(capsys, "selftest", make_bundle("array"))[1] == "array sha256:3f2a: 5 golden rows reproduced\n"


def test_libraries_get_one_thread_where_nobody_said_otherwise(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    run(capsys, "selftest", tmp_path)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("1", "3")


def test_the_module_is_a_command_and_warnings_of_libraries_are_not_the_users(make_bundle: MakeBundle) -> None:
    root = make_bundle("frame")
    done = subprocess.run(
        [sys.executable, "-m", "modelcast_runtime", "selftest", str(root)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "frame sha256:3f2a: 10 golden rows reproduced\n", "")


def test_help_loads_no_library_of_the_model() -> None:
    code = (
        "import sys\nfrom modelcast_runtime.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n"
        "    print(sorted({'sklearn', 'pandas', 'numpy', 'flask', 'gunicorn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that Kubernetes puts into a container."""
    path = tmp_path / "termination-log"
    path.write_bytes(b"what stood there before, longer than what is written over it" * 9)
    monkeypatch.setattr(ending, "TERMINATION_LOG", path)
    return path


@pytest.mark.parametrize("command", ["serve", "selftest"])
def test_a_changed_byte_is_refused_in_one_line_where_kubernetes_looks_too(
    make_bundle: MakeBundle, capsys: pytest.CaptureFixture[str], termination_log: Path, command: str
) -> None:
    bundle = make_bundle()
    content = bytearray((bundle / "model.joblib").read_bytes())
    content[-2] ^= 1
    (bundle / "model.joblib").write_bytes(content)
    expected = f"error: {command}: model.joblib is not what was sealed: its SHA-256 differs from the manifest's"
    assert run(capsys, command, bundle) == (1, "", f"{expected}\n")
    assert termination_log.read_text(encoding="utf-8") == expected


def test_a_worker_that_refuses_says_so_where_kubernetes_looks(
    capsys: pytest.CaptureFixture[str], termination_log: Path
) -> None:
    from modelcast_runtime import master

    assert master.refuse("golden row 3 does not reproduce") == 1
    assert termination_log.read_text(encoding="utf-8") == "error: serve: golden row 3 does not reproduce"
    assert capsys.readouterr().err == "error: serve: golden row 3 does not reproduce\n"


def test_where_there_is_no_kubernetes_no_file_is_made(
    capsys: pytest.CaptureFixture[str], termination_log: Path, tmp_path: Path
) -> None:
    termination_log.unlink()
    assert run(capsys, "selftest", tmp_path)[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_may_not_be_written_changes_nothing(
    capsys: pytest.CaptureFixture[str], termination_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_bytes", denied)  # root may write anything
    code, _, err = run(capsys, "selftest", tmp_path)
    assert (code, err.count("\n")) == (1, 1)

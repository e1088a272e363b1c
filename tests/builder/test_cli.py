"""The command: exit codes, the last line on stderr, help. Bugs of ours are made on purpose."""

import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner, Result
from modelcast_builder import __version__, commands
from modelcast_builder.cli import main
from modelcast_builder.errors import BuildError, MissingPart

COMMANDS = sorted(main.commands)


def modelcast(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "modelcast_builder", *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def invoke(*words: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, list(words))


def test_the_version() -> None:
    done = modelcast("--version")
    assert (done.returncode, done.stdout) == (0, f"modelcast, version {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_examples_as_they_are_typed(command: str, flag: str) -> None:
    done = invoke(command, flag)
    assert done.exit_code == 0
    examples = done.stdout.partition("Examples:\n")[2].splitlines()
    assert len(examples) >= 2
    assert all(line.strip().startswith(f"modelcast {command} ") for line in examples)


def test_help_lists_every_command() -> None:
    done = invoke("--help")
    assert done.exit_code == 0
    assert {"build", "serve", "predict", "inspect"} <= set(COMMANDS)
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout


def test_help_is_in_the_order_of_a_users_way_and_each_line_is_whole() -> None:
    shown = invoke("--help").stdout
    listed = re.findall(r"^  (\w+) ", shown.partition("Commands:\n")[2].partition("\n\n")[0], re.MULTILINE)
    assert listed[:4] == ["init", "build", "serve", "predict"]
    assert sorted(listed) == COMMANDS
    assert "..." not in shown.partition("Commands:")[2]


def test_no_command_is_answered_by_the_help() -> None:
    done = invoke()
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == invoke("--help").stdout


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("biuld",), "Error: No such command 'biuld'. Did you mean 'build'?"),
        (("serve", ".", "--watsh"), "Error: No such option '--watsh'. Did you mean '--watch'?"),
    ],
)
def test_a_word_that_is_nearly_right_is_told(words: tuple[str, ...], line: str) -> None:
    assert invoke(*words).stderr.splitlines()[-1] == line


# Completion, by a real bash in a terminal: the line is completed, and then printed instead of run.

TYPED = {
    "modelcast bu": "modelcast build",
    "modelcast serve . --wat": "modelcast serve . --watch",
    "modelcast build my": "modelcast build my model/",
    "modelcast build --json ./my": "modelcast build --json ./my model/",
    "modelcast init my": "modelcast init my model/",
    "modelcast serve my": "modelcast serve my model/",
    "modelcast predict my": "modelcast predict my model/",
    "modelcast predict x ro": "modelcast predict x rows.csv",
}


def read_from(terminal: int) -> Iterator[str]:
    """What was written to a terminal whose other end is closed."""
    with contextlib.suppress(OSError):  # how Linux tells the end
        while part := os.read(terminal, 65536):
            yield part.decode()
    os.close(terminal)


def test_bash_completes_commands_options_and_paths(tmp_path: Path) -> None:
    (tmp_path / "my model").mkdir()
    for name in ("my file", "rows.csv"):
        (tmp_path / name).touch()
    ours, theirs = pty.openpty()
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path)}
    bash = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-i"], cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    lines = ['eval "$(_MODELCAST_COMPLETE=bash_source modelcast)"']
    lines += [f'{typed}\t\x01printf "<%s>\\n" "$(echo \x05)"' for typed in TYPED]
    for line in [*lines, "exit"]:
        os.write(ours, f"{line}\n".encode())
    bash.wait(timeout=300)
    shown = "".join(read_from(ours))
    assert re.findall(r"^<(.*?) ?>\r$", shown, re.MULTILINE) == list(TYPED.values())


WRONG = [
    ("nope",),
    ("build",),
    ("build", ".", "--nope"),
    ("serve", ".", "--port", "65536"),
    ("serve", ".", "--workers", "0"),
    ("inspect", "/nowhere/at/all"),
    ("predict", "/tmp"),
]


@pytest.mark.parametrize("words", WRONG)
def test_wrong_usage_is_2(words: tuple[str, ...]) -> None:
    done = invoke(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ")


def test_a_repository_at_fault_is_1_with_one_last_line(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "modelcast.yaml").write_text("name: x\nnotebook: [a.ipynb]\n", encoding="utf-8")
    done = modelcast("build", str(repo), "--out", str(tmp_path / "bundle"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: config: modelcast.yaml:2: unknown key `notebook`. Did you mean `notebooks`.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


@pytest.mark.parametrize("words", [("build", "."), ("serve", "."), ("inspect", "bundle")])
def test_a_working_directory_that_was_removed_is_1(tmp_path: Path, words: tuple[str, ...]) -> None:
    command = ["bash", "-c", 'rmdir "$PWD"; exec "$0" "$@"', sys.executable, "-m", "modelcast_builder", *words]
    (tmp_path / "gone").mkdir()
    done = subprocess.run(command, cwd=tmp_path / "gone", capture_output=True, text=True, check=False)
    line = "error: source: the working directory was removed. Change into one that exists.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@pytest.mark.parametrize("flags", [(), ("--watch",)])
@pytest.mark.parametrize("name", ["nope", "file"])
def test_serving_what_is_no_folder_is_1(tmp_path: Path, name: str, flags: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    done = modelcast("serve", str(tmp_path / name), *flags)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: source: {tmp_path / name} is no folder and no git URL. "
        "Name a folder, or a URL such as https://host/repo.git#main.\n"
    )


def test_a_broken_bundle_is_1(tmp_path: Path) -> None:
    done = modelcast("inspect", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: bundle: {tmp_path} has no manifest.json; expected a bundle made by `modelcast build`. "
        "Build it again with `modelcast build`.\n"
    )


def test_a_missing_tool_is_3(tmp_path: Path) -> None:
    done = modelcast("build", "https://127.0.0.1:9/x.git", "--out", str(tmp_path / "bundle"), PATH=str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: git is needed to clone a URL. Install git, or name a folder.\n"
    assert list(tmp_path.iterdir()) == []


def ended_by(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Result:
    """The command, whose work raises this."""

    def broken(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(commands, "build", broken)
    return invoke("build", ".")


def test_our_own_bug_is_70_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    done = ended_by(ZeroDivisionError("broken on purpose"), monkeypatch)
    assert (done.exit_code, done.stdout) == (70, "")
    *lines, last = done.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ZeroDivisionError: broken on purpose"
    assert last == (
        f"error: modelcast {__version__} failed. "
        "Please report it with the lines above to the maintainers of modelcast: it is a bug of ours."
    )


def test_the_traceback_of_our_own_bug_tells_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "https://me:pass/s3cr3t@host.org/simple"
    try:
        raise ZeroDivisionError(said)
    except ZeroDivisionError as first:
        second = ValueError(f"because of '{said}'")
        second.__cause__ = first
    done = ended_by(second, monkeypatch)
    assert (done.exit_code, done.stdout) == (70, "")
    assert "ZeroDivisionError: https://host.org/simple\n" in done.stderr
    assert "ValueError: because of 'https://host.org/simple'\n" in done.stderr
    assert "s3cr3t" not in done.stderr


ENDS: list[tuple[BaseException, int, str]] = [
    (BuildError("seal", "x exists.", "Remove it."), 1, "error: seal: x exists. Remove it.\n"),
    (BuildError("seal", "x exists", "Remove it"), 1, "error: seal: x exists. Remove it.\n"),
    (MissingPart("no engine. Install one"), 3, "error: no engine. Install one.\n"),
    (SystemExit(5), 5, ""),
    (KeyboardInterrupt(), 1, "\nAborted!\n"),
]


@pytest.mark.parametrize(("error", "code", "line"), ENDS)
def test_how_an_error_ends(error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = ended_by(error, monkeypatch)
    assert (done.exit_code, done.stdout, done.stderr.replace("\n\n", "\n")) == (code, "", line)


SLOW = """
import sys, time
from pathlib import Path
from modelcast_builder import commands, seal
from modelcast_builder.cli import main

def build(src, out, *_, **__):
    with seal.staging(Path(out)) as writer:
        writer.write("model.joblib", b"half")
        print("writing", flush=True)
        time.sleep(600)

commands.build = build
main(["build", ".", "--out", sys.argv[1]])
"""


def test_a_build_that_is_told_to_stop_tidies_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(tmp_path / "bundle")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as slow:
        assert slow.stdout is not None
        slow.stdout.readline()
        assert len(list(tmp_path.iterdir())) == 1
        slow.terminate()
    assert slow.returncode == 143
    assert list(tmp_path.iterdir()) == []


LIGHT = {
    "help": ("main(['build', '--help'])", {}),
    "completion": (
        "main(prog_name='modelcast')",
        {"_MODELCAST_COMPLETE": "bash_complete", "COMP_WORDS": "modelcast build --o", "COMP_CWORD": "2"},
    ),
}


@pytest.mark.parametrize("case", LIGHT)
def test_nothing_heavy_is_imported_for(case: str) -> None:
    call, variables = LIGHT[case]
    look = (
        f"import sys; from modelcast_builder.cli import main\ntry: {call}\nexcept SystemExit: pass\n"
        "print([name for name in ('numpy', 'pandas', 'sklearn', 'nbclient', 'rich', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    *shown, heavy = done.stdout.splitlines()
    assert "--out" in "".join(shown)
    assert heavy == "[]"


def test_a_command_that_builds_nothing_loads_nothing_of_notebooks_and_images() -> None:
    others = (
        "nbclient",
        "nbformat",
        "jupyter_client",
        *(f"modelcast_builder.{name}" for name in ("images", "rebuild")),
    )
    look = f"import sys, modelcast_builder.commands; print([name for name in {others!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(shutil.which("modelcast", path=str(Path(sys.executable).parent)) is None, reason="not installed")
def test_the_script_is_the_same_command() -> None:
    script = str(Path(sys.executable).parent / "modelcast")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"modelcast, version {__version__}\n"

"""The command line keeps its word: exit codes, what goes to stdout, colours, help."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.commands import SAMPLES, Modelcast
from tests.acceptance.files import copy, write
from tests.acceptance.workshop import Case

USAGE = [
    ("build",),
    ("build", "one", "two"),
    ("frobnicate",),
    ("serve", ".", "--port", "70000"),
    ("serve", ".", "--workers", "0"),
    ("predict", "/no/such/bundle", "rows.csv"),
    ("inspect", "--yaml", "."),
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_usage_is_2_and_says_what_is_right(modelcast: Modelcast, arguments: tuple[str, ...]) -> None:
    done = modelcast.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: modelcast")
    assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize("command", ["build", "serve", "predict", "inspect"])
def test_help_shows_examples(modelcast: Modelcast, command: str) -> None:
    done = modelcast.run(command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Examples:\n    modelcast {command} " in done.stdout


def test_a_source_that_is_nothing_is_1(modelcast: Modelcast, tmp_path: Path) -> None:
    done = modelcast.run("build", "/no/such/folder", "--out", tmp_path / "bundle")
    line = "/no/such/folder is no folder and no git URL. Name a folder, or a URL such as https://host/repo.git#main"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: source: {line}.\n")


@pytest.mark.parametrize("command", ["serve", "inspect"])
def test_a_folder_that_is_no_bundle_is_1(modelcast: Modelcast, command: str, tmp_path: Path) -> None:
    done = modelcast.run(command, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_1_and_says_so(modelcast: Modelcast, copied_sample: Case) -> None:
    with modelcast.serving(copied_sample.built.root, workers=1) as service:
        port = service.url.rpartition(":")[2]
        done = modelcast.run("serve", copied_sample.built.root, "--port", port, "--workers", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert port in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_url_without_git_on_path_is_3(modelcast: Modelcast, tmp_path: Path) -> None:
    done = modelcast.run("build", "https://host.invalid/model.git", "--out", tmp_path / "bundle", PATH=str(tmp_path))
    line = "error: git is needed to clone a URL. Install git, or name a folder.\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, "", line)


def test_no_network_and_no_wheelhouse_is_3_and_names_what_is_lacking(tmp_path: Path) -> None:
    empty = Modelcast(cache=tmp_path / "cache")
    done = empty.run(
        "build", SAMPLES / "breast-cancer", "--out", tmp_path / "bundle",
        PIP_INDEX_URL="http://127.0.0.1:9/simple", UV_CACHE_DIR=str(tmp_path / "uv"), UV_HTTP_RETRIES="0",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    last = done.stderr.splitlines()[-1]
    lacking = "the package index 127.0.0.1 cannot be reached, and there is no wheelhouse for "
    assert last.startswith(f"error: environment: {lacking}")
    assert last.endswith(", or run `modelcast wheels SRC` where there is a network.")
    assert "scikit-learn" in last
    assert list(tmp_path.glob("*bundle*")) == []


def test_stdout_holds_the_result_and_nothing_else(copied_sample: Case) -> None:
    told = copied_sample.built.told
    assert sorted(told) == ["bundle_digest", "name", "path", "version"]
    assert (told["name"], told["path"]) == ("breast-cancer", str(copied_sample.built.root))
    steps = [line.split(":")[0] for line in copied_sample.built.log.splitlines()]
    told_of = ("discover", "environment", "describe", "gates", "gates", "compile", "watch", "smoke", "done")
    assert steps == [f"---> {step}" for step in told_of], "plain lines in a log"
    assert "\x1b" not in copied_sample.built.log
    shares = copied_sample.built.log.splitlines()[-1]
    assert {"environment", "describe", "seal", "smoke"} <= set(shares.replace(",", "").split())


def test_inspect_shows_the_same_as_json_and_as_text(modelcast: Modelcast, copied_sample: Case) -> None:
    bundle, told = copied_sample.built.root, copied_sample.built.told
    whole = json.loads(modelcast.run("inspect", bundle, "--json").stdout)
    assert whole["bundle_digest"] == told["bundle_digest"]
    assert whole["manifest"] == copied_sample.built.manifest
    text = modelcast.run("inspect", bundle).stdout
    assert text.startswith(f"breast-cancer  {told['version']}\n")
    assert f"bundle digest  {told['bundle_digest']}\n" in text
    assert all(f"  {column['name']}  " in text for column in whole["manifest"]["signature"]["inputs"])


def test_predict_says_which_line_is_wrong(modelcast: Modelcast, sibling_module: Case, tmp_path: Path) -> None:
    rows = write(tmp_path, {"rows.csv": "a,b,c d\n1,2,3\n1,two,3\n"}) / "rows.csv"
    done = modelcast.run("predict", sibling_module.built.root, rows)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "error: predict: rows.csv: line 3, column b: expected a number, got string. Values are never converted: send that type."
    )


@pytest.mark.parametrize(("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_it_wants_none(
    modelcast: Modelcast, tmp_path: Path, variables: dict[str, str], is_coloured: bool
) -> None:
    source = copy(SAMPLES / "empty-should-fail", tmp_path / "source", "expected-stderr.txt")
    ours, theirs = pty.openpty()
    command = [str(modelcast.command), "build", str(source), "--out", str(tmp_path / "bundle")]
    environment = modelcast.environment({"TERM": "xterm-256color", **variables})
    process = subprocess.Popen(command, env=environment, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # how Linux tells that the other end of a terminal was closed
    os.close(ours)
    out, _ = process.communicate(timeout=300)
    assert (process.returncode, out) == (1, b"")
    assert (b"\x1b" in shown) == is_coloured
    assert b"error: discover: found no model and no notebook" in shown

"""What a build tells: lines for a log, a spinner for a terminal, and the times of the steps."""

import io
import os
import pty
import subprocess
import sys

import pytest
from modelcast_builder.report import LineReporter, Reporter, TerminalReporter, reporter_for
from modelcast_runtime.contract import Step

SCRIPT = """
import sys
from modelcast_builder import commands
reporter = commands._reporter()
with reporter.step("discover"):
    reporter.say("discover", "found [bold]model.joblib[/bold]")
"""


def test_the_shares_stand_largest_first() -> None:
    reporter = Reporter()
    reporter.steps = [
        Step(name="discover", seconds=0.04),
        Step(name="train", seconds=3),
        Step(name="smoke", seconds=0.96),
    ]
    assert reporter.shares() == "4.0 s: train 3.0 s (75%), smoke 1.0 s (24%), discover 0.0 s (1%)"


def test_without_any_time_there_are_shares_too() -> None:
    reporter = Reporter()
    assert reporter.shares() == "0.0 s: "
    reporter.steps = [Step(name="discover", seconds=0)]
    assert reporter.shares() == "0.0 s: discover 0.0 s (0%)"


def test_a_step_that_fails_is_timed_and_its_error_goes_on() -> None:
    reporter = Reporter()
    with pytest.raises(ValueError, match="no"), reporter.step("train"):
        raise ValueError("no")
    assert [step.name for step in reporter.steps] == ["train"]


def test_lines_are_plain_and_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = reporter_for(stream_is_terminal=False)
    assert isinstance(reporter, LineReporter)
    with reporter.step("train"):
        reporter.say("train", "cell [1] of 3")
    reporter.note("environment", "numpy 2.0.0 is yanked")
    said = capsys.readouterr()
    assert said.err == "---> train: cell [1] of 3\n---> environment: numpy 2.0.0 is yanked\n"
    assert said.out == ""
    assert reporter.notes == ["environment: numpy 2.0.0 is yanked"]


def test_nothing_is_printed_by_the_silent_reporter(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    with reporter.step("train"):
        reporter.say("train", "a fact")
        reporter.note("train", "a note")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_shown_the_same_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    reporter = reporter_for(stream_is_terminal=True)
    assert isinstance(reporter, TerminalReporter)
    with reporter.step("train"):
        reporter.say("train", "cell [1] of [bold]3")
    assert "---> train: cell [1] of [bold]3\n" in written.getvalue()
    assert [step.name for step in reporter.steps] == ["train"]


def on_a_terminal(environment: dict[str, str]) -> str:
    """What the script writes to a terminal."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"} | environment
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=env, stderr=theirs, stdout=theirs, check=False)
    os.close(theirs)
    assert done.returncode == 0
    said = b""
    try:
        while piece := os.read(ours, 65536):
            said += piece
    except OSError:
        pass  # Linux says EIO where a terminal has ended
    finally:
        os.close(ours)
    return said.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("value", ["1", "0"])
def test_no_color_is_honoured(value: str) -> None:
    assert on_a_terminal({"NO_COLOR": value}) == "---> discover: found [bold]model.joblib[/bold]\n"


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": ""}])
def test_a_terminal_has_colour(environment: dict[str, str]) -> None:
    said = on_a_terminal(environment)
    assert "\x1b[" in said
    assert "found [bold]model.joblib[/bold]" in said

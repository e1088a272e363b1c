"""Every command in the README's consoles is executed, in order, and what it prints is what the README shows."""

import os
import re
from pathlib import Path

from modelcast_runtime.settings import settings_table

from tests.consoles import execute
from tools.readme import refusals

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_console_shows_what_its_commands_print() -> None:
    execute(README, os.environ)


def test_the_refusals_shown_are_those_of_samples() -> None:
    shown = re.findall(r"^error: .*", README, re.MULTILINE)
    held = [path.read_text(encoding="utf-8") for path in ROOT.glob("sample-models/*/expected-stderr.txt")]
    assert len(shown) == 2
    assert [line for line in shown if f"{line}\n" not in held] == []


def test_the_settings_table_is_the_one_in_force() -> None:
    assert settings_table().strip() in README


def test_the_page_of_refusals_is_made_of_the_samples() -> None:
    written = (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8")
    assert written == refusals(), "write it again: python tools/readme.py"
    assert written.count("error: ") >= 12


def test_readme_is_short() -> None:
    assert README.count("\n") <= 200


def test_every_command_is_in_the_readme() -> None:
    named = set(re.findall(r"(?:modelcast|make) \w+", README))
    assert named >= {f"modelcast {command}" for command in ("build", "serve", "predict", "inspect")}
    assert named >= {"make demo", "make test", "make e2e", "make image"}

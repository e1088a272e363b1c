"""`pip install ./runtime ./builder` into an empty environment gives a modelcast that needs nothing of the checkout."""

import subprocess

from tests.acceptance.commands import ROOT
from tests.acceptance.workshop import Case


def test_the_installed_command_builds_where_there_is_no_scikit_learn_and_no_checkout(installed: Case) -> None:
    python = installed.source.parent / "venv" / "bin" / "python"
    program = "import importlib.util as u, modelcast_builder; print(u.find_spec('sklearn'), modelcast_builder.__file__)"
    done = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    found, home = done.stdout.split()
    assert found == "None"
    assert home.startswith(str(installed.source.parent / "venv"))
    assert str(ROOT) not in home
    assert installed.built.told["name"] == "breast-cancer"

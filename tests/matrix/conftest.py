"""One cache and one folder for the whole matrix, and the table at its end."""

import pytest

from tests.acceptance.commands import ROOT, Modelcast
from tests.matrix.matrix import Matrix

TABLE = pytest.StashKey[Matrix]()


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Matrix:
    """The matrix, whose environments stay warm from run to run."""
    made = Matrix(Modelcast(cache=ROOT / "build" / "test-cache"), tmp_path_factory.mktemp("matrix"))
    request.config.stash[TABLE] = made
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was seen, whatever failed."""
    if TABLE in config.stash:
        terminalreporter.section("matrix")
        for line in config.stash[TABLE].table():
            terminalreporter.write_line(line)

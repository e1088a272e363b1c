"""Every command and every client in these pages is executed, in order, and prints what the page shows."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.acceptance.commands import ROOT, Modelcast
from tests.consoles import execute

DOCS = ROOT / "docs"
PAGES = ["guides/data-scientist", "guides/application-developer", "guides/platform-engineer", "protocols"]


@pytest.fixture(scope="session")
def _node() -> None:
    if shutil.which("node") is None:
        subprocess.run([ROOT / "tools" / "apt-install.sh", "nodejs"], check=True)


@pytest.fixture
def _alone() -> Iterator[None]:
    """The guides use the same folders, and another process may have another guide."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "guides.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("_node", "_alone")
@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_is_what_happens(modelcast: Modelcast, page: str) -> None:
    for folder in ("my-model", "clients"):
        shutil.rmtree(ROOT / "build" / folder, ignore_errors=True)
    execute((DOCS / f"{page}.md").read_text(encoding="utf-8"), modelcast.environment({}))

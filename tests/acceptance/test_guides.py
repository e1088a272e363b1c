"""Every command and every client in the guides is executed, in order, and prints what the guide shows."""

import fcntl
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.acceptance.commands import ROOT, Modelcast
from tests.consoles import execute

GUIDES = ROOT / "docs" / "guides"


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
@pytest.mark.parametrize("guide", ["data-scientist", "application-developer", "platform-engineer"])
def test_what_a_guide_shows_is_what_happens(modelcast: Modelcast, guide: str) -> None:
    for folder in ("my-model", "clients"):
        shutil.rmtree(ROOT / "build" / folder, ignore_errors=True)
    execute((GUIDES / f"{guide}.md").read_text(encoding="utf-8"), modelcast.environment({}))

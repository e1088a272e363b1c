"""One cache for all tests and all runs; everything that a build makes is made anew in each run."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import ROOT, Modelcast
from tests.acceptance.files import code_of, copy
from tests.acceptance.hands import Hands
from tests.acceptance.workshop import RECIPES, Case, Workshop

DAY_S = 24 * 3600
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def modelcast() -> Modelcast:
    """The installed command; environments stay warm from run to run, built bundles do not.

    Each process of the tests has bundles of its own: what one builds, another does not find half-made, nor remove.
    """
    shared = ROOT / "build" / "test-cache"
    own = shared / os.environ.get("PYTEST_XDIST_WORKER", "alone")
    shutil.rmtree(own / "bundles", ignore_errors=True)
    own.mkdir(parents=True, exist_ok=True)
    for name in ("environments", "resolutions"):
        (shared / name).mkdir(exist_ok=True)
        if not (own / name).is_symlink():
            (own / name).symlink_to(shared / name)
    for lock in shared.glob("environments/*.lock"):
        forget_unused(lock)
    return Modelcast(cache=own)


def forget_unused(lock: Path) -> None:
    """Remove an environment that nobody used for a day; another process may be about to use it."""
    with lock.open("rb") as held, contextlib.suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - os.fstat(held.fileno()).st_mtime > DAY_S:  # touched by every use
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what the session shares is written."""
    return tmp_path_factory.mktemp("acceptance")


@pytest.fixture(scope="session")
def hands() -> Iterator[Hands]:
    """scikit-learn by hand."""
    asked = Hands()
    yield asked
    asked.close()


@pytest.fixture
def hand(modelcast: Modelcast, hands: Hands, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What a repository's only notebook makes when it is run by hand in a copy."""

    def ask(case: Case, *outputs: str) -> dict[str, Any]:
        (notebook,) = case.source.glob("*.ipynb")
        work = copy(case.source, tmp_path / "by-hand" / case.source.name)
        return hands.ask(modelcast.python_of(case.built.root), work, code_of(notebook), *outputs)

    return ask


@pytest.fixture(scope="session", autouse=True)
def workshop(request: pytest.FixtureRequest, modelcast: Modelcast, folder: Path, hands: Hands) -> Iterator[Workshop]:
    """Begins to build what the chosen tests need, in their order, before the first of them runs."""
    shop = Workshop(modelcast, folder, hands)
    own = [item for item in request.session.items if item.path.parent == HERE]  # others have cases of the same names
    for name in dict.fromkeys(name for item in own for name in _wanted(item)):
        shop.begin(name)
    yield shop
    shop.close()


def _wanted(item: pytest.Item) -> Iterator[str]:
    named = getattr(item, "fixturenames", ())
    chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
    yield from (name for name in (*named, *chosen) if isinstance(name, str) and name in RECIPES)


def _fixture_of(name: str) -> Callable[[Workshop], Case]:
    @pytest.fixture(scope="session", name=name)
    def case(workshop: Workshop) -> Case:
        return workshop.begin(name).result()

    return case


for _name in RECIPES:
    globals()[f"_{_name}"] = _fixture_of(_name)

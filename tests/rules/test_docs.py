"""The pages of the documentation lead somewhere, and what is made of code is as the code is."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from modelcast_builder import cli
from modelcast_runtime import connection, problems
from modelcast_runtime.dialects import v2_problems
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import SETTINGS

from tests.bench.__main__ import PICTURE
from tools import drift_figure, reference
from tools.rooms import BUILDER, RUNTIME

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
VARIABLES = {name for row in SETTINGS for name in row.env} | {
    name
    for package in (BUILDER, RUNTIME)
    for path in package.rglob("*.py")
    for name in re.findall(r"\bMODELCAST_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
}
# What a page shows and no test executes needs one of these, and its output is not shown.
ELSEWHERE = ("make", "s2i", "docker", "oc", "kubectl", "modelcast image", ". .venv/bin/activate")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The page without its code."""
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings' addresses, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where the links of a page that stay in the repository lead: a path and the anchor there."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" not in target:
            place, _, anchor = target.partition("#")
            yield (page.parent / place).resolve() if place else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:docs|tests|tools|s2i|sample-models|decisions)/[\w./-]*\w)`", page.read_text("utf-8"))
    assert [name for name in named if not any((folder / name).exists() for folder in (ROOT, ROOT / "docs"))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_target_and_variable_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^\$ )modelcast (\w+)", text, re.MULTILINE)) <= cli.main.commands.keys()
    assert set(re.findall(r"(?:`|^\$ )make (\w+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"\bMODELCAST_[A-Z_]*[A-Z]\b", text)) <= VARIABLES


def test_every_page_is_on_the_site() -> None:
    listed = re.findall(r"^([\w/*-]+)$", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    found = {path for name in listed for path in (ROOT / "docs").glob(f"{name}.md")}
    assert {page for page in PAGES if page.parent != ROOT} - found == {ROOT / "docs" / "index.md"}


@pytest.mark.parametrize("page", sorted(reference.FOLDER.glob("*.md")), ids=name_of)
def test_a_page_of_reference_is_as_the_code_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert reference.tables_of(text) != []
    assert text == reference.made(page), "write it again: python -m tools.reference"


def test_every_table_has_its_page() -> None:
    pages = [page.read_text(encoding="utf-8") for page in reference.FOLDER.glob("*.md")]
    assert sorted(name for text in pages for name in reference.tables_of(text)) == sorted(reference.TABLES)


@pytest.mark.parametrize("module", [problems, connection, v2_problems])
def test_every_problem_is_in_the_reference(module: object) -> None:
    makers = {
        made
        for name, made in inspect.getmembers(module, inspect.isfunction)
        if made.__module__ == module.__name__ and inspect.signature(made).return_annotation in (Problem, "Problem")
        if not name.startswith("_")
    }
    assert makers
    assert makers - reference.CASES.keys() == {problems.of_status} & makers


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=name_of)
def test_what_is_shown_and_not_executed_needs_an_engine_or_a_cluster(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^ *```sh\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE):
        assert [line for line in block.splitlines() if not line.startswith(ELSEWHERE)] == []
    assert set(re.findall(r"^ *```(\w+)$", text, re.MULTILINE)) <= {"console", "sh", "yaml", "python", "js"}
    assert text.count("\n```console\n") >= 2


def test_the_rooms_of_the_architecture_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| \w+ \| (`.*?) \|", page.partition("## The service")[0], re.MULTILINE)
    named = {name for row in table for name in re.findall(r"`([\w/]+)`", row)}
    assert len(table) == 8
    assert [name for name in named if not ((BUILDER / name).is_dir() or (BUILDER / f"{name}.py").is_file())] == []
    listed = (reference.FOLDER / "rooms.md").read_text(encoding="utf-8")
    assert listed.count("\n| `") > 90
    assert re.findall(r"^\| `\S+` \|  \|$", listed, re.MULTILINE) == []


def test_every_picture_is_shown_by_a_page_and_made_by_a_test() -> None:
    pictures = {path.name: path.stat().st_size for path in (ROOT / "docs" / "img").glob("*.png")}
    shown = {
        name for page in GUIDES for name in re.findall(r"\(\.\./img/([\w.-]+)\)", page.read_text(encoding="utf-8"))
    }
    made = (ROOT / "tests" / "e2e" / "test_page.py").read_text(encoding="utf-8")
    assert shown == pictures.keys()
    assert [name for name in pictures if f'"{name.removesuffix(".png")}"' not in made and f'"{name}"' not in made] == []
    assert max(pictures.values()) < 300_000


def test_every_drawing_is_shown_by_a_page_and_made_by_a_tool() -> None:
    drawings = {path.name for path in (ROOT / "docs" / "img").iterdir() if path.suffix != ".png"}
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    drift = (ROOT / "docs" / "drift.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "img" / "drift.svg").read_text(encoding="utf-8") == drift_figure.draw(drift)
    assert drawings == set(re.findall(r"\(img/([\w.-]+)\)", page + drift)) == {PICTURE.name, "drift.svg"}

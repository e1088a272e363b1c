"""docs/s2i.md names, for each item of the S2I checklist, tests that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "s2i.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (C\d+) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)


def names_of_tests() -> set[str]:
    """The name of every test function."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "tests").rglob("test_*.py"))
    return {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("item", "named"), [(item, named) for item, _, named in ROWS], ids=[row[0] for row in ROWS])
def test_each_item_of_the_checklist_names_tests_that_exist(item: str, named: str) -> None:
    names = re.findall(r"`(test_\w+)`", named)
    assert names
    assert set(names) <= names_of_tests(), item


def test_every_item_that_a_builder_image_can_keep_is_there() -> None:
    kept = [*range(1, 22), 25, 28]
    assert [item for item, _, _ in ROWS] == [f"C{number}" for number in kept]

"""Parameters as papermill gives them: where the cell goes, and that every value arrives as it was given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_builder import parameters
from modelcast_builder.notebooks.injection import inject, is_added
from nbformat import NotebookNode, v4

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@given(VALUES)
def test_python_reads_back_what_was_given(value: Any) -> None:
    names: dict[str, Any] = {}
    exec(parameters.assignments({"x": value, "näme": [value]}), names)
    assert repr(names["x"]) == repr(value)
    assert repr(names["näme"]) == repr([value])


def test_what_is_sealed_does_not_depend_on_the_order() -> None:
    assert parameters.sealed({"b": 1, "a": {"d": None, "c": 2.0}}) == '{"a":{"c":2.0,"d":null},"b":1}'
    assert parameters.sealed({"a": {"c": 2.0, "d": None}, "b": 1}) == '{"a":{"c":2.0,"d":null},"b":1}'
    assert parameters.sealed({"k": 1}) != parameters.sealed({"k": 1.0})
    assert parameters.sealed({}) == "{}", "a model without parameters keeps the version that it had"


def made(*cells: tuple[str, str | None], minor: int = 5) -> NotebookNode:
    """A notebook of these sources and tags."""
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source) for source, _ in cells])
    for cell, (_, tag) in zip(notebook.cells, cells, strict=True):
        cell.metadata["tags"] = [tag] if tag else []
    notebook.nbformat_minor = minor
    return notebook


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


GIVEN = "# Parameters\nk = 7"


def test_the_cell_follows_the_tagged_one() -> None:
    notebook = made(("import x", None), ("k = 3", "parameters"), ("k = 4", "parameters"))
    assert inject([notebook], {"k": 7})
    assert sources(notebook) == ["import x", "k = 3", GIVEN, "k = 4"]
    added = notebook.cells[2]
    assert (added.metadata.tags, added.id, is_added(added)) == (["injected-parameters"], "injected-parameters", True)
    assert not any(is_added(cell) for cell in (*notebook.cells[:2], notebook.cells[3]))


def test_the_cell_of_an_earlier_run_is_replaced() -> None:
    notebook = made(("k = 3", "parameters"), ("k = 5", "injected-parameters"), ("fit(k)", None), minor=4)
    assert inject([notebook], {"k": 7})
    assert sources(notebook) == ["k = 3", GIVEN, "fit(k)"]
    assert not is_added(notebook.cells[1]), "the user's file has this cell"
    assert "id" not in notebook.cells[1], "nbformat 4.4 has none"


def test_of_several_notebooks_those_with_the_tag_get_it() -> None:
    first, second = made(("clean()", None)), made(("k = 3", "parameters"))
    assert inject([first, second], {"k": 7})
    assert (sources(first), sources(second)) == (["clean()"], ["k = 3", GIVEN])


def test_where_none_has_the_tag_each_gets_it_at_its_top() -> None:
    first, second = made(("clean()", None)), made(("fit()", None))
    assert not inject([first, second], {"k": 7})
    assert (sources(first), sources(second)) == ([GIVEN, "clean()"], [GIVEN, "fit()"])


@pytest.mark.parametrize("tag", ["parameters", None])
def test_no_parameters_change_nothing(tag: str | None) -> None:
    notebook = made(("k = 3", tag))
    inject([notebook], {})
    assert sources(notebook) == ["k = 3"]

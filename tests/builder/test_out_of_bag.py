"""What forests say of their own rows is what they would say of new ones."""

from typing import Any

import numpy as np
import pytest
from modelcast_builder.inside import out_of_bag, paths
from modelcast_builder.inside.baseline import quantile_edges
from modelcast_builder.inside.reference import Reference
from modelcast_runtime import baseline
from modelcast_runtime.columns import Columns
from modelcast_runtime.formats import within
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor

ROWS = 600
KINDS = [RandomForestClassifier, RandomForestRegressor]


def table(seed: int) -> tuple[Any, Any]:
    """Five inputs, and an answer that they tell only in part."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(ROWS, 5))
    return rows, (rows[:, 0] * rows[:, 1] + draw.normal(size=ROWS) > 0).astype(int)


def reference_of(places: Any) -> Reference:
    """Rows by number; nobody looks at their columns."""
    return Reference(columns=Columns(0, {}), source="made up", places=places, total=ROWS)


def psi(expected: Any, observed: Any) -> float:
    """In ten bins of equally many of the expected."""
    expected = expected[np.isfinite(expected)]
    edges = quantile_edges(expected, 10)
    counts = [
        np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1).tolist()
        for values in (expected, observed)
    ]
    return baseline.psi(*counts)


@pytest.mark.parametrize("kind", KINDS)
def test_new_rows_are_not_far_from_what_is_said_of_the_own_ones(kind: Any) -> None:
    rows, answers = table(1)
    fresh, _ = table(2)
    forest = kind(40, random_state=0).fit(rows, answers)
    bag = out_of_bag.find(forest, rows, reference_of(np.arange(ROWS)))
    assert bag is not None
    ask = (lambda given: forest.predict_proba(given)[:, 1]) if kind is RandomForestClassifier else forest.predict
    ((_, said),) = bag.said().items()
    assert psi(ask(rows), ask(fresh)) > 0.5  # what it would be to compare with the forest's own rows
    assert psi(said, ask(fresh)) < 0.1
    measured = paths.measure(forest, rows, bag.unseen)
    assert measured is not None
    own = within.leaves_told(measured.leaves, measured.totals)
    new = within.watcher(forest, measured.leaves, measured.table)(fresh)
    for key in (("path", "surprisal"), ("work", "comparisons")):
        assert psi(own[key], new[key]) < 0.15  # type: ignore[index]


def test_it_is_what_scikit_learn_says_out_of_bag() -> None:
    rows, answers = table(1)
    forest = RandomForestClassifier(40, oob_score=True, random_state=0).fit(rows, answers)
    bag = out_of_bag.find(forest, rows[::2], reference_of(np.arange(ROWS)[::2]))
    assert bag is not None
    said = bag.said()["score", "probability"]
    np.testing.assert_allclose(said, forest.oob_decision_function_[::2, 1], rtol=0, atol=1e-12)


def test_rows_in_another_order_are_found_out() -> None:
    rows, answers = table(1)
    forest = RandomForestClassifier(10, random_state=0).fit(rows, answers)
    assert out_of_bag.find(forest, rows[::-1], reference_of(np.arange(ROWS))) is None
    fewer = Reference(columns=Columns(0, {}), source="made up", places=np.arange(ROWS - 1), total=ROWS - 1)
    assert out_of_bag.find(forest, rows[:-1], fewer) is None


def test_a_forest_whose_trees_saw_all_rows_has_none() -> None:
    rows, answers = table(1)
    forest = ExtraTreesClassifier(5, random_state=0).fit(rows, answers)
    assert out_of_bag.find(forest, rows, reference_of(np.arange(ROWS))) is None

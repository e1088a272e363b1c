"""What is measured at build, of models of many kinds: the signals, and how the reference rows fall into their bins."""

from collections.abc import Callable
from typing import Any

import pytest
from modelcast_builder.inside.messages import Described, Drift
from modelcast_runtime import baseline
from modelcast_runtime.baseline import Baseline

Describe = Callable[..., Described]


def measured(describe: Describe, name: str, **question: Any) -> Baseline:
    found = describe(name, **question).baseline
    assert found is not None
    return found


def kinds(found: Baseline) -> list[str]:
    return [f"{signal.kind} {signal.name}" for signal in found.signals if signal.kind != "input"]


TABLE = {
    "columns_of_every_kind": ["joint surprisal", "prediction class", "score probability"],
    "categories_from_dtype": ["joint surprisal", "prediction class", "score probability"],
    "ordered_and_zoned": ["joint surprisal", "prediction prediction"],
}


@pytest.mark.parametrize("name", TABLE)
def test_every_model_of_columns_has_a_joint_signal_and_what_it_says(describe: Describe, name: str) -> None:
    found = kinds(measured(describe, name))
    assert [kind for kind in found if not kind.startswith(("path", "work"))] == TABLE[name]


def test_every_row_is_in_one_bin_of_every_signal(describe: Describe) -> None:
    found = measured(describe, "columns_of_every_kind")
    assert found.source == "the rows given to Pipeline.fit"
    assert {(signal.name, sum(signal.counts)) for signal in found.signals} == {
        (signal.name, found.rows) for signal in found.signals
    }
    assert all(len(signal.bins) == len(signal.counts) for signal in found.signals)
    names = [signal.name for signal in found.signals if signal.kind == "input"]
    assert names == ["age", "count", "sex", "size", "grade", "smoker", "town"]
    town = next(signal for signal in found.signals if signal.name == "town")
    assert town.bins[-2:] == ("other", "missing")
    assert town.counts[-1] > 0, "a missing town is in a bin of its own"


def test_what_is_excluded_is_in_no_signal(describe: Describe) -> None:
    found = measured(describe, "columns_of_every_kind", drift=Drift(bins=4, exclude=("age", "town"), psi=0.5))
    assert [signal.name for signal in found.signals if signal.kind == "input"] == [
        "count",
        "sex",
        "size",
        "grade",
        "smoker",
    ]
    assert found.psi == 0.5
    assert found.joint is not None
    assert not {"age", "town"} & set(found.joint.inputs)
    count = next(signal for signal in found.signals if signal.name == "count")
    assert len(count.edges) == 3


def test_own_code_has_none_and_a_model_without_rows_says_why(describe: Describe) -> None:
    found = measured(describe, "columns_known_by_encoders_only")
    assert found == Baseline(
        source="nothing",
        rows=0,
        notes=("no rows of training are known: add data/train.csv, or let the build run the notebook",),
    )


def test_the_reference_rows_are_no_drift_of_themselves(describe: Describe) -> None:
    for signal in measured(describe, "columns_of_every_kind").signals:
        assert baseline.psi(signal.counts, signal.counts) == 0

"""The verdict: what is compared and how, what cannot be, and the table of what did not hold."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modelcast_builder import gates
from modelcast_builder.document import Gates
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Evaluated
from modelcast_builder.report import Reporter
from modelcast_runtime.contract import Evaluation, Gap, Gate, Slice, Task

EVALUATED = Evaluated(
    evaluation=Evaluation(
        data="data/holdout.csv",
        rows=100,
        metrics={"accuracy": 0.87, "f1_macro": 0.8649999, "log_loss": 0.3},
        slices=(
            Slice(column="sex", group="f", rows=60, metrics={"accuracy": 0.9}),
            Slice(column="sex", group="m", rows=40, metrics={"accuracy": 0.825}),
        ),
        gaps=(Gap(column="sex", measure="accuracy", gap=0.075, lowest="m", highest="f"),),
    ),
    absent={
        "metrics.roc_auc": "no row has the answer 'y'",
        "fairness.sex.selection_rate_gap": "all rows are in the one group 'f'",
    },
)


def judged(text: str, task: Task = "classifier") -> tuple[Gate, ...]:
    """The verdict on what a modelcast.yaml says, as JSON."""
    return gates.judge(EVALUATED, task, msgspec.json.decode(text, type=Gates))


class Said(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__()
        self.lines: list[str] = []

    def say(self, step: str, sentence: str) -> None:
        """Keep it."""
        self.lines.append(f"{step}: {sentence}")


def refused(held: Sequence[Gate]) -> tuple[str, list[str]]:
    reporter = Said()
    with pytest.raises(BuildError) as error:
        gates.check(held, reporter)
    return str(error.value), reporter.lines


def test_every_line_is_a_gate_and_a_slice_one_for_every_group() -> None:
    held = judged(
        '{"metrics": {"log_loss": "<= 0.3", "accuracy": ">= 0.8"}, "slices": {"sex": {"accuracy": "> 0.8"}}, '
        '"fairness": {"sex": {"accuracy_gap": "<0.1"}}}'
    )
    assert held == (
        Gate(name="metrics.log_loss", expected="<= 0.3", got=0.3, passed=True),
        Gate(name="metrics.accuracy", expected=">= 0.8", got=0.87, passed=True),
        Gate(name="slices.sex.f.accuracy", expected="> 0.8", got=0.9, passed=True),
        Gate(name="slices.sex.m.accuracy", expected="> 0.8", got=0.825, passed=True),
        Gate(name="fairness.sex.accuracy_gap", expected="<0.1", got=0.075, passed=True),
    )
    reporter = Said()
    gates.check(held, reporter)
    assert reporter.lines == ["gates: 5 gates passed"]


def test_nothing_asked_is_nothing_said() -> None:
    reporter = Said()
    assert gates.judge(EVALUATED, "classifier", None) == gates.judge(None, "generic", Gates()) == judged("{}") == ()
    gates.check((), reporter)
    assert reporter.lines == []


def test_what_failed_is_a_line_and_all_of_it_a_table() -> None:
    line, said = refused(
        judged('{"metrics": {"f1_macro": ">= 0.8", "accuracy": ">= 0.9"}, "slices": {"sex": {"accuracy": ">= 0.9"}}}')
    )
    assert line == (
        "gates: accuracy is 0.87, expected >= 0.9 (2 of 4 gates failed). "
        "Train a model that reaches it, or change `gates.metrics` in modelcast.yaml"
    )
    assert said == [
        "gates: 2 of 4 gates failed\n"
        "     gate                   expected  got\n"
        "     metrics.f1_macro       >= 0.8    0.865\n"
        "     metrics.accuracy       >= 0.9    0.87   failed\n"
        "     slices.sex.f.accuracy  >= 0.9    0.9\n"
        "     slices.sex.m.accuracy  >= 0.9    0.825  failed"
    ]


def test_the_line_of_a_slice_and_of_a_gap() -> None:
    line, _ = refused(judged('{"slices": {"sex": {"accuracy": ">= 0.85"}}}'))
    assert line == (
        "gates: slices.sex.m.accuracy is 0.825, expected >= 0.85 (1 of 2 gates failed). "
        "Train a model that reaches it, or change `gates.slices` in modelcast.yaml"
    )
    line, _ = refused(judged('{"fairness": {"sex": {"accuracy_gap": "<= 0.05"}}}'))
    assert line == (
        "gates: fairness.sex.accuracy_gap is 0.075, expected <= 0.05 (1 of 1 gate failed). "
        "Train a model that reaches it, or change `gates.fairness` in modelcast.yaml"
    )


def test_a_number_that_misses_by_a_hair_does_not_look_as_if_it_did_not() -> None:
    line, said = refused(judged('{"metrics": {"f1_macro": ">= 0.865"}}'))
    assert line.startswith("gates: f1_macro is 0.8649999, expected >= 0.865 (1 of 1 gate failed). ")
    assert "     metrics.f1_macro  >= 0.865  0.8649999  failed" in said[0]


HELD = {
    (">= 0.3", 0.1 + 0.2): True,
    ("<= 0.3", 0.1 + 0.2): True,
    ("> 0.3", 0.1 + 0.2): False,
    ("< 0.3", 0.1 + 0.2): False,
    (">= 0.9", 0.899999999999): False,
    (">=0.9", 0.9): True,
    (">=   -1", -1.0): True,
    ("< 0", -0.5): True,
    ("<= 0.0", 0.0): True,
}


@pytest.mark.parametrize(("expected", "got"), HELD)
def test_numbers_are_compared_as_they_are_meant(expected: str, got: float) -> None:
    assert gates.holds(expected, got) == HELD[expected, got]


@given(st.sampled_from([">=", "<=", ">", "<"]), st.decimals(-1000, 1000, places=3), st.floats(-1000, 1000))
def test_what_is_shown_compares_as_what_came(comparison: str, threshold: object, got: float) -> None:
    one = gates.gate("metrics.mae", f"{comparison} {threshold}", got)
    assert gates.holds(one.expected, float(gates.shown(one))) == one.passed


def test_what_no_number_tells_is_shown_as_that() -> None:
    line, said = refused([Gate(name="latency_ms", expected="<= 5", passed=False)])
    assert line == (
        "gates: latency_ms is not told, expected <= 5 (1 of 1 gate failed). "
        "Train a model that reaches it, or change `gates.latency_ms` in modelcast.yaml"
    )
    assert said[0].endswith("latency_ms  <= 5      not told  failed")


UNTOLD: dict[str, tuple[Task, str]] = {
    '{"metrics": {"roc_auc": ">= 0.9"}}': (
        "classifier",
        "gates: metrics.roc_auc cannot be told of data/holdout.csv: no row has the answer 'y'. "
        "Add rows that tell it, or remove it from `gates.metrics` in modelcast.yaml",
    ),
    '{"fairness": {"sex": {"selection_rate_gap": "<= 0.1"}}}': (
        "classifier",
        "gates: fairness.sex.selection_rate_gap cannot be told of data/holdout.csv: all rows are in the one group 'f'. "
        "Add rows that tell it, or remove it from `gates.fairness` in modelcast.yaml",
    ),
    '{"metrics": {"rmse": "<= 1"}}': (
        "classifier",
        "gates: a classifier has no rmse. Write one of accuracy, f1_macro, log_loss under `gates.metrics` in modelcast.yaml",
    ),
    '{"fairness": {"sex": {"true_positive_rate_gap": "<= 0.1"}}}': (
        "regressor",
        "gates: fairness.sex.true_positive_rate_gap is told of classifiers, and the model is a regressor. "
        "Remove `gates.fairness` from modelcast.yaml",
    ),
}


@pytest.mark.parametrize("text", UNTOLD)
def test_what_these_rows_cannot_tell_is_an_error_that_says_why(text: str) -> None:
    task, line = UNTOLD[text]
    with pytest.raises(BuildError) as error:
        judged(text, task)
    assert str(error.value) == line

"""Whether the model reaches what `gates:` asks: pure functions over the evaluation and modelcast.yaml."""

import operator
import re
from collections.abc import Iterator, Mapping, Sequence

from modelcast_runtime.contract import Gate, Task

from modelcast_builder import document
from modelcast_builder.aligned import aligned
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Evaluated
from modelcast_builder.report import Reporter

STEP = "gates"
_HOLDS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_DIGITS = 12
_SHORTEST = 4


def judge(evaluated: Evaluated | None, task: Task, gates: document.Gates | None) -> tuple[Gate, ...]:
    """Hold the evaluation to every threshold on metrics, slices and fairness, in the order of the document.

    Raises `BuildError` for one that these rows cannot tell.
    """
    if evaluated is None or gates is None:
        return ()
    told = _told(evaluated)
    return tuple(gate(name, expected, _got(name, told, evaluated, task)) for name, expected in _asked(evaluated, gates))


def gate(name: str, expected: str, got: float) -> Gate:
    """One comparison, in twelve significant digits: what was rounded on its way is what was meant."""
    return Gate(name=name, expected=expected, got=got, passed=holds(expected, got))


def holds(expected: str, got: float) -> bool:
    """Whether a number is as `>= 0.9` has it."""
    comparison, threshold = _parts(expected)
    return bool(_HOLDS[comparison](_rounded(got), _rounded(threshold)))


def check(gates: Sequence[Gate], reporter: Reporter) -> None:
    """Say that all hold, or show the table and raise `BuildError` with the first that does not."""
    failed = [gate for gate in gates if not gate.passed]
    if not failed:
        if gates:
            reporter.say(STEP, f"{_counted(len(gates))} passed")
        return
    share = f"{len(failed)} of {_counted(len(gates))} failed"
    reporter.say(STEP, "\n".join([share, *(f"     {line}" for line in table(gates))]))
    first = failed[0]
    name = first.name.removeprefix("metrics.")
    problem = f"{name} is {shown(first)}, expected {first.expected} ({share})"
    key = first.name.partition(".")[0]
    raise BuildError(STEP, problem, f"Train a model that reaches it, or change `gates.{key}` in modelcast.yaml")


def table(gates: Sequence[Gate]) -> Iterator[str]:
    """A line a gate under a head: name, expected, got, and what did not hold."""
    return aligned([("gate", "expected", "got", ""), *map(_row, gates)])


def shown(gate: Gate) -> str:
    """What came, in so few digits that it still compares as it did."""
    if gate.got is None:
        return "not told"
    texts = (f"{gate.got:.{digits}g}" for digits in range(_SHORTEST, _DIGITS))
    return next((text for text in texts if holds(gate.expected, float(text)) == gate.passed), f"{gate.got:.{_DIGITS}g}")


def _row(gate: Gate) -> tuple[str, str, str, str]:
    return gate.name, gate.expected, shown(gate), "" if gate.passed else "failed"


def _asked(evaluated: Evaluated, gates: document.Gates) -> Iterator[tuple[str, str]]:
    """The name and the comparison of each gate: those of a slice once for every group."""
    for metric, expected in gates.metrics.items():
        yield f"metrics.{metric}", expected
    for column, thresholds in gates.slices.items():
        for part in evaluated.evaluation.slices:
            if part.column == column:
                yield from ((f"slices.{column}.{part.group}.{name}", text) for name, text in thresholds.items())
    for column, fairness in gates.fairness.items():
        for name in fairness.__struct_fields__:
            expected = getattr(fairness, name)
            if expected is not None:
                yield f"fairness.{column}.{name}", expected


def _told(evaluated: Evaluated) -> dict[str, float]:
    """Every number of the evaluation by the name of its gate."""
    evaluation = evaluated.evaluation
    told = {f"metrics.{name}": value for name, value in evaluation.metrics.items()}
    for part in evaluation.slices:
        told |= {f"slices.{part.column}.{part.group}.{name}": value for name, value in part.metrics.items()}
    return told | {f"fairness.{gap.column}.{gap.measure}_gap": gap.gap for gap in evaluation.gaps}


def _got(name: str, told: Mapping[str, float], evaluated: Evaluated, task: Task) -> float:
    if name in told:
        return told[name]
    key = name.partition(".")[0]
    if name in evaluated.absent:
        problem = f"{name} cannot be told of {evaluated.evaluation.data}: {evaluated.absent[name]}"
        raise BuildError(STEP, problem, f"Add rows that tell it, or remove it from `gates.{key}` in modelcast.yaml")
    if key == "fairness":
        problem = f"{name} is told of classifiers, and the model is a {task}"
        raise BuildError(STEP, problem, "Remove `gates.fairness` from modelcast.yaml")
    known = ", ".join(evaluated.evaluation.metrics)
    problem = f"a {task} has no {name.rpartition('.')[2]}"
    raise BuildError(STEP, problem, f"Write one of {known} under `gates.{key}` in modelcast.yaml")


def _parts(expected: str) -> tuple[str, float]:
    comparison, threshold = re.fullmatch(r"(>=|<=|>|<) *(.*)", expected, re.DOTALL).groups()  # type: ignore[union-attr]
    return comparison, float(threshold)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS - 1}e}")


def _counted(gates: int) -> str:
    return f"{gates} gate{'' if gates == 1 else 's'}"

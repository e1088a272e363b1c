"""Joins labels with logged answers, and measures them as the build measured the holdout."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import Evaluation, Label, Manifest, label_text

from modelcast_builder import child
from modelcast_builder.comparison.compare import is_labelled
from modelcast_builder.comparison.measures import matches, text
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import LabelledRequest
from modelcast_builder.labels import logged, table
from modelcast_builder.labels.logged import STEP, Answer, Logged
from modelcast_builder.labels.messages import Estimate, Logs, Matches, Report
from modelcast_builder.labels.table import Labels

_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is evaluated, by what."""

    bundle: Bundle
    logs: Path
    labels: Path


@dataclass(slots=True, kw_only=True)
class _Joined:
    """One answer and the place of its label in the file, by id and row; and what was not joined."""

    pairs: dict[tuple[str, int], tuple[Answer, int]] = field(default_factory=dict)
    unmatched: int = 0
    repeated: int = 0
    empty: int = 0
    undefined: int = 0
    others: Counter[str] = field(default_factory=Counter)


def check(manifest: Manifest) -> None:
    """Raise `BuildError` for a model whose answers are not right or wrong."""
    problem = None
    if not manifest.signature.takes_rows:
        problem = f"{manifest.name} answers any JSON object"
    elif manifest.task == "clusterer":
        problem = f"{manifest.name} tells clusters, which are not right or wrong"
    elif manifest.signature.outputs[0].shape[1:]:
        problem = f"{manifest.name} answers {manifest.signature.outputs[0].shape[1]} values a row"
    if problem is not None:
        raise BuildError(STEP, f"{problem}: no metric is told of it", "Give the bundle of a classifier or a regressor")


def evaluate(question: Question, environment: Environment, work: Path, variables: Mapping[str, str]) -> Report:
    """The whole report; raises `BuildError` where nothing can be told. `environment` holds the model's libraries."""
    manifest = question.bundle.manifest
    labels = table.read(question.labels, environment, work)
    of_build = {part.column for part in manifest.evaluation.slices} if manifest.evaluation else set()
    found = logged.read(question.logs, manifest.version, set(labels.ids), of_build - labels.groups.keys())
    joined = _join(labels, found, has_numbers=not is_labelled(manifest))
    if not joined.pairs:
        raise _nothing(question, labels, found, joined)
    request = _request(manifest, labels, joined)
    evaluated = child.labelled(environment, request, work, variables)
    return Report(
        name=manifest.name,
        version=manifest.version,
        logs=Logs(
            file=question.logs.name,
            lines=found.lines,
            skipped=found.skipped,
            unreadable=found.unreadable,
            repeated=found.repeated,
            predictions=found.requests[manifest.version],
            other_versions={one: count for one, count in sorted(found.requests.items()) if one != manifest.version},
        ),
        labels=Matches(
            file=labels.file,
            column=labels.column,
            rows=len(labels.ids),
            matched=len(joined.pairs),
            unmatched=joined.unmatched,
            other_versions=dict(sorted(joined.others.items())),
            repeated=joined.repeated,
            empty=joined.empty,
            undefined=joined.undefined,
        ),
        # Curves are for pictures of the holdout.
        now=msgspec.structs.replace(evaluated.evaluation, curves=()),
        at_build=None if manifest.evaluation is None else msgspec.structs.replace(manifest.evaluation, curves=()),
        estimates=tuple(_estimates(question.bundle, request)),
        absent=evaluated.absent,
    )


def _join(labels: Labels, found: Logged, *, has_numbers: bool) -> _Joined:
    joined, seen = _Joined(), Counter[str]()
    for place, (identity, label) in enumerate(zip(labels.ids, labels.labels, strict=True)):
        prediction = found.predictions.get(identity)
        order = seen[identity]
        seen[identity] += 1
        if label is None:
            joined.empty += 1
        elif identity in found.others:
            joined.others[found.others[identity]] += 1
        elif prediction is None:
            joined.unmatched += 1
        else:
            # In order, and from the first again: then the labels were given once more.
            row = order % prediction.rows if labels.rows is None else labels.rows[place]
            answer = prediction.answers.get(row)
            if answer is None:
                joined.unmatched += 1
            elif answer.prediction is None and has_numbers:
                joined.undefined += 1
            else:
                joined.repeated += (identity, row) in joined.pairs
                joined.pairs[identity, row] = answer, place
    return joined


def _nothing(question: Question, labels: Labels, found: Logged, joined: _Joined) -> BuildError:
    version = question.bundle.manifest.version
    if not found.requests:
        problem = f"{question.logs.name} holds no predictions"
        return BuildError(STEP, problem, "Start the service with MODELCAST_SERVICE_LOG_PREDICTIONS=1 (a share)")
    problem = f"none of the {len(labels.ids)} labels of {labels.file} is of a prediction of {version}"
    others = sorted(joined.others) or sorted(found.requests.keys() - {version})
    if joined.others or version not in found.requests:
        return BuildError(STEP, f"{problem} in {question.logs.name}", f"Give the bundle of {', '.join(others[:3])}")
    if joined.empty == len(labels.ids):
        return BuildError(STEP, f"every {labels.column!r} of {labels.file} is empty", "Fill them in")
    told = f"{problem}; {question.logs.name} holds {found.requests[version]} others"
    return BuildError(STEP, told, "Give the labels of those, or a log of a larger share of the requests")


def _request(manifest: Manifest, labels: Labels, joined: _Joined) -> LabelledRequest:
    answers = [answer for answer, _ in joined.pairs.values()]
    places = [place for _, place in joined.pairs.values()]
    truths = [labels.labels[place] for place in places]
    groups = {name: tuple(values[place] for place in places) for name, values in labels.groups.items()}
    for name in dict.fromkeys(name for answer in answers for name in answer.values):
        groups[name] = tuple(text(answer.values.get(name)) for answer in answers)
    if not is_labelled(manifest):
        return LabelledRequest(
            data=labels.file,
            predicted=tuple(answer.prediction for answer in answers),
            true=tuple(_number(truth, place, labels) for truth, place in zip(truths, places, strict=True)),
            groups=groups,
        )
    classes = manifest.signature.classes or _classes(answers, truths)
    position = {label_text(label): index for index, label in enumerate(classes)}
    known: dict[str, int] = {}
    for truth, place in zip(truths, places, strict=True):
        if text(truth) not in known:
            known[text(truth)] = _class(truth, classes, place, labels)
    shares = [answer.probabilities for answer in answers]
    told = [share for share in shares if share is not None and len(share) == len(classes)]
    return LabelledRequest(
        data=labels.file,
        classes=classes,
        predicted=tuple(position[text(answer.prediction)] for answer in answers),
        true=tuple(known[text(truth)] for truth in truths),
        probabilities=tuple(map(tuple, told)) if len(told) == len(answers) else None,
        groups=groups,
    )


def _classes(answers: Sequence[Answer], truths: Sequence[Any]) -> tuple[Label, ...]:
    """The labels of an own class, which need not say which it knows."""
    return tuple(sorted({text(answer.prediction) for answer in answers} | set(map(text, truths))))


def _class(truth: Any, classes: Sequence[Label], place: int, labels: Labels) -> int:
    index = next((index for index, label in enumerate(classes) if matches(label, truth)), None)
    if index is None:
        known = ", ".join([label_text(label) for label in classes][:20])
        problem = (
            f"row {place + 1} of {labels.file} has {_shown(truth)}, which is none of the model's classes ({known})"
        )
        raise BuildError(STEP, problem, f"Correct the {labels.column}, or remove the row")
    return index


def _number(truth: Any, place: int, labels: Labels) -> float:
    try:
        number = float(truth)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(truth, bool) or not math.isfinite(number):
        problem = f"row {place + 1} of {labels.file} has {_shown(truth)}, which is no number"
        raise BuildError(STEP, problem, f"Correct the {labels.column}, or remove the row")
    return number


def _shown(truth: Any) -> str:
    written = text(truth) if isinstance(truth, bool | int | float | str) else type(truth).__name__
    return repr(written if len(written) <= _LONGEST else f"{written[:_LONGEST]}...")


def _estimates(bundle: Bundle, request: LabelledRequest) -> Iterator[Estimate]:
    """Of all rows, then of each group."""
    baseline = bundle.baseline
    if baseline is None or not baseline.accuracies or request.probabilities is None:
        return
    edges = next(one for one in baseline.signals if one.kind == "score").edges
    # As `drift` reads them: that of the second class where there are two, else the highest.
    scores = [share[1] if len(share) == 2 else max(share) for share in request.probabilities]
    promised = [baseline.accuracies[bisect_left(edges, score)] for score in scores]
    is_right = [predicted == true for predicted, true in zip(request.predicted, request.true, strict=True)]

    def estimate(places: Sequence[int], column: str | None = None, group: str | None = None) -> Estimate:
        estimated, true = (sum(values[place] for place in places) / len(places) for values in (promised, is_right))
        return Estimate(
            column=column, group=group, rows=len(places), estimated=round(estimated, 6), true=round(true, 6)
        )

    yield estimate(range(len(scores)))
    for column, groups in request.groups.items():
        for group in sorted(set(groups)):
            yield estimate([place for place, one in enumerate(groups) if one == group], column, group)


def slices(evaluation: Evaluation | None) -> Mapping[tuple[str, str], Mapping[str, float]]:
    """The metrics of each group, by column and group."""
    return {} if evaluation is None else {(one.column, one.group): one.metrics for one in evaluation.slices}

"""The story of a comparison: facts -> rows -> two bundles' answers -> what changed between them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelcast_runtime.contract import Manifest

from modelcast_builder.comparison import facts, measures, rows
from modelcast_builder.comparison.asking import Asked, ask
from modelcast_builder.comparison.messages import Answers, Comparison, Group, Quality, Scored, Side
from modelcast_builder.comparison.rows import STEP, Columns, Rows
from modelcast_builder.errors import BuildError

_MOST_VALUES = 20
"""Of an input that is taken for a category where nothing names the groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What two bundles are compared on."""

    data: Path | None = None
    """A file of rows; None: NEW's golden rows."""
    target: str | None = None
    """The column of the known answers; None: the only one that is no input, where it can be that."""
    groups: tuple[str, ...] = ()
    """Columns that tell the rows apart; none: those that NEW was evaluated by, else its categories."""


def compare(old: Asked, new: Asked, question: Question, work: Path, variables: Mapping[str, str]) -> Comparison:
    """Everything that differs; raises `BuildError` where one of the two cannot take the rows."""
    return Comparison(
        old=_side(old),
        new=_side(new),
        changes=tuple(facts.changes(old.bundle, new.bundle)),
        scored=score(old, new, question, work, variables),
    )


def score(old: Asked, new: Asked, question: Question, work: Path, variables: Mapping[str, str]) -> Scored:
    """What differs in the answers; raises `BuildError` where one of the two cannot take the rows."""
    _check_kinds(old, new)
    asked = _rows(old, new, question, work)
    # NEW first: where a file is wrong in itself, that is said of what the user works on.
    after = ask(new, asked.file, work / "new", variables)
    before = ask(old, asked.file, work / "old", variables)
    columns = asked.of_length(len(after.predictions))
    target = _target(question, asked, columns, (old, new))
    pair = _Pair(
        old=before,
        new=after,
        target=target,
        truths=() if target is None else columns[target],
        is_labelled=is_labelled(new.bundle.manifest),
    )
    by = _groups(question, columns, new.bundle.manifest)
    return pair.scored(asked.told, {column: columns[column] for column in by})


def is_labelled(manifest: Manifest) -> bool:
    """Whether it answers with labels, which flip, and not with numbers, which shift."""
    if manifest.task == "regressor":
        return False
    told = {output.name: output.dtype for output in manifest.signature.outputs}
    return manifest.signature.classes is not None or told.get("predict") not in ("float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Both bundles' answers, and what is known of the rows."""

    old: Answers
    new: Answers
    target: str | None
    truths: Sequence[Any]
    is_labelled: bool

    def scored(self, data: str, by: Columns) -> Scored:
        """All of it; `by` are the columns of groups."""
        every = range(len(self.new.predictions))
        groups = tuple(
            self._group(column, value, places)
            for column, values in by.items()
            for value, places in sorted(_places(values).items())
        )
        if not self.is_labelled:
            return Scored(
                data=data,
                rows=len(every),
                shifts=tuple(measures.number_shifts(self.old, self.new)),
                undefined=measures.undefined(self.old, self.new),
                quality=self._quality(every),
                groups=groups,
            )
        flips = measures.flipped(self.old, self.new, every)
        return Scored(
            data=data,
            rows=len(every),
            flips=len(flips),
            flip_share=len(flips) / len(every),
            pairs=tuple(measures.pairs(self.old, self.new, flips)),
            shifts=tuple(measures.probability_shifts(self.old, self.new)),
            quality=self._quality(every),
            groups=groups,
        )

    def _group(self, column: str, value: str, places: Sequence[int]) -> Group:
        share = len(measures.flipped(self.old, self.new, places)) / len(places) if self.is_labelled else None
        return Group(
            column=column,
            group=value,
            rows=len(places),
            flips=share,
            rmsd=None if self.is_labelled else measures.distance(self.old, self.new, places),
            quality=self._quality(places),
        )

    def _quality(self, places: Sequence[int]) -> Quality | None:
        if self.target is None:
            return None
        return measures.quality(self.old, self.new, self.target, self.truths, places, is_labelled=self.is_labelled)


def _side(asked: Asked) -> Side:
    manifest = asked.bundle.manifest
    return Side(given=asked.given, name=manifest.name, version=manifest.version, bundle_digest=asked.bundle.digest)


def _check_kinds(old: Asked, new: Asked) -> None:
    kinds = [_kind(asked.bundle.manifest) for asked in (old, new)]
    if kinds[0] != kinds[1]:
        problem = f"{old.given} answers {kinds[0]}, and {new.given} answers {kinds[1]}: nothing can be compared"
        raise BuildError(STEP, problem, "Name two bundles that answer the same question")


def _kind(manifest: Manifest) -> str:
    if not manifest.signature.takes_rows:
        return "any JSON object"
    return "rows with labels" if is_labelled(manifest) else "rows with numbers"


def _rows(old: Asked, new: Asked, question: Question, work: Path) -> Rows:
    signature = new.bundle.manifest.signature
    if question.data is not None:
        return rows.of_file(question.data, signature, new.environment, work)
    found = new.bundle.golden.rows
    if not found:
        problem = f"{new.given} was sealed without golden rows"
        raise BuildError(STEP, problem, "Give rows with --data FILE")
    names = {column.name for column in signature.inputs}
    lacking = [column.name for column in old.bundle.manifest.signature.inputs if column.name not in names]
    if lacking:
        them = f"the input{'s' * (len(lacking) > 1)} {', '.join(lacking)}"
        problem = f"{old.given} needs {them}, and the golden rows of {new.given} have no such column"
        raise BuildError(STEP, problem, "Give rows that hold the inputs of both with --data FILE")
    return rows.golden(found, signature, f"the golden rows of {new.given}", work)


def _target(question: Question, asked: Rows, columns: Columns, both: Sequence[Asked]) -> str | None:
    if question.target is not None:
        if question.target not in columns:
            fix = f"Name one of: {', '.join(columns)}" if columns else "Give CSV with a header line"
            raise BuildError(STEP, f"{asked.told} has no column {question.target}", fix)
        return question.target
    manifests = [one.bundle.manifest for one in both]
    inputs = {column.name for manifest in manifests for column in manifest.signature.inputs}
    others = [name for name in columns if name not in inputs]
    return others[0] if len(others) == 1 and _can_be_answers(columns[others[0]], manifests) else None


def _can_be_answers(values: Sequence[Any], manifests: Sequence[Manifest]) -> bool:
    """Whether every value is a class that one of them knows, or a number where they answer with numbers."""
    present = {value for value in values if value is not None and not isinstance(value, list | dict)}
    if not is_labelled(manifests[0]):
        return all(map(measures.is_number, present))
    known = [label for manifest in manifests for label in manifest.signature.classes or ()]
    return all(any(measures.matches(label, value) for label in known) for value in present)


def _groups(question: Question, columns: Columns, manifest: Manifest) -> Iterator[str]:
    evaluation = manifest.evaluation
    named = question.groups or tuple(dict.fromkeys(part.column for part in evaluation.slices) if evaluation else ())
    if named:
        yield from (name for name in named if name in columns)
        return
    for column in manifest.signature.inputs:
        is_category = column.dtype in ("string", "bool") or column.categories is not None
        if is_category and column.name in columns and 1 < len(_places(columns[column.name])) <= _MOST_VALUES:
            yield column.name


def _places(values: Sequence[Any]) -> dict[str, list[int]]:
    """Where each value stands, by its text."""
    found: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        found.setdefault(measures.text(value), []).append(place)
    return found

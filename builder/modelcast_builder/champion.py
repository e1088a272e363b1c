"""Whether a model may take its champion's place: both are asked the holdout rows, before the new one is sealed."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Gate

from modelcast_builder import comparison, environment, images
from modelcast_builder.comparison import Asked, Question, Scored
from modelcast_builder.config import BuildSettings, Config
from modelcast_builder.document import Champion
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.gates import STEP, gate
from modelcast_builder.inside.messages import Data
from modelcast_builder.report import Reporter

_MISSING = frozenset((
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
))  # fmt: skip
"""What pandas takes for missing in CSV, by which the notebooks read the same file."""
_ELSEWHERE = "In an S2I build nothing beside the repository is there: name a bundle within it, or an image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The repository's rows with known answers."""

    root: Path
    """Of the repository: a champion's path is relative to it."""
    holdout: Path | None
    target: str | None
    groups: tuple[str, ...]
    handed: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The build's variables that own code finds, as the notebooks did."""


def rows_of(root: Path, data: Data, config: Config) -> Rows:
    """What the repository at `root` has of them."""
    holdout = None if data.holdout is None else Path(data.holdout)
    groups = config.document.data.groups
    return Rows(root=root, holdout=holdout, target=data.target, groups=groups, handed=config.handed)


def judge(
    asked: Champion, candidate: Asked, rows: Rows, settings: BuildSettings, work: Path, reporter: Reporter
) -> Iterator[Gate]:
    """Hold the candidate to its champion; raises `BuildError` where the two cannot be compared."""
    if rows.holdout is None:
        problem = "`gates.champion` in modelcast.yaml compares two models, and there are no rows to compare them on"
        raise BuildError(STEP, problem, "Write `data: {holdout: FILE, target: NAME}` in modelcast.yaml")
    work.mkdir()
    champion = _champion(asked.bundle, rows.root, settings, work)
    inputs = [column.name for column in candidate.bundle.manifest.signature.inputs]
    question = Question(data=_readable(rows.holdout, inputs, rows, work), target=rows.target, groups=rows.groups)
    try:
        scored = comparison.score(champion, candidate, question, work, rows.handed)
    except BuildError as refused:
        problem = f"the model cannot be compared with its champion: {refused.problem}"
        raise BuildError(STEP, problem, "Correct the holdout, or name another `gates.champion.bundle`") from refused
    said = champion.bundle.manifest
    told = f"the champion is {said.name} {said.version}, bundle digest {champion.bundle.digest}"
    reporter.note(STEP, f"{told}; {scored.rows} rows of {rows.holdout.name}")
    if asked.flips is not None:
        yield gate("champion.flips", asked.flips, _flips(scored))
    if asked.accuracy_drop is not None:
        yield gate("champion.accuracy_drop", asked.accuracy_drop, _drop(scored, rows.holdout))


def _champion(given: str, root: Path, settings: BuildSettings, work: Path) -> Asked:
    beside = root / Path(given).expanduser()
    try:
        # Engines know no paths: what is there on disk is a bundle, whatever else has its name.
        folder = beside if beside.exists() else images.folder_of(given, settings.variables, work)
        bundle = open_bundle(folder)
        return Asked(given="the champion", bundle=bundle, environment=environment.of_bundle(bundle, settings))
    except MissingPart as missing:
        problem = f"`gates.champion.bundle` in modelcast.yaml names {given}, and there is no such bundle: {missing}"
        raise BuildError(STEP, problem.partition(". ")[0], _ELSEWHERE) from missing
    except BundleError as wrong:
        if not beside.exists():
            problem = f"`gates.champion.bundle` in modelcast.yaml names {given}, and there is no such folder"
            raise BuildError(STEP, problem, _ELSEWHERE) from wrong
        problem = f"`gates.champion.bundle` in modelcast.yaml names {given}, which cannot be opened: {wrong}"
        raise BuildError(STEP, problem, "Name a bundle made by `modelcast build`") from wrong
    except BuildError as unmade:
        problem = f"the champion {given} cannot be asked here: {unmade.problem}"
        raise BuildError(STEP, problem, "Name another `gates.champion.bundle`") from unmade


def _readable(holdout: Path, inputs: Sequence[str], rows: Rows, work: Path) -> Path:
    """The file as a request has it: what pandas takes for missing is empty, and inputs without names have them."""
    if holdout.suffix.lower() != ".csv":
        return holdout
    with holdout.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        names, *records = [record for record in csv.reader(lines) if record] or [[]]
    file = work / holdout.name
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(_named(names, inputs, rows))
        writer.writerows([["" if cell in _MISSING else cell for cell in record] for record in records])
    return file


def _named(names: Sequence[str], inputs: Sequence[str], rows: Rows) -> list[str]:
    """A model that was fitted on an array or on texts does not know what its columns are called."""
    others = [name for name in names if name != rows.target and name not in rows.groups]
    if any(name in names for name in inputs) or len(others) != len(inputs):
        return list(names)
    called = dict(zip(others, inputs, strict=True))
    return [called.get(name, name) for name in names]


def _flips(scored: Scored) -> float:
    if scored.flip_share is None:
        problem = "`gates.champion.flips` in modelcast.yaml counts labels, and the model answers with numbers"
        raise BuildError(STEP, problem, "Remove the line, and hold it to `gates.metrics.rmse`")
    return scored.flip_share


def _drop(scored: Scored, holdout: Path) -> float:
    known = scored.quality
    if known is None:
        problem = f"`gates.champion.accuracy_drop` in modelcast.yaml needs the right answers, and {holdout.name}"
        fix = "Write `data: {target: NAME}` in modelcast.yaml"
        raise BuildError(STEP, f"{problem} has no column of which they are known to be", fix)
    if known.measure != "accuracy":
        problem = "`gates.champion.accuracy_drop` in modelcast.yaml is of labels, and the model answers with numbers"
        raise BuildError(STEP, problem, "Remove the line, and hold it to `gates.metrics.rmse`")
    return known.drop

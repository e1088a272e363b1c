"""The model card: what the model is, takes, gives and was proven to answer, as one page that is sealed with it.

It is inside the bundle's digest: no clock, no commit and no path of the build may come into it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined, Template
from modelcast_runtime.contract import (
    Column,
    Curve,
    Evaluation,
    Gap,
    Golden,
    Manifest,
    Signature,
    Slice,
    Training,
    label_text,
    proof_words,
    range_words,
    scored_by,
)

from modelcast_builder import card_plots, gates
from modelcast_builder.card_plots import Svg
from modelcast_builder.environment import Lock

EXAMPLES = 5
_MOST_COLUMNS = 12
_MOST_LISTED = 12
_LONGEST = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What the model came from, by digests; neither a time nor a commit."""

    kind: str = ""
    """The model as its own class writes it down."""
    source: str = ""
    model: str = ""
    lock: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    """Tables by their paths in the repository."""
    notebooks: tuple[str, ...] = ()
    """Addresses of the executed notebooks, as the service has them."""

    @property
    def digests(self) -> Iterator[tuple[str, str]]:
        """What each digest is of, and the digest."""
        named = (("model", self.model), ("source", self.source), ("environment.lock", self.lock), *self.data.items())
        yield from ((name, digest.removeprefix("sha256:")) for name, digest in named if digest)


def render(manifest: Manifest, golden: Golden, lock: Lock, lineage: Lineage = Lineage()) -> bytes:
    """Give the page; the manifest's `files` are not looked at. The same facts are the same bytes."""
    signature, training = manifest.signature, manifest.training
    classes = [label_text(label) for label in signature.classes or ()]
    page = _template().render(
        model=manifest,
        inputs=[(column, "; ".join(_words(column, training))) for column in signature.inputs],
        outputs=signature.outputs,
        classes=classes,
        training=training,
        examples=list(_examples(signature, golden)),
        shown=[column.name for column in signature.inputs[:_MOST_COLUMNS]],
        hidden=max(0, len(signature.inputs) - _MOST_COLUMNS),
        golden=golden,
        lock=lock,
        scored_by=scored_by(manifest.compilation),
        proof=list(proof_words(manifest.compilation)),
        lineage=lineage,
        verdicts=[(gate, "" if gate.got is None else gates.shown(gate)) for gate in manifest.gates],
        plots=list(_plots(manifest.evaluation, classes)),
        columns=list(_columns(manifest)),
        limits=list(_limits(manifest)),
    )
    return page.encode()


def _plots(evaluation: Evaluation | None, classes: list[str]) -> Iterator[tuple[str, Svg]]:
    """Each plot and what is to be seen in it."""
    if evaluation is None:
        return
    if 0 < len(evaluation.confusion) == len(classes) <= _MOST_COLUMNS:
        yield "Right answers are on the diagonal.", card_plots.confusion(classes, evaluation.confusion)
    named = {
        name: [curve for curve in evaluation.curves if curve.name == name]
        for name in ("roc", "calibration", "predicted", "residuals")
    }
    if named["roc"]:
        yield f"{_which(named['roc'])}The higher the line, the better it ranks.", card_plots.roc(named["roc"])
    if named["calibration"]:
        words = f"{_which(named['calibration'])}On the diagonal, probabilities are what they say."
        yield words, card_plots.calibration(named["calibration"])
    for curve in named["predicted"]:
        yield f"{_which([curve])}On the diagonal, predictions are right.", card_plots.predicted(curve)
    for curve in named["residuals"]:
        yield f"{_which([curve])}Residuals without a pattern are noise.", card_plots.residuals(curve)


def _which(curves: list[Curve]) -> str:
    """The class or the output, where a plot is about one."""
    return f"{curves[0].label}: " if len(curves) == 1 and curves[0].label else ""


def _columns(manifest: Manifest) -> Iterator[tuple[str, list[Slice], list[str], Svg | None, list[Gap]]]:
    """Each column of groups: its slices, their metrics, the bars of the first one, and its gaps."""
    evaluation = manifest.evaluation
    if evaluation is None:
        return
    for column in dict.fromkeys(part.column for part in evaluation.slices):
        parts = [part for part in evaluation.slices if part.column == column]
        shown = [name for name in evaluation.metrics if any(name in part.metrics for part in parts)]
        gaps = [gap for gap in evaluation.gaps if gap.column == column]
        yield column, parts, shown, _bars(column, parts, evaluation), gaps


def _bars(column: str, parts: list[Slice], evaluation: Evaluation) -> Svg | None:
    """Those of the metric that says most at a glance."""
    name = next((name for name in ("accuracy", "r2", "rmse", "silhouette") if name in evaluation.metrics), None)
    values = [(part.group, part.metrics[name]) for part in parts if name in part.metrics] if name else []
    return card_plots.bars(values, evaluation.metrics[name], f"{name} by {column}") if name and values else None


def _limits(manifest: Manifest) -> Iterator[str]:
    """What the model refuses, and what nobody knows of it."""
    yield from _refusals(manifest.signature)
    if manifest.training is not None and manifest.training.ranges:
        yield "Ranges of training are told, and not enforced: the answer for a number outside them is a guess."
    evaluation = manifest.evaluation
    if evaluation is None:
        yield "Nobody has told how good it is: there were no rows with answers that it was not fitted on."
        return
    if not evaluation.slices:
        yield "Nobody has told whether it is as good for one group as for another: data.groups names no column."
    yield "What was measured holds for rows like those of the holdout, and for no others."


def _refusals(signature: Signature) -> Iterator[str]:
    whole = [column.name for column in signature.inputs if not column.nullable]
    if whole and len(whole) < len(signature.inputs):
        yield f"It refuses rows that lack one of {_listed(whole)}."
    elif whole:
        yield "It refuses rows with a missing value."
    strict = [
        column.name for column in signature.inputs if column.categories is not None and column.unknown == "refuse"
    ]
    if strict:
        yield f"It refuses categories that it does not know in {_listed(strict)}."
    bounded = [column.name for column in signature.inputs if column.minimum is not None or column.maximum is not None]
    if bounded:
        yield f"It refuses numbers outside their bounds in {_listed(bounded)}."
    if signature.largest is not None:
        yield f"It refuses numbers beyond {signature.largest:.3g}, which are too large for the model itself."


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")


def _words(column: Column, training: Training | None) -> Iterator[str]:
    """What an input takes, beside its type."""
    if column.categories is not None:
        values = ", ".join(_text(value) for value in column.categories[:_MOST_LISTED])
        more = ", ..." if len(column.categories) > _MOST_LISTED else ""
        yield f"one of {values}{more}" if column.unknown == "refuse" else f"known: {values}{more}"
    yield from range_words(column, training)
    if column.nullable:
        yield "may be missing"


def _examples(signature: Signature, golden: Golden) -> Iterator[tuple[list[str], str, str]]:
    labels = [label_text(label) for label in signature.classes or ()]
    for index, row in enumerate(islice(golden.rows, EXAMPLES)):
        shares = "" if golden.probabilities is None else _shares(labels, golden.probabilities[index])
        yield [_text(cell) for cell in row[:_MOST_COLUMNS]], _text(golden.predictions[index]), shares


def _shares(labels: list[str], probabilities: tuple[float, ...]) -> str:
    ranked = sorted(zip(probabilities, labels, strict=True), key=lambda pair: -pair[0])[:3]
    return ", ".join(f"{label} {share:.3f}" for share, label in ranked)


def _text(value: object) -> str:
    """A text, cut where it is long, a number in up to six digits, anything else as JSON has it."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(_text, value)) if isinstance(value, tuple) else json.dumps(value, ensure_ascii=False)


@cache
def _template() -> Template:
    loader = PackageLoader("modelcast_builder", "")
    templates = Templates(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template("card.html")

"""The model card: what the model is, takes, gives and was proven to answer, as one page that is sealed with it.

It is inside the bundle's digest: no clock, no commit and no path of the build may come into it.
"""

import json
from collections.abc import Iterator
from functools import cache
from itertools import islice

from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined, Template
from modelcast_runtime.contract import (
    Column,
    Golden,
    Manifest,
    Signature,
    Training,
    label_text,
    proof_words,
    range_words,
    scored_by,
)

from modelcast_builder.environment import Lock

EXAMPLES = 5
_MOST_COLUMNS = 12
_MOST_LISTED = 12
_LONGEST = 80


def render(manifest: Manifest, golden: Golden, lock: Lock) -> bytes:
    """Give the page; the manifest's `files` are not looked at. The same facts are the same bytes."""
    signature, training = manifest.signature, manifest.training
    page = _template().render(
        model=manifest,
        inputs=[(column, "; ".join(_words(column, training))) for column in signature.inputs],
        outputs=signature.outputs,
        classes=[label_text(label) for label in signature.classes or ()],
        training=training,
        examples=list(_examples(signature, golden)),
        shown=[column.name for column in signature.inputs[:_MOST_COLUMNS]],
        hidden=max(0, len(signature.inputs) - _MOST_COLUMNS),
        golden=golden,
        lock=lock,
        scored_by=scored_by(manifest.compilation),
        proof=list(proof_words(manifest.compilation)),
    )
    return page.encode()


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

"""The child's task `describe`: load -> describe -> probe -> golden rows -> store canonically."""

import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from modelcast_runtime import contract

from . import baseline, canonical, examples, goldens, inputs, loading, outputs, own, probe, samples, seen, shortage
from .messages import Answer, Described, DescribeRequest, Refused, left

_LONGEST = 4_000


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), DescribeRequest)
    doing = f"loading or scoring {Path(request.artifact).name}"
    try:
        described = describe(request)
        _check_task(described, request)
        answer = Answer(status="described", described=described)
    except Refused as refused:
        short = shortage.behind(refused, "describe", doing)
        answer = Answer(status="refused", refused=short or refused.refusal)
    except MemoryError as error:
        answer = Answer(status="refused", refused=shortage.behind(error, "describe", doing))
    except SystemExit as end:
        answer = Answer(status="refused", refused=left("describe", doing, end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


def _check_task(described: Described, request: DescribeRequest) -> None:
    """Refuse a model that is not what modelcast.yaml says it is."""
    takes_texts = described.signature.layout == "text"
    if request.task in ("auto", described.task) or (request.task == "text" and takes_texts):
        return
    found = "takes no texts" if request.task == "text" else f"is a {described.task}"
    raise Refused(
        "describe",
        f"`task: {request.task}` in modelcast.yaml, but the model {found}",
        f"Write `task: {described.task}`, or leave the line out",
    )


def describe(request: DescribeRequest) -> Described:
    """The story of one model; raises `Refused`."""
    sys.dont_write_bytecode = True
    if request.framework == "python":
        return own.describe(request)
    model = loading.load(request)
    described = _first_that_fits(model, request)
    # Loaded again: to be asked leaves traces in some models (a neighbours' tree counts its questions).
    return msgspec.structs.replace(described, notes=canonical.store(loading.load(request), request))


def _first_that_fits(model: Any, request: DescribeRequest) -> Described:
    *earlier, last = examples.sources(model, request)
    for source in earlier:
        with suppress(Refused):  # the next source may fit; the last one's refusal is the user's
            return _from(source(), model, request)
    return _from(last(), model, request)


def _from(rows: examples.Examples, model: Any, request: DescribeRequest) -> Described:
    taken = inputs.describe(model, rows, request.inputs)
    columns = probe.probe(model, taken, rows)
    chosen = goldens.choose(columns, taken.layout, rows)
    task = outputs.task_of(model, request.task)
    signature = outputs.describe(model, task, taken.layout, columns, chosen.rows)
    if taken.layout != "text" and not any(Path(request.code).iterdir()):  # own code may loop over a number
        signature = msgspec.structs.replace(signature, largest=probe.largest(model, taken, chosen.rows[0]))
    golden = goldens.answer(model, signature, chosen.rows)
    goldens.check_against_training(model, golden, chosen, taken.layout, rows)
    training = seen.describe(rows, columns)
    if request.sample is not None:
        samples.leave(rows.rows, Path(request.sample))
    measured = baseline.measure(model, signature, rows, request.drift)
    if measured is not None and measured.table is not None and request.paths is not None:
        np.save(request.paths, measured.table, allow_pickle=False)
    return Described(
        task=task,
        signature=signature,
        golden=golden,
        source=rows.source,
        training=training,
        baseline=None if measured is None else measured.baseline,
        kind=_written_down(model),
    )


def _written_down(model: Any) -> str:
    """Without addresses: they are others in the next build. An own class may fail at it, and is then its name."""
    name = type(model).__name__
    try:
        text = repr(model)
    except Exception:  # noqa: BLE001 - own code
        return name
    plain = re.sub(r"\s+", " ", re.sub(r" at 0x[0-9a-fA-F]+", "", text))
    return name if plain.startswith("<") else plain[:_LONGEST]

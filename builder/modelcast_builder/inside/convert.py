"""The child's task `convert`: load -> rows that would break it -> candidates -> the first that answers the same."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelcast_runtime import contract
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Compilation, Wanted
from modelcast_runtime.formats.onnx import OnnxScorer

from . import candidates, faults, parity
from .breaking_rows import BreakingRows, breaking_rows
from .candidates import Candidate
from .messages import Answer, ConvertRequest, left
from .parity import Verdict


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file and, where one is proven, the graph."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), ConvertRequest)
    try:
        answer = Answer(status="converted", compilation=convert(request))
    except SystemExit as end:
        answer = Answer(status="refused", refused=left("compile", "scoring the model", end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


def convert(request: ConvertRequest) -> Compilation:
    """The story of one model: the graph in its place and its proof, or the reason why it stays native."""
    model = _load(request)
    rows = breaking_rows(model, request.signature, request.golden, _sample(request))
    failed: list[str] = []
    for candidate in candidates.of(model, request.signature, request.task):
        tried = _try(candidate, rows, request)
        if isinstance(tried, Compilation):
            return tried
        failed.append(tried)
    return Compilation(backend="native", reason=failed[0], probes=rows.columns.rows)


def _try(candidate: Candidate, rows: BreakingRows, request: ConvertRequest) -> Compilation | str:
    """The proof, and the graph in its place; or why this way does not lead there."""
    try:
        graph = candidate.make()
        scores = _score(graph, rows, request)
    except Exception as error:  # noqa: BLE001 - whatever the converter and the runtime raise: this is no way
        return faults.unconvertible(error)
    verdict = parity.judge(rows.reference, scores, rows.kinds, request.signature, request.task, candidate.precision)
    if not verdict.equal:
        return faults.different(verdict.differences, rows.columns.rows)
    Path(request.target).write_bytes(graph)
    return _proof(candidate, verdict, rows)


def _proof(candidate: Candidate, verdict: Verdict, rows: BreakingRows) -> Compilation:
    return Compilation(
        backend="onnxruntime",
        reason=f"equal answers on {rows.columns.rows} rows made to break it",
        probes=rows.columns.rows,
        ties=verdict.ties,
        worst_difference=verdict.worst,
        precision=candidate.precision,
        labels=verdict.labels,
        differences=verdict.differences,
    )


def _score(graph: bytes, rows: BreakingRows, request: ConvertRequest) -> Scores:
    plain = Compilation(backend="onnxruntime", reason="")
    return OnnxScorer(graph, request.signature, plain).score(rows.columns, _wanted(request))


def _wanted(request: ConvertRequest) -> frozenset[Wanted]:
    return frozenset(output.name for output in request.signature.outputs if output.name != "predict")


def _load(request: ConvertRequest) -> Any:
    sys.dont_write_bytecode = True
    sys.path.insert(0, request.code)
    # Behind the model's own packages: what is in both is of the same version.
    sys.path.append(request.converter)
    import joblib

    return joblib.load(request.model)


def _sample(request: ConvertRequest) -> Any:
    import joblib

    file = Path(request.sample)
    return joblib.load(file) if file.is_file() else None

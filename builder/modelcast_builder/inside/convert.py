"""The child's task `convert`: load -> rows that would break it -> candidates -> the first that answers the same."""

import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from modelcast_runtime import contract
from modelcast_runtime.bundle import BundleError
from modelcast_runtime.columns import Columns
from modelcast_runtime.contract import Compilation, Wanted
from modelcast_runtime.formats import Scorer
from modelcast_runtime.formats.forest_tail import tail_of
from modelcast_runtime.formats.native import NativeScorer
from modelcast_runtime.formats.onnx import OnnxScorer, Paths
from modelcast_runtime.golden import compare
from modelcast_runtime.payload import decode_rows

from . import candidates, faults, parity
from .breaking_rows import BreakingRows, breaking_rows
from .candidates import Candidate
from .far_rows import Far, ask, far_rows
from .messages import Answer, ConvertRequest, left
from .parity import Verdict

_NEAR = 1e-5
_PLAIN = Compilation(backend="onnxruntime", reason="")
NO_WAY = "nothing else than the converter to ONNX knows it"


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file and, where it is proven, what was compiled."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), ConvertRequest)
    try:
        answer = Answer(status="converted", compilation=convert(request))
    except SystemExit as end:
        answer = Answer(status="refused", refused=left("compile", "scoring the model", end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


class _Original:
    """The model and what it is asked: made when the first compiled one is there to be compared, which takes seconds."""

    def __init__(self, request: ConvertRequest) -> None:
        self.model = _load(request)
        self._request = request

    @property
    def asked(self) -> int:
        """Rows that anything was compared on; none where nothing was made."""
        return self.rows.columns.rows if "rows" in vars(self) else 0

    @cached_property
    def rows(self) -> BreakingRows:
        return breaking_rows(self.model, self._request.signature, self._request.golden, _sample(self._request))

    @cached_property
    def far(self) -> tuple[Far, ...]:
        return far_rows(self.model, self._request.signature, self._request.golden, _wanted(self._request))


def convert(request: ConvertRequest) -> Compilation:
    """The story of one model: what is compiled in its place and its proof, or the reason why it stays native."""
    original = _Original(request)
    failed: list[str] = []
    for candidate in _candidates(original.model, request):
        tried = _try(candidate, original, request)
        if isinstance(tried, Compilation):
            return tried
        failed.append(tried)
    native = Compilation(backend="native", reason=failed[0] if failed else NO_WAY, probes=original.asked)
    tail = tail_of(original.model)
    return native if tail is None else _by_tree(native, tail.name, original, request)


def _by_tree(native: Compilation, tail: str, original: _Original, request: ConvertRequest) -> Compilation:
    """With the proof that the forest at its end may be asked tree by tree; as it is where there is none."""
    scorer = NativeScorer(original.model, request.signature, by_tree=True)
    try:
        rows = original.rows
        scores = rows.scored(lambda some: scorer.score(some, _wanted(request)))
    except Exception:  # noqa: BLE001 - of this scikit-learn the parts may be others
        return native
    verdict = parity.judge(rows.reference, scores, rows.kinds, request.signature, request.task, "float64")
    if not verdict.equal or verdict.labels != "graph" or _apart(scorer, "float64", original, request) is not None:
        return native
    # How far it was off is left out: a forest that was sealed by value may have several jobs, which end in any order.
    return msgspec.structs.replace(native, tail=tail, probes=rows.columns.rows, ties=verdict.ties)


def _candidates(model: Any, request: ConvertRequest) -> Iterator[Candidate]:
    yield from candidates.without_converter(model, request.signature)
    if request.converter is not None:
        yield from candidates.of(model, request.signature, request.task)


def _try(candidate: Candidate, original: _Original, request: ConvertRequest) -> Compilation | str:
    """The proof, and the file in its place; or why this way does not lead there."""
    plain = Compilation(backend=candidate.backend, reason="")
    try:
        made = candidate.make()
        scorer = candidate.open(made, request.signature, plain)
        rows = original.rows
        scores = rows.scored(lambda some: scorer.score(some, _wanted(request)))
    except Exception as error:  # noqa: BLE001 - whatever the converter and the runtime raise: this is no way
        return faults.unconvertible(error)
    verdict = parity.judge(rows.reference, scores, rows.kinds, request.signature, request.task, candidate.precision)
    # Labels by the highest probability are ONNX Runtime's way alone.
    if not verdict.equal or (candidate.backend == "numpy" and verdict.labels != "graph"):
        return faults.different(verdict.differences, rows.columns.rows)
    apart = _apart(scorer, candidate.precision, original, request)
    if apart is not None:
        return apart
    proof = _proof(candidate, verdict, rows)
    try:
        _replay(candidate.open(made, request.signature, proof), request)
    except BundleError as differs:
        return str(differs)
    Path(request.target).write_bytes(made)
    _watch_paths(candidate, original, request)
    return proof


def _watch_paths(candidate: Candidate, original: _Original, request: ConvertRequest) -> None:
    """Write the graph of the paths where it tells of every probed row what the model's own trees tell."""
    if request.leaves is None or request.paths is None or request.path_graph is None:
        return
    table = np.load(request.paths, allow_pickle=False)
    try:
        graph = candidate.make_paths(table)
    except Exception:  # noqa: BLE001 - whatever the converter raises: the paths are not watched, and it is said
        return
    if graph is None:
        return
    native = NativeScorer(original.model, request.signature, leaves=request.leaves, table=table)
    scorer = OnnxScorer(Path(request.target).read_bytes(), request.signature, _PLAIN, Paths(graph, request.leaves))
    columns = original.rows.columns
    expected, told = native.paths(columns), scorer.watch(columns)
    if all(np.array_equal(expected[key], told[key]) for key in told):
        Path(request.path_graph).write_bytes(graph)


def _replay(scorer: Scorer, request: ConvertRequest) -> None:
    """Raise `BundleError` where a golden row does not come again: a tie among them may be broken otherwise."""
    golden = msgspec.structs.replace(request.golden, tolerance=_NEAR)
    compare(scorer.score(decode_rows(golden.rows, request.signature), _wanted(request)), golden)


def _proof(candidate: Candidate, verdict: Verdict, rows: BreakingRows) -> Compilation:
    return Compilation(
        backend=candidate.backend,
        reason=f"equal answers on {rows.columns.rows} rows made to break it",
        probes=rows.columns.rows,
        ties=verdict.ties,
        worst_difference=verdict.worst,
        precision=candidate.precision,
        labels=verdict.labels,
        differences=verdict.differences,
    )


def _apart(scorer: Scorer, precision: candidates.Precision, original: _Original, request: ConvertRequest) -> str | None:
    """Rows that only one of the two refuses, or far ones that they answer otherwise; None where there are none."""
    rows = original.rows
    refused = [
        Far(columns=_row(rows.refused, at), kind=kind, answer=None) for at, kind in enumerate(rows.refused_kinds)
    ]
    for one in (*refused, *original.far):
        answer = ask(scorer, one.columns, _wanted(request))
        if (answer is None) != (one.answer is None):
            return faults.refusing(one.kind, is_refused=answer is None)
        if answer is None or one.answer is None:
            continue
        verdict = parity.judge(one.answer, answer, [one.kind], request.signature, request.task, precision)
        if not verdict.equal:
            return faults.different(verdict.differences, 1)
    return None


def _row(columns: Columns, at: int) -> Columns:
    return Columns(1, {name: cells[at : at + 1] for name, cells in columns.arrays.items()})


def _wanted(request: ConvertRequest) -> frozenset[Wanted]:
    return frozenset(output.name for output in request.signature.outputs if output.name != "predict")


def _load(request: ConvertRequest) -> Any:
    sys.dont_write_bytecode = True
    sys.path.insert(0, request.code)
    if request.converter is not None:
        # Behind the model's own packages: what is in both is of the same version.
        sys.path.append(request.converter)
    import joblib

    return joblib.load(request.model)


def _sample(request: ConvertRequest) -> Any:
    import joblib

    file = request.sample
    return joblib.load(file) if file is not None and Path(file).is_file() else None

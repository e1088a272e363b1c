"""What a model may take: milliseconds for a row, and megabytes on disk."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import Gate
from modelcast_runtime.settings import THREAD_ENV

from modelcast_builder import own_process
from modelcast_builder.child import without_python
from modelcast_builder.comparison import Asked
from modelcast_builder.document import Gates
from modelcast_builder.errors import BuildError
from modelcast_builder.gates import STEP, gate
from modelcast_builder.report import Reporter

_MEGABYTE = 1_000_000


def judge(
    gates: Gates, candidate: Asked, nowhere: Path, variables: Mapping[str, str], reporter: Reporter
) -> Iterator[Gate]:
    """Hold the candidate to its budgets; raises `BuildError` where one cannot be told."""
    if gates.bundle_mb is not None:
        yield gate("bundle_mb", gates.bundle_mb, size_mb(candidate.bundle))
    if gates.latency_ms is not None:
        nowhere.mkdir()
        taken = _latency_ms(candidate, nowhere, variables)
        reporter.note(
            STEP, f"latency_ms is {taken:.3g}, expected {gates.latency_ms}: the median for a row on this machine"
        )
        yield gate("latency_ms", gates.latency_ms, taken)


def sealed(gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    """The gates as the manifest tells them: without the milliseconds, which are others on each machine."""
    return tuple(msgspec.structs.replace(one, got=None) if one.name == "latency_ms" else one for one in gates)


def size_mb(bundle: Bundle) -> float:
    """Megabytes (of 1,000,000 bytes) of all files but the manifest and the receipts, to three decimals."""
    return round(sum(record.size for record in bundle.manifest.files) / _MEGABYTE, 3)


def _latency_ms(candidate: Asked, nowhere: Path, variables: Mapping[str, str]) -> float:
    if not candidate.bundle.golden.rows:
        problem = "`gates.latency_ms` in modelcast.yaml is of rows, and the model has no golden rows to be asked"
        raise BuildError(STEP, problem, "Remove the line")
    command = [str(candidate.environment.python), "-I", "-m", "modelcast_runtime.latency", str(candidate.bundle.root)]
    clean = {name: value for name, value in without_python(variables).items() if not name.startswith("MODELCAST_")}
    try:
        done = own_process.run(command, cwd=nowhere, env=clean | THREAD_ENV)
    except subprocess.TimeoutExpired as error:
        problem = f"the model did not answer a row within {error.timeout:g} seconds"
        raise BuildError(STEP, problem, "Save a model that answers a row in well under a second") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with exit code {done.returncode}"])[-1]
        raise BuildError(STEP, f"latency_ms cannot be told: {said}", "Save a model that answers its golden rows")
    return float(json.loads(done.stdout.splitlines()[-1]))

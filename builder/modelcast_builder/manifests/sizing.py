"""What a pod asks the cluster for, from the size of the model: the service's own arithmetic, the other way round."""

from dataclasses import dataclass

from modelcast_runtime.settings import worker_bytes

_MIB = 1024**2
_STEP = 128 * _MIB
WORKERS = 2
"""Of a pod: one may hang or restart while the other answers; more throughput is more pods."""
SCRATCH_MIB = 64
"""Of /tmp, in memory, for own code and libraries: the service itself writes nothing there."""
_LOADED_BYTES_S = 5_000_000
"""Of a model, in a start on a starved CPU: hashed, loaded, asked for its golden rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Quantities of one pod."""

    cpu_request: str
    cpu_limit: str
    memory: str
    startup_s: int
    """After which a pod that is not ready yet is started anew, in seconds."""


def of(model_bytes: int) -> Size:
    """What `WORKERS` processes hold, rounded up. The CPU's limit tells the service how many to start."""
    memory = WORKERS * worker_bytes(model_bytes) + SCRATCH_MIB * _MIB
    return Size(
        cpu_request="250m",
        cpu_limit=str(WORKERS),
        memory=f"{-(-memory // _STEP) * _STEP // _MIB}Mi",
        startup_s=120 + model_bytes // _LOADED_BYTES_S,
    )

"""What a library's error means where a wall of the sandbox is behind it: memory, processes, files or the network."""

import errno
import resource
from collections.abc import Iterator

from .messages import Refusal

_NO_THREAD = "can't start new thread"


def behind(error: BaseException, step: str, doing: str) -> Refusal | None:
    """The refusal of the shortage that this error, or one that led to it, comes from; None where there is none."""
    for one in _chain(error):
        number = one.errno if isinstance(one, OSError) else None
        if isinstance(one, MemoryError) or number == errno.ENOMEM:
            return _of_memory(step, doing)
        if number == errno.EAGAIN or (isinstance(one, RuntimeError) and _NO_THREAD in str(one)):
            problem = f"{doing} starts more processes or threads than it may have"
            return Refusal(step=step, problem=problem, fix="Save a model with a small `n_jobs`, which starts no others")
        if number == errno.ENETUNREACH:
            problem = f"{doing} reaches for a network, and a model has none when it is loaded"
            return Refusal(step=step, problem=problem, fix="Fetch it when the model is trained, and let it hold it")
        if number == errno.EACCES and isinstance(one, OSError) and one.filename:
            problem = f"{doing} may not touch {one.filename}, which will not be where the model is served"
            return Refusal(step=step, problem=problem, fix="Put what it needs into the repository and into `code:`")
        if number == errno.EFBIG:
            most = resource.getrlimit(resource.RLIMIT_FSIZE)[0] >> 20
            problem = f"{doing} writes a file of more than {most} MiB"
            return Refusal(step=step, problem=problem, fix="Save a model that writes nothing when it is loaded")
    return None


def _of_memory(step: str, doing: str) -> Refusal:
    most = resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20
    fix = f"Train a smaller model, or write `build: {{memory_mb: {2 * most}}}` in modelcast.yaml"
    return Refusal(step=step, problem=f"{doing} takes more memory than the {most} MiB that it may have", fix=fix)


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__

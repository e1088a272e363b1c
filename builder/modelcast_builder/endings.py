"""Why a process of own code ended without an answer: by which of its walls, or by which fault."""

import re
import signal

from modelcast_builder.sandbox import Sandbox

# How it shows in what is not Python: workers of joblib, helpers that cannot start, C++ and OpenBLAS.
NO_MEMORY = re.compile(
    r"bad_alloc|[Cc]annot allocate memory|can't start new thread|OpenBLAS.*(allocat|[Mm]emory)|MemoryError|"
    r"Resource temporarily unavailable"
)


def by_memory(output: str) -> bool:
    """Whether what a process said last speaks of memory that it could not have."""
    return NO_MEMORY.search(output) is not None


def by_wall(code: int, sandbox: Sandbox) -> tuple[str, str] | None:
    """What the process did that ended it with this signal, and the line to write; None where it was no wall."""
    if code == -signal.SIGXCPU:
        return f"used more than {sandbox.cpu_s} s of CPU time", _capitalised(sandbox.more_time)
    if code == -signal.SIGXFSZ:
        return too_large_a_file(sandbox)
    return None


def too_large_a_file(sandbox: Sandbox) -> tuple[str, str]:
    """The refusal of a file beyond the limit."""
    fix = f"Write less into one file, or {sandbox.more_memory}: a file may have four times that"
    return f"wrote a file of more than {sandbox.file_mb} MiB", fix


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]

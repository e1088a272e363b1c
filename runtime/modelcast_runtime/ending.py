"""How a command ends: it says why, and waits for nothing that the model's own code left behind."""

import contextlib
import os
import sys
import threading
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes reads why a container ended; it is there in a container of Kubernetes alone."""
_LONGEST = 4096
GRACE_S = 2.0
"""How long what was left behind may take to end by itself (a pool of processes takes its workers along)."""


def end_soon(code: int) -> None:
    """End this process with `code` after `GRACE_S`, wherever it then waits; its work must be done and flushed."""
    end = threading.Timer(GRACE_S, os._exit, (code,))
    end.daemon = True
    end.start()


def explain(command: str, reason: object) -> None:
    """Say in one line why a command ends, on stderr and where Kubernetes looks for it."""
    line = f"error: {command}: {reason}"
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    if TERMINATION_LOG.is_file():
        with contextlib.suppress(OSError):  # another user's: the line above is in the log all the same
            TERMINATION_LOG.write_bytes(line.encode(errors="replace")[:_LONGEST])

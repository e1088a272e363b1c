"""How a command ends that ran code of the model's: Python itself would wait for every thread which that left behind."""

import os
import threading

GRACE_S = 2.0
"""How long what was left behind may take to end by itself (a pool of processes takes its workers along)."""


def end_soon(code: int) -> None:
    """End this process with `code` after `GRACE_S`, wherever it then waits; its work must be done and flushed."""
    end = threading.Timer(GRACE_S, os._exit, (code,))
    end.daemon = True
    end.start()

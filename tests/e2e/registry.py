"""A real registry on this machine."""

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_S = 180


@contextmanager
def running(program: str, folder: Path, **settings: str) -> Iterator[str]:
    """The registry on a free port, its images below `folder`; `HOST:PORT`."""
    (folder / "config.yml").write_text("version: 0.1\nhttp: {addr: '127.0.0.1:0'}\n", encoding="utf-8")
    environment = {
        **os.environ,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder / "images"),
        "OTEL_TRACES_EXPORTER": "none",
        **settings,
    }
    # A pipe that nobody reads would block it when it is full.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
        )  # fmt: skip
        try:
            yield _address(process, log.fileno())
        finally:
            process.terminate()
            process.wait(timeout=START_S)


def _address(process: subprocess.Popen[bytes], log: int) -> str:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        said = os.pread(log, 1 << 20, 0).decode()
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", said)
        if found:
            return found[1]
        assert process.poll() is None, said
        time.sleep(0.05)
    raise AssertionError(f"the registry does not listen: {os.pread(log, 1 << 20, 0).decode()}")

"""Load by wrk: a script for each load, and what wrk tells at its end."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.figures import Timing
from tests.bench.wires import Request

_MARK = "measured: "
_TIMEOUT_S = 60
_SCRIPT = """\
-- Bodies are read from files: they may hold any byte.
local paths = {paths}
local headers = {headers}
local prepared, turn = {{}}, 0

function init(args)
  for number, path in ipairs(paths) do
    local file = assert(io.open(path, "rb"))
    prepared[number] = wrk.format("POST", {path}, headers, file:read("*a"))
    file:close()
  end
end

function request()
  turn = turn % #prepared + 1
  return prepared[turn]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{mark}{{"requests":%d,"us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d,"p50":%d,"p99":%d}}\\n',
    summary.requests, summary.duration, errors.connect, errors.read, errors.write, errors.status, errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


def script(requests: Sequence[Request], folder: Path) -> Path:
    """Write what wrk reads; the requests have one path and the same headers but for their length."""
    paths = [folder / f"body-{number}" for number in range(len(requests))]
    for path, request in zip(paths, requests, strict=True):
        path.write_bytes(request.body)
    listed = ", ".join(_quoted(str(path)) for path in paths)
    headers = ", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in requests[0].headers.items())
    written = folder / "load.lua"
    content = _SCRIPT.format(
        paths=f"{{{listed}}}", headers=f"{{{headers}}}", path=_quoted(requests[0].path), mark=_MARK
    )
    written.write_text(content, encoding="utf-8")
    return written


def run(url: str, written: Path, *, clients: int, seconds: float, core: int) -> Timing:
    """One thread of wrk on one core; raises `subprocess.CalledProcessError` where wrk itself fails."""
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{clients}", f"-d{round(seconds)}s"]
    command += [f"--timeout={_TIMEOUT_S}s", "--script", str(written), url]
    return parse(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def parse(told: str) -> Timing:
    """The script's own line; raises `ValueError` where it is not there."""
    line = next((line for line in told.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise ValueError(f"wrk told nothing: {told!r}")
    counted = json.loads(line.removeprefix(_MARK))
    return Timing(
        requests=counted["requests"],
        seconds=counted["us"] / 1e6,
        failed=sum(counted[kind] for kind in ("connect", "read", "write", "status", "timeout")),
        p50_ms=counted["p50"] / 1000,
        p99_ms=counted["p99"] / 1000,
    )


def _quoted(text: str) -> str:
    """A string of Lua."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""`make demo`: builds a sample, serves it, asks it for a prediction, shows the metrics, and stops the server."""

import csv
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample-models" / "breast-cancer"
BUNDLE = ROOT / "build" / "demo" / "bundle"
MODELCAST = Path(sys.executable).with_name("modelcast")
SHOWN = (
    "modelcast_model_info",
    'modelcast_requests_total{code="200",protocol="predict"}',
    "modelcast_rows",
    "modelcast_predictions_total",
)


def main() -> None:
    """The three steps of the README's quick start."""
    say(f"modelcast build {SAMPLE.relative_to(ROOT)}")
    BUNDLE.parent.mkdir(parents=True, exist_ok=True)
    if subprocess.run([MODELCAST, "build", SAMPLE, "--out", BUNDLE], check=False).returncode:
        sys.exit("demo: the sample was not built")

    say(f"modelcast serve {BUNDLE.relative_to(ROOT)}")
    with served(BUNDLE) as url:
        row = first_row(SAMPLE / "data" / "holdout.csv", target="diagnosis")
        say(f"POST {url}/predict?proba=true")
        print(json.dumps({"instances": [row]})[:150], "...", flush=True)
        print(ask(f"{url}/predict?proba=true", json.dumps({"instances": [row]}).encode()), flush=True)

        say(f"GET {url}/metrics")
        print("\n".join(line for line in ask(f"{url}/metrics").splitlines() if line.startswith(SHOWN)), flush=True)
    say("stopped; the bundle stays in " + str(BUNDLE.relative_to(ROOT)))


@contextmanager
def served(bundle: Path) -> Iterator[str]:
    """The address of a server on a free port, until the block ends."""
    command = [str(MODELCAST), "serve", str(bundle), "--port", "0", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            ready = server.stdout.readline().strip()
            if not ready.startswith("serving "):
                sys.exit(f"demo: the server did not start, it said: {ready!r}")
            print(ready, flush=True)
            yield ready.rpartition(" at ")[2]
        finally:
            server.terminate()
    if server.returncode:
        sys.exit(f"demo: the server ended with exit code {server.returncode}")


def first_row(data: Path, *, target: str) -> dict[str, float]:
    """The first row of a CSV file of numbers, without the column that is predicted."""
    with data.open(newline="", encoding="utf-8") as lines:
        row = next(csv.DictReader(lines))
    return {name: float(value) for name, value in row.items() if name != target}


def ask(url: str, body: bytes | None = None) -> str:
    """The text of an answer; urllib, because curl may be missing."""
    headers = {"Content-Type": "application/json"} if body else {}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
        return str(answer.read().decode())


def say(what: str) -> None:
    """One heading of the demo."""
    print(f"\n==> {what}", flush=True)


if __name__ == "__main__":
    main()

"""`modelcast-runtime serve | selftest | predict`: a bundle served, verified or scored without the builder."""

import argparse
import contextlib
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import NoReturn

from modelcast_runtime.ending import end_soon, explain

OUR_BUG = 70
INTERRUPTED = 128 + signal.SIGINT
USAGE = """examples:
  modelcast-runtime serve ./bundle --port 8080
  modelcast-runtime selftest ./bundle
  modelcast-runtime predict ./bundle rows.csv --proba
"""


def run() -> NoReturn:
    """Be the command: run what the arguments say and end, whatever the model's own code still has running."""
    code = main()
    with contextlib.suppress(OSError):  # who read the result is gone; Python says so at its end
        sys.stdout.flush()
    end_soon(code)
    sys.exit(code)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code (0 done, 1 the bundle or data is at fault, 2 wrong usage, 70 a bug of ours)."""
    from modelcast_runtime.settings import THREAD_ENV

    # One thread a library: a worker is one core's worth, and these are read once, at the first import of numpy.
    for name, value in THREAD_ENV.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")
    # scikit-learn sets the filters of the whole process aside in each call, so two threads lose the line above: a
    # forest then warned once a tree, and a log that is full of it and read by nobody blocks the service.
    warnings.showwarning = lambda *_, **__: None
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except _faults() as fault:
        explain(options.command, fault)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - the boundary: a bug of ours ends with its traceback
        traceback.print_exc()
        what = f"{type(bug).__name__}: {bug}. It is a bug of modelcast: please report it with the lines above"
        explain(options.command, what)
        return OUR_BUG


def _faults() -> tuple[type[Exception], ...]:
    from modelcast_runtime.bundle import BundleError
    from modelcast_runtime.settings import SettingsError

    return (BundleError, SettingsError)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="modelcast-runtime",
        description="Serves one sealed bundle.",
        epilog=USAGE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="serve a bundle in the foreground"))
    selftest = _add_bundle(commands.add_parser("selftest", help="verify hashes and golden rows, then exit"))
    selftest.add_argument("--examples", type=Path, metavar="FILE", help="requests and answers that must hold (JSON)")
    selftest.set_defaults(run=_selftest)
    _add_predict(commands.add_parser("predict", help="score a file without a server"))
    _add_drift(commands.add_parser("drift", help="hold a file to the baseline"))
    return parser


def _add_bundle(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    sealed = os.environ.get("MODELCAST_BUNDLE") or "bundle"
    parser.add_argument(
        "bundle", nargs="?", type=Path, default=Path(sealed), help="default: $MODELCAST_BUNDLE, or ./bundle"
    )
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    _add_bundle(parser)
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--port", type=int, help="port to listen on (default $PORT, or 8080)")
    parser.add_argument("--workers", type=int, help="worker processes (default from the cgroup's CPU and memory)")
    parser.set_defaults(run=_serve)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path)
    parser.add_argument("file", type=Path, help="rows: .csv, .json or .parquet")
    parser.add_argument("--proba", action="store_true", help="add the probability of each class")
    parser.add_argument("--out", type=Path, help="write here; .csv for CSV, else JSON lines (default: to stdout)")
    parser.set_defaults(run=_predict)


def _add_drift(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path)
    parser.add_argument("file", type=Path, help="rows: .csv, .json or .parquet")
    parser.add_argument("--json", action="store_true", help="as GET /drift tells it")
    parser.set_defaults(run=_drift)


def _serve(options: argparse.Namespace) -> int:
    from modelcast_runtime import start

    flags = {"host": options.host, "port": options.port, "workers": options.workers}
    return start.serve(options.bundle, flags)


def _selftest(options: argparse.Namespace) -> int:
    from modelcast_runtime import selftest

    print(selftest.run(options.bundle, options.examples))
    return 0


def _predict(options: argparse.Namespace) -> int:
    from modelcast_runtime import offline

    offline.predict(options.bundle, options.file, proba=options.proba, out=options.out)
    return 0


def _drift(options: argparse.Namespace) -> int:
    from modelcast_runtime import offline_drift

    for line in offline_drift.print_report(offline_drift.report(options.bundle, options.file), as_json=options.json):
        print(line)
    return 0


if __name__ == "__main__":
    run()

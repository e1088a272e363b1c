"""`make bench`: measures, prints and saves; see docs/benchmarks.md."""

import argparse
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

from tests.bench import chart, run, tables
from tests.bench.environments import BUILD, ROOT
from tests.bench.figures import Results
from tests.bench.models import MODELS
from tests.bench.servers import SERVERS
from tools.readme import filled

RESULTS = BUILD / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "img" / "benchmarks.svg"

Named = TypeVar("Named")


def main(arguments: Sequence[str]) -> None:
    """One run, or what the last one found."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else servers would be left behind
    if given.report:
        if not RESULTS.exists():
            sys.exit(f"bench: there is no {RESULTS.relative_to(ROOT)} yet. Run make bench first")
        results = Results.read(RESULTS)
    else:
        plan = run.Plan(
            servers=given.servers, models=given.models, seconds=given.seconds, warm_up=min(2, given.seconds)
        )
        results = run.run(plan, lambda said: print(said, file=sys.stderr, flush=True))
        results.save(RESULTS)
        (BUILD / "benchmarks.svg").write_text(chart.draw(results), encoding="utf-8")
    print(tables.told(results, tables.plain))
    if given.docs:
        write_docs(results)


def write_docs(results: Results) -> None:
    """The page's generated part, and its picture."""
    content = tables.told(results, tables.markdown, heading="### ")
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), "figures", content), encoding="utf-8")
    PICTURE.write_text(chart.draw(results), encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--servers", type=lambda text: _chosen(SERVERS, text), default=tuple(SERVERS.values()),
        help=f"some of {', '.join(SERVERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--models", type=lambda text: _chosen(MODELS, text), default=tuple(MODELS.values()),
        help=f"some of {', '.join(MODELS)}",
    )  # fmt: skip
    parser.add_argument("--seconds", type=int, default=5, help="a figure's (default 5), after at most 2 of warm-up")
    parser.add_argument("--docs", action="store_true", help="write docs/benchmarks.md and its picture anew")
    parser.add_argument("--report", action="store_true", help="measure nothing: tell of build/bench/results.json")
    return parser


def _chosen(known: Mapping[str, Named], text: str) -> tuple[Named, ...]:
    wanted = text.split(",")
    if unknown := [name for name in wanted if name not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return tuple(known[name] for name in wanted)


if __name__ == "__main__":
    main(sys.argv[1:])

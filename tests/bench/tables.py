"""A run as tables of text: on a terminal, and in Markdown."""

from collections.abc import Callable, Sequence

from tests.bench.figures import CROWD, LOADS, Figure, Found, Lacking, Load, Memory, Results, Start
from tests.bench.models import MODELS
from tests.bench.servers import SERVERS
from tests.bench.targets import verdicts

_ROUGH = "A short run, or one beside other work: its ratios are rough."
Draw = Callable[[Sequence[str], Sequence[Sequence[str]]], str]


def plain(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of a terminal."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    escaped = ([cell.replace("|", "\\|").replace("<", "&lt;") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *escaped))


def told(results: Results, draw: Draw, *, heading: str = "") -> str:
    """Everything that a run found; `heading` goes before each title."""
    parts = [_where(results), f"{heading}What must be reached", _verdicts(results, draw)]
    for model in MODELS.values():
        if table := _compared(results, model.name, draw):
            parts += [f"{heading}{model.title}", table]
    if results.starts:
        parts += [f"{heading}Start and memory", _weighed(results, draw)]
    if results.lacking:
        parts += [f"{heading}What was not measured", _lacking(results, draw)]
    return "\n\n".join(parts)


def _where(results: Results) -> str:
    machine = results.machine
    return (
        f"Measured {machine.at} on {machine.cpu}, {machine.cores} cores, {machine.system}, Python {machine.python}, "
        f"{results.seconds:g} s a figure. Load average of the machine before the run: {machine.load_average:g}."
        + ("" if results.seconds >= 5 and machine.load_average < 1 else f" {_ROUGH}")
    )


def _verdicts(results: Results, draw: Draw) -> str:
    return draw(
        ("what", "wanted", "got", "met"), [(one.what, one.wanted, one.got, one.met) for one in verdicts(results)]
    )


def _compared(results: Results, model: str, draw: Draw) -> str:
    """The servers with one model, a load a column; empty where nothing of it was measured."""
    figures = [one for one in results.figures if one.model == model]
    loads = [load for load in LOADS if any(one.load == load for one in figures)]
    servers = [name for name in SERVERS if any(one.server == name for one in figures)]
    rows = [(_title(name), *(_cell(results, name, model, load) for load in loads)) for name in servers]
    rows = [(*row, _ratio(results, name, model)) for row, name in zip(rows, servers, strict=True)]
    return draw(("server", *map(_unit, loads), "modelcast is"), rows) if rows else ""


def _unit(load: Load) -> str:
    return f"{load.title}: {'requests/s, p50' if load.rows == 1 else 'rows/s'}"


def _cell(results: Results, server: str, model: str, load: Load) -> str:
    timing = results.timing(server, model, load)
    if timing is None:
        return "-"
    rate = number(timing.rate * load.rows)
    return f"{rate}, {number(timing.p50_ms)} ms" if load.rows == 1 else rate


def _ratio(results: Results, server: str, model: str) -> str:
    """How much faster modelcast answers one row to 16 clients."""
    ours, theirs = results.timing("modelcast", model, CROWD), results.timing(server, model, CROWD)
    return f"{number(ours.rate / theirs.rate)} x" if ours and theirs and server != "modelcast" else ""


def _weighed(results: Results, draw: Draw) -> str:
    memories = {(one.server, one.model): f"{one.pss_mb:,.0f}" for one in results.memories}
    rows = [
        (
            _title(one.server),
            one.model,
            f"{one.seconds:.2f}",
            memories.get((one.server, one.model), "-"),
            "yes" if one.has_sklearn else "no",
        )
        for one in results.starts
    ]
    head = ("server", "model", "seconds to the first right answer", "MB (PSS) of 4 workers", "scikit-learn is imported")
    return draw(head, rows)


def _lacking(results: Results, draw: Draw) -> str:
    rows = [(_title(one.server), one.model, one.load or "all", one.reason) for one in results.lacking]
    return draw(("server", "model", "load", "why"), rows)


def _title(server: str) -> str:
    """A server that has gone since keeps its name."""
    return SERVERS[server].title if server in SERVERS else server


def line(found: Found) -> str:
    """One finding while the run goes on."""
    return f"{found.model}  {found.server}  {_said(found)}"


def _said(found: Found) -> str:
    match found:
        case Figure(load=load, timing=timing):
            return f"{load.title}: {number(timing.rate)} requests/s, p50 {number(timing.p50_ms)} ms"
        case Start(seconds=seconds):
            return f"right answer after {seconds:.2f} s"
        case Memory(workers=workers, pss_mb=pss_mb):
            return f"{pss_mb:.0f} MB with {workers} workers"
        case Lacking(load=load, reason=reason):
            return f"{load or 'all'}: not measured: {reason}"


def number(value: float) -> str:
    """Three digits that count, in groups."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

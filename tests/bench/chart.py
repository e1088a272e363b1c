"""A run as a picture: one row to 16 clients, a panel a model, a bar a server."""

import math
from collections.abc import Iterator
from xml.sax.saxutils import escape

from tests.bench.figures import CROWD, Results
from tests.bench.models import MODELS
from tests.bench.servers import SERVERS
from tests.bench.tables import number

WIDTH = 860
_LEFT, _RIGHT = 250, 110
_BAR, _TITLE, _GAP, _TOP, _BOTTOM = 20, 26, 14, 34, 30
_FONT = "font-family='system-ui, sans-serif' font-size='12'"
_OURS, _THEIRS, _INK, _LINE = "#b3541e", "#8aa0b4", "#222222", "#dddddd"
Bars = list[tuple[str, float]]


def draw(results: Results) -> str:
    """SVG; bars begin at 10 requests a second and are logarithmic, as the axis says."""
    panels = list(_panels(results))
    highest = max((rate for _, bars in panels for _, rate in bars), default=10.0)
    decades = max(1, math.ceil(math.log10(highest)) - 1)
    height = _TOP + sum(_TITLE + len(bars) * _BAR + _GAP for _, bars in panels) + _BOTTOM
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}' "
        f"role='img' {_FONT}>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        _text(10, 20, "One row, 16 clients: requests a second (logarithmic)", weight="bold"),
        *_grid(decades, height),
    ]
    top = _TOP
    for title, bars in panels:
        parts += [_text(10, top + 17, title, weight="bold"), *_drawn(bars, top + _TITLE, decades)]
        top += _TITLE + len(bars) * _BAR + _GAP
    return "\n".join([*parts, "</svg>", ""])


def _panels(results: Results) -> Iterator[tuple[str, Bars]]:
    for model in MODELS.values():
        timed = [(name, results.timing(name, model.name, CROWD)) for name in SERVERS]
        bars = [(name, timing.rate) for name, timing in timed if timing]
        if bars:
            yield model.title, sorted(bars, key=lambda bar: -bar[1])


def _drawn(bars: Bars, top: int, decades: int) -> Iterator[str]:
    for place, (server, rate) in enumerate(bars):
        y = top + place * _BAR
        length = max(1.0, _x(rate, decades) - _LEFT)
        colour = _OURS if server.startswith("modelcast") else _THEIRS
        yield _text(_LEFT - 8, y + 14, SERVERS[server].title, anchor="end")
        yield f"<rect x='{_LEFT}' y='{y + 3}' width='{length:.1f}' height='{_BAR - 6}' fill='{colour}'/>"
        yield _text(_LEFT + length + 6, y + 14, number(rate))


def _grid(decades: int, height: int) -> Iterator[str]:
    for power in range(1, decades + 2):
        x = _x(10**power, decades)
        yield f"<line x1='{x:.1f}' y1='{_TOP}' x2='{x:.1f}' y2='{height - _BOTTOM}' stroke='{_LINE}'/>"
        yield _text(x, height - _BOTTOM + 16, f"{10**power:,}", anchor="middle")


def _x(rate: float, decades: int) -> float:
    share = max(0.0, math.log10(max(rate, 1e-9)) - 1) / decades
    return _LEFT + share * (WIDTH - _LEFT - _RIGHT)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f"<text x='{x:.1f}' y='{y}' fill='{_INK}' text-anchor='{anchor}' font-weight='{weight}'>{escape(text)}</text>"
    )

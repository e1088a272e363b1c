"""`python -m tools.drift_figure`: draws the table of docs/drift.md as docs/img/drift.svg."""

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).resolve().parents[1] / "docs"
_LEFT, _CELL, _LINE, _TOP = 270, 84, 24, 34
_FEW, _DRIFTED = 0.1, 0.25
_QUIET, _SOME, _LOUD = "#eef2f5", "#f3d9b1", "#d9793f"


def draw(page: str) -> str:
    """SVG of the table that begins with `Model and shift`, a line a shift, darker from the limit on."""
    head, *lines = _table(page)
    width, height = _LEFT + _CELL * (len(head) - 1) + 10, _TOP + _LINE * len(lines) + 10
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' "
        "role='img' font-family='system-ui, sans-serif' font-size='12'>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
    ]
    parts += [_text(_LEFT + _CELL * (place + 0.5), 22, name) for place, name in enumerate(head[1:])]
    for row, (name, *cells) in enumerate(lines):
        y = _TOP + _LINE * row
        parts.append(_text(_LEFT - 10, y + 16, name, anchor="end"))
        for place, cell in enumerate(cells):
            if cell:
                x = _LEFT + _CELL * place
                fill = _colour(float(cell))
                parts.append(f"<rect x='{x}' y='{y}' width='{_CELL - 2}' height='{_LINE - 2}' fill='{fill}'/>")
                parts.append(_text(x + _CELL / 2 - 1, y + 16, cell))
    return "\n".join([*parts, "</svg>", ""])


def _table(page: str) -> Iterator[list[str]]:
    lines = page[page.index("| Model and shift") :].split("\n\n", 1)[0].splitlines()
    for place, line in enumerate(lines):
        if place != 1:  # the line of dashes
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _colour(psi: float) -> str:
    if psi < _FEW:
        return _QUIET
    return _SOME if psi < _DRIFTED else _LOUD


def _text(x: float, y: float, text: str, *, anchor: str = "middle") -> str:
    return f"<text x='{x:.0f}' y='{y}' fill='#222222' text-anchor='{anchor}'>{escape(text)}</text>"


if __name__ == "__main__":
    page = (DOCS / "drift.md").read_text(encoding="utf-8")
    (DOCS / "img" / "drift.svg").write_text(draw(page), encoding="utf-8")

"""Small plots for the model card: pure functions from numbers to inline SVG, in the page's own colours.

Each has a name for who cannot see it; a table or a sentence beside it says the same.
"""

from collections.abc import Iterator, Sequence
from html import escape

from modelcast_runtime.contract import Curve

_WIDE, _HIGH, _LEFT, _BELOW, _TOP = 320, 250, 46, 40, 12
_MOST_SHOWN = 8
_LONGEST = 14


class Svg(str):
    """Markup that is whole: what came from elsewhere is escaped in it."""

    __slots__ = ()

    def __html__(self) -> str:
        """As templates take it."""
        return self


def confusion(classes: Sequence[str], counts: Sequence[Sequence[int]]) -> Svg:
    """A square for each true and predicted class, the darker the larger its share of the true class."""
    size, left, top = 56, 110, 46
    parts = [_text(left + size * len(classes) / 2, 14, "predicted", "middle", "name")]
    for row, label in enumerate(classes):
        parts.append(_text(left - 8, top + size * (row + 0.5) + 4, _cut(label), "end"))
        parts.append(_text(left + size * (row + 0.5), top - 10, _cut(label, 8), "middle"))
        total = sum(counts[row]) or 1
        for column, count in enumerate(counts[row]):
            share, x, y = count / total, left + size * column, top + size * row
            parts.append(
                _fill(
                    '<rect class="cell" x="{}" y="{}" width="{}" height="{}" rx="4" fill-opacity="{}"/>',
                    x + 2,
                    y + 2,
                    size - 4,
                    size - 4,
                    _number(0.06 + 0.44 * share),
                )
            )
            parts.append(_text(x + size / 2, y + size / 2 + 5, str(count), "middle", "count"))
    width, height = left + size * len(classes) + 12, top + size * len(classes) + 10
    return _svg(width, height, "Rows by true class, down, and predicted class, across", parts)


def roc(curves: Sequence[Curve]) -> Svg:
    """True positives against false positives; the diagonal is what a coin does."""
    parts = [*_frame("false positive rate", "true positive rate", (0, 1), (0, 1)), _diagonal()]
    parts += [_line(curve, (0, 1), (0, 1), place) for place, curve in enumerate(curves[:_MOST_SHOWN])]
    parts += _legend(curves)
    return _svg(_WIDE, _HIGH, _named("ROC curve", curves), parts)


def calibration(curves: Sequence[Curve]) -> Svg:
    """How often a class comes that was given a probability; on the diagonal, as often as was said."""
    parts = [*_frame("mean probability", "share that came", (0, 1), (0, 1)), _diagonal()]
    for place, curve in enumerate(curves[:_MOST_SHOWN]):
        parts += [_line(curve, (0, 1), (0, 1), place), *_dots(curve, (0, 1), (0, 1), place, 3)]
    parts += _legend(curves)
    return _svg(_WIDE, _HIGH, _named("Calibration", curves), parts)


def predicted(curve: Curve) -> Svg:
    """Predicted against true values; on the diagonal they are the same."""
    ends = _ends((*curve.x, *curve.y))
    parts = [*_frame("true", "predicted", ends, ends), _diagonal(), *_dots(curve, ends, ends, 0, 2.5)]
    return _svg(_WIDE, _HIGH, _named("Predicted against true values", [curve]), parts)


def residuals(curve: Curve) -> Svg:
    """What the prediction is short of, against the prediction."""
    far = max(map(abs, curve.y), default=0.0) or 1.0
    wide, high = _ends(curve.x), (-far, far)
    middle = _at(0, high, _HIGH - _BELOW, _TOP)
    zero = _fill('<line class="diagonal" x1="{}" y1="{}" x2="{}" y2="{}"/>', _LEFT, middle, _WIDE - 10, middle)
    parts = [*_frame("predicted", "true less predicted", wide, high), zero, *_dots(curve, wide, high, 0, 2.5)]
    return _svg(_WIDE, _HIGH, _named("Residuals", [curve]), parts)


def bars(values: Sequence[tuple[str, float]], whole: float | None, name: str) -> Svg:
    """A bar for each group, and a line where all rows together are; values of 0 to 1, or from 0 to the largest."""
    most = max([1.0 if all(0 <= value <= 1 for _, value in values) else 0.0, *(abs(value) for _, value in values)])
    left, high, wide = 120, 26, 380
    parts: list[Svg] = []
    for place, (group, value) in enumerate(values):
        y = 6 + high * place
        length = max(1.0, (wide - left - 60) * abs(value) / most)
        parts.append(_text(left - 8, y + 15, _cut(group or "(none)", 15), "end"))
        parts.append(
            _fill(
                '<rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="3"/>',
                left,
                y + 2,
                _number(length),
                high - 8,
            )
        )
        parts.append(_text(left + length + 6, y + 15, f"{value:.3g}", "start"))
    bottom = 8 + high * len(values)
    if whole is not None and 0 <= whole <= most:
        x = _number(left + (wide - left - 60) * whole / most)
        parts.append(_fill('<line class="all" x1="{}" y1="2" x2="{}" y2="{}"/>', x, x, bottom - 2))
    return _svg(wide, bottom, name, parts)


def _fill(template: str, *values: object) -> Svg:
    return Svg(template.format(*(value if isinstance(value, Svg) else escape(str(value)) for value in values)))


def _svg(width: float, height: float, name: str, parts: Sequence[Svg]) -> Svg:
    return _fill(
        '<svg viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">{}</svg>',
        _number(width),
        _number(height),
        _number(width),
        name,
        Svg("".join(parts)),
    )


def _frame(x: str, y: str, wide: tuple[float, float], high: tuple[float, float]) -> Iterator[Svg]:
    """The axes with their ends and names."""
    right, bottom = _WIDE - 10, _HIGH - _BELOW
    yield _fill('<path class="axis" d="M{} {}V{}H{}"/>', _LEFT, _TOP, bottom, right)
    yield _text(_LEFT, bottom + 15, f"{wide[0]:.3g}", "middle")
    yield _text(right, bottom + 15, f"{wide[1]:.3g}", "end")
    yield _text(_LEFT - 6, bottom, f"{high[0]:.3g}", "end")
    yield _text(_LEFT - 6, _TOP + 8, f"{high[1]:.3g}", "end")
    yield _text((_LEFT + right) / 2, bottom + 30, x, "middle", "name")
    middle = _number((_TOP + bottom) / 2)
    yield _fill('<text class="name" text-anchor="middle" transform="translate(12 {}) rotate(-90)">{}</text>', middle, y)


def _legend(curves: Sequence[Curve]) -> Iterator[Svg]:
    """Which line is which, below the diagonal, where both kinds of curves leave room."""
    if len(curves) < 2:
        return
    shown = curves[:_MOST_SHOWN]
    for place, curve in enumerate(shown):
        y = _HIGH - _BELOW - 10 - 14 * (len(shown) - 1 - place)
        yield _fill('<path class="line c{}" d="M{} {}h14"/>', place, _WIDE - 104, y - 4)
        yield _text(_WIDE - 84, y, _cut(curve.label), "start")


def _diagonal() -> Svg:
    return _fill('<path class="diagonal" d="M{} {}L{} {}"/>', _LEFT, _HIGH - _BELOW, _WIDE - 10, _TOP)


def _line(curve: Curve, wide: tuple[float, float], high: tuple[float, float], place: int) -> Svg:
    points = " ".join(f"{x},{y}" for x, y in _points(curve, wide, high))
    return _fill('<polyline class="line c{}" points="{}"><title>{}</title></polyline>', place, points, curve.label)


def _dots(
    curve: Curve, wide: tuple[float, float], high: tuple[float, float], place: int, radius: float
) -> Iterator[Svg]:
    for x, y in _points(curve, wide, high):
        yield _fill('<circle class="dot c{}" cx="{}" cy="{}" r="{}"/>', place, x, y, _number(radius))


def _points(curve: Curve, wide: tuple[float, float], high: tuple[float, float]) -> Iterator[tuple[str, str]]:
    for x, y in zip(curve.x, curve.y, strict=True):
        yield _at(x, wide, _LEFT, _WIDE - 10), _at(y, high, _HIGH - _BELOW, _TOP)


def _at(value: float, ends: tuple[float, float], low: float, high: float) -> str:
    return _number(low + (high - low) * (value - ends[0]) / (ends[1] - ends[0]))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    least, most = min(values, default=0.0), max(values, default=1.0)
    return (least, most) if most > least else (least - 0.5, least + 0.5)


def _named(name: str, curves: Sequence[Curve]) -> str:
    labels = ", ".join(curve.label for curve in curves[:_MOST_SHOWN] if curve.label)
    return f"{name} of {labels}" if labels else name


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> Svg:
    return _fill(
        '<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>', kind, _number(x), _number(y), anchor, text
    )


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _number(value: float) -> str:
    """A tenth of a pixel is enough, and the same on every machine."""
    return f"{value:.1f}".removesuffix(".0") if abs(value) >= 1 else f"{value:.2f}"

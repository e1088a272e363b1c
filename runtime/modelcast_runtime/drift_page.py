"""What the page at `/drift` shows: the baseline's bins beside those seen, drawn here so that it needs no script."""

from collections.abc import Iterator, Mapping
from typing import Any

_MEANINGS = {
    "input": "What the model is fed, input by input.",
    "joint": "How unusual the combination of the inputs is, whatever the single values are.",
    "prediction": "What the model answers.",
    "score": "How sure the model is.",
    "path": "Which way the rows take through the model.",
    "work": "How much work it is to score a row.",
}
_WIDTH, _HEIGHT, _GAP = 240.0, 72.0, 3.0


def facts(report: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Everything that the template shows, of the report that JSON clients get."""
    signals = report["signals"]
    has_drifted = {signal["kind"] for signal in signals if signal["drifted"]}
    kinds = sorted(dict.fromkeys(signal["kind"] for signal in signals), key=lambda kind: kind not in has_drifted)
    groups = [(kind, _MEANINGS[kind], [_shown(one) for one in _ranked(signals, kind)]) for kind in kinds]
    return {
        "report": report,
        "description": description,
        "drifted": [f"{one['kind']} {one['name']}" for one in signals if one["drifted"]],
        "groups": groups,
        "width": _WIDTH,
        "height": _HEIGHT,
    }


def _ranked(signals: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """The furthest from the baseline first."""
    return sorted((one for one in signals if one["kind"] == kind), key=lambda one: -(one["psi"] or 0.0))


def _shown(signal: dict[str, Any]) -> dict[str, Any]:
    bins = list(zip(signal["bins"], signal["expected"], signal["observed"], strict=True))
    worst = max(bins, key=lambda one: abs(one[2] - one[1]))
    return {
        **signal,
        "bars": list(_bars(bins)),
        "table": [(name, f"{expected:.1%}", f"{observed:.1%}") for name, expected, observed in bins],
        "alternative": f"Most moved: {worst[0]}, {worst[1]:.1%} in the baseline, {worst[2]:.1%} seen",
    }


def _bars(bins: list[tuple[str, float, float]]) -> Iterator[tuple[str, float, float, float, float]]:
    """Class, left edge, top, width and height of every bar: a pair a bin, the baseline's first."""
    most = max((max(expected, observed) for _, expected, observed in bins), default=0.0) or 1.0
    step = _WIDTH / len(bins)
    width = max((step - _GAP) / 2, 0.5)
    for place, (_, *pair) in enumerate(bins):
        for side, (kind, share) in enumerate(zip(("expected", "observed"), pair, strict=True)):
            height = share / most * (_HEIGHT - 2)
            yield (
                kind,
                round(place * step + side * width, 2),
                round(_HEIGHT - height, 2),
                round(width, 2),
                round(height, 2),
            )

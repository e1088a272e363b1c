"""A comparison as a person reads it."""

from collections.abc import Iterator, Sequence

from modelcast_builder.aligned import aligned
from modelcast_builder.comparison.messages import Change, Comparison, Group, Quality, Scored, Shift, Side

_LONGEST = 100
_MOST_PAIRS = 20


def page(comparison: Comparison) -> str:
    """What `modelcast diff` prints."""
    parts = [
        _table([_side("old", comparison.old), _side("new", comparison.new)]),
        _changes(comparison.changes),
        _scored(comparison.scored),
        _shifts(comparison.scored.shifts),
        _groups(comparison.scored.groups),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part)


def _side(which: str, side: Side) -> tuple[str, ...]:
    return which, side.given, side.name, side.version


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        yield "nothing that they say of themselves differs"
        return
    rows = [(change.of, change.name, _cell(change.old), _cell(change.new)) for change in changes]
    yield from _table([("changed", "", "old", "new"), *rows])


def _cell(text: str | None) -> str:
    if text is None:
        return "-"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _scored(scored: Scored) -> Iterator[str]:
    yield f"{scored.rows} rows: {scored.data}"
    if scored.flips is not None and scored.flip_share is not None:
        yield f"{scored.flips} flips ({scored.flip_share:.2%}): rows whose label changed"
    pairs = scored.pairs[:_MOST_PAIRS]
    yield from _table([(f"  {pair.rows}", f"{pair.old} -> {pair.new}") for pair in pairs])
    if len(scored.pairs) > len(pairs):
        yield f"  and {len(scored.pairs) - len(pairs)} other pairs"
    if scored.undefined:
        yield f"{scored.undefined} rows for which only one of them gives a number"
    if scored.quality is not None:
        yield _sentence(scored.quality)


def _sentence(quality: Quality) -> str:
    told = f"{quality.measure} {_number(quality.old)} -> {_number(quality.new)}"
    if quality.drop:
        told += f", {_number(abs(quality.drop))} {'worse' if quality.drop > 0 else 'better'}"
    return f"{told} (against the column {quality.target}, {quality.rows} rows)"


def _shifts(shifts: Sequence[Shift]) -> Iterator[str]:
    if not shifts:
        return
    numbers = any(shift.rmsd is not None for shift in shifts)
    head = ("number" if numbers else "probability of", "old mean", "new mean", "mean change", "largest change", "psi")
    rows = [_shift(shift) for shift in shifts]
    yield from _table([(*head, *(("relative change", "rmsd") if numbers else ())), *rows])


def _shift(shift: Shift) -> tuple[str, ...]:
    told = (shift.old_mean, shift.new_mean, shift.mean_change, shift.largest_change, shift.psi)
    of_number = () if shift.rmsd is None else (_number(shift.relative_change), _number(shift.rmsd))
    return (shift.of, *map(_number, told), *of_number)


def _groups(groups: Sequence[Group]) -> Iterator[str]:
    if not groups:
        return
    changed = "rmsd" if groups[0].flips is None else "flips"
    measure = next((group.quality.measure for group in groups if group.quality is not None), None)
    rows = [_group(group, has_quality=measure is not None) for group in groups]
    of_quality = () if measure is None else (f"old {measure}", f"new {measure}")
    yield from _table([("group", "", "rows", changed, *of_quality), *rows])


def _group(group: Group, *, has_quality: bool) -> tuple[str, ...]:
    changed = _number(group.rmsd) if group.flips is None else f"{group.flips:.2%}"
    known = (None, None) if group.quality is None else (group.quality.old, group.quality.new)
    of_quality = tuple(map(_number, known)) if has_quality else ()
    return (group.column, _cell(group.group or None), str(group.rows), changed, *of_quality)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return aligned(rows) if rows else iter(())

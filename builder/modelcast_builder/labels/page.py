"""A report of labels as a person reads it."""

from collections.abc import Iterator, Mapping

from modelcast_builder.aligned import aligned
from modelcast_builder.labels.evaluate import slices
from modelcast_builder.labels.messages import Report

_OF_GROUPS = ("accuracy", "rmse")


def page(report: Report) -> str:
    """What `modelcast evaluate` prints."""
    parts = [_head(report), _metrics(report), _estimate(report), _groups(report), _absent(report)]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part)


def _head(report: Report) -> Iterator[str]:
    logs, labels = report.logs, report.labels
    yield f"{report.name} {report.version}"
    yield f"{logs.file}: {logs.predictions} predictions of it in {logs.lines} lines"
    yield from _counted(
        (logs.unreadable, "unreadable lines"),
        (logs.repeated, "lines that are there twice"),
        *((count, f"predictions of {version}") for version, count in logs.other_versions.items()),
    )
    yield f"{labels.file}: {labels.rows} rows, {labels.matched} held against a prediction (column {labels.column})"
    yield from _counted(
        (labels.unmatched, "of predictions that the log does not hold"),
        *((count, f"of predictions of {version}") for version, count in labels.other_versions.items()),
        (labels.repeated, "for a row that had a label before: the last one counts"),
        (labels.empty, "without a label"),
        (labels.undefined, "of predictions that are no number"),
    )


def _counted(*told: tuple[int, str]) -> Iterator[str]:
    yield from (f"  {count} {what}" for count, what in told if count)


def _metrics(report: Report) -> Iterator[str]:
    before: Mapping[str, float] = {} if report.at_build is None else report.at_build.metrics
    rows = [
        (name, _number(before.get(name)), _number(now), _change(before.get(name), now))
        for name, now in report.now.metrics.items()
    ]
    at_build = "at build" if report.at_build is None else f"at build ({report.at_build.rows} rows)"
    return aligned([("metric", at_build, f"now ({report.now.rows} rows)", "change"), *rows])


def _estimate(report: Report) -> Iterator[str]:
    for one in report.estimates:
        if one.column is None:
            yield f"accuracy estimated without labels {one.estimated:.4g}, true {one.true:.4g}"


def _groups(report: Report) -> Iterator[str]:
    now, before = slices(report.now), slices(report.at_build)
    if not now:
        return
    name = next(name for name in _OF_GROUPS if name in report.now.metrics)
    estimated = {(one.column, one.group): one.estimated for one in report.estimates}
    head = ("group", "", "rows", f"{name} at build", f"{name} now", "change")
    rows = [
        (
            part.column,
            part.group or "-",
            str(part.rows),
            _number(before.get((part.column, part.group), {}).get(name)),
            _number(part.metrics.get(name)),
            _change(before.get((part.column, part.group), {}).get(name), part.metrics.get(name)),
            *((_number(estimated.get((part.column, part.group))),) if estimated else ()),
        )
        for part in report.now.slices
    ]
    yield from aligned([(*head, "estimated") if estimated else head, *rows])


def _absent(report: Report) -> Iterator[str]:
    for name, reason in report.absent.items():
        if name.startswith("metrics."):
            yield f"no {name.removeprefix('metrics.')}: {reason}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _change(before: float | None, now: float | None) -> str:
    return "-" if before is None or now is None else f"{now - before:+.4g}"

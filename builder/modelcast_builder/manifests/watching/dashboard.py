"""What Grafana shows of a model: is it answering, has anything drifted, and each signal beside its baseline."""

import json
from collections.abc import Iterable, Iterator, Sequence

from modelcast_runtime import metrics

from modelcast_builder.manifests.metadata import Object
from modelcast_builder.manifests.watching.watched import Kind, Watched, equal

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOICE = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
_COLUMNS, _HEIGHT = 3, 8
_WIDTH = 24 // _COLUMNS


def text(dashboard: Object) -> str:
    """As a file: the same dashboard is the same text."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def dashboard(watched: Watched) -> Object:
    """The whole model of it, for import or for a sidecar that reads ConfigMaps."""
    rows = [
        ("The service", list(_service(watched))),
        ("What has drifted", list(_drift(watched))),
        *((f"Baseline and live: {kind.kind}", list(_signals(kind))) for kind in watched.kinds),
    ]
    return {
        "title": f"modelcast: {watched.job}",
        "uid": f"modelcast-{watched.job}"[:40],
        "tags": ["modelcast"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [_CHOICE]},
        "panels": list(_placed((title, panels) for title, panels in rows if panels)),
    }


def _service(watched: Watched) -> Iterator[Object]:
    requests = watched.exported(metrics.REQUESTS)
    rate = "[$__rate_interval]"
    yield _panel("Requests by status", "reqps", (f"sum by (code) (rate({requests}{rate})) > 0", "{{code}}"))
    buckets = watched.exported(f"{metrics.REQUEST_SECONDS}_bucket", 'protocol!="other"')
    yield _panel(
        "Seconds to the answer",
        "s",
        *(
            (f"histogram_quantile({share}, sum by (le) (rate({buckets}{rate})))", f"p{share * 100:g}")
            for share in (0.5, 0.95, 0.99)
        ),
    )
    rows, in_flight = watched.exported(metrics.ROWS), watched.exported(metrics.IN_FLIGHT)
    yield _panel(
        "Rows a second, requests in flight",
        "short",
        (f"sum(rate({rows}{rate}))", "rows a second"),
        (f"sum({in_flight})", "in flight"),
    )


def _drift(watched: Watched) -> Iterator[Object]:
    for kind in watched.kinds:
        legend = kind.kind if kind.label is None else f"{{{{{kind.label}}}}}"
        psi, limit = kind.recorded("psi"), kind.recorded("psi_limit")
        asked = [(f"topk(10, {psi})", legend), (f"min({limit})", "from here it has drifted")]
        yield _panel(f"PSI: {kind.kind}", "short", *asked)
    if (inputs := watched.kind("input")) is not None:
        yield _panel("Missing values", "percentunit", (f"topk(10, {inputs.recorded('missing_ratio')})", "{{input}}"))
        yield _panel("Unseen values", "percentunit", (f"topk(10, {inputs.recorded('unseen_ratio')})", "{{input}}"))
    if watched.kind("score") is not None and watched.baseline.accuracies:
        yield _panel(
            "Expected accuracy, without labels",
            "percentunit",
            (watched.recorded("accuracy_expected"), "expected"),
            (watched.recorded("accuracy_limit"), "too low from here"),
        )
    path = watched.kind("path")
    if path is not None and any(signal.name == "rare_rate" for signal in path.signals):
        yield _panel("Rows on rare paths", "percentunit", (path.recorded("rare_ratio"), "of all rows"))


def _signals(kind: Kind) -> Iterator[Object]:
    """For each signal its bins, the baseline's beside those of the last window."""
    for signal in kind.signals:
        of = () if kind.label is None else (equal(kind.label, signal.name),)
        asked = [
            (f"avg by (bin) ({kind.recorded(what, *of)})", legend)
            for what, legend in (("bin_expected_ratio", "baseline"), ("bin_observed_ratio", "live"))
        ]
        yield _bars(signal.name, *asked)


def _panel(title: str, unit: str, *asked: tuple[str, str]) -> Object:
    """Lines over time; `asked` is expressions and their legends."""
    targets = [_target(place, expr, legend) for place, (expr, legend) in enumerate(asked)]
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


def _bars(title: str, *asked: tuple[str, str]) -> Object:
    """Two bars a bin: tables of now, joined by `bin`."""
    now = {"instant": True, "format": "table"}
    targets = [_target(place, expr, legend) | now for place, (expr, legend) in enumerate(asked)]
    names = {f"Value #{target['refId']}": target["legendFormat"] for target in targets}
    return {
        "type": "barchart",
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": "percentunit", "min": 0}, "overrides": []},
        "options": {"xField": "bin"},
        "targets": targets,
        "transformations": [
            {"id": "joinByField", "options": {"byField": "bin", "mode": "outer"}},
            {"id": "organize", "options": {"excludeByName": {"Time 1": True, "Time 2": True}, "renameByName": names}},
        ],
    }


def _target(place: int, expr: str, legend: str) -> Object:
    return {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}


def _placed(rows: Iterable[tuple[str, Sequence[Object]]]) -> Iterator[Object]:
    """Panels in columns below the title of their row."""
    number, top = 0, 0
    for title, panels in rows:
        number += 1
        head = {"id": number, "type": "row", "title": title, "collapsed": False, "panels": []}
        yield head | {"gridPos": _at(0, top, 24, 1)}
        top += 1
        for place, panel in enumerate(panels):
            number += 1
            line, column = divmod(place, _COLUMNS)
            yield {"id": number, **panel, "gridPos": _at(column * _WIDTH, top + line * _HEIGHT, _WIDTH, _HEIGHT)}
        top += -(-len(panels) // _COLUMNS) * _HEIGHT


def _at(left: int, top: int, width: int, height: int) -> Object:
    return {"x": left, "y": top, "w": width, "h": height}

"""Holds a file of rows to a bundle's baseline, without a server: the numbers that `GET /drift` tells of those rows."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from modelcast_runtime import baseline as baselines
from modelcast_runtime import drift, offline, watching
from modelcast_runtime.baseline import Baseline, Signal
from modelcast_runtime.bundle import Bundle, open_bundle
from modelcast_runtime.columns import Locate
from modelcast_runtime.contract import Wanted
from modelcast_runtime.formats import Scorer, load_scorer
from modelcast_runtime.formats.python import OwnPredict
from modelcast_runtime.payload import Decoded
from modelcast_runtime.watching import Counts, Watch, told_of

_ROWS = 8_192
"""So many rows are scored at once."""


def report(root: Path, file: Path) -> dict[str, Any]:
    """The report of a file; raises `BundleError` with the place of a row that cannot be read or scored."""
    bundle = open_bundle(root)
    scorer = load_scorer(bundle)
    since = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(scorer, OwnPredict) or bundle.baseline is None or not bundle.baseline.signals:
        return drift.report(bundle.baseline, bundle.manifest, lambda _: (), 0, since)
    decoded = offline.decode(file, bundle)
    counted = _counted(bundle, bundle.baseline, scorer, decoded, file)
    rows = decoded.columns.rows
    return drift.report(bundle.baseline, bundle.manifest, lambda one: counted[one.kind, one.name], rows, since)


def print_report(told: Mapping[str, Any], *, as_json: bool) -> Iterator[str]:
    """The lines: JSON, or a table of the signals, the furthest first."""
    if as_json:
        yield orjson.dumps(told, option=orjson.OPT_INDENT_2).decode()
        return
    model = told["model"]
    yield f"{model['name']} {model['version']}: {told['rows']} rows"
    if not told["signals"]:
        yield f"nothing to compare with: {told['reason']}"
        return
    yield f"baseline: {told['baseline']['rows']} rows, {told['baseline']['source']}"
    yield ""
    yield f"{'SIGNAL':<40} {'ROWS':>8} {'PSI':>8} {'JS':>6} {'TVD':>6} {'LIMIT':>6}"
    for signal in sorted(told["signals"], key=lambda one: -(one["psi"] or 0.0)):
        mark = "  drifted" if signal["drifted"] else ""
        yield f"{signal['kind'] + ' ' + signal['name']:<40} {signal['rows']:>8} {_distances(signal)}{mark}"
    if "estimated_accuracy" in told:
        yield ""
        yield f"estimated accuracy: {told['estimated_accuracy']:.3f} (from the model's own probabilities)"
    if told["rows"] < baselines.FEWEST_ROWS:
        yield f"fewer than {baselines.FEWEST_ROWS} rows: chance alone moves them, so that nothing is called drifted"


def _distances(signal: Mapping[str, Any]) -> str:
    if signal["psi"] is None:
        return f"{'-':>8} {'-':>6} {'-':>6} {signal['threshold']:>6.2f}"
    return f"{signal['psi']:>8.4f} {signal['js']:>6.3f} {signal['tvd']:>6.3f} {signal['threshold']:>6.2f}"


def _counted(
    bundle: Bundle, baseline: Baseline, scorer: Scorer, decoded: Decoded, file: Path
) -> Mapping[tuple[str, str], Sequence[float]]:
    """Rows in the bins of every signal, as a service counts them."""
    signature = bundle.manifest.signature
    signals = [one for one in baseline.signals if one.kind != "prediction"]
    predicted = [one for one in baseline.signals if one.kind == "prediction"]
    watch = Watch(signals, baseline.joint, baseline.branch)
    wanted: frozenset[Wanted] = frozenset(one.name for one in signature.outputs if one.name != "predict")
    counts, predictions = np.zeros(watch.width, np.int64), {one.name: np.zeros(len(one.counts)) for one in predicted}
    columns = decoded.columns
    for low in range(0, columns.rows, _ROWS):
        part = columns.part(low, min(low + _ROWS, columns.rows))
        rows = decoded._replace(columns=part, locate=partial(_further, decoded.locate, low))
        told = told_of(signature, offline.score(scorer, rows, wanted, file))
        counts += watch.count(part, told | scorer.watch(part))
        for one in predicted:
            if (one.kind, one.name) in told:
                predictions[one.name] += watching.count(one, told[one.kind, one.name])
    return {
        **dict(_parts(signals, counts)),
        **{("prediction", name): found.tolist() for name, found in predictions.items()},
    }


def _further(locate: Locate, low: int, row: int, name: str | None) -> str:
    return locate(low + row, name)


def _parts(signals: Sequence[Signal], counts: Counts) -> Iterator[tuple[tuple[str, str], Sequence[float]]]:
    start = 0
    for signal in signals:
        yield (signal.kind, signal.name), counts[start : start + len(signal.counts)].tolist()
        start += len(signal.counts)

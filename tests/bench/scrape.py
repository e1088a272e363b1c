"""`python -m tests.bench.scrape`: CPU time of one scrape of about 2,000 samples of a baseline, summed over 8 workers."""

import statistics
import time

from modelcast_runtime import metrics
from modelcast_runtime.baseline import Baseline, Signal
from modelcast_runtime.contract import Column, Compilation, Golden, Manifest, Output, Signature
from modelcast_runtime.store import Store

WORKERS, INPUTS, BINS, SCRAPES = 8, 83, 10, 20


def main() -> None:
    """The median of 20 scrapes, in milliseconds."""
    signals = tuple(
        Signal(kind="input", name=f"x{place}", edges=tuple(map(float, range(BINS - 1))),
               extras=("other", "missing"), counts=(100,) * (BINS + 2))
        for place in range(INPUTS)
    )  # fmt: skip
    baseline = Baseline(source="made up", rows=BINS * 100, signals=signals)
    signature = Signature(
        layout="frame",
        inputs=tuple(Column(name=signal.name, dtype="float64") for signal in signals),
        outputs=(Output(name="predict", dtype="string", shape=(-1,)),),
        classes=("no", "yes"),
    )
    manifest = Manifest(
        name="scraped",
        version="sha256:0",
        format="joblib",
        framework="sklearn",
        task="classifier",
        model="model.joblib",
        signature=signature,
        compilation=Compilation(backend="native", reason="not asked for"),
        files=(),
    )
    store = Store.create(metrics.layout_for(manifest, Golden(rows=(), predictions=()), baseline), WORKERS)
    for _ in range(WORKERS):
        store.use(store.claim())
        store.row[:] = 1e6
    seconds, text = [], b""
    for _ in range(SCRAPES):
        began = time.process_time()
        text, _ = metrics.exposition(store, manifest, None, baseline=baseline)
        seconds.append(time.process_time() - began)
    samples = sum(not line.startswith(b"#") for line in text.splitlines())
    print(f"{samples} samples, {WORKERS} workers: {statistics.median(seconds) * 1000:.1f} ms of CPU time")


if __name__ == "__main__":
    main()

"""Flips bytes of valid artifacts: what the audit lets through must load and answer without a crash, whatever it says.

`python -m tests.bench.mutations 100000` (the default) in the model's environment, which is this one: a process audits,
and children load and ask what was accepted, a batch each, with limits on time and memory. Text says what was found;
the exit code is 1 where a child crashed or hung. `--keep FOLDER` keeps those files.
"""

import argparse
import io
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from modelcast_builder import artifact
from modelcast_builder.errors import BuildError
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.svm import SVC, OneClassSVM
from sklearn.tree import DecisionTreeRegressor

ROWS = np.random.default_rng(0).normal(size=(40, 4)).round(3)
LABELS = np.digitize(ROWS[:, 0], [-0.5, 0.5])
TEXTS = ["a bee", "a sea to see", "to be or", "not to bee"] * 10
MODELS: dict[str, Callable[[], Any]] = {
    "tree": lambda: DecisionTreeRegressor(max_depth=3, random_state=0).fit(ROWS, ROWS[:, :2]),
    "forest": lambda: RandomForestClassifier(3, max_depth=3, random_state=0).fit(ROWS, LABELS),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=2, random_state=0).fit(ROWS, LABELS),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=3).fit(ROWS, LABELS),
    "isolation": lambda: IsolationForest(n_estimators=3, random_state=0).fit(ROWS),
    "kd tree": lambda: KNeighborsClassifier(3, algorithm="kd_tree", leaf_size=5).fit(ROWS, LABELS),
    "ball tree": lambda: KNeighborsRegressor(3, algorithm="ball_tree", leaf_size=5).fit(ROWS, LABELS),
    "neighbours": lambda: KNeighborsClassifier(3, algorithm="brute").fit(ROWS, LABELS),
    "machine": lambda: SVC(random_state=0).fit(ROWS, LABELS),
    "sparse machine": lambda: OneClassSVM().fit(sparse.csr_matrix(ROWS)),
    "text": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS),
    "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, LABELS),
    "sparse linear": lambda: LogisticRegression().fit(ROWS, LABELS).sparsify(),
    "spline": lambda: make_pipeline(SplineTransformer(), LogisticRegression(max_iter=9)).fit(ROWS, LABELS),
    "clusters": lambda: KMeans(3, n_init=1, random_state=0).fit(ROWS),
}
FORMS: dict[str, Callable[[Any, io.BytesIO], object]] = {
    "pickle 4": lambda model, file: pickle.dump(model, file, protocol=4),
    "pickle 5": lambda model, file: pickle.dump(model, file, protocol=5),
    "joblib": joblib.dump,
    "zlib": lambda model, file: joblib.dump(model, file, compress=3),
}
BATCH = 50
SECONDS = 5
MEMORY = 4 * 1024**3


@dataclass(slots=True)
class Tally:
    """What became of the mutations."""

    outcomes: Counter[str] = field(default_factory=Counter)
    bad: list[tuple[str, str, bytes]] = field(default_factory=list)
    """What happened, of which model, and the file."""
    slowest: float = 0.0
    """Seconds of the longest audit."""


def originals() -> list[tuple[str, bytes]]:
    """Model and content of each valid artifact; in a process of its own.

    A child of one that has fitted hangs: OpenMP's threads are not forked with it.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as elsewhere:
        return elsewhere.submit(_made).result()


def _made() -> list[tuple[str, bytes]]:
    return [(name, _dumped(model, dump)) for name, model in _fitted() for dump in FORMS.values()]


def _fitted() -> Iterator[tuple[str, Any]]:
    yield from ((name, make()) for name, make in MODELS.items())


def _dumped(model: Any, dump: Callable[[Any, io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    dump(model, file)
    return file.getvalue()


def flipped(content: bytes, chance: random.Random) -> bytes:
    """The content with one to three bytes changed: a bit, any value, or one that counts and indexes break on."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(changed))
        changed[at] = chance.choice(
            (changed[at] ^ (1 << chance.randrange(8)), chance.randrange(256), 0, 1, 0x7F, 0x80, 0xFF)
        )
    return bytes(changed)


def run(count: int, seed: int, tally: Tally) -> None:
    """Audit `count` mutations, and load what is accepted in children."""
    chance = random.Random(seed)
    valid = originals()
    accepted: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        for number in range(count):
            name, content = valid[number % len(valid)]
            mutation = flipped(content, chance)
            path.write_bytes(mutation)
            began = time.perf_counter()
            try:
                artifact.scan(path)
            except BuildError:
                tally.outcomes["refused"] += 1
            else:
                accepted.append((name, mutation))
            tally.slowest = max(tally.slowest, time.perf_counter() - began)
            if len(accepted) == BATCH or number == count - 1:
                ask(accepted, tally)
                accepted = []


def ask(batch: list[tuple[str, bytes]], tally: Tally) -> None:
    """Load and ask each of the batch in a child; after a crash the rest goes to another child."""
    while batch:
        outcomes, ending = _child([(name, content) for name, content in batch])
        tally.outcomes.update(outcomes)
        batch = batch[len(outcomes) :]
        if batch:
            tally.outcomes[ending] += 1
            tally.bad.append((ending, *batch[0]))
            batch = batch[1:]


def _child(batch: list[tuple[str, bytes]]) -> tuple[list[str], str]:
    """What the child wrote about each, up to its end, and how it ended."""
    receiver, sender = os.pipe()
    child = os.fork()
    if not child:
        os.close(receiver)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        for name, content in batch:
            signal.alarm(SECONDS)  # its default ends the process: nothing in C can hold it up
            os.write(sender, _answer(name, content))
        os._exit(0)
    os.close(sender)
    with os.fdopen(receiver, "rb") as file:
        letters = file.read()
    _, status = os.waitpid(child, 0)
    number = os.waitstatus_to_exitcode(status)
    ending = f"hung {SECONDS} s" if number == -signal.SIGALRM else f"crashed ({number})"
    return [{97: "accepted, answers", 114: "accepted, raises"}[letter] for letter in letters], ending


def _answer(name: str, content: bytes) -> bytes:
    rows: Any = TEXTS[:5] if name == "text" else ROWS[:5]
    try:
        model = joblib.load(io.BytesIO(content))
        for method in ("predict", "predict_proba", "decision_function", "score_samples"):
            if hasattr(model, method):
                getattr(model, method)(rows)
    except Exception:  # a clean refusal of any kind is what is asked for
        return b"r"
    return b"a"


def main() -> int:
    """Run, and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tally, began = Tally(), time.perf_counter()
    run(options.count, options.seed, tally)
    for outcome, times in tally.outcomes.most_common():
        print(f"{times:8} {outcome}")
    print(f"{time.perf_counter() - began:8.0f} s, longest audit {tally.slowest:.2f} s, seed {options.seed}")
    for number, (ending, name, content) in enumerate(tally.bad):
        print(f"{ending}: {name}")
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{options.seed}-{number}-{name.replace(' ', '-')}.joblib").write_bytes(content)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())

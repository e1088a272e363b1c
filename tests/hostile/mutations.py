"""Flips bytes of valid artifacts: each must be refused in a line, or accepted. `python -m tests.hostile.mutations 100000`."""

import random
import sys
import tempfile
from pathlib import Path

import numpy as np
from modelcast_builder import artifact
from modelcast_builder.artifact import verdict
from modelcast_builder.errors import BuildError
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.hostile.gadgets import joblibs

NUMBERS = np.random.default_rng(3).normal(size=(40, 3))
LABELS = np.array(["no", "yes"], dtype=object)[np.arange(40) % 2]


def originals() -> list[bytes]:
    """Valid artifacts of several kinds and formats."""
    models = [
        RandomForestClassifier(2, max_depth=3, random_state=0),
        HistGradientBoostingClassifier(max_iter=2),
        KNeighborsClassifier(2, algorithm="kd_tree"),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ]
    fitted = [model.fit(NUMBERS, LABELS) for model in models]
    made = [joblibs(model, compress=compress) for model in fitted for compress in (0, 3)]
    return made + [joblibs(model, protocol=2) for model in fitted]


def mutated(draw: random.Random, whole: bytes) -> bytes:
    """One to four bytes changed, added or taken."""
    data = bytearray(whole)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        data[at : at + draw.randint(0, 2)] = draw.randbytes(draw.randint(0, 2))
    return bytes(data)


def run(count: int, seed: int, folder: Path) -> list[str]:
    """What was neither accepted nor refused by a `BuildError`."""
    draw, whole, crashes = random.Random(seed), originals(), []
    path = folder / "model.joblib"
    for number in range(count):
        path.write_bytes(mutated(draw, draw.choice(whole)))
        try:
            verdict.judge(artifact.scan(path))
        except BuildError:
            continue
        except Exception as error:
            crashes.append(f"{number}: {error!r}")
    return crashes


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = run(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0, folder=Path(name))
    print(f"{sys.argv[1]} mutations, {len(found)} crashes", *found[:20], sep="\n")
    sys.exit(bool(found))

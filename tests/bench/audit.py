"""What the audit of a pickle costs: `python tests/bench/audit.py` prints seconds per 10 MB and the peak of memory.

Each case runs in a process of its own; the memory is what it takes beyond the builder's own.
"""

import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
from modelcast_builder import artifact
from modelcast_builder.artifact import allowed


def small() -> object:
    """Texts, numbers, lists and tuples: what a vocabulary and a configuration are made of."""
    return {f"word{n}": {"a": n, "b": [1.5, f"x{n % 100}", (n, n + 1)]} for n in range(200_000)}


def vocabulary() -> object:
    """The one large container that models do have."""
    return {f"word{n}": n for n in range(600_000)}


def arrays() -> object:
    """Thirty MB of numbers."""
    return [np.random.default_rng(n).normal(size=(1000, 125)) for n in range(30)]


CASES = {"small objects": small, "a vocabulary": vocabulary, "arrays": arrays, "arrays, compressed": arrays}


def measure(path: Path) -> None:
    """Print the seconds per 10 MB and the memory of one scan."""
    allowed.uses()
    before = peak()
    began = time.process_time()
    size = artifact.scan(path).size
    seconds = (time.process_time() - began) * 10e6 / size
    more = peak() - before
    print(f"{seconds:.2f} s per 10 MB, {more / size:.1f} times its size in memory ({size / 1e6:.1f} MB)")


def peak() -> int:
    """Bytes that this process had at most; `getrusage` would tell of the parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    """Each case once."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in CASES.items():
            path = Path(folder) / f"{name}.pkl"
            if "arrays" in name:
                joblib.dump(make(), path, compress=3 if "compressed" in name else 0)
            else:
                path.write_bytes(pickle.dumps(make()))
            print(f"{name}:", end=" ", flush=True)
            subprocess.run([sys.executable, __file__, path], check=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        main()

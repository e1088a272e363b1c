"""What reading an artifact's opcodes costs: `python tests/bench/scan.py` prints seconds per 10 MB of small objects."""

import pickle
import tempfile
import time
from pathlib import Path

from modelcast_builder import artifact


def main() -> None:
    many = {f"word{n}": {"a": n, "b": [1.5, f"x{n % 100}", (n, n + 1)]} for n in range(200_000)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pkl"
        path.write_bytes(pickle.dumps(many))
        began = time.process_time()
        size = artifact.scan(path).size
        print(f"{(time.process_time() - began) * 10e6 / size:.2f} s per 10 MB of small objects")


if __name__ == "__main__":
    main()

"""What a look at a watched repository costs: `python tests/bench/watch.py` prints seconds of CPU for 10,000 files."""

import tempfile
import time
from pathlib import Path

from modelcast_builder.watch import Watch

FOLDERS, FILES = 100, 100
LOOKS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in range(FOLDERS):
            (root / f"part{folder}").mkdir()
            for file in range(FILES):
                (root / f"part{folder}" / f"file{file}.csv").touch()
        watch = Watch(root, apart=root / "cache")
        began = time.process_time()
        for _ in range(LOOKS):
            assert watch.changes() == ""
        print(f"{(time.process_time() - began) / LOOKS:.2f} s of CPU for a look at {FOLDERS * FILES:,} files")


if __name__ == "__main__":
    main()

"""Every estimator that the default scikit-learn can fit, in every format: none is refused."""

import subprocess
import sys
from pathlib import Path

from modelcast_builder import artifact
from modelcast_builder.artifact import verdict

ZOO = Path(__file__).parents[2] / "tools" / "zoo.py"


def test_no_fitted_estimator_is_refused(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ZOO, tmp_path], check=True, capture_output=True, text=True, timeout=1200)
    assert len(done.stdout.split()) >= 150
    files = sorted(tmp_path.iterdir())
    assert len(files) == 6 * len(done.stdout.split())
    for path in files:
        verdict.judge(artifact.scan(path))

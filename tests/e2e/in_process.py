"""Runs inside a made image, in the model's environment: what scikit-learn itself answers, without a line of modelcast.

in_process.py SOURCE [NOTEBOOK]: a CSV on stdin; the model is SOURCE/model.joblib, or `model` after the notebook's code
was executed in a copy of SOURCE.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any


def main() -> None:
    """Print predictions and probabilities, and nothing else."""
    given = io.StringIO(sys.stdin.read())
    # What a notebook prints is not the answer.
    with contextlib.redirect_stdout(sys.stderr):
        answer = predict(trained(*sys.argv[1:]), given)
    print(json.dumps(answer))


def predict(model: Any, given: io.StringIO) -> dict[str, Any]:
    """As anybody would by hand."""
    import pandas as pd

    rows = pd.read_csv(given)
    classes = model.classes_.tolist()
    probabilities = [dict(zip(classes, row, strict=True)) for row in model.predict_proba(rows).tolist()]
    return {"predictions": model.predict(rows).tolist(), "probabilities": probabilities}


def trained(source: str, notebook: str = "") -> Any:
    """The model of a repository: loaded, or trained anew."""
    work = shutil.copytree(source, Path(tempfile.mkdtemp()) / "work")
    os.chdir(work)
    sys.path.insert(0, str(work))
    if not notebook:
        import joblib

        return joblib.load("model.joblib")
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("\n".join(line for line in lines if not line.startswith(("%", "!"))), namespace)
    return namespace["model"]


if __name__ == "__main__":
    main()

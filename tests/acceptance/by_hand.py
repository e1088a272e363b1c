"""Runs in a model's environment: what scikit-learn itself answers, without a line of modelcast.

Each line on stdin asks for a folder and a program that leaves `model` and `X` (the rows to score) behind; the line
that answers holds the rows as JSON has them, and what the model says of them, or what went wrong.
"""

import contextlib
import json
import math
import os
import sys
import traceback
import warnings
from typing import Any

import pandas  # imported once, before the forks
import sklearn.ensemble
import sklearn.pipeline


def serve_by_hand() -> None:
    """Answer every question in a process of its own, which has scored nothing before."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _answer(json.loads(line))
        os.waitpid(child, 0)


def _answer(asked: dict[str, Any]) -> None:
    out = sys.stdout
    try:
        # What the program prints is not the answer.
        with contextlib.redirect_stdout(sys.stderr):
            answer = _run(asked)
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    print(json.dumps(answer), file=out, flush=True)
    os._exit(0)


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    os.chdir(asked["folder"])
    sys.path.insert(0, asked["folder"])
    warnings.simplefilter("ignore")
    # Its classes must be found in `__main__`, where pickle looks for them.
    exec(compile(asked["program"], "program", "exec"), globals())
    model, rows = globals()["model"], globals()["X"]
    predictions = [_number(value) for value in model.predict(rows).tolist()]
    answer = {"scikit-learn": sklearn.__version__, "predictions": predictions, **_sent(rows)}
    if "probabilities" in asked["outputs"]:
        names = [str(label).lower() if isinstance(label, bool) else str(label) for label in model.classes_.tolist()]
        shares = model.predict_proba(rows).tolist()
        answer["probabilities"] = [dict(zip(names, row, strict=True)) for row in shares]
    if "distances" in asked["outputs"]:
        answer["distances"] = model.transform(rows).tolist()
    return answer


def _sent(rows: Any) -> dict[str, Any]:
    """The rows as a client writes them down."""
    if isinstance(rows, pandas.DataFrame):
        names = [str(name) for name in rows.columns]
        columns = [[_cell(value) for value in rows[name].tolist()] for name in rows.columns]
        return {"names": names, "rows": [list(row) for row in zip(*columns, strict=True)]}
    return {"names": [], "rows": rows if isinstance(rows, list) else rows.tolist()}


def _cell(value: Any) -> Any:
    if pandas.isna(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    serve_by_hand()

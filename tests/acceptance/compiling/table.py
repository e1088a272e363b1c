"""Converts every model in the model's own environment, as a build's child does: a line of JSON each."""

import json
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

from child import become_the_child, part, request_for
from models import MODELS

INSIDE, CONVERTER, *CHOSEN = sys.argv[1:]


def compiled(make: Any, folder: Path) -> dict[str, Any]:
    """What was decided for one model."""
    trained = make()
    report = part("convert").convert(request_for(trained.model, trained.rows, CONVERTER, folder))
    return {
        "backend": report.backend,
        "precision": report.precision,
        "probes": report.probes,
        "ties": report.ties,
        "worst": report.worst_difference,
        "reason": report.reason,
    }


def main() -> None:
    """All models, or those that are named."""
    warnings.simplefilter("ignore")
    become_the_child(INSIDE, CONVERTER)
    for name, make in MODELS.items():
        if CHOSEN and name not in CHOSEN:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = compiled(make, Path(folder))
            except Exception:
                found = {"error": traceback.format_exc()}
        print(json.dumps({"model": name, **found}), flush=True)


if __name__ == "__main__":
    main()

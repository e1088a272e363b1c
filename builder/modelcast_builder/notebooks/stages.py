"""nachlass' convention: each notebook saves its stage, a fitted estimator, where one variable says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "S2I_PIPELINE_STAGE_SAVE_FILE"
SUFFIX = ".sav"
# Arguments of scikit-learn's Pipeline, which no step may be called.
_RESERVED = ("steps", "memory", "verbose", "transform_input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one notebook may contribute: the step's name in the Pipeline, and the file that it is saved to."""

    name: str
    path: Path
    notebook: Path


def planned(root: Path, notebooks: Sequence[Path]) -> tuple[Stage, ...]:
    """A stage for each notebook, its file at the repository's root as nachlass had it."""
    stages: list[Stage] = []
    for notebook in notebooks:
        file = _free(notebook.stem, [stage.path.stem for stage in stages])
        # Two underscores lead from a step to its parameters.
        name = _free(re.sub("_{2,}", "_", notebook.stem), [*_RESERVED, *(stage.name for stage in stages)])
        stages.append(Stage(name=name, path=root / f"{file}{SUFFIX}", notebook=notebook))
    return tuple(stages)


def _free(name: str, taken: Sequence[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free

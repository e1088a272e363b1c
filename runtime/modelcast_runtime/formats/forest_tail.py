"""The forest at the end of a native pipeline, asked tree by tree.

For a few rows scikit-learn spends a forest's time on joblib and on checking the rows again for every tree. Here its own
check is made once and its own trees are added in its own order; what stands before the forest runs once for labels and
probabilities together.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Wanted

MOST_ROWS = 256
"""With more rows the trees' own time is what counts, and the forest may have several threads for it."""
_CLASSIFIERS = ("RandomForestClassifier", "ExtraTreesClassifier")
_REGRESSORS = ("RandomForestRegressor", "ExtraTreesRegressor")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestTail:
    """A pipeline in its two parts."""

    front: tuple[Any, ...]
    """The steps before the forest; not as a pipeline, which would want the last of them to look fitted."""
    forest: Any
    trees: tuple[Any, ...]
    classes: np.ndarray | None

    @property
    def name(self) -> str:
        """The class of the forest."""
        return type(self.forest).__name__

    def score(self, rows: Any, wanted: frozenset[Wanted]) -> Scores:
        """What the pipeline answers for rows as it takes them; raises what it raises."""
        for step in self.front:
            rows = step.transform(rows)
        matrix = self.forest._validate_X_predict(rows)  # noqa: SLF001 - as its predict does
        sums = np.zeros((matrix.shape[0], 1 if self.classes is None else len(self.classes)))
        for tree in self.trees:
            sums += tree.predict(matrix)
        sums /= len(self.trees)
        if self.classes is None:
            return Scores(predictions=sums[:, 0])
        return Scores(
            predictions=self.classes.take(np.argmax(sums, axis=1), axis=0),
            probabilities=sums if "predict_proba" in wanted else None,
        )


def tail_of(model: Any) -> ForestTail | None:
    """The two parts of a fitted pipeline, or of the one that a search found; None where it ends in something else."""
    pipeline = getattr(model, "best_estimator_", model)
    if len(getattr(pipeline, "steps", ())) < 2:
        return None
    forest = pipeline.steps[-1][1]
    kind = type(forest)
    if kind.__module__.partition(".")[0] != "sklearn" or kind.__name__ not in (*_CLASSIFIERS, *_REGRESSORS):
        return None
    if forest.n_outputs_ != 1:
        return None
    return ForestTail(
        front=tuple(step for _, step in pipeline.steps[:-1] if step is not None and not isinstance(step, str)),
        forest=forest,
        trees=tuple(tree.tree_ for tree in forest.estimators_),
        classes=forest.classes_ if kind.__name__ in _CLASSIFIERS else None,
    )

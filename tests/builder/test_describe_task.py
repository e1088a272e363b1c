"""`task:`, what the model must be: it rules where the model does not tell, and is refused where the model tells otherwise."""

from collections.abc import Callable

import pytest
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Described

Describe = Callable[..., Described]


def facts(described: Described) -> tuple[str, str, object, list[str]]:
    """The task, the type of its answers, the labels, and what it gives beside them."""
    first, *others = described.signature.outputs
    return described.task, first.dtype, described.signature.classes, [output.name for output in others]


AGREED: dict[tuple[str, str], tuple[str, str, object, list[str]]] = {
    ("own_labels", "auto"): ("generic", "string", ("low", "high"), []),
    ("own_labels", "generic"): ("generic", "string", ("low", "high"), []),
    ("own_labels", "classifier"): ("classifier", "string", ("low", "high"), ["predict_proba"]),
    ("own_numbers", "regressor"): ("regressor", "float64", None, []),
    ("own_clusters", "clusterer"): ("clusterer", "int64", (0, 1), []),
    ("grid_search", "classifier"): ("classifier", "int64", (0, 1), ["predict_proba"]),
    ("text_from_nothing", "text"): ("classifier", "string", ("ham", "spam"), ["predict_proba"]),
    ("outliers", "classifier"): ("classifier", "int64", (-1, 1), []),
}


@pytest.mark.parametrize(("model", "task"), AGREED)
def test_the_task_that_was_written_and_that_the_model_has(describe: Describe, model: str, task: str) -> None:
    assert facts(describe(model, task=task)) == AGREED[model, task]


REFUSED = {
    ("grid_search", "regressor"): (
        "`task: regressor` in modelcast.yaml, but the model is a classifier",
        "Write `task: classifier`, or leave the line out",
    ),
    ("grid_search", "generic"): (
        "`task: generic` in modelcast.yaml, but the model is a classifier",
        "Write `task: classifier`, or leave the line out",
    ),
    ("several_outputs", "text"): (
        "`task: text` in modelcast.yaml, but the model takes no texts",
        "Write `task: regressor`, or leave the line out",
    ),
    ("own_labels_untold", "classifier"): (
        "`task: classifier` in modelcast.yaml, but the model (Threshold) has no classes_, "
        "the labels in the order of predict_proba",
        "Write `task: generic`, or train the model with what it lacks",
    ),
    ("own_labels", "regressor"): (
        "`task: regressor` in modelcast.yaml, but the model (Threshold) answers no numbers",
        "Write `task: generic`, or train the model with what it lacks",
    ),
    ("own_numbers", "clusterer"): (
        "`task: clusterer` in modelcast.yaml, but the model (Threshold) has no labels_ and no n_clusters, "
        "or answers no integers",
        "Write `task: generic`, or train the model with what it lacks",
    ),
    ("own_numbers", "text"): (
        "`task: text` in modelcast.yaml, but the model takes no texts",
        "Write `task: generic`, or leave the line out",
    ),
}


@pytest.mark.parametrize(("model", "task"), REFUSED)
def test_a_task_that_the_model_does_not_have(describe: Describe, model: str, task: str) -> None:
    with pytest.raises(BuildError) as refused:
        describe(model, task=task)
    assert str(refused.value) == "describe: {}. {}".format(*REFUSED[model, task])

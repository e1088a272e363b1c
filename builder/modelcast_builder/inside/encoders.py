"""What the model's encoders were fitted on: input column -> known values, where the way from the input is plain."""

from collections.abc import Iterator
from typing import Any

_LABELS = (bool, int, float, str)


def categories(model: Any, names: list[str]) -> dict[str, list[Any]]:
    """The known values of every column that an encoder takes as categories; `names` in the order of the inputs."""
    # Dates and the like can be encoded too, but no list of them can be sealed.
    found = _walk(fitted(model), names)
    return {name: known for name, known in found if known and all(isinstance(value, _LABELS) for value in known)}


def takes_text(model: Any) -> bool:
    """Whether the first thing that sees the rows is a text vectoriser."""
    return hasattr(_first_step(model), "build_analyzer")


def vocabulary(model: Any) -> list[str]:
    """The words that a text model knows, sorted; none where it hashes them or is no text model."""
    return sorted(word for word in getattr(_first_step(model), "vocabulary_", None) or () if isinstance(word, str))


def _first_step(model: Any) -> Any:
    step = fitted(model)
    while hasattr(step, "steps"):
        step = step.steps[0][1]
    return step


def fitted(model: Any) -> Any:
    """The estimator that a search found, or the model itself."""
    return getattr(model, "best_estimator_", model)


def _walk(step: Any, names: list[str]) -> Iterator[tuple[str, list[Any]]]:
    if hasattr(step, "steps"):
        yield from _through_pipeline(step, names)
    elif hasattr(step, "transformers_"):
        for _, transformer, columns in step.transformers_:
            yield from _walk(transformer, _selected(columns, names))
    elif hasattr(step, "categories_") and len(step.categories_) == len(names):
        for name, known in zip(names, step.categories_, strict=True):
            yield name, [value for value in known.tolist() if not _is_null(value)]


def _through_pipeline(pipeline: Any, names: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Columns keep their place through imputers and the like; after a step that makes new ones nothing is known."""
    for _, step in pipeline.steps:
        if step is None or isinstance(step, str):
            continue
        found = list(_walk(step, names))
        yield from found
        if found or getattr(step, "n_features_in_", len(names)) != len(names) or not _keeps_columns(step):
            return


def _keeps_columns(step: Any) -> bool:
    """Imputers, and the user's own transformers; whether values were changed is checked against the data."""
    return not type(step).__module__.startswith("sklearn.") or "Imputer" in type(step).__name__


def _selected(columns: Any, names: list[str]) -> list[str]:
    """The names behind a ColumnTransformer's selection (names, positions, a mask or a slice)."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        return names[columns] if not isinstance(columns.start, str) else []
    chosen = list(columns) if hasattr(columns, "__iter__") else [columns]
    if chosen and all(isinstance(choice, bool) or type(choice).__name__ in ("bool_", "bool") for choice in chosen):
        return [name for name, taken in zip(names, chosen, strict=False) if taken]
    return [choice if isinstance(choice, str) else names[choice] for choice in chosen]


def _is_null(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN is what does not equal itself

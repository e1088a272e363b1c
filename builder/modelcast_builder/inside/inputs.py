"""Describes what the model takes: one `Column` an input, from rows, from the model, and corrected by `inputs:`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from modelcast_runtime.contract import Column, Dtype, Label, Layout

from . import encoders
from .examples import Examples
from .messages import InputOverride, NamedType, Refused

_LOGGED: dict[str, tuple[Dtype, str]] = {
    "boolean": ("bool", "bool"),
    "integer": ("float64", "int32"),
    "long": ("float64", "int64"),
    "float": ("float32", "float32"),
    "double": ("float64", "float64"),
    "string": ("string", "object"),
    "datetime": ("datetime", "datetime64[ns]"),
}
"""MLflow's types as ours, and as the pandas dtype that it gave the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """How the model takes rows, before anything was probed."""

    layout: Layout
    columns: tuple[Column, ...]
    fixed: frozenset[str] = frozenset()
    """Names whose nullability was written in `inputs:`; it is not probed."""


def describe(model: Any, examples: Examples, overrides: Mapping[str, InputOverride]) -> Inputs:
    """The inputs by the first source that tells; raises `Refused` where none does."""
    found = _from_rows(model, examples) if examples.rows is not None else _from_model(model, examples, overrides)
    if found is None:
        raise Refused(
            "describe",
            "nothing tells what the model takes: no data/train.*, no fit in a notebook of this build, "
            "no feature_names_in_ and no n_features_in_",
            "Write `inputs: {NAME: {dtype: float64}, ...}` in modelcast.yaml, in the order of the model's columns",
        )
    return _corrected(found, overrides)


def _from_rows(model: Any, examples: Examples) -> Inputs:
    rows = examples.rows
    if isinstance(rows, list):
        return _text(examples.text_name)
    if not hasattr(rows, "columns"):
        return Inputs(layout="array", columns=_of_array(model, rows))
    named = rows.set_axis(_unique(rows.columns), axis=1)
    columns = _with_categories(model, tuple(_of_series(name, named[name]) for name in named.columns), named)
    if _by_name(model, examples):
        return Inputs(layout="frame", columns=columns)
    return Inputs(layout="array", columns=tuple(msgspec.structs.replace(column, trained_as="") for column in columns))


def _by_name(model: Any, examples: Examples) -> bool:
    # The service's frames have texts for names: one that was numbered (0, 1, 2) goes as the array that it was.
    if not all(isinstance(name, str) for name in examples.rows.columns):
        return False
    return hasattr(model, "feature_names_in_") or not hasattr(model, "n_features_in_") or examples.is_recorded


def _unique(names: Any) -> list[str]:
    texts = [str(name) for name in names]
    twice = sorted({name for name in texts if texts.count(name) > 1})
    if twice:
        raise Refused(
            "describe",
            f"the rows have more than one column of the name {twice[0]!r}, which no request can tell apart",
            "Name every column once before the fit",
        )
    return texts


def _text(name: str) -> Inputs:
    return Inputs(layout="text", columns=(Column(name=name, dtype="string"),))


def _of_array(model: Any, rows: Any) -> tuple[Column, ...]:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=[f"x{index}" for index in range(rows.shape[1])])
    # pandas has dtypes of its own for texts, in which None and NaN are one.
    missing_as = {name: _missing_as(frame[name]) for name in frame.columns}
    frame = frame.infer_objects()
    columns = tuple(_of_series(name, frame[name]) for name in frame.columns)
    columns = _with_categories(model, columns, frame)
    return tuple(
        msgspec.structs.replace(column, trained_as="", missing_as=missing_as[column.name]) for column in columns
    )


def _of_series(name: str, series: Any) -> Column:
    from pandas.api import types

    trained_as = str(series.dtype)
    if trained_as == "category":
        return _of_category(name, series.cat)
    if types.is_object_dtype(series.dtype):
        dtype = _object_dtype(name, series)
        return Column(name=name, dtype=dtype, trained_as=trained_as, missing_as=_missing_as(series))
    return Column(name=name, dtype=_dtype(name, series), trained_as=trained_as)


def _of_category(name: str, category: Any) -> Column:
    from pandas.api import types

    known = category.categories
    # There is no category 41.5 among integers: unlike a column of integers, it takes whole numbers only.
    dtype = "int64" if types.is_integer_dtype(known.dtype) else _dtype(name, known)
    if dtype == "datetime":
        raise _no_dtype(name, f"categories of {known.dtype}")
    return Column(
        name=name,
        dtype=dtype,
        categories=tuple(known.tolist()),
        trained_as="category",
        ordered=bool(category.ordered),
    )


def _missing_as(values: Any) -> Literal["NaN", "None"]:
    """How objects say that they are missing; where they do it in both ways, JSON cannot, and NaN is the usual one."""
    import pandas as pd

    missing = {value is None for value in values.tolist() if pd.isna(value)}
    return "None" if missing == {True} else "NaN"


_EXACT = 2**53


def _integer_dtype(values: Any) -> Dtype:
    """Integers are described as float64: scikit-learn answers for `41.5`, and so do we. Not where it is not exact."""
    present = values.dropna()
    low, high = (int(present.min()), int(present.max())) if len(present) else (0, 0)
    return "float64" if -_EXACT <= low <= high <= _EXACT or high >= 2**63 else "int64"


def _dtype(name: str, values: Any) -> Dtype:
    from pandas.api import types

    if types.is_object_dtype(values.dtype):
        return _object_dtype(name, values)
    if types.is_integer_dtype(values.dtype):
        return _integer_dtype(values)
    kinds: tuple[tuple[Any, Dtype], ...] = (
        (types.is_bool_dtype, "bool"),
        (lambda dtype: str(dtype).lower() in ("float32", "float16"), "float32"),
        (types.is_float_dtype, "float64"),
        (types.is_datetime64_any_dtype, "datetime"),
        (types.is_string_dtype, "string"),
    )
    for matches, dtype in kinds:
        if matches(values.dtype):
            return dtype
    raise _no_dtype(name, str(values.dtype))


def _object_dtype(name: str, values: Any) -> Dtype:
    import pandas as pd

    kinds = {type(value) for value in values.tolist() if not pd.isna(value)}
    if kinds <= {str}:
        return "string"
    if kinds <= {bool}:
        return "bool"
    if kinds <= {int, float}:
        return "float64"
    raise _no_dtype(name, " and ".join(sorted(kind.__name__ for kind in kinds)))


def _no_dtype(name: str, seen: str) -> Refused:
    return Refused(
        "describe",
        f"the column {name!r} holds {seen}, which no request can carry",
        "Convert it before the fit to numbers, booleans, strings or datetimes, or leave it out",
    )


def _with_categories(model: Any, columns: tuple[Column, ...], rows: Any) -> tuple[Column, ...]:
    """Add what encoders know, where the data agrees that nothing changed the values on the way."""
    known = encoders.categories(model, [column.name for column in columns])
    return tuple(
        _encoded(column, known[column.name]) if _agrees(column, known.get(column.name), rows[column.name]) else column
        for column in columns
    )


def _agrees(column: Column, known: list[Any] | None, series: Any) -> bool:
    if column.trained_as == "category":  # it knows its own: all of them, in their order
        return False
    return known is not None and set(series.dropna().tolist()) <= set(known)


def _encoded(column: Column, known: list[Label]) -> Column:
    if column.dtype == "bool":  # an encoder may hold them as 0.0 and 1.0
        return msgspec.structs.replace(column, categories=tuple(bool(value) for value in known))
    whole = column.dtype == "float64" and all(isinstance(value, int) or float(value).is_integer() for value in known)
    values = tuple(int(value) for value in known) if whole else tuple(known)
    return msgspec.structs.replace(column, dtype="int64" if whole else column.dtype, categories=values)


def _from_model(model: Any, examples: Examples, overrides: Mapping[str, InputOverride]) -> Inputs | None:
    return _from_signature(model, examples.signature) or _from_attributes(model, overrides)


def _from_signature(model: Any, signature: tuple[NamedType, ...]) -> Inputs | None:
    """What MLflow inferred from the maker's rows: types, where the model itself knows names alone."""
    if not signature or not all(column.type in _LOGGED for column in signature):
        return None
    if encoders.takes_text(model):
        return _text(signature[0].name)
    known = encoders.categories(model, [column.name for column in signature])
    columns = tuple(_of_logged(column, known.get(column.name)) for column in signature)
    if hasattr(model, "feature_names_in_") or not hasattr(model, "n_features_in_"):
        return Inputs(layout="frame", columns=columns)
    return Inputs(layout="array", columns=tuple(msgspec.structs.replace(column, trained_as="") for column in columns))


def _of_logged(column: NamedType, known: list[Any] | None) -> Column:
    dtype, trained_as = _LOGGED[column.type]
    return _of_encoder(column.name, known) if known else Column(name=column.name, dtype=dtype, trained_as=trained_as)


def _from_attributes(model: Any, overrides: Mapping[str, InputOverride]) -> Inputs | None:
    names = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if names:
        known = encoders.categories(model, names)
        return Inputs(layout="frame", columns=tuple(_of_encoder(name, known.get(name)) for name in names))
    if encoders.takes_text(model):
        return _text(next(iter(overrides), "text"))
    width = getattr(model, "n_features_in_", None)
    if width is not None:
        names = list(overrides) if len(overrides) == width else [f"x{index}" for index in range(width)]
        return Inputs(layout="array", columns=tuple(Column(name=name, dtype="float64") for name in names))
    if overrides and all(override.dtype for override in overrides.values()):
        return Inputs(layout="frame", columns=tuple(Column(name=name, dtype="float64") for name in overrides))
    return None


def _of_encoder(name: str, known: list[Any] | None) -> Column:
    if known is None:
        return Column(name=name, dtype="float64", trained_as="float64")
    if all(isinstance(value, str) for value in known):
        return Column(name=name, dtype="string", categories=tuple(known), trained_as="object")
    if all(isinstance(value, bool) for value in known):
        return Column(name=name, dtype="bool", categories=tuple(known), trained_as="bool")
    return _encoded(Column(name=name, dtype="float64", trained_as="float64"), known)


def _corrected(inputs: Inputs, overrides: Mapping[str, InputOverride]) -> Inputs:
    names = [column.name for column in inputs.columns]
    unknown = [name for name in overrides if name not in names]
    if unknown:
        raise Refused(
            "describe",
            f"modelcast.yaml's inputs name {', '.join(map(repr, unknown[:5]))}, which the model does not take",
            f"It takes {', '.join(names[:20])}",
        )
    columns = tuple(
        _override(column, overrides[column.name]) if column.name in overrides else column for column in inputs.columns
    )
    fixed = frozenset(name for name, override in overrides.items() if override.nullable is not None)
    return Inputs(layout=inputs.layout, columns=columns, fixed=fixed)


def _override(column: Column, override: InputOverride) -> Column:
    bounded = override.minimum is not None or override.maximum is not None
    if bounded and (override.dtype or column.dtype) not in ("float64", "float32", "int64"):
        raise Refused(
            "describe",
            f"inputs.{column.name} in modelcast.yaml has min or max, and its dtype is {override.dtype or column.dtype}",
            "Write bounds for numbers only",
        )
    written = {
        "dtype": override.dtype,
        "nullable": override.nullable,
        "categories": override.categories,
        "unknown": None if override.categories is None else "refuse",
        "minimum": override.minimum,
        "maximum": override.maximum,
    }
    return msgspec.structs.replace(column, **{name: value for name, value in written.items() if value is not None})

"""Reads the holdout: the rows as the service would be sent them, their true answers, and the groups they belong to."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from modelcast_runtime.columns import Columns, Table, to_arrays
from modelcast_runtime.contract import Label, label_text
from modelcast_runtime.problems import Problem

from . import examples
from .messages import EvaluateRequest, Refused

STEP = "gates"
_MOST_GROUPS = 50
_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """A table of `columns.rows` rows."""

    columns: Columns
    answers: dict[str, "Answers"]
    """By the column; a clusterer's rows have none."""
    groups: dict[str, tuple[str, ...]]
    """Column -> the group of each row as text; empty for a row that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One column of true answers."""

    column: str
    data: str
    values: tuple[Any, ...]
    """As the table's reader took them; None where there is none."""
    texts: tuple[str, ...]
    """As they are written."""

    def numbers(self) -> np.ndarray:
        """As floats, [rows]; raises `Refused` for what is none."""
        for row, value in enumerate(self.values):
            if value is not None and (isinstance(value, str) or not np.isfinite(value)):
                raise self._refuse(row, "no number")
        self._check_all(self.values)
        return np.asarray(self.values, dtype=np.float64)

    def indices(self, classes: Sequence[Label]) -> np.ndarray:
        """The position of each among the classes, [rows]; raises `Refused` for one that is none of them."""
        of_texts = all(isinstance(label, str) for label in classes)
        self._check_all([text or None for text in self.texts] if of_texts else self.values)
        by_value: dict[Any, int] = {} if of_texts else {label: index for index, label in enumerate(classes)}
        by_text = {label_text(label): index for index, label in enumerate(classes)}
        found = []
        for row, (value, text) in enumerate(zip(self.values, self.texts, strict=True)):
            index = by_value.get(value, by_text.get(text))
            if index is None:
                shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
                known = ", ".join(list(by_text)[:20])
                raise self._refuse(row, f"{shown!r}, which is none of the model's classes ({known})")
            found.append(index)
        return np.asarray(found, dtype=np.int64)

    def _check_all(self, values: Sequence[Any]) -> None:
        missing = next((row for row, value in enumerate(values) if value is None), None)
        if missing is not None:
            raise self._refuse(missing, "no value")

    def _refuse(self, row: int, what: str) -> Refused:
        problem = f"row {row + 1} of {self.data} has {what} in {self.column!r}, the column of the right answers"
        return Refused(STEP, problem, "Correct the value, or remove the row")


def read(request: EvaluateRequest) -> Holdout:
    """The table in memory; raises `Refused` with the row and the column of what does not fit."""
    path, signature = Path(request.holdout), request.signature
    frame = examples.frame(path, [column.name for column in signature.inputs if column.dtype == "string"])
    frame.columns = [str(name) for name in frame.columns]
    if not len(frame):
        raise Refused(STEP, f"{request.data} has no rows", "Put rows into it that the model was not fitted on")
    for name in (*request.groups, *filter(None, [request.target])):
        if name not in frame.columns:
            raise _no_column(name, request, list(frame.columns))
    inputs = _inputs(frame, request)
    asked = () if request.task == "clusterer" else _targets(frame, inputs, request)
    written = _as_written(path, frame, {*asked, *request.groups})
    return Holdout(
        columns=_columns(frame, inputs, request),
        answers={name: _answers(name, frame[name], written[name], request.data) for name in asked},
        groups={name: _groups(name, frame[name], written[name], request.data) for name in request.groups},
    )


def _no_column(name: str, request: EvaluateRequest, columns: list[str]) -> Refused:
    near = difflib.get_close_matches(name, columns, n=1)
    fix = f"Did you mean `{near[0]}`" if near else f"Write one of: {', '.join(columns[:20])}"
    what = "data.target" if name == request.target else "data.groups or gates"
    return Refused(STEP, f"{what} in modelcast.yaml names {name!r}, which is no column of {request.data}", fix)


def _inputs(frame: Any, request: EvaluateRequest) -> list[str]:
    """The table's columns in the order of the model's inputs: by name, else by what is left for them."""
    names = [column.name for column in request.signature.inputs]
    missing = [name for name in names if name not in frame.columns]
    if not missing:
        return names
    others = [name for name in frame.columns if name != request.target]
    apart = [name for name in others if name not in request.groups]
    if request.signature.layout == "text":
        texts = [name for name in apart if _is_text(frame[name])]
        if len(texts) == 1:
            return texts
        problem = f"the model takes one text, {request.data} has {len(texts)} columns of text beside the answers"
        raise Refused(STEP, problem, f"Name the column of the text {names[0]!r}, and write `data: {{target: NAME}}`")
    if request.signature.layout == "array" and len(names) in (len(others), len(apart)):
        return others if len(others) == len(names) else apart
    if request.signature.layout == "array" and len(missing) == len(names):
        problem = f"{request.data} has {len(apart)} columns beside the answers, the model takes {len(names)}"
        if request.target is None and request.task != "clusterer" and len(apart) == len(names) + 1:
            raise Refused(
                STEP, problem, f"Write `data: {{target: {apart[-1]}}}` in modelcast.yaml, or the column it is"
            )
        raise Refused(STEP, problem, "Keep only the model's inputs, the answers and `data.groups` in it")
    problem = f"{request.data} lacks columns that the model takes: {', '.join(missing[:10])}"
    raise Refused(STEP, problem, "Add them, or name another file: `data: {holdout: FILE}` in modelcast.yaml")


def _is_text(series: Any) -> bool:
    return all(isinstance(value, str) for value in series.dropna())


def _targets(frame: Any, inputs: list[str], request: EvaluateRequest) -> tuple[str, ...]:
    """The columns of the right answers: the one that is written, else what is left."""
    shape = request.signature.outputs[0].shape[1:]
    width = shape[0] if shape else 1
    if shape and request.task != "regressor":
        problem = f"the model answers {width} labels a row, and no metric of `gates:` is told of several"
        raise Refused(STEP, problem, "Remove the holdout, and the metrics of `gates:` from modelcast.yaml")
    if request.target is not None and width == 1:
        return (request.target,)
    left = [name for name in frame.columns if name not in inputs and name not in request.groups]
    if len(left) == width:
        return tuple(left)
    listed = ", ".join(left[:10]) or "no column"
    problem = f"{request.data} has {listed} beside the model's inputs"
    if width > 1:
        fix = f"Keep {width} columns for them there, in the model's order, and leave `data.target` out"
        raise Refused(STEP, f"{problem}, and the model answers {width} numbers a row", fix)
    fix = f"Write `data: {{target: {left[-1] if left else 'NAME'}}}` in modelcast.yaml, or the column that it is"
    raise Refused(STEP, f"{problem}, and one column has to be the right answers", fix)


def _columns(frame: Any, inputs: list[str], request: EvaluateRequest) -> Columns:
    """Checked and converted as the values of a request are."""
    signature = request.signature
    numbers = {column.name for column in signature.inputs if column.dtype in ("float64", "float32", "int64")}
    names = [column.name for column in signature.inputs]
    values = [
        _cells(_numbers(frame[written]) if name in numbers else frame[written])
        for name, written in zip(names, inputs, strict=True)
    ]

    def locate(row: int, column: str | None) -> str:
        named = "" if column is None else f", column {inputs[names.index(column)]!r}"
        return f"row {row + 1} of {request.data}{named}"

    try:
        return to_arrays(Table(len(frame), values, locate), signature).columns
    except Problem as problem:
        found = f"{problem.at}: the service takes {problem.expected}, this is {problem.got}"
        fix = "Correct the value or remove the row, or correct the input under `inputs:` in modelcast.yaml"
        raise Refused(STEP, found, fix) from problem


def _numbers(series: Any) -> Any:
    """One text makes texts of a whole column: only that one is no number."""
    import pandas as pd

    if not (pd.api.types.is_object_dtype(series.dtype) or pd.api.types.is_string_dtype(series.dtype)):
        return series
    parsed = pd.to_numeric(series, errors="coerce")
    return series.astype(object).where(parsed.isna(), parsed)


def _cells(series: Any) -> list[Any]:
    """A column's values as JSON has them."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return [None if pd.isna(moment) else moment.isoformat() for moment in series]
    plain = series.astype(object)
    return list(plain.where(plain.notna(), None).tolist())


def _as_written(path: Path, frame: Any, names: set[str]) -> dict[str, list[str]]:
    """These columns as the file has them: a CSV's reader makes `01` a number and `NA` nothing."""
    import pandas as pd

    if names and path.suffix.lower() == ".csv":
        texts = pd.read_csv(path, usecols=sorted(names), dtype=str, keep_default_na=False)
        return {name: texts[name].tolist() for name in names}
    return {name: [_text(value) for value in _cells(frame[name])] for name in names}


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else label_text(value)


def _answers(name: str, series: Any, texts: list[str], data: str) -> Answers:
    return Answers(column=name, data=data, values=tuple(map(_plain, _cells(series))), texts=tuple(texts))


def _plain(value: Any) -> Any:
    """A table may hold what is no label: lists, dates."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _groups(name: str, series: Any, texts: list[str], data: str) -> tuple[str, ...]:
    groups = tuple("" if value is None else text for value, text in zip(_cells(series), texts, strict=True))
    count = len(set(groups))
    if count > _MOST_GROUPS:
        problem = f"the column {name!r} of {data} tells {count} groups apart, and {_MOST_GROUPS} are the most"
        raise Refused(STEP, problem, "Name a column of few values, or add one to the holdout that puts them together")
    return groups

"""Finds rows that the model knows: `data/train.*`, the recorded fit, `data/holdout.*`; else none."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from . import encoders
from .messages import Data, DescribeRequest, NamedType, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows as the model was given them in training (`rows` is a DataFrame, a 2-D array, a list of texts or None)."""

    rows: Any
    source: str
    """For the report: where the signature comes from."""
    is_recorded: bool = False
    """The very rows of the fit: a frame among them is how the model takes its rows."""
    text_name: str = "text"
    count: int | None = None
    """How many rows there were where `rows` is a sample of them."""
    golden: Any = None
    """Rows for the golden answers where `rows` cannot give them (the model alone told the signature)."""
    words: tuple[str, ...] = ()
    """What a text model knows, to make golden rows of."""
    signature: tuple[NamedType, ...] = ()
    """The inputs as MLflow was told them, where they fit the model."""


Source = Callable[[], Examples]


def sources(model: Any, request: DescribeRequest) -> list[Source]:
    """What can tell, in the design's order; each raises `Refused` where it does not fit the model.

    A `data/train` file found by its name alone may be raw material that the notebook works on: where it does not fit,
    the next source is asked. A file that modelcast.yaml names is the only one. After the very rows of the fit nothing
    is asked: what the model says of itself would only hide why they do not fit.
    """
    train = partial(_from_file, request.data.train, model, request.data) if request.data.train else None
    if train and request.data.train_is_written:
        return [train]
    record = _recorded(model, request.recorded) if request.recorded else None
    recorded = partial(_from_record, record) if record else None
    is_sure = record is not None and record["id"] == _mark(model)
    from_model = None if is_sure else partial(_from_model, model, request)
    return [source for source in (train, recorded, from_model) if source]


def _from_file(path: str, model: Any, data: Data) -> Examples:
    rows = _read(Path(path), model, data)
    source = f"the columns of {_short(path)}"
    if encoders.takes_text(model):
        name = _text_column(rows)
        return Examples(rows=rows[name].dropna().tolist(), source=source, text_name=name)
    return Examples(rows=rows, source=source)


def _text_column(rows: Any) -> str:
    names = [name for name in rows.columns if all(isinstance(value, str) for value in rows[name].dropna())]
    if len(names) != 1:
        raise Refused(
            "describe",
            f"the model takes one text, the data has {len(names)} columns of text beside the target",
            "Leave one, and write `data: {target: NAME}` in modelcast.yaml",
        )
    return str(names[0])


def _from_model(model: Any, request: DescribeRequest) -> Examples:
    signature = request.signature if _fits(request.signature, model) else ()
    holdout = _holdout(model, request.data)
    return Examples(
        rows=None,
        source="MLflow's signature" if signature else "the model's own attributes",
        golden=_example(request.example, signature) if holdout is None else holdout,
        words=tuple(encoders.vocabulary(model)),
        signature=signature,
    )


def _fits(signature: tuple[NamedType, ...], model: Any) -> bool:
    """A signature may have been written by hand; what the model knows of itself is surer."""
    names = [column.name for column in signature]
    if hasattr(model, "feature_names_in_"):
        return names == [str(name) for name in model.feature_names_in_]
    if encoders.takes_text(model):
        return [column.type for column in signature] == ["string"]
    return bool(names) and len(names) == getattr(model, "n_features_in_", len(names))


def _example(path: str | None, signature: tuple[NamedType, ...]) -> Any:
    """The rows that MLflow kept as its input example, in the signature's order; None where they do not fit it."""
    if path is None or not signature:
        return None
    import pandas as pd

    names = [column.name for column in signature]
    try:
        kept = json.loads(Path(path).read_bytes())
        frame = pd.DataFrame(kept["data"], columns=kept["columns"])
    except (ValueError, LookupError, TypeError):
        return None
    if not len(frame) or not set(names) <= set(frame.columns):
        return None
    return frame[names[0]].tolist() if len(names) == 1 and signature[0].type == "string" else frame[names]


def _holdout(model: Any, data: Data) -> Any:
    if data.holdout is None:
        return None
    try:
        return _from_file(data.holdout, model, data).rows
    except Refused:
        if data.holdout_is_written:
            raise
        return None  # found by its name alone: it may be meant for something else


def _from_record(record: dict[str, Any]) -> Examples:
    rows, name = record["X"], "text"
    if type(rows).__name__ == "Series" or getattr(rows, "ndim", 2) == 1 or isinstance(rows, list):
        name = str(getattr(rows, "name", None) or "text")
        rows = _texts(list(rows))
    if hasattr(rows, "tocsr"):
        raise Refused(
            "describe",
            f"the model was fitted on a sparse matrix ({record['estimator']}), which no client can send",
            "Save the Pipeline that starts with the vectoriser, so that the service takes the text or the columns",
        )
    if getattr(rows, "ndim", 2) > 2:
        raise Refused(
            "describe",
            f"the model was fitted on an array of {rows.ndim} dimensions; a row of the service is flat",
            "Save a Pipeline whose first step reshapes flat rows",
        )
    return Examples(
        rows=rows,
        source=f"the rows given to {record['estimator'].rpartition('.')[2]}.fit",
        is_recorded=True,
        text_name=name,
        count=record.get("rows"),
    )


def _texts(rows: list[Any]) -> list[str]:
    if all(isinstance(row, str) for row in rows):
        return rows
    if all(isinstance(row, list | tuple) for row in rows):
        import numpy as np

        return np.asarray(rows)  # type: ignore[return-value]  # rows as lists of numbers are an array
    raise Refused(
        "describe",
        "the model was fitted on a flat list that does not hold texts only",
        "Fit it on a DataFrame or a 2-D array",
    )


def _recorded(model: Any, path: str) -> dict[str, Any] | None:
    import joblib

    records = joblib.load(path)
    mark = _mark(model)
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    marked = [record for record in records if record["id"] == mark]
    same_kind = [record for record in records if record["estimator"] == kind]
    # Without its mark (a class that drops attributes it does not know) only one fit of its kind can be meant.
    found = marked[-1:] or (same_kind if mark is None and len(same_kind) == 1 else [])
    return found[0] if found and found[0]["X"] is not None else None


def _mark(model: Any) -> int | None:
    """The record that the model's own fit left on it."""
    return vars(model).get("_modelcast_fit") if hasattr(model, "__dict__") else None


def _read(path: Path, model: Any, data: Data) -> Any:
    rows = frame(path)
    names = list(getattr(model, "feature_names_in_", ()))
    missing = [name for name in names if name not in rows.columns]
    if missing:
        raise Refused(
            "describe",
            f"{_short(str(path))} lacks columns that the model was fitted on: {', '.join(map(str, missing[:10]))}",
            "Add them, or remove the file",
        )
    if names:
        return rows[names]
    if data.target is not None and data.target not in rows.columns:
        raise Refused(
            "describe",
            f"data.target names {data.target!r}, which is no column of {_short(str(path))}",
            f"Write one of: {', '.join(map(str, rows.columns[:20]))}",
        )
    return _without_target(rows, model, path, data.target)


def _without_target(frame: Any, model: Any, path: Path, target: str | None) -> Any:
    width = getattr(model, "n_features_in_", None)
    inputs = frame.drop(columns=[target]) if target is not None else frame
    if width is not None and inputs.shape[1] == width + 1 and target is None:
        raise Refused(
            "describe",
            f"{_short(str(path))} has {inputs.shape[1]} columns, the model takes {width}: one of them is its answer",
            f"Write `data: {{target: {frame.columns[-1]}}}` in modelcast.yaml, or the column that it is",
        )
    if width is not None and inputs.shape[1] != width:
        raise Refused(
            "describe",
            f"{_short(str(path))} has {inputs.shape[1]} input columns, the model takes {width}",
            "Keep only the model's inputs and the target in it, or remove the file",
        )
    return inputs


def frame(path: Path, texts: Sequence[str] = ()) -> Any:
    """A table of the repository as a DataFrame; raises `Refused`. A CSV cannot tell that these columns hold `texts`."""
    import pandas as pd

    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".json": pd.read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise Refused(
            "describe", f"{_short(str(path))} is no table that can be read", f"Make it one of {', '.join(readers)}"
        )
    try:
        return reader(path, dtype=dict.fromkeys(texts, str)) if reader is pd.read_csv else reader(path)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise Refused(
            "describe", f"{_short(str(path))} cannot be read: {reason}", "Mend the file, or remove it"
        ) from error


def _short(path: str) -> str:
    """A path as the user knows it: the folder and the name."""
    return "/".join(Path(path).parts[-2:])

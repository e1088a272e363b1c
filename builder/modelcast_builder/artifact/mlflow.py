"""MLflow's model directories: which file the scikit-learn flavour names, and what MLmodel says of it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelcast_builder import yaml_file
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import NamedType

MLMODEL = "MLmodel"
FLAVOUR = "sklearn"
_SAVE = "Save the scikit-learn model itself: mlflow.sklearn.save_model(model, path), or joblib.dump"
_NO_OTHER = 'Save it with joblib.dump(model, "model.joblib"), where it has scikit-learn\'s interface'


@dataclass(frozen=True, slots=True, kw_only=True)
class MlflowModel:
    """A model directory of MLflow: what it names, relative to nothing."""

    folder: Path
    model: Path
    """The file that the scikit-learn flavour loads."""
    scikit_learn: str | None
    """The version that MLmodel records."""
    code: Path | None
    """`code_paths`, the folder that was on the path when the model was logged."""
    inputs: tuple[NamedType, ...] = ()
    """The signature's columns, in order; nothing where it has none or names none."""
    example: Path | None = None
    """Rows that the maker kept: a frame, `split`-oriented JSON."""


def read_mlmodel(folder: Path) -> MlflowModel:
    """What the directory's `MLmodel` says; raises BuildError where no scikit-learn model can be found by it."""
    where = f"{folder.name}/{MLMODEL}"
    content, _ = yaml_file.read(folder / MLMODEL)
    flavours = _mapping(_mapping(content).get("flavors"))
    flavour = _mapping(flavours.get(FLAVOUR))
    if not flavour:
        others = ", ".join(sorted(name for name in flavours if name != "python_function")) or "python_function"
        problem = f"{where} has no scikit-learn flavour but {others if flavours else 'none'}"
        raise BuildError("artifact", problem, _SAVE if set(flavours) <= {"python_function"} else _NO_OTHER)
    model = _inside(folder, flavour.get("pickled_model"))
    if model is None or not model.is_file():
        problem = f"{where} names the model {flavour.get('pickled_model')!r}, which is not in that folder"
        raise BuildError("artifact", problem, "Commit the whole folder that MLflow wrote")
    code = _inside(folder, flavour.get("code") or _mapping(flavours.get("python_function")).get("code"))
    version = flavour.get("sklearn_version")
    example = _mapping(_mapping(content).get("saved_input_example_info"))
    rows = _inside(folder, example.get("artifact_path")) if example.get("pandas_orient") == "split" else None
    return MlflowModel(
        folder=folder,
        model=model,
        scikit_learn=version if isinstance(version, str) else None,
        code=code if code and code.is_dir() else None,
        inputs=_inputs(_mapping(_mapping(content).get("signature")).get("inputs")),
        example=rows if rows and rows.is_file() else None,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _inside(folder: Path, name: Any) -> Path | None:
    """What a key names below the folder; a name that leads out names nothing."""
    path = folder / name if isinstance(name, str) and name else None
    return path if path and path.resolve().is_relative_to(folder.resolve()) else None


def _inputs(text: Any) -> tuple[NamedType, ...]:
    """`[{"name": "age", "type": "double"}, ...]`; a tensor without names tells no more than the model does."""
    try:
        columns = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return ()
    named = [column for column in columns if _is_named(column)] if isinstance(columns, list) else []
    if not isinstance(columns, list) or len(named) != len(columns):
        return ()
    return tuple(NamedType(name=column["name"], type=column["type"]) for column in named)


def _is_named(column: Any) -> bool:
    return isinstance(column, dict) and isinstance(column.get("name"), str) and isinstance(column.get("type"), str)

"""Own code instead of a model: imported as each start of the service imports it, and never asked without examples."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelcast_runtime.contract import Golden, Signature
from modelcast_runtime.formats.python import FUNCTION, MODULE, import_predict, place_of

from .loading import module_fix
from .messages import Described, DescribeRequest, Refused, one_line

_FILE = f"{MODULE}.py"
_SHAPE = f"Write `def {FUNCTION}(body):`, which takes a dict and gives one"


def describe(request: DescribeRequest) -> Described:
    """That it can be imported and called with one argument; raises `Refused` with the line to write."""
    if request.inputs:
        raise Refused(
            "describe",
            f"`inputs:` in modelcast.yaml corrects what a model takes, and {_FILE} takes any JSON object",
            "Remove `inputs:`, or name the trained model to serve without it: `model: model.joblib`",
        )
    code = Path(request.code)
    before = _state(code)
    _check_callable(_imported(code))
    changed = sorted(path.relative_to(code).as_posix() for path, _ in _state(code).items() ^ before.items())
    if changed:
        problem = f"{_FILE} changed {changed[0]} beside itself while it was imported, and what is sealed never changes"
        raise Refused("load", problem, "Commit that file, or write it below tempfile.gettempdir()")
    return Described(
        task="generic",
        signature=Signature(layout="object", inputs=(), outputs=()),
        golden=Golden(rows=(), predictions=()),
        source=f"predict() of {_FILE}, one of {_amount(before)}",
    )


def _imported(code: Path) -> Any:
    try:
        return import_predict(code)
    except ModuleNotFoundError as error:
        raise Refused(
            "load",
            f"{place_of(error, code)} needs the module {error.name!r}, which neither the repository nor the model's "
            "environment has",
            module_fix(error.name),
        ) from error
    except Exception as error:
        if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
            raise _lacking(error, Path(error.filename), code) from error
        raise Refused(
            "load",
            f"{place_of(error, code)}: {type(error).__name__}: {one_line(error)}",
            _error_fix(error),
        ) from error


def _lacking(error: FileNotFoundError, named: Path, code: Path) -> Refused:
    name = named.relative_to(code) if named.is_relative_to(code) else named
    if name.is_absolute():
        fix = "Write the path from the repository's root, which is the service's working directory"
    else:
        fix = "Commit that file; notebooks, hidden files and what .s2iignore or `code:` leave out do not travel"
    problem = f"{place_of(error, code)} opens {name.as_posix()}, which does not travel with the service"
    return Refused("load", problem, fix)


def _error_fix(error: Exception) -> str:
    if type(error).__name__ == "InconsistentVersionWarning":
        return "Pin the version that made the model in requirements.txt: scikit-learn==VERSION"
    return "Correct it: each start of the service imports it in the same way"


def _check_callable(predict: Any) -> None:
    if not callable(predict):
        raise Refused("load", f"predict in {_FILE} is a {type(predict).__name__}, which cannot be called", _SHAPE)
    try:
        taken = inspect.signature(predict)
    except (TypeError, ValueError):  # written in C: it does not tell
        return
    if not _binds_one(taken):
        raise Refused("load", f"predict{taken} in {_FILE} cannot be called with one argument", _SHAPE)


def _binds_one(taken: inspect.Signature) -> bool:
    bind: Callable[[dict[str, Any]], object] = taken.bind
    try:
        bind({})
    except TypeError:
        return False
    return True


def _state(folder: Path) -> dict[Path, tuple[int, int]]:
    found = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in found.items()}


def _amount(state: dict[Path, tuple[int, int]]) -> str:
    size = sum(size for size, _ in state.values()) / 1024**2
    return f"{len(state)} file{'s' if len(state) > 1 else ''}, {size:.1f} MiB in all"

"""The child's task `assemble`: makes one scikit-learn Pipeline of the stages that notebooks saved."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelcast_runtime import contract

from . import shortage
from .messages import Answer, AssembleRequest, Refused, StageFile, left, one_line
from .recorder import MARK

_NO_RECORD = 0
_WRITERS_BY_VALUE = ("cloudpickle", "joblib.externals.cloudpickle", "dill")


def main(arguments: list[str]) -> int:
    """Read the request file, write the answer file."""
    request_file, answer_file = map(Path, arguments)
    request = contract.decode(request_file.read_bytes(), AssembleRequest)
    names = ", ".join(Path(stage.path).name for stage in request.stages)
    try:
        assemble(request)
        answer = Answer(status="assembled")
    except Refused as refused:
        short = shortage.behind(refused, "stages", f"loading {names}")
        answer = Answer(status="refused", refused=short or refused.refusal)
    except MemoryError as error:
        answer = Answer(status="refused", refused=shortage.behind(error, "stages", f"loading {names}"))
    except SystemExit as end:
        answer = Answer(status="refused", refused=left("stages", f"loading {names}", end))
    answer_file.write_bytes(contract.encode(answer))
    return 0


def assemble(request: AssembleRequest) -> None:
    """Load the stages, check that they fit together, write the Pipeline; raises `Refused`."""
    from sklearn.pipeline import Pipeline

    sys.dont_write_bytecode = True
    sys.path.insert(0, request.code)
    steps = [(stage.name, _loaded(stage)) for stage in request.stages]
    *earlier, last = zip(request.stages, steps, strict=True)
    for stage, (_, step) in earlier:
        _check(stage, step, "transform", "Save the fitted transformer: what follows is trained on what it gives")
    _check(last[0], last[1][1], "predict", "Name the notebook that trains the model last, and save the fitted model")
    pipeline = Pipeline(steps)
    # The rows that the first stage was fitted on are the Pipeline's; those of later stages it makes itself.
    setattr(pipeline, MARK, getattr(steps[0][1], MARK, _NO_RECORD))
    _write(pipeline, request)


def _loaded(stage: StageFile) -> Any:
    import joblib

    name = Path(stage.path).name
    with _offered(stage.definitions):
        try:
            return joblib.load(stage.path)
        except Exception as error:
            raise Refused(
                "stages",
                f"{name} of {stage.notebook} cannot be loaded: {type(error).__name__}: {one_line(error)}",
                "Save what loads in a fresh process: move own classes and functions into a module beside the notebook",
            ) from error


@contextmanager
def _offered(definitions: dict[str, str]) -> Iterator[None]:
    """For a moment `__main__` has this notebook's classes; another notebook's may have the same names."""
    main = sys.modules["__main__"]
    for name, module in definitions.items():
        setattr(main, name, getattr(importlib.import_module(module), name))
    try:
        yield
    finally:
        for name in definitions:
            delattr(main, name)


def _check(stage: StageFile, step: Any, method: str, fix: str) -> None:
    lacking = [name for name in ("fit", method) if not callable(getattr(step, name, None))]
    if lacking:
        kind = f"{type(step).__module__}.{type(step).__qualname__}"
        wanted = " and no ".join(f"{name}()" for name in lacking)
        raise Refused("stages", f"{stage.notebook} saved a {kind} as its stage, which has no {wanted}", fix)


def _write(pipeline: Any, request: AssembleRequest) -> None:
    if request.by_value:
        # Loading the stages imported the library that wrote them; older versions of joblib carry their own copy.
        found = [sys.modules[name] for name in _WRITERS_BY_VALUE if name in sys.modules]
        Path(request.target).write_bytes(found[0].dumps(pipeline))
    else:
        import joblib

        joblib.dump(pipeline, request.target)

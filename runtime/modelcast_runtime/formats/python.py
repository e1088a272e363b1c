"""The repository's own `prediction.py`: its `predict(body: dict) -> dict` is called with a request's JSON object."""

import asyncio
import importlib
import inspect
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType
from typing import Any

from modelcast_runtime.bundle import Bundle, BundleError

MODULE = "prediction"
FUNCTION = "predict"
_OF_THE_CALLER = (KeyError, TypeError, ValueError)


class PredictError(Exception):
    """predict() raised; nothing here holds a value of the caller's."""

    def __init__(self, error: BaseException, folder: Path) -> None:
        """Keep of the error what may be told and logged."""
        self.kind = type(error).__name__
        self.place = place_of(error, folder)
        self.is_callers = isinstance(error, _OF_THE_CALLER)
        """Whether the request is at fault: what own code raises for a body that it cannot use."""
        self.key = _spelled_key(error, folder)
        super().__init__(f"{self.kind} at {self.place}")


class OwnPredict:
    """Own code: nothing of it runs before `start`, and then it is asked by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds prediction.py and the files that it loads."""
        self._folder = folder
        self._predict: Callable[[dict[str, Any]], Any] | None = None
        self._runner: asyncio.Runner | None = None

    def start(self) -> None:
        """Import it; raises `BundleError` in one line. Called after the fork.

        Own code may score or start threads when it is imported, and what it begins would hang in a forked child.
        """
        try:
            self._predict = import_predict(self._folder)
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())
            place = place_of(error, self._folder)
            raise BundleError(f"{MODULE}.py cannot be imported: {type(error).__name__} at {place}: {reason}") from error

    def answer(self, body: dict[str, Any]) -> Any:
        """What predict() gives, awaited where it is to be; raises `PredictError`, whatever own code raises."""
        if self._predict is None:
            raise RuntimeError("start() comes first")
        try:
            with redirect_stdout(sys.stderr):  # the command's own line is all that stdout is for
                given = self._predict(body)
                return self._awaited(given) if inspect.iscoroutine(given) else given
        except BaseException as error:  # also sys.exit(): a request must not end the worker
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # Ctrl-C: only this thread gets it, and only a command without a server asks here
            raise PredictError(error, self._folder) from error

    def _awaited(self, coroutine: Any) -> Any:
        # One loop for all requests: clients and locks that own code keeps belong to the loop of their first use.
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(coroutine)


def load(bundle: Bundle) -> OwnPredict:
    """Nothing is imported before the fork."""
    return OwnPredict(bundle.code)


def import_predict(folder: Path) -> Callable[[dict[str, Any]], Any]:
    """The function, with `folder` as working directory and first on `sys.path`, as at the repository's root.

    Raises whatever the import raises.
    """
    # Nothing may be written beside sealed files: a stray __pycache__ is a file that the manifest does not know.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        # Another scikit-learn than the one that trained a model only warns, and then answers differently.
        warnings.filterwarnings("error", message="Trying to unpickle estimator")
        predict: Callable[[dict[str, Any]], Any] = getattr(importlib.import_module(MODULE), FUNCTION)
    return predict


def place_of(error: BaseException, folder: Path) -> str:
    """Where own code raised, or called what raised: `prediction.py:12`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_within(error.filename, folder) or Path(error.filename).name}:{error.lineno}"
    places = [f"{name}:{line}" for name, line, _ in _frames(error, folder)]
    return places[-1] if places else f"{MODULE}.py"


def _frames(error: BaseException, folder: Path) -> Iterator[tuple[str, int, CodeType]]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = _within(frame.f_code.co_filename, folder)
        if name is not None:
            yield name, line, frame.f_code


def _within(filename: str, folder: Path) -> str | None:
    path = Path(filename)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def _spelled_key(error: BaseException, folder: Path) -> str | None:
    """The key of a KeyError where own code spells it: any other could be a value that the caller sent."""
    key = error.args[0] if isinstance(error, KeyError) and error.args else None
    is_spelled = type(key) is str and any(key in code.co_consts for _, _, code in _frames(error, folder))
    return key if is_spelled else None

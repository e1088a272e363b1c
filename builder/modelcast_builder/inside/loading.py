"""Loads the artifact in the model's environment, with nothing of the repository but the modules that will be sealed."""

import importlib
import sys
import warnings
from pathlib import Path
from typing import Any

from .messages import DescribeRequest, Refused


def load(request: DescribeRequest) -> Any:
    """The trained object; raises `Refused` with the line to write."""
    sys.path.insert(0, request.code)
    artifact = Path(request.artifact).name
    _offer_definitions(request.definitions)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Trying to unpickle estimator")
            model = _unpickle(Path(request.artifact))
    except ModuleNotFoundError as error:
        raise Refused(
            "load",
            f"{artifact} needs the module {error.name!r}, which neither the repository nor the model's environment has",
            f"Add {_top(error.name)}.py to the repository, or the distribution that brings it to requirements.txt",
        ) from error
    except AttributeError as error:
        raise Refused("load", f"{artifact} cannot be loaded: {error}", _attribute_fix(error)) from error
    except Exception as error:
        raise Refused(
            "load",
            f"{artifact} cannot be loaded in its environment: {type(error).__name__}: {_one_line(error)}",
            "Pin the versions that made it in requirements.txt, or name the notebook that trains it in `notebooks:`",
        ) from error
    return _checked(model, artifact)


def _offer_definitions(definitions: dict[str, str]) -> None:
    """A notebook's own classes were pickled as `__main__.X`; found there they are the sealed module's."""
    main = sys.modules["__main__"]
    for name, module in definitions.items():
        setattr(main, name, getattr(importlib.import_module(module), name))


def _unpickle(path: Path) -> Any:
    import joblib

    # joblib also reads plain pickles, compressed or not.
    return joblib.load(path)


def _checked(model: Any, artifact: str) -> Any:
    if callable(getattr(model, "predict", None)):
        return model
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise Refused(
        "load",
        f"{artifact} holds a {kind}, which has no predict()",
        'Save the fitted estimator or Pipeline itself: joblib.dump(model, "model.joblib")',
    )


def _top(module: str | None) -> str:
    return (module or "the module").partition(".")[0]


def _attribute_fix(error: AttributeError) -> str:
    if "__main__" in str(error):
        return "Move it from the notebook into a module beside it and train again, or name the notebook in `notebooks:`"
    return "Make the module in the repository define it, or pin the version that made the artifact in requirements.txt"


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0][:300]

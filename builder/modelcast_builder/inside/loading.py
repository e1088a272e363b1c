"""Loads the artifact in the model's environment, with nothing of the repository but the modules that will be sealed."""

import hashlib
import importlib
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

from . import hyperparameters
from .messages import DescribeRequest, Refused, one_line

_DISTRIBUTIONS = {
    name: name for name in ("xgboost", "lightgbm", "catboost", "pandas", "statsmodels", "skops", "mlflow", "torch")
} | {"imblearn": "imbalanced-learn", "category_encoders": "category-encoders", "sklearn": "scikit-learn"}
"""Modules that are known to come from a package index, and its name for them."""
LIBRARIES = frozenset({"sklearn", "numpy", "scipy", "pandas", "xgboost", "lightgbm"})
_VERSIONS = re.compile(r"Trying to unpickle estimator (\S+) from version (\S+) when using version (\S+?)\.? ")
_PIN_FIX = "Pin the versions that made it in requirements.txt, or name the notebook that trains it in `notebooks:`"
# LightGBM's wheel brings no OpenMP: Debian's small images lack it.
_SYSTEM_FIX = "Build with an image that has this system library (libgomp.so.1: libgomp1 on Debian, libgomp on UBI)"
_VERSION_FIX = "Fit and save the whole model with one version, and let requirements.txt name that one"


def load(request: DescribeRequest) -> Any:
    """The trained object; raises `Refused` with the line to write."""
    sys.path.insert(0, request.code)
    artifact = Path(request.artifact).name
    _offer_definitions(request.definitions)
    try:
        with warnings.catch_warnings():
            # Older scikit-learns have no class of their own for it: all have the sentence.
            warnings.filterwarnings("error", message="Trying to unpickle estimator")
            model = _read(Path(request.artifact), request)
    except Refused:
        raise
    except ModuleNotFoundError as error:
        raise Refused(
            "load",
            f"{artifact} needs the module {error.name!r}, which neither the repository nor the model's environment has",
            module_fix(error.name),
        ) from error
    except Warning as warning:
        raise Refused("load", _other_version(artifact, warning), _VERSION_FIX) from warning
    except AttributeError as error:
        raise Refused("load", f"{artifact} cannot be loaded: {error}", _attribute_fix(error)) from error
    except OSError as error:
        fix = _SYSTEM_FIX if ".so" in str(error) else _PIN_FIX
        raise Refused("load", f"{artifact} cannot be loaded: {one_line(error)}", fix) from error
    except Exception as error:
        raise Refused(
            "load",
            f"{artifact} cannot be loaded in its environment: {type(error).__name__}: {one_line(error)}",
            _PIN_FIX,
        ) from error
    hyperparameters.check(_checked(model, artifact), artifact)
    return model


def _offer_definitions(definitions: dict[str, str]) -> None:
    """A notebook's own classes were pickled as `__main__.X`; found there they are the sealed module's."""
    main = sys.modules["__main__"]
    for name, module in definitions.items():
        setattr(main, name, getattr(importlib.import_module(module), name))


def _read(path: Path, request: DescribeRequest) -> Any:
    if path.suffix.lower() == ".skops":
        return _read_skops(path, request)
    import joblib

    with path.open("rb") as file:
        if request.digest and hashlib.file_digest(file, "sha256").hexdigest() != request.digest:
            problem = f"{path.name} is not the file any more that was audited"
            raise Refused("audit", problem, "Build again, and let nothing write to it meanwhile")
        file.seek(0)
        # joblib also reads plain pickles, compressed or not.
        return joblib.load(file)


def _read_skops(path: Path, request: DescribeRequest) -> Any:
    """What the builder approved by name is looked at once more: a module may offer what it only imported."""
    from skops import io

    asked = io.get_untrusted_types(file=path)
    code = Path(request.code)
    foreign = [
        name for name in asked if name not in request.trusted or (name not in request.named and _is_lent(name, code))
    ]
    if foreign:
        module, _, name = foreign[0].rpartition(".")
        problem = f"{path.name} makes a load use {foreign[0]}, which skops does not trust by itself"
        raise Refused("audit", problem, f'If it is meant, write `trusted: ["{module}:{name}"]` in modelcast.yaml')
    return io.load(path, trusted=asked)


def _is_lent(name: str, code: Path) -> bool:
    """Whether its module has it only from elsewhere: `sklearn.utils._testing.check_output`, `features.system`.

    An own module may have it from another one of `code`, and an own class its methods from a library's.
    """
    top = _top(name)
    if top in LIBRARIES:
        return _top(_homes(name)[0]) != top
    if top != "__main__" and top not in {path.name.partition(".")[0] for path in code.iterdir()}:
        return False
    first, *inner = _homes(name)
    return not (_is_of(code, first) and all(_is_of(code, home) or _top(home) in LIBRARIES for home in inner))


def _homes(name: str) -> list[str | None]:
    """The modules that define what this name leads to: the attribute of a module, then those below it."""
    parts = name.split(".")
    module, depth = _imported(parts)
    step: Any = module
    steps = [step := getattr(step, part, None) for part in parts[depth:]]
    return [getattr(step, "__module__", None) for step in steps]


def _imported(parts: list[str]) -> tuple[ModuleType, int]:
    """The longest beginning that is a module, and how many parts it has."""
    for depth in range(len(parts) - 1, 1, -1):
        try:
            return importlib.import_module(".".join(parts[:depth])), depth
        except ModuleNotFoundError as error:
            if error.name not in {".".join(parts[:length]) for length in range(1, depth + 1)}:
                raise
    return importlib.import_module(parts[0]), 1


def _is_of(code: Path, module: str | None) -> bool:
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    return isinstance(file, str) and Path(file).is_relative_to(code)


def _checked(model: Any, artifact: str) -> Any:
    if callable(getattr(model, "predict", None)):
        return model
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise Refused(
        "load",
        f"{artifact} holds a {kind}, which has no predict()",
        'Save the fitted estimator or Pipeline itself: joblib.dump(model, "model.joblib")',
    )


def module_fix(name: str | None) -> str:
    """The line to write for a module that is missing."""
    top = _top(name)
    if top in _DISTRIBUTIONS:
        return f"Add {_DISTRIBUTIONS[top]} to requirements.txt, at the version that made the model"
    return f"Add {top}.py to the repository, or the distribution that brings it to requirements.txt"


def _other_version(artifact: str, warning: Warning) -> str:
    said = _VERSIONS.search(str(warning))
    if said is None:
        return f"{artifact} cannot be loaded without a warning: {one_line(warning)}"
    kind, recorded, there = said.groups()
    return f"the {kind} in {artifact} was made by scikit-learn {recorded}, and its environment has {there}"


def _top(module: str | None) -> str:
    return (module or "the module").partition(".")[0]


def _attribute_fix(error: AttributeError) -> str:
    if "__main__" in str(error):
        return "Move it from the notebook into a module beside it and train again, or name the notebook in `notebooks:`"
    return "Make the module in the repository define it, or pin the version that made the artifact in requirements.txt"

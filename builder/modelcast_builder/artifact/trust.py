"""Which names of a skops file may be loaded: plain values, the libraries' own types, the repository's own modules."""

from collections.abc import Collection

from modelcast_builder.artifact import Artifact
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.loading import LIBRARIES

CALLED = (
    *("sklearn._loss", "sklearn.calibration", "sklearn.cluster", "sklearn.covariance", "sklearn.ensemble"),
    *("sklearn.feature_extraction", "sklearn.feature_selection", "sklearn.gaussian_process", "sklearn.linear_model"),
    *("sklearn.kernel_approximation", "sklearn.manifold", "sklearn.metrics", "sklearn.neighbors", "sklearn.svm"),
    *("sklearn.neural_network", "sklearn.preprocessing", "sklearn.tree", "scipy.special"),
)
"""Where models find what they call; the rest of the libraries also opens files and addresses. ufuncs skops knows."""
PLAIN = {
    "builtins": frozenset(
        {"NoneType", "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "function", "int", "list"}
        | {"map", "object", "range", "set", "slice", "str", "tuple", "type"}
    ),
    "collections": frozenset({"Counter", "OrderedDict", "defaultdict", "deque"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "functools": frozenset({"partial"}),
    "uuid": frozenset({"UUID"}),
    "zoneinfo": frozenset({"ZoneInfo"}),
}


def approve(artifact: Artifact, *, own: Collection[str], trusted: Collection[str]) -> tuple[str, ...]:
    """The names of a skops file that may be loaded, as `module.name`; raises `BuildError` for the first other one.

    `own` are the top-level modules that travel (and `__main__` where a notebook of this build defined it), `trusted`
    the entries of modelcast.yaml, `module:name` or `module:*`. A name that skops trusts by itself needs no entry.
    """
    allowed = frozenset(own)
    unknown = sorted(
        name for name in artifact.globals if not (_is_known(*name) or _is_own(*name, allowed) or _is_in(*name, trusted))
    )
    if unknown:
        raise refusal(artifact.path.name, *unknown[0])
    approved = (name for name in artifact.globals if name not in artifact.called or _may_call(*name, allowed, trusted))
    return tuple(sorted({".".join(name) for name in approved} | set(named(trusted))))


def named(trusted: Collection[str]) -> tuple[str, ...]:
    """Entries that stand for one name each, such as the method `features:Clip.low`, as skops writes them."""
    return tuple(entry.replace(":", ".") for entry in trusted if not entry.endswith(":*"))


def refusal(file: str, module: str, name: str) -> BuildError:
    """The refusal of one name, with the line that would allow it."""
    problem = f"{file} names {module}.{name}, which is neither scikit-learn's nor of this repository"
    return BuildError("audit", problem, f'If it is meant, write `trusted: ["{module}:{name}"]` in modelcast.yaml')


def _is_known(module: str, name: str) -> bool:
    return _home(module, name).partition(".")[0] in LIBRARIES or name in PLAIN.get(module, ())


def _home(module: str, name: str) -> str:
    """scikit-learn 1.4 to 1.8 was built with losses that do not know their package."""
    return "sklearn._loss._loss" if module == "_loss" and name.startswith("Cy") else module


def _is_own(module: str, _: str, own: frozenset[str]) -> bool:
    return module.partition(".")[0] in own


def _is_in(module: str, name: str, trusted: Collection[str]) -> bool:
    return f"{module}:{name}" in trusted or f"{module}:*" in trusted


def _may_call(module: str, name: str, own: frozenset[str], trusted: Collection[str]) -> bool:
    home = _home(module, name)
    is_scoring = any(home == called or home.startswith(f"{called}.") for called in CALLED) and ".tests" not in home
    return is_scoring or _is_own(module, name, own) or _is_in(module, name, trusted)

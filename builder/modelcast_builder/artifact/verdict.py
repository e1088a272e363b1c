"""The audit of a pickle: whether every name in it, and each use of it, is on the allow-list or meant by the user.

It judges what the inert replay saw (`Artifact`): nothing is imported, and nothing of the file decides what is allowed.
"""

from collections.abc import Callable, Collection, Iterator

from modelcast_builder.artifact import Artifact
from modelcast_builder.artifact.allowed import Name, Use, home, is_hostile, uses
from modelcast_builder.artifact.stubs import Array, Global, Made
from modelcast_builder.errors import BuildError

METHODS = frozenset(
    {"decision_function", "fit", "fit_predict", "fit_transform", "get_params", "inverse_transform", "kneighbors"}
    | {"partial_fit", "predict", "predict_log_proba", "predict_proba", "sample", "score", "score_samples"}
    | {"set_output", "set_params", "transform", "get_feature_names_out"}
)
"""What a model's caller calls: a function in their place would answer in the model's name."""
_SAVE = 'Save the fitted estimator or Pipeline itself: joblib.dump(model, "model.joblib")'
_AGAIN = 'Save the model again with joblib.dump(model, "model.joblib"), and do not serve a file that others made'


def judge(artifact: Artifact, *, own: Collection[str] = (), trusted: Collection[str] = ()) -> None:
    """Raise `BuildError` for the first thing in a pickle that no model needs and that nobody means.

    `own` are the top-level modules that may be named: none for a ready-made file, the repository's own (and `__main__`)
    for one that a notebook of this build wrote. `trusted` are the entries of modelcast.yaml.
    """
    file, meant = artifact.path.name, _Meant(frozenset(own), frozenset(trusted))
    foreign = sorted(name for name in artifact.globals if not meant.allows(*name))
    for name in sorted(foreign, key=lambda name: not is_hostile(*name)):
        raise refusal(file, *name)
    if artifact.odd:
        raise BuildError("audit", f"{file} {artifact.odd}, which no model needs", _AGAIN)
    for name, use in _used(artifact):
        if not meant.is_own(*name) and not uses()[home(*name)] & use:
            how = "calls" if Use.CALL in use else "makes an object of"
            raise _misuse(file, f"{how} {'.'.join(name)}, which models only refer to", name)
    for made in artifact.made:
        _check(file, made, meant)
    _check_root(artifact, meant)


def refusal(file: str, module: str, name: str) -> BuildError:
    """The refusal of one name, with the line that would allow it where a model could mean it."""
    if is_hostile(module, name):
        return BuildError("audit", f"{file} names {module}.{name}, which no model needs: it is hostile", _AGAIN)
    return _misuse(file, f"names {module}.{name}, which is not known to be harmless", (module, name))


class _Meant:
    """What is allowed beside the list."""

    def __init__(self, own: frozenset[str], trusted: frozenset[str]) -> None:
        self._own = own
        self._trusted = trusted

    def allows(self, module: str, name: str) -> bool:
        """Whether it may be named; a dotted name leads through attributes, which no list can know."""
        return self.is_own(module, name) or ("." not in name and home(module, name) in uses())

    def is_own(self, module: str, name: str) -> bool:
        """Whether the repository or its modelcast.yaml answers for it."""
        is_trusted = f"{module}:{name}" in self._trusted or f"{module}:*" in self._trusted
        return is_trusted or module.partition(".")[0] in self._own


def _misuse(file: str, problem: str, name: Name) -> BuildError:
    line = f'If it is meant, write `trusted: ["{name[0]}:{name[1]}"]` in modelcast.yaml'
    return BuildError("audit", f"{file} {problem}", line)


def _used(artifact: Artifact) -> Iterator[tuple[Name, frozenset[Use]]]:
    """Every name that a load does more with than refer to it, and the uses of which one has to be allowed."""
    for name in sorted(artifact.called):
        yield name, frozenset({Use.CALL})
    for name in sorted(artifact.instances):
        yield name, frozenset({Use.CALL, Use.OBJECT, Use.ESTIMATOR})


def _check(file: str, made: Made, meant: _Meant) -> None:
    """Arguments that would choose what is called, and attributes that would shadow a method."""
    if made.kind is None or type(made) is Array:
        return
    name = (made.kind.module, made.kind.name)
    check = _ARGUMENTS.get(name)
    if check is not None and not check(made.args):
        raise BuildError("audit", f"{file} calls {'.'.join(name)} as no pickler does", _AGAIN)
    if meant.is_own(*name):
        return
    for key, value in made.attributes.items():
        if type(key) is not str:
            continue
        if (key.startswith("__") and key.endswith("__")) or (key in METHODS and _is_callable(value)):
            problem = f"{file} sets the attribute {key} of a {'.'.join(name)}, which its class has by itself"
            raise BuildError("audit", problem, _AGAIN)


def _is_callable(value: object) -> bool:
    is_partial = isinstance(value, Made) and value.kind is not None and value.kind.name == "partial"
    return is_partial or type(value) is Global


def _check_root(artifact: Artifact, meant: _Meant) -> None:
    root = artifact.root or ("builtins", "object")
    if not meant.is_own(*root) and Use.ESTIMATOR not in uses().get(home(*root), ()):
        raise BuildError("load", f"{artifact.path.name} holds a {'.'.join(root)}, which has no predict()", _SAVE)


def _random(args: tuple[object, ...]) -> bool:
    """A generator's name or itself, and the function that makes one: any other would be called with the first."""
    return all(
        isinstance(arg, str | Made) or (type(arg) is Global and arg.module.startswith("numpy.random.")) for arg in args
    )


def _bytes(args: tuple[object, ...]) -> bool:
    """No number: that many bytes would be made."""
    return not any(isinstance(arg, int) for arg in args)


def _factory(args: tuple[object, ...]) -> bool:
    """What a defaultdict calls for what it lacks."""
    first = args[0] if args else None
    return first is None or (type(first) is Global and first.module == "builtins" and first.name in _FACTORIES)


def _index(args: tuple[object, ...]) -> bool:
    """The class that pandas calls with the rest."""
    return bool(args) and type(args[0]) is Global and args[0].module.partition(".")[0] == "pandas"


def _function(args: tuple[object, ...]) -> bool:
    return bool(args) and type(args[0]) is Global


_FACTORIES = frozenset({"dict", "float", "frozenset", "int", "list", "set", "str"})
_ARGUMENTS: dict[Name, Callable[[tuple[object, ...]], bool]] = {
    ("builtins", "bytearray"): _bytes,
    ("builtins", "bytes"): _bytes,
    ("collections", "defaultdict"): _factory,
    ("functools", "partial"): _function,
    ("numpy.random._pickle", "__bit_generator_ctor"): _random,
    ("numpy.random._pickle", "__generator_ctor"): _random,
    ("numpy.random._pickle", "__randomstate_ctor"): _random,
    ("pandas.core.indexes.base", "_new_Index"): _index,
    ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"): _index,
    ("pandas.core.indexes.interval", "_new_IntervalIndex"): _index,
}

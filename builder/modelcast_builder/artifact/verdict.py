"""The audit of a pickle: whether every name in it, and each use of it, is on the allow-list or meant by the user.

It judges what the inert replay saw (`Artifact`): nothing is imported, and nothing of the file decides what is allowed.
"""

import sys
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
FROM_NOTEBOOKS = frozenset(
    {("builtins", "getattr"), ("functools", "reduce"), ("types", "SimpleNamespace")}
    | {("operator", name) for name in ("attrgetter", "itemgetter", "methodcaller")}
)
"""What Python's own library adds to models that hold a notebook's functions: bound methods, columns picked by name."""
_SAVE = 'Save the fitted estimator or Pipeline itself: joblib.dump(model, "model.joblib")'
_AGAIN = 'Save the model again with joblib.dump(model, "model.joblib"), and do not serve a file that others made'


def judge(artifact: Artifact, *, trusted: Collection[str] = (), is_made_here: bool = False) -> None:
    """Raise `BuildError` for the first thing in a pickle that no model needs and that nobody means; see `judge_names`.

    Its root has to be an estimator. Other kinds of files are judged elsewhere.
    """
    judge_names(artifact, trusted=trusted, is_made_here=is_made_here)
    if artifact.kind == "pickle" and not (is_made_here and artifact.by_value):
        _check_root(artifact, _Meant(frozenset(trusted), is_made_here))


def judge_names(artifact: Artifact, *, trusted: Collection[str] = (), is_made_here: bool = False) -> None:
    """Raise `BuildError` for the first name of a pickle, or use of one, that is not allowed.

    `trusted` are the entries of modelcast.yaml. `is_made_here`: a notebook of this build wrote it, whose own code, and
    that of the distributions that it asked for, has run; what it wrote may hold them, by value too.
    """
    if artifact.kind != "pickle" or (is_made_here and artifact.by_value):
        return
    file, meant = artifact.path.name, _Meant(frozenset(trusted), is_made_here)
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


def refusal(file: str, module: str, name: str) -> BuildError:
    """The refusal of one name, with the line that would allow it where a model could mean it."""
    if is_hostile(module, name):
        return BuildError("audit", f"{file} names {module}.{name}, which no model needs: it is hostile", _AGAIN)
    return _misuse(file, f"names {module}.{name}, which is not known to be harmless", (module, name))


class _Meant:
    """What is allowed beside the list."""

    def __init__(self, trusted: frozenset[str], is_made_here: bool) -> None:
        self._trusted = trusted
        self._is_made_here = is_made_here

    def allows(self, module: str, name: str) -> bool:
        """Whether it may be named; a dotted name leads through attributes, which no list can know."""
        return self.is_own(module, name) or ("." not in name and home(module, name) in uses())

    def is_own(self, module: str, name: str) -> bool:
        """Whether the repository, or its modelcast.yaml, answers for it."""
        if f"{module}:{name}" in self._trusted or f"{module}:*" in self._trusted:
            return True
        if not self._is_made_here:
            return False
        is_python = module.partition(".")[0] in sys.stdlib_module_names
        return module == "__main__" or (module, name) in FROM_NOTEBOOKS or not (is_python or is_hostile(module, name))


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
    return first is None or (type(first) is Global and (first.module, first.name) in _FACTORIES)


def _index(args: tuple[object, ...]) -> bool:
    """The class that pandas calls with the rest."""
    return bool(args) and type(args[0]) is Global and args[0].module.partition(".")[0] == "pandas"


def _function(args: tuple[object, ...]) -> bool:
    return bool(args) and type(args[0]) is Global


_FACTORIES = frozenset(
    {("builtins", name) for name in ("dict", "float", "frozenset", "int", "list", "set", "str")}
    | {("collections", "OrderedDict")}
)
"""The last is what LightGBM keeps its best scores in."""
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

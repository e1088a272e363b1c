"""What stands in for classes and objects while a pickle is replayed: names and nothing that could act."""

from enum import Enum, auto

from .compression import UnreadableError


class Role(Enum):
    """What the replay must know of a global beyond its name."""

    PLAIN = auto()
    CLASS_IN_ARGUMENTS = auto()
    """A function that makes an object of its first argument."""
    DTYPE = auto()
    STRING_DTYPE = auto()
    ARRAY = auto()
    """joblib's placeholder, after which an array's bytes lie in the file."""
    ARRAY_APART = auto()
    """joblib's placeholder before 0.10, whose arrays lie in files of their own."""
    SUBIMPORT = auto()
    """cloudpickle's import of a module by name, which no global shows."""


_ROLES = {
    ("copyreg", "_reconstructor"): Role.CLASS_IN_ARGUMENTS,
    ("copyreg", "__newobj__"): Role.CLASS_IN_ARGUMENTS,
    ("copyreg", "__newobj_ex__"): Role.CLASS_IN_ARGUMENTS,
    ("numpy.core.multiarray", "_reconstruct"): Role.CLASS_IN_ARGUMENTS,
    ("numpy._core.multiarray", "_reconstruct"): Role.CLASS_IN_ARGUMENTS,
    ("numpy", "dtype"): Role.DTYPE,
    ("numpy._core._internal", "_convert_to_stringdtype_kwargs"): Role.STRING_DTYPE,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): Role.ARRAY,
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"): Role.ARRAY,
}
_CLOUDPICKLE = ("cloudpickle", "joblib.externals.cloudpickle", "sklearn.externals.joblib.externals.cloudpickle")
_BY_VALUE_MODULES = (*(f"{name}.{part}" for name in _CLOUDPICKLE for part in ("cloudpickle", "cloudpickle_fast")),)
_DILL = {"_create_code", "_create_function", "_create_type"}


class Global:
    """A class or function that the pickle names, and that nobody imported."""

    __slots__ = ("module", "name", "role")

    def __init__(self, module: str, name: str) -> None:
        """Name it; its role follows from the name."""
        self.module = module
        self.name = name
        self.role = _role(module, name)


class Made:
    """An object that the pickle would have made: of which class, and what little of it anybody asks for."""

    __slots__ = ("args", "kind", "state", "version")

    def __init__(self, kind: Global | None, args: tuple[object, ...] = ()) -> None:
        """`args` are kept for a dtype only: the rest of a model would fill the memory for nothing."""
        self.kind = kind
        self.args = args
        self.state: object = None
        self.version: str | None = None

    @property
    def role(self) -> Role:
        """The role of its class."""
        return Role.PLAIN if self.kind is None else self.kind.role


def made(maker: object, args: object) -> Made:
    """What calling `maker` would give: the stub of its class, with no call."""
    if type(maker) is not Global:
        return Made(None)
    if type(args) is tuple and args:
        if maker.role is Role.CLASS_IN_ARGUMENTS and type(args[0]) is Global:
            return Made(args[0])
        if maker.role is Role.DTYPE:
            return Made(maker, args)
    return Made(maker)


def is_by_value(module: str, name: str) -> bool:
    """Whether this global rebuilds code that travels inside the pickle (cloudpickle, dill)."""
    if module in _BY_VALUE_MODULES or module in _CLOUDPICKLE:
        return name != "subimport"
    return module.startswith("dill.") and name in _DILL


def refuse_apart(kind: Global) -> UnreadableError:
    """The refusal of joblib's format before 0.10."""
    problem = f"was written by joblib 0.9 or older ({kind.name}: arrays in files of their own)"
    return UnreadableError(problem, "Write it again with joblib >= 1.2: joblib.dump(model, path)")


def _role(module: str, name: str) -> Role:
    if name in ("NDArrayWrapper", "ZNDArrayWrapper") and "joblib" in module:
        return Role.ARRAY_APART
    if name == "subimport" and module in _BY_VALUE_MODULES:
        return Role.SUBIMPORT
    return _ROLES.get((module, name), Role.PLAIN)

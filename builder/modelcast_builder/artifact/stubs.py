"""What stands in for classes and objects while a pickle is replayed: names and nothing that could act."""

from enum import Enum, auto

from .compression import Span, UnreadableError
from .dtypes import Dtype

KEPT = 4096
"""Plain values that one list or dictionary keeps; what could hold an object is always kept."""
PLAIN_TYPES = frozenset({str, int, float, bool, bytes, type(None)})


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
    NDARRAY = auto()
    """A function that makes an empty array of its first argument, which the BUILD after it fills."""
    BUFFER = auto()
    """Protocol 5's array: its bytes, its dtype, its shape and its order are the arguments."""
    SCALAR = auto()
    """A number of numpy's: its dtype and its bytes are the arguments."""
    ENCODE = auto()
    """How the protocols before 3 write bytes: as a text, and the name of its encoding."""
    BYTES = auto()


_ROLES = {
    ("copyreg", "_reconstructor"): Role.CLASS_IN_ARGUMENTS,
    ("copyreg", "__newobj__"): Role.CLASS_IN_ARGUMENTS,
    ("copyreg", "__newobj_ex__"): Role.CLASS_IN_ARGUMENTS,
    ("sklearn.neighbors._ball_tree", "newObj"): Role.CLASS_IN_ARGUMENTS,
    ("sklearn.neighbors._kd_tree", "newObj"): Role.CLASS_IN_ARGUMENTS,
    ("sklearn.metrics._dist_metrics", "newObj"): Role.CLASS_IN_ARGUMENTS,
    ("numpy.core.multiarray", "_reconstruct"): Role.NDARRAY,
    ("numpy._core.multiarray", "_reconstruct"): Role.NDARRAY,
    ("numpy.ma.core", "_mareconstruct"): Role.NDARRAY,
    ("numpy.core.numeric", "_frombuffer"): Role.BUFFER,
    ("numpy._core.numeric", "_frombuffer"): Role.BUFFER,
    ("numpy.core.multiarray", "scalar"): Role.SCALAR,
    ("numpy._core.multiarray", "scalar"): Role.SCALAR,
    ("_codecs", "encode"): Role.ENCODE,
    ("builtins", "bytes"): Role.BYTES,
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

    __slots__ = ("is_called", "is_made", "module", "name", "role")

    def __init__(self, module: str, name: str) -> None:
        """Name it; its role follows from the name."""
        self.module = module
        self.name = name
        self.role = _role(module, name)
        self.is_called = False
        """Whether a load would call it with arguments of the file's choice."""
        self.is_made = False
        """Whether a load would make an object of it by `__new__`, without arguments."""


class Items(list[object]):
    """What a list of the pickle holds: all that could hold an object, and the first `KEPT` plain values."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        """Empty, as every list of a pickle begins."""
        super().__init__()
        self.total = 0
        """How many there are in the file."""

    def take(self, items: list[object]) -> None:
        """Append what is to be kept."""
        self.total += len(items)
        if len(self) < KEPT:
            self.extend(items)
        else:
            self.extend(item for item in items if type(item) not in PLAIN_TYPES)


class Key:
    """A key of a dictionary that is no text: compared with nothing, so that hostile ones cost nothing."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        """Hold it."""
        self.value = value


class Made:
    """An object that the pickle would have made: of which class, of what arguments, and with what state."""

    __slots__ = ("args", "entries", "is_built", "items", "kind", "state", "version")

    def __init__(self, kind: Global | None, args: tuple[object, ...] = ()) -> None:
        """`args` are what its class, or the function that makes it, was called with."""
        self.kind = kind
        self.args = args
        self.state: object = None
        """What BUILD gave: mostly a dictionary of attributes; of a dtype the `Dtype`."""
        self.is_built = False
        self.items: Items | None = None
        """What was appended, of a list's, set's or deque's kind."""
        self.entries: dict[object, object] | None = None
        """What was set by key (`Key` where it is no text), of a dictionary's kind."""
        self.version: str | None = None

    @property
    def role(self) -> Role:
        """The role of its class."""
        return Role.PLAIN if self.kind is None else self.kind.role

    @property
    def attributes(self) -> dict[object, object]:
        """Its attributes by name, those in `__slots__` too; empty where its class reads another kind of state."""
        found: dict[object, object] = {}
        for part in self.state if type(self.state) is tuple and len(self.state) == 2 else (self.state,):
            found |= part if type(part) is dict else {}
        return found


class Array(Made):
    """An array of numpy's; its bytes stay where they lie."""

    __slots__ = ("data", "dtype", "order", "shape")

    def __init__(self, kind: Global | None) -> None:
        """Empty, until its BUILD (or its wrapper) says what it holds."""
        super().__init__(kind)
        self.dtype: Dtype | None = None
        self.shape: tuple[int, ...] = ()
        self.order = "C"
        self.data: Span | bytes | Items = b""
        """Where its bytes lie, or those bytes; of an array of objects what it holds (`Items.total` of them)."""


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

"""Records the rows given to the outermost `fit` of every scikit-learn estimator, whatever its version.

Every class below `BaseEstimator` gets a descriptor in the place of its `fit`, `fit_transform`, `fit_predict` and
`partial_fit`. Invariants: a recorder never makes a fit fail (what it could not do becomes a note), and nothing that
is pickled refers to this module.
"""

import copy
import functools
import importlib.machinery
import importlib.util
import inspect
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import samples

METHODS = ("fit", "fit_transform", "fit_predict", "partial_fit")
MARK = "_modelcast_fit"
"""The attribute of a fitted estimator that names its record."""
_KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One outermost fit; `X` and `y` are samples, `rows` and `nulls` tell of the whole."""

    id: int
    estimator: str
    method: str
    X: Any
    y: Any
    rows: int | None
    nulls: dict[Any, int]
    sampled: bool


@dataclass(slots=True)
class Log:
    """What one process recorded."""

    records: deque[Record] = field(default_factory=lambda: deque(maxlen=_KEPT))
    notes: list[str] = field(default_factory=list)
    next_id: int = 1
    active: list[tuple[int, int, Any]] = field(default_factory=list)
    """The outermost fits that are running: thread, id of the record, X."""
    lock: threading.Lock = field(default_factory=threading.Lock)


LOG = Log()


def install(first_id: int = 1) -> None:
    """Record from now on: at once where scikit-learn is imported already, else when the notebook imports it."""
    LOG.next_id = first_id
    if "sklearn.base" in sys.modules:
        watch(sys.modules["sklearn.base"].BaseEstimator)
    else:
        # Not imported by us: the notebook may set OMP_NUM_THREADS or SCIPY_ARRAY_API first, or install a version.
        sys.meta_path.insert(0, _Awaited())


class _Awaited:
    """A finder that patches `sklearn.base` right after its import, before any estimator class exists."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: types.ModuleType | None = None, /
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "sklearn.base":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_watch(module: types.ModuleType) -> None:
            run(module)
            watch(module.BaseEstimator)

        spec.loader.exec_module = run_and_watch  # type: ignore[method-assign]
        return spec


def watch(root: Any) -> None:
    """Wrap the classes below `root` that exist, and each one that will be defined."""
    own = root.__dict__.get("__init_subclass__")
    newest: list[type] = []

    def init_subclass(cls: type, /, **options: Any) -> None:
        if own is not None:
            own.__get__(None, cls)(**options)
        else:
            super(root, cls).__init_subclass__(**options)
        # `set_output` replaces fit_transform after this call returns, so the class before is looked at once more.
        for known in (*newest, cls):
            _wrap(known)
        newest[:] = [cls]

    root.__init_subclass__ = classmethod(init_subclass)
    waiting = [root]
    while waiting:
        cls = waiting.pop()
        _wrap(cls)
        waiting.extend(type.__subclasses__(cls))


def _wrap(cls: type) -> None:
    for name in METHODS:
        original = vars(cls).get(name)
        if original is None or isinstance(original, Recorded | staticmethod | classmethod):
            continue
        if hasattr(original, "__get__"):
            setattr(cls, name, Recorded(original))


class Recorded:
    """Stands for a method in a class: the class still shows the original, an instance gets the recording one."""

    def __init__(self, original: Any) -> None:
        """Keep the function, or the descriptor that makes one (`available_if`)."""
        self._original = original

        @functools.wraps(original)
        def recording(instance: Any, /, *args: Any, **kwargs: Any) -> Any:
            bound = original.__get__(instance, type(instance))
            return _call(bound, instance, args, kwargs)

        self._recording = recording

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Show the original on the class, the recording method on an instance."""
        # Metadata routing and `set_output` look at the class's with inspect.isfunction.
        bound = self._original.__get__(instance, owner)
        return bound if instance is None else types.MethodType(self._recording, instance)

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        """Pickle as the original."""
        # cloudpickle stores a notebook's class by value; copy.copy of a function is that function.
        return copy.copy, (self._original,)


def _call(bound: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    rows, target = _arguments(bound, args, kwargs)
    outer = _outer(rows)
    if outer is not None:
        mark, is_same = outer
        result = bound(*args, **kwargs)
        if is_same:
            _leave_mark(instance, mark)
        return result
    with LOG.lock:
        mark, LOG.next_id = LOG.next_id, LOG.next_id + 1
        running = (threading.get_ident(), mark, rows)
        LOG.active.append(running)
    try:
        # Sampled before the fit: an estimator with copy=False writes into its rows.
        record = _record(mark, instance, getattr(bound, "__name__", "fit"), (rows, target))
        result = bound(*args, **kwargs)
    finally:
        with LOG.lock:
            LOG.active[:] = [entry for entry in LOG.active if entry is not running]
    if record is not None:
        LOG.records.append(record)
        _leave_mark(instance, mark)
    return result


def _outer(rows: Any) -> tuple[int, bool] | None:
    """The running fit that this one is part of, and whether it was given the very same rows."""
    with LOG.lock:
        active = list(LOG.active)
    thread = threading.get_ident()
    own = [entry for entry in active if entry[0] == thread]
    # A worker thread has no fit of its own before it: it works for one that runs elsewhere (joblib's threads).
    found = own or (active if threading.current_thread() is not threading.main_thread() else [])
    if not found:
        return None
    return found[0][1], any(rows is entry[2] for entry in found)


def _arguments(bound: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """The rows and the target, by position or by the names that the method gives them."""
    if len(args) > 1:
        return args[0], args[1]
    if args and not kwargs:
        return args[0], None
    if "X" in kwargs or (args and "y" in kwargs):
        return (args[0] if args else kwargs["X"]), kwargs.get("y")
    try:
        names = [name for name in inspect.signature(bound).parameters if name != "sample_weight"]
    except (TypeError, ValueError):
        names = []
    given = [*args, *(kwargs[name] for name in names[len(args) : 2] if name in kwargs), None, None]
    return given[0], given[1]


def _record(mark: int, instance: Any, method: str, given: tuple[Any, Any]) -> Record | None:
    kind = f"{type(instance).__module__}.{type(instance).__qualname__}"
    try:
        taken = samples.take(*given)
    except Exception as error:  # noqa: BLE001 - whatever odd rows do, the user's fit goes on; the note tells
        LOG.notes.append(f"the rows given to {kind}.{method} were not recorded: {type(error).__name__}: {error}")
        return None
    return Record(
        id=mark,
        estimator=kind,
        method=method,
        X=_shared(taken.X, [record.X for record in LOG.records]),
        y=_shared(taken.y, [record.y for record in LOG.records]),
        rows=taken.rows,
        nulls=taken.nulls,
        sampled=taken.sampled,
    )


def _shared(sample: Any, earlier: list[Any]) -> Any:
    """The equal sample of an earlier fit, so that a grid of models keeps one."""
    return next((known for known in reversed(earlier) if samples.same(known, sample)), sample)


def _leave_mark(instance: Any, mark: int) -> None:
    try:
        vars(instance)[MARK] = mark
    except TypeError:
        # An estimator with __slots__: it is found by its class.
        LOG.notes.append(f"{type(instance).__qualname__} takes no mark")

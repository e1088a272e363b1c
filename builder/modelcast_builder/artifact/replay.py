"""Replays the opcodes of a pickle with every effect inert: no import, no call, no attribute of anything is touched.

The parser is CPython's own (`pickle._Unpickler`, the class that joblib reads with too), so that what is seen here is
what a load would see; each opcode that acts on a class or an object is replaced. Containers keep only what is asked
for later (string keys, tuples), never hash or compare what the pickle holds, and so stay cheap on hostile nests.
"""

import codecs
import pickle
import struct
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .compression import CHUNK, Stream
from .joblib_arrays import raw_array
from .stubs import Global, Made, Role, made, refuse_apart

MOST_STEPS = 50_000_000
"""Opcodes of one artifact, nested pickles included; a forest of 100 MB has about ten million."""
_STRIDE = 1000


@dataclass(slots=True)
class Seen:
    """What one artifact named, filled while it is replayed."""

    globals: dict[tuple[str, str], Global] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    steps_left: int = MOST_STEPS


class _Stop(Exception):
    def __init__(self, root: object) -> None:
        self.root = root


class Replay(pickle._Unpickler):  # noqa: SLF001 - joblib reads with it too
    """One pickle of a stream; `load` returns the inert root."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001

    def __init__(self, stream: Stream, seen: Seen, *, has_arrays: bool = True) -> None:
        """`has_arrays`: whether joblib's placeholders are followed by raw arrays (not inside a nested pickle)."""
        super().__init__(stream, encoding="latin1")  # Python 2's strings: any byte is one character
        self._stream = stream
        self._next = stream.next
        self._seen = seen
        self._has_arrays = has_arrays

    def load(self) -> Any:
        """Replay up to STOP; whatever malformed input raises is a parser's error, see `artifact.CORRUPT`."""
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)  # type: ignore[attr-defined]  # noqa: SLF001
        self.read, self.readinto, self.readline = self._unframer.read, self._unframer.readinto, self._unframer.readline
        self.metastack: list[list[Any]] = []
        self.stack: list[Any] = []
        self.append = self.stack.append
        self.proto = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about escapes in a text that are none: its writer's matter
                self._run()
        except _Stop as stop:
            return stop.root

    def _run(self) -> None:
        unframer, dispatch, seen = self._unframer, self.dispatch, self._seen
        while seen.steps_left > 0:
            for _ in range(_STRIDE):
                frame = unframer.current_frame
                # straight from the frame or the file: a Python call less for each opcode is a fifth of the time
                key = (frame.read(1) if frame else self._next(1)) or self.read(1)
                if not key:
                    raise EOFError
                dispatch[key[0]](self)
            seen.steps_left -= _STRIDE
        msg = f"it has more than {MOST_STEPS} opcodes"
        raise pickle.UnpicklingError(msg)

    def find_class(self, module: str, name: str) -> Any:
        """The stub of a global, the same one each time; Python 2's names become Python 3's as in a real load."""
        if self.proto < 3:  # Python 2's protocols
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        known = self._seen.globals.get((module, name))
        if known is None:
            known = self._seen.globals[(module, name)] = Global(module, name)
        return known

    def persistent_load(self, pid: Any) -> Any:  # noqa: ARG002 - pickle's signature
        """An object that lives outside the file: nothing to see."""
        return Made(None)

    def get_extension(self, code: int) -> None:
        """A class by its number in this process' registry, which names nothing elsewhere."""
        self.append(self.find_class("copyreg", f"extension {code}"))

    def pop_mark(self) -> list[Any]:
        """What was pushed since the last MARK."""
        items = self.stack
        self.stack = self.metastack.pop()
        self.append = self.stack.append
        return items

    # What pops arguments and would call.

    def _reduce(self) -> None:
        args = self.stack.pop()
        self._call(self.stack.pop(), args)

    def _newobj_ex(self) -> None:
        del self.stack[-2:]
        self.append(made(self.stack.pop(), ()))

    def _inst(self) -> None:
        module, name = (self.readline()[:-1].decode("ascii") for _ in range(2))
        self.pop_mark()
        self.append(made(self.find_class(module, name), ()))

    def _obj(self) -> None:
        items = self.pop_mark()  # which also changes what self.append is
        self.append(made(items[0], ()))

    def _call(self, maker: object, args: object) -> None:
        if type(maker) is Global and maker.role is Role.SUBIMPORT and type(args) is tuple:
            self._seen.imports.update(name for name in args if type(name) is str)
        self.append(made(maker, args))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if type(target) is not Made or target.kind is None:
            return
        role = target.kind.role
        if role is Role.PLAIN:
            self._note_version(target, state)
        elif role is Role.DTYPE:
            target.state = state
        elif role is Role.ARRAY and self._has_arrays:
            self._pass_array(state)
        elif role is Role.ARRAY_APART:
            raise refuse_apart(target.kind)

    def _note_version(self, target: Made, state: object) -> None:
        attributes = state[0] if type(state) is tuple and state else state
        version = attributes.get("_sklearn_version") if type(attributes) is dict else None
        if type(version) is str:
            target.version = version
            self._seen.versions.add(version)

    def _pass_array(self, state: object) -> None:
        array = raw_array(state)
        if array.is_pickled:
            Replay(self._stream, self._seen, has_arrays=False).load()
        else:
            if array.is_padded:
                self._stream.skip(self._stream.read(1)[0])
            self._stream.skip(array.size)
        self.stack[-1] = Made(Global("numpy", "ndarray"))

    # Containers: string keys are kept, nothing else is looked at.

    def _empty_set(self) -> None:
        self.append(Made(Global("builtins", "set")))

    def _frozenset(self) -> None:
        self.pop_mark()
        self.append(Made(Global("builtins", "frozenset")))

    def _list(self) -> None:
        self.pop_mark()
        self.append([])

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._keep(items)

    def _pass_item(self) -> None:
        self.stack.pop()

    def _pass_items(self) -> None:
        self.pop_mark()

    def _setitem(self) -> None:
        items = self.stack[-2:]
        del self.stack[-2:]
        self._keep(items)

    def _setitems(self) -> None:
        self._keep(self.pop_mark())

    def _keep(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is dict:
            for key, value in zip(items[::2], items[1::2], strict=True):
                if type(key) is str:
                    target[key] = value

    # Values: long bytes are passed over, as nothing in them is a name.

    def _unicode(self) -> None:
        # not str(..., "raw-unicode-escape"): that imports the codec
        self.append(codecs.raw_unicode_escape_decode(self.readline()[:-1])[0])

    def _binbytes(self) -> None:
        self._pass_bytes(struct.unpack("<I", self.read(4))[0])

    def _binbytes8(self) -> None:
        self._pass_bytes(struct.unpack("<Q", self.read(8))[0])

    def _pass_bytes(self, size: int) -> None:
        self.append(b"")
        if size <= CHUNK:
            self.read(size)
            return
        self.read(1)  # leaves an exhausted frame, so that the next line sees where the rest lies
        if self._unframer.current_frame:
            self.read(size - 1)
        else:
            self._stream.skip(size - 1)

    def _same(self) -> None:
        """READONLY_BUFFER: nothing was read that could be made read-only."""

    def _stop(self) -> None:
        raise _Stop(self.stack.pop())

    dispatch.update(
        {
            pickle.REDUCE[0]: _reduce,
            pickle.NEWOBJ[0]: _reduce,
            pickle.NEWOBJ_EX[0]: _newobj_ex,
            pickle.INST[0]: _inst,
            pickle.OBJ[0]: _obj,
            pickle.BUILD[0]: _build,
            pickle.EMPTY_SET[0]: _empty_set,
            pickle.FROZENSET[0]: _frozenset,
            pickle.LIST[0]: _list,
            pickle.DICT[0]: _dict,
            pickle.APPEND[0]: _pass_item,
            pickle.APPENDS[0]: _pass_items,
            pickle.ADDITEMS[0]: _pass_items,
            pickle.SETITEM[0]: _setitem,
            pickle.SETITEMS[0]: _setitems,
            pickle.UNICODE[0]: _unicode,
            pickle.BINBYTES[0]: _binbytes,
            pickle.BINBYTES8[0]: _binbytes8,
            pickle.BYTEARRAY8[0]: _binbytes8,
            pickle.READONLY_BUFFER[0]: _same,
            pickle.STOP[0]: _stop,
        }
    )

"""Replays the opcodes of a pickle with every effect inert: no import, no call, no attribute of anything is touched.

The parser is CPython's own (`pickle._Unpickler`, the class that joblib reads with too), so that what is seen here is
what a load would see; each opcode that acts on a class or an object is replaced. Containers never hash or compare what
the pickle holds and so stay cheap on hostile nests. What two readers could take differently is refused while it is
read; what no model needs is noted (`Seen.odd`), for the audit to refuse.
"""

import codecs
import math
import pickle
import struct
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from .compression import BEHIND, Span, Stream
from .dtypes import STRINGS, dtype_of, no_array, read_dtype, read_shape
from .joblib_arrays import raw_array
from .stubs import KEPT, PLAIN_TYPES, Array, Global, Items, Key, Made, Role, refuse_apart

MOST_STEPS = 50_000_000
"""Opcodes of one artifact, nested pickles included; a forest of 100 MB has about ten million."""
FEWEST_STEPS, STEPS_A_BYTE = 1_000_000, 20
"""Opcodes that a small file may inflate to, and those that each of its bytes adds."""
MOST_KEPT_BYTES = 256
"""A longer value of bytes is passed over and found again by its place."""
_STRIDE = 1000
_MEMO_GAP = 100_000
"""Numbers of the memo that `pickletools.optimize` may have left out in a row."""
_BASES = ("object", "dict", "list", "tuple", "set", "frozenset", "str", "int", "float", "complex", "bytes")


def steps_for(size: int) -> int:
    """Opcodes that a file of `size` bytes may hold: a thousand bytes must not inflate to a minute's work."""
    return min(MOST_STEPS, FEWEST_STEPS + STEPS_A_BYTE * size)


@dataclass(slots=True)
class Seen:
    """What one artifact named and made, filled while it is replayed."""

    globals: dict[tuple[str, str], Global] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    """Every object that a load would make, also one that nothing refers to in the end."""
    versions: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    odd: str | None = None
    """The first thing in it that no model needs: `holds ...`."""
    steps_left: int = MOST_STEPS
    states: set[int] = field(default_factory=set)
    """The dictionaries (by `id`, `made` keeps them) that were given as a state, and that nothing may change then."""

    def note(self, oddity: str) -> None:
        """Keep the first oddity."""
        self.odd = self.odd or oddity


class _Stop(Exception):
    def __init__(self, root: object) -> None:
        self.root = root


class Replay(pickle._Unpickler):  # noqa: SLF001 - joblib reads with it too
    """One pickle of a stream; `load` returns the inert root."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)  # noqa: SLF001

    def __init__(self, stream: Stream, seen: Seen, *, is_nested: bool = False) -> None:
        """`is_nested`: whether it lies inside another: it ends before the file does, and has no raw arrays."""
        super().__init__(stream, encoding="latin1")  # Python 2's strings: any byte is one character
        self._stream = stream
        self._next = stream.next
        self._seen = seen
        self._is_nested = is_nested
        self._has_protocol = False
        self._memo: dict[int, Any] = self.memo  # type: ignore[attr-defined]

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
        raise pickle.UnpicklingError("it has more opcodes than a model of its size")

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
        self._seen.note("holds objects that lie outside of it (persistent ids)")
        return Made(None)

    def get_extension(self, code: int) -> None:
        """A class by its number in this process' registry, which names nothing elsewhere."""
        self._seen.note("names a class by a number of copyreg's registry")
        self.append(self.find_class("copyreg", f"extension {code}"))

    def pop_mark(self) -> list[Any]:
        """What was pushed since the last MARK."""
        items = self.stack
        self.stack = self.metastack.pop()
        self.append = self.stack.append
        return items

    def _proto(self) -> None:
        if self._has_protocol:
            raise pickle.UnpicklingError("it names its protocol twice")
        self._has_protocol = True
        self.proto = self.read(1)[0]
        if self.proto > pickle.HIGHEST_PROTOCOL:
            raise pickle.UnpicklingError("it is of a protocol that this Python does not know")

    # The memo: what grows it for nothing is no pickler's.

    def _memoize(self) -> None:
        self._remember(len(self._memo))

    def _put(self) -> None:
        self._remember(int(self.readline()[:-1]))

    def _binput(self) -> None:
        self._remember(self.read(1)[0])

    def _long_binput(self) -> None:
        self._remember(struct.unpack("<I", self.read(4))[0])

    def _remember(self, index: int) -> None:
        memo, value = self._memo, self.stack[-1]
        if not 0 <= index <= len(memo) + _MEMO_GAP:
            raise pickle.UnpicklingError("it numbers what it remembers as no pickler does")
        if memo.get(index - 1, self) is value and index == len(memo) and type(value) not in PLAIN_TYPES:
            raise pickle.UnpicklingError("it remembers one value again and again")
        memo[index] = value

    def _dup(self) -> None:
        raise pickle.UnpicklingError("it doubles a value as no pickler does (DUP)")

    def _next_buffer(self) -> None:
        raise pickle.UnpicklingError("it refers to buffers outside of it, which no file holds")

    # What pops arguments and would call.

    def _reduce(self) -> None:
        args = self.stack.pop()
        self._call(self.stack.pop(), args)

    def _newobj(self) -> None:
        args = self.stack.pop()
        self._new(self.stack.pop(), args)

    def _newobj_ex(self) -> None:
        kwargs = self.stack.pop()
        args = self.stack.pop()
        self._new(self.stack.pop(), args if not kwargs else (args, kwargs))

    def _inst(self) -> None:
        module, name = (self.readline()[:-1].decode("ascii") for _ in range(2))
        self._call(self.find_class(module, name), tuple(self.pop_mark()))

    def _obj(self) -> None:
        items = self.pop_mark()  # which also changes what self.append is
        self._call(items[0], tuple(items[1:]))

    def _new(self, kind: object, args: object) -> None:
        """`kind.__new__(kind, *args)`: no constructor runs, and without arguments nothing of the file's choice."""
        if type(kind) is not Global or type(args) is not tuple:
            self._odd_call()
        elif args:
            self._call(kind, args)
        elif kind.role is Role.NDARRAY:
            self._odd_call()
        else:
            kind.is_made = True
            self._push(Made(kind))

    def _call(self, maker: object, args: object) -> None:
        if type(maker) is not Global or type(args) is not tuple:
            self._odd_call()
        elif maker.role in _CALLS:
            _CALLS[maker.role](self, maker, args)
        else:
            maker.is_called = True
            self._push(Made(maker, args))

    def _odd_call(self) -> None:
        self._seen.note("calls what it made itself")
        self._push(Made(None))

    def _push(self, made: Made) -> None:
        self._seen.made.append(made)
        self.append(made)

    def _subimport(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        self._seen.imports.update(name for name in args if type(name) is str)
        self._push(Made(maker, args))

    def _class_in_arguments(self, maker: Global, args: tuple[Any, ...]) -> None:
        """The ways of copyreg to say `__new__`; before protocol 2 with the built-in class that it starts from."""
        maker.is_called = True
        if maker.name == "__newobj__":
            self._new(args[0] if args else None, args[1:])
        elif maker.name == "__newobj_ex__" and len(args) == 3:
            self._new(args[0], args[1] if not args[2] else args[1:])
        elif maker.name == "newObj":
            self._new(args[0] if len(args) == 1 else None, ())
        elif len(args) == 3 and type(args[1]) is Global and args[1].module == "builtins" and args[1].name in _BASES:
            self._new(args[0], ())
        else:
            self._odd_call()

    def _new_dtype(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        self._push(Made(maker, args))

    def _string_dtype(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        made = Made(maker, args)
        made.state, made.is_built = STRINGS, True
        self._push(made)

    def _new_array(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        if len(args) not in (3, 4) or type(args[0]) is not Global or args[-2] != (0,):
            raise no_array("what makes it empty is not called as numpy does")
        args[0].is_made = True
        self._push(Array(args[0]))

    def _array_of_buffer(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        if len(args) not in (4, 5) or args[3] not in ("C", "F", "K"):
            raise no_array("what makes it is not called as numpy does")
        array = Array(Global("numpy", "ndarray"))  # a load asks for no such name
        array.is_built = True
        self._fill(array, args[2], args[1], args[3], args[0])
        self._push(array)

    def _scalar(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        dtype = dtype_of(args[0]) if args else None
        if dtype is None or len(args) > 2 or (not dtype.has_object and _length(args[-1]) != dtype.itemsize):
            raise pickle.UnpicklingError("it holds a number of numpy's that is not as long as its dtype says")
        self._push(Made(maker, args))

    def _encode(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        if len(args) != 2 or type(args[0]) is not str or args[1] not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError("it encodes a text as no pickler does")
        self.append(args[0].encode("latin1"))

    def _bytes(self, maker: Global, args: tuple[Any, ...]) -> None:
        maker.is_called = True
        if args and not (len(args) == 1 and type(args[0]) is bytes):
            self._push(Made(maker, args))
        else:
            self.append(args[0] if args else b"")

    # What gives an object its state.

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, Made) or target.kind is None:
            self._seen.note("gives a state to what is no object of it")
            return
        role = target.kind.role
        if role is Role.ARRAY:
            self._raw_array(target, state)
            return
        if target.is_built:
            raise pickle.UnpicklingError("it gives one object its state twice")
        target.is_built = True
        if type(target) is Array:
            self._array_state(target, state)
        elif role is Role.DTYPE:
            first = target.args[0] if target.args else None
            is_record = type(first) is Global and (first.module, first.name) == ("numpy", "record")
            target.state = read_dtype(target.args, state, is_record)
        elif role is Role.ARRAY_APART:
            raise refuse_apart(target.kind)
        else:
            target.state = state
            self._close(state, 2 if target.kind.module.startswith("numpy.random") else 1)
            self._note_version(target, state)

    def _close(self, state: object, depth: int) -> None:
        """A compiled class has copied its state: what is set in it later would be seen here and not there."""
        for part in state if type(state) is tuple else (state,):
            if type(part) is dict:
                self._seen.states.add(id(part))
                for inner in part.values() if depth > 1 else ():
                    self._close(inner, depth - 1)

    def _note_version(self, target: Made, state: object) -> None:
        attributes = state[0] if type(state) is tuple and state else state
        version = attributes.get("_sklearn_version") if type(attributes) is dict else None
        if type(version) is str:
            target.version = version
            self._seen.versions.add(version)

    def _array_state(self, array: Array, state: object) -> None:
        """`(version, shape, dtype, is Fortran's order, data)`, and the mask of a masked array."""
        if type(state) is not tuple or len(state) not in (5, 7):
            if type(state) is not tuple or not array.kind or array.kind.module.partition(".")[0] == "numpy":
                raise no_array("its state is none of numpy's")
            array.state = state  # a class of its own reads it
            return
        _, shape, dtype, is_fortran, data = state[:5]
        self._fill(array, shape, dtype, "F" if is_fortran else "C", data)
        if len(state) == 7 and _length(state[5]) != math.prod(array.shape) * (_mask_size(array) or 1):
            raise no_array("its mask is not as long as it says")

    def _fill(self, array: Array, shape: object, dtype: object, order: str, data: object) -> None:
        array.shape, array.dtype, array.order = read_shape(shape), dtype_of(dtype), order
        items, count = array.dtype.itemsize, math.prod(array.shape)
        if array.dtype.has_object:
            if type(data) is not Items or data.total != count:
                raise no_array("it holds another number of objects than its shape says")
        elif _length(data) != items * count:
            raise no_array("it has another number of bytes than its shape says")
        array.data = _data(data)

    def _raw_array(self, wrapper: Made, state: object) -> None:
        if self._is_nested:
            raise no_array("joblib would not read it inside of another")
        found = raw_array(wrapper, state)
        self._leave_frame()
        if found.is_pickled:
            array = Replay(self._stream, self._seen, is_nested=True).load()
            if type(array) is not Array or array.shape != found.shape:
                raise no_array("what follows it is another")
        else:
            if found.is_padded:
                self._stream.skip(self._stream.read(1)[0])
            array = Array(found.kind)
            array.is_built = True
            array.shape, array.dtype, array.order = found.shape, found.dtype, found.order
            array.data = Span(self._stream.tell(), found.size)
            self._stream.skip(found.size)
            self._seen.made.append(array)
        found.kind.is_made = True
        self.stack[-1] = array

    def _leave_frame(self) -> None:
        """What follows lies outside of the frame, which has to be at its end: readers differ about the rest of it."""
        frame = self._unframer.current_frame
        if frame is not None and frame.read(1):
            raise pickle.UnpicklingError("it has a frame that goes on where it ends")

    # Containers: plain values beyond a number are left out, keys are compared where they are texts.

    def _empty_list(self) -> None:
        self.append(Items())

    def _empty_set(self) -> None:
        self.append(self._set("set", []))

    def _frozenset(self) -> None:
        self.append(self._set("frozenset", self.pop_mark()))

    def _set(self, name: str, items: list[Any]) -> Made:
        made = Made(Global("builtins", name))
        made.items = Items()
        made.items.take(items)
        return made

    def _list(self) -> None:
        items = self.pop_mark()
        made = Items()
        made.take(items)
        self.append(made)

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._keep(items)

    def _append_item(self) -> None:
        self._take([self.stack.pop()])

    def _append_items(self) -> None:
        self._take(self.pop_mark())

    def _take(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is Items:
            target.take(items)
        elif isinstance(target, Made) and type(target) is not Array and target.kind:
            target.items = target.items or Items()
            target.items.take(items)
        else:
            self._seen.note("appends to what is no list of it")

    def _setitem(self) -> None:
        items = self.stack[-2:]
        del self.stack[-2:]
        self._keep(items)

    def _setitems(self) -> None:
        self._keep(self.pop_mark())

    def _keep(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Made) and type(target) is not Array and target.kind:
            if target.entries is None:
                target.entries = {}
            target = target.entries
        if type(target) is not dict:
            self._seen.note("sets items of what is no dictionary of it")
            return
        if id(target) in self._seen.states:
            raise pickle.UnpicklingError("it changes a state after it was given")
        for key, value in zip(items[::2], items[1::2], strict=True):
            is_text = type(key) is str
            if len(target) < KEPT or type(value) not in PLAIN_TYPES or (is_text and key in target):
                target[key if is_text else Key(key)] = value
            elif type(key) not in PLAIN_TYPES:
                target[Key(key)] = value

    # Values: long bytes are passed over, as nothing in them is a name.

    def _unicode(self) -> None:
        # not str(..., "raw-unicode-escape"): that imports the codec
        self.append(codecs.raw_unicode_escape_decode(self.readline()[:-1])[0])

    def _binbytes(self) -> None:
        self._pass_bytes(struct.unpack("<I", self.read(4))[0])

    def _binbytes8(self) -> None:
        self._pass_bytes(struct.unpack("<Q", self.read(8))[0])

    def _pass_bytes(self, size: int) -> None:
        if size <= MOST_KEPT_BYTES:
            self.append(self.read(size))
            return
        self.read(1)  # leaves an exhausted frame, so that the next line sees where the rest lies
        frame = self._unframer.current_frame
        if frame:
            self.append(Span(self._stream.tell() - len(frame.getbuffer()) + frame.tell() - 1, size))
            self.read(size - 1)
        else:
            self.append(Span(self._stream.tell() - 1, size))
            self._stream.skip(size - 1)

    def _stop(self) -> None:
        self._leave_frame()
        if not self._is_nested and self._stream.read_some():
            raise pickle.UnpicklingError(BEHIND)
        raise _Stop(self.stack.pop())

    dispatch.update(
        {
            pickle.PROTO[0]: _proto,
            pickle.REDUCE[0]: _reduce,
            pickle.NEWOBJ[0]: _newobj,
            pickle.NEWOBJ_EX[0]: _newobj_ex,
            pickle.INST[0]: _inst,
            pickle.OBJ[0]: _obj,
            pickle.BUILD[0]: _build,
            pickle.EMPTY_LIST[0]: _empty_list,
            pickle.EMPTY_SET[0]: _empty_set,
            pickle.FROZENSET[0]: _frozenset,
            pickle.LIST[0]: _list,
            pickle.DICT[0]: _dict,
            pickle.APPEND[0]: _append_item,
            pickle.APPENDS[0]: _append_items,
            pickle.ADDITEMS[0]: _append_items,
            pickle.SETITEM[0]: _setitem,
            pickle.SETITEMS[0]: _setitems,
            pickle.UNICODE[0]: _unicode,
            pickle.BINBYTES[0]: _binbytes,
            pickle.BINBYTES8[0]: _binbytes8,
            pickle.BYTEARRAY8[0]: _binbytes8,
            pickle.MEMOIZE[0]: _memoize,
            pickle.PUT[0]: _put,
            pickle.BINPUT[0]: _binput,
            pickle.LONG_BINPUT[0]: _long_binput,
            pickle.DUP[0]: _dup,
            pickle.NEXT_BUFFER[0]: _next_buffer,
            pickle.READONLY_BUFFER[0]: _next_buffer,
            pickle.STOP[0]: _stop,
        }
    )


_CALLS: dict[Role, Callable[[Replay, Global, tuple[Any, ...]], None]] = {
    Role.CLASS_IN_ARGUMENTS: Replay._class_in_arguments,  # noqa: SLF001 - its own
    Role.DTYPE: Replay._new_dtype,  # noqa: SLF001 - its own
    Role.STRING_DTYPE: Replay._string_dtype,  # noqa: SLF001 - its own
    Role.NDARRAY: Replay._new_array,  # noqa: SLF001 - its own
    Role.BUFFER: Replay._array_of_buffer,  # noqa: SLF001 - its own
    Role.SCALAR: Replay._scalar,  # noqa: SLF001 - its own
    Role.ENCODE: Replay._encode,  # noqa: SLF001 - its own
    Role.BYTES: Replay._bytes,  # noqa: SLF001 - its own
    Role.SUBIMPORT: Replay._subimport,  # noqa: SLF001 - its own
}


def _length(data: object) -> int:
    """How many bytes there are; -1 where it is none."""
    if type(data) is Span:
        return data.size
    if type(data) is Made and data.role is Role.PLAIN and data.kind and data.kind.name == "bytearray":
        return _length(data.args[0]) if data.args else 0
    return len(data) if isinstance(data, bytes | str) else -1


def _data(data: object) -> Span | bytes | Items:
    """An array's bytes or objects; Python 2's bytes are texts, and a bytearray is one of its argument."""
    if isinstance(data, Made):
        return _data(data.args[0]) if data.args else b""
    return data.encode("latin1") if isinstance(data, str) else cast("Span | bytes | Items", data)


def _mask_size(array: Array) -> int:
    """Bytes of one item's mask: a truth for each field."""
    assert array.dtype is not None  # noqa: S101 - it was filled
    return len(array.dtype.fields)

"""Hostile pickles, built from opcodes when they are needed: no payload is ever made by running one.

The gadgets and the shapes are those of the corpora of picklescan, fickling, modelscan and modelaudit, and our own.
"""

import bz2
import gzip
import io
import lzma
import pickle
import struct
import zlib
from collections.abc import Callable, Iterator

import joblib
import numpy as np

MARK = "touch /tmp/modelcast-was-here"
GADGETS: dict[str, tuple[str, str]] = {
    f"{module}.{name}": (module, name)
    for module, names in {
        "os": "system popen execv spawnl putenv remove",
        "posix": "system",
        "nt": "system",
        "subprocess": "Popen run call check_output",
        "builtins": "eval exec compile open getattr __import__ map breakpoint",
        "importlib": "import_module",
        "runpy": "run_path _run_code",
        "platform": "popen",
        "site": "addsitedir",
        "zipimport": "zipimporter",
        "pandas": "eval read_pickle",
        "numpy": "load fromfile loadtxt",
        "numpy.testing._private.utils": "runstring",
        "numpy.f2py.crackfortran": "getlincoef myeval",
        "numpy.core": "_ufunc_reconstruct",
        "io": "open FileIO",
        "codecs": "open decode",
        "joblib": "load dump",
        "joblib.numpy_pickle": "load",
        "joblib.memory": "Memory",
        "pickle": "loads Unpickler",
        "marshal": "loads",
        "types": "CodeType FunctionType",
        "operator": "attrgetter methodcaller itemgetter",
        "functools": "reduce",
        "pty": "spawn",
        "pydoc": "pipepager locate",
        "timeit": "timeit main",
        "cProfile": "run runctx",
        "profile": "Profile.run Profile.runctx",
        "trace": "Trace.run Trace.runctx",
        "bdb": "Bdb Bdb.run",
        "doctest": "debug_script",
        "venv": "create",
        "pip": "main",
        "ensurepip": "_run_pip",
        "idlelib.run": "Executive.runcode",
        "idlelib.pyshell": "ModifiedInterpreter.runcode",
        "idlelib.debugobj": "ObjectTreeItem.SetText",
        "idlelib.autocomplete": "AutoComplete.get_entity",
        "idlelib.calltip": "get_entity Calltip.fetch_tip",
        "lib2to3.pgen2.grammar": "Grammar.loads",
        "lib2to3.pgen2.pgen": "ParserGenerator.make_label",
        "code": "InteractiveInterpreter.runcode",
        "asyncio.unix_events": "_UnixSubprocessTransport._start",
        "distutils.file_util": "write_file",
        "ctypes": "CDLL",
        "socket": "create_connection socket",
        "http.client": "HTTPSConnection",
        "urllib.request": "urlopen urlretrieve",
        "requests": "get",
        "aiohttp": "ClientSession",
        "webbrowser": "open",
        "shutil": "rmtree copyfile",
        "pathlib": "Path PosixPath.write_text",
        "logging.config": "dictConfig",
        "multiprocessing.util": "spawnv_passfds",
        "uuid": "_popen",
        "_io": "FileIO",
        "linecache": "getlines",
        "smtplib": "SMTP",
        "sqlite3": "connect",
        "sys": "exit settrace",
        "signal": "raise_signal",
        "torch._inductor.codecache": "compile_file",
        "torch": "load",
        "torch.utils.collect_env": "run",
        "torch.jit.unsupported_tensor_ops": "execWrapper",
        "torch.utils.bottleneck.__main__": "run_cprofile",
        "torch._dynamo.guards": "GuardBuilder.get",
        "dill": "loads",
        "sklearn.utils._testing": "check_output",
        "sklearn.datasets": "load_svmlight_file fetch_openml",
        "scipy.io": "loadmat",
        "scipy.stats._distn_infrastructure": "rv_continuous",
        "nobody.knows.it": "Thing",
        "sklearn.linear_model._logistic": "LogisticRegression.fit",
    }.items()
    for name in names.split()
}
GADGETS["a cloudpickle function"] = ("cloudpickle.cloudpickle", "_make_function")
GADGETS["a dill function"] = ("dill._dill", "_create_function")


def text(value: str, protocol: int) -> bytes:
    """The opcode that pushes a text."""
    if protocol == 0:
        return b"V" + value.encode("raw-unicode-escape") + b"\n"
    if protocol < 4:
        return b"X" + struct.pack("<I", len(value)) + value.encode()
    return b"\x8c" + bytes([len(value)]) + value.encode()


def named(module: str, name: str, protocol: int) -> bytes:
    """The opcodes that push a global."""
    if protocol < 4:
        return f"c{module}\n{name}\n".encode()
    return text(module, protocol) + text(name, protocol) + b"\x93"


def called(module: str, name: str, protocol: int) -> bytes:
    """The body that calls a global with `MARK`, without PROTO and STOP."""
    args = b"(" + text(MARK, protocol) + b"t" if protocol < 2 else text(MARK, protocol) + b"\x85"
    return named(module, name, protocol) + args + b"R"


def whole(body: bytes, protocol: int) -> bytes:
    """A pickle of its own."""
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body + b"."


def joblibs(value: object, **options: object) -> bytes:
    """What joblib writes for a value."""
    stream = io.BytesIO()
    joblib.dump(value, stream, **options)
    return stream.getvalue()


_BEFORE = joblibs([np.arange(4.0)])


def shapes(module: str, name: str) -> Iterator[tuple[str, bytes]]:
    """Every way to hide a call that we know of."""
    for protocol in range(6):
        yield f"protocol {protocol}", whole(called(module, name, protocol), protocol)
    plain = whole(called(module, name, 4), 4)
    yield "zlib", zlib.compress(plain)
    yield "gzip", gzip.compress(plain)
    yield "bz2", bz2.compress(plain)
    yield "xz", lzma.compress(plain)
    yield "lzma", lzma.compress(plain, format=lzma.FORMAT_ALONE)
    yield "lz4", b"\x04\x22\x4d\x18" + plain
    yield "after an array", _BEFORE[:-1] + b"0" + called(module, name, 4) + b"."
    yield "after an array, zlib", zlib.compress(_BEFORE[:-1] + b"0" + called(module, name, 4) + b".")
    yield "in an object array", _in_object_array(module, name)
    yield (
        "memoised",
        b"\x80\x04" + text(module, 4) + b"\x940" + text(name, 4) + b"\x940h\x00h\x01\x93" + text(MARK, 4) + b"\x85R.",
    )
    yield "inst", b"(S'" + MARK.encode() + f"'\ni{module}\n{name}\n.".encode()
    yield "obj", b"(" + named(module, name, 2) + text(MARK, 2) + b"o."
    yield "obj and pop", b"\x80\x02(" + named(module, name, 2) + text(MARK, 2) + b"o0N."
    yield "newobj", b"\x80\x02" + named(module, name, 2) + text(MARK, 2) + b"\x85\x81."
    yield "newobj_ex", b"\x80\x04" + named(module, name, 4) + text(MARK, 4) + b"\x85}\x92."
    yield "named only", whole(named(module, name, 4) + b"0N", 4)
    yield "as a state", b"\x80\x04" + ESTIMATOR + b"}" + text("predict", 4) + named(module, name, 4) + b"sb."
    yield "framed", b"\x80\x04\x95" + struct.pack("<Q", len(plain) - 2) + plain[2:]
    yield "framed-lie", b"\x80\x04\x95" + struct.pack("<Q", 2) + b"N0" + plain[2:]
    yield "behind the end", b"\x80\x04" + ESTIMATOR + b"}b." + plain
    yield "long4", b"\x80\x02\x8b" + struct.pack("<i", 1) + b"\x010" + plain[2:]
    yield "doubled", b"\x80\x04" + named(module, name, 4) + b"2" + text(MARK, 4) + b"\x85R."
    yield (
        "by reduce of copyreg",
        whole(
            named("copyreg", "_reconstructor", 4)
            + named(module, name, 4)
            + named("builtins", "str", 4)
            + text(MARK, 4)
            + b"\x87R",
            4,
        ),
    )
    yield "a pickle in a text", whole(b"}" + text("data", 4) + text(repr(plain)[:200], 4) + b"s", 4)


ESTIMATOR = b"\x8c\x1esklearn.linear_model._logistic\x8c\x12LogisticRegression\x93)\x81"


def _in_object_array(module: str, name: str) -> bytes:
    outer = joblibs([np.array([None, 1], dtype=object)])
    inner = pickle.dumps(np.array([None, 1], dtype=object), protocol=5)
    at = outer.rindex(inner[-20:]) + 20 - len(inner)
    body = inner[2:-1]
    hostile = b"\x80\x05" + body[9:] + b"0" + called(module, name, 4) + b"."
    return outer[:at] + hostile + outer[at + len(inner) :]


def corpus() -> Iterator[tuple[str, bytes]]:
    """Every gadget in every shape."""
    for gadget, (module, name) in GADGETS.items():
        for shape, data in shapes(module, name):
            yield f"{gadget}, {shape}", data


def zeros() -> bytes:
    """Ten GB of zeros in ten MB, as one array claims them."""
    packer = zlib.compressobj(9)
    head = joblibs([np.zeros(1000)]).replace(b"M\xe8\x03", b"\x8a\x05" + struct.pack("<q", 10**10 // 8)[:5])
    parts = [packer.compress(head)] + [packer.compress(bytes(2**20)) for _ in range(300)]
    return b"".join([*parts, packer.flush()])


BOMBS: dict[str, Callable[[], bytes]] = {
    "zeros in zlib": zeros,
    "zeros in bz2": lambda: bz2.compress(joblibs(["x"])[:-1] + b"\x8e" + struct.pack("<Q", 2**30) + bytes(2**28)),
    "a length of 2**60": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.",
    "a text of 2**60": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.",
    "a frame of 2**60": lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"x.",
    "ten million times memoised": lambda: b"\x80\x04]" + b"\x94" * 10**7 + b".",
    "ten million doubles": lambda: b"\x80\x04]" + b"2" * 10**7 + b".",
    "ten million opcodes in zlib": lambda: zlib.compress(b"\x80\x04" + b"N0" * 5_000_000 + b"N."),
    "ten million lists in zlib": lambda: zlib.compress(b"\x80\x04" + b"]" * 10**7 + b"."),
    "a memo of 2**31": lambda: b"\x80\x02Nr" + struct.pack("<I", 2**31) + b".",
    "an exponential nest": lambda: b"\x80\x04)" + b"\x94h\x00h\x00\x86" * 5 + b"2\x86" * 100 + b".",
    "bytes of a number": lambda: whole(
        named("builtins", "bytearray", 4) + b"\x8a\x08" + struct.pack("<q", 2**60) + b"\x85R", 4
    ),
    "an array of 2**62": lambda: joblibs([np.arange(1000.0)]).replace(
        b"M\xe8\x03", b"\x8a\x08" + struct.pack("<q", 2**59)
    ),
}
"""Small files that would be large, or long, to read."""

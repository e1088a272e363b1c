"""The inert scan: what it reads from real artifacts, what it refuses, and that nothing happens meanwhile."""

import bz2
import datetime
import gzip
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from modelcast_builder import artifact
from modelcast_builder.artifact import replay
from modelcast_builder.artifact.compression import open_stream
from modelcast_builder.errors import BuildError
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

REWRITE = 'Write it again with joblib.dump(model, "model.joblib") and commit the whole file'
RANDOM = np.random.default_rng(0)
NUMBERS = RANDOM.normal(size=(60, 4))
LABELS = np.array(["ham", "spam"], dtype=object)[(NUMBERS[:, 0] > 0).astype(int)]
PIPELINE = ("sklearn.pipeline", "Pipeline")


def mixed() -> Pipeline:
    """Strings in object arrays, which joblib stores as nested pickles."""
    frame = pd.DataFrame({"n": NUMBERS[:, 0], "c": LABELS})
    columns = ColumnTransformer([("n", StandardScaler(), ["n"]), ("c", OneHotEncoder(), ["c"])])
    return make_pipeline(columns, LogisticRegression()).fit(frame, LABELS)


MODELS: dict[str, tuple[Callable[[], object], tuple[str, str]]] = {
    "forest": (
        lambda: RandomForestClassifier(5, random_state=0).fit(NUMBERS, LABELS),
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
    ),
    "mixed": (mixed, PIPELINE),
    "boosting": (
        lambda: HistGradientBoostingClassifier(max_iter=3).fit(NUMBERS, LABELS),
        ("sklearn.ensemble._hist_gradient_boosting.gradient_boosting", "HistGradientBoostingClassifier"),
    ),
    "kmeans": (lambda: KMeans(3, n_init=1, random_state=0).fit(NUMBERS), ("sklearn.cluster._kmeans", "KMeans")),
    "text": (
        lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a bee", "a sea", "to be"] * 20, LABELS),
        PIPELINE,
    ),
}
DUMPS: dict[str, Callable[[object, Path], object]] = {
    **{f"pickle{n}": lambda model, path, n=n: path.write_bytes(pickle.dumps(model, protocol=n)) for n in range(6)},
    **{f"joblib{n}": lambda model, path, n=n: joblib.dump(model, path, protocol=n) for n in range(6)},
    **{
        compressor: lambda model, path, compressor=compressor: joblib.dump(model, path, compress=(compressor, 3))
        for compressor in ("zlib", "gzip", "bz2", "xz", "lzma")
    },
    "cloudpickle": lambda model, path: path.write_bytes(cloudpickle.dumps(model)),
}


@pytest.fixture(scope="module", params=MODELS)
def fitted(request: pytest.FixtureRequest) -> tuple[object, tuple[str, str]]:
    """Every model once, with its root."""
    make, root = MODELS[request.param]
    return make(), root


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes as an artifact."""

    def write(data: bytes, name: str = "model.joblib") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def refusal(path: Path) -> str:
    """The whole line of a refused scan."""
    with pytest.raises(BuildError) as caught:
        artifact.scan(path)
    return str(caught.value)


@pytest.mark.parametrize("dump", DUMPS)
def test_versions_and_root_are_read_from_every_way_to_save(
    fitted: tuple[object, tuple[str, str]], dump: str, tmp_path: Path
) -> None:
    model, root = fitted
    path = tmp_path / "model.joblib"
    DUMPS[dump](model, path)
    seen = artifact.scan(path)
    data = path.read_bytes()
    assert (seen.path, seen.kind, seen.size, seen.root) == (path, "pickle", len(data), root)
    assert seen.sha256 == hashlib.sha256(data).hexdigest()
    assert seen.versions == {"scikit-learn": sklearn.__version__}
    assert seen.recorded == {"scikit-learn": (sklearn.__version__,)}
    assert seen.wants == {"scikit-learn": sklearn.__version__, "numpy": ">=2"}
    assert (seen.by_value, seen.main_names, seen.imports) == (False, frozenset(), frozenset())


@pytest.mark.parametrize("dump", DUMPS)
def test_the_globals_are_those_that_a_load_imports(
    fitted: tuple[object, tuple[str, str]], dump: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.joblib"
    DUMPS[dump](fitted[0], path)
    asked: set[tuple[str, str]] = set()

    class Asking(joblib.numpy_pickle.NumpyUnpickler):
        def find_class(self, module: str, name: str) -> object:
            asked.add((module, name))
            return super().find_class(module, name)

    with path.open("rb") as file, joblib.numpy_pickle._validate_fileobject_and_memmap(file, str(path)) as (stream, _):
        Asking(str(path), stream, ensure_native_byte_order=False).load()
    moved = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # what Python 2's protocols call them
    assert artifact.scan(path).globals == {(moved.get(module, module), name) for module, name in asked}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.array([], dtype="f8"),
        np.array(7),
        np.array([("a", 1, 2.5)], dtype=[("s", "U3"), ("i", "i2"), ("f", ">f8")]),
        np.rec.array([(1, 2.0)], names="a,b"),
        np.array(["2026-01-01"], dtype="M8[ns]"),
        np.array(["snow", "ß"]),
        np.array([b"ab"], dtype="S7"),
        np.array([1 + 2j, True]),
        np.array([None, "x", datetime.date(2026, 1, 1)], dtype=object),
        np.array([(1, None)], dtype=[("a", "i4"), ("o", "O")]),
        np.array(["a", "bb"], dtype=np.dtypes.StringDType()),
        np.zeros((2, 3), dtype=[("inner", "f4", (5,))]),
        np.ones(300_000, dtype="float16"),
    ],
    ids=lambda array: str(array.dtype),
)
@pytest.mark.parametrize("compress", [0, 3])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_what_follows_an_array_is_found(array: np.ndarray, compress: int, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump({"array": array, "after": datetime.timedelta(1)}, path, compress=compress, protocol=protocol)
    seen = artifact.scan(path)
    assert seen.root == ("builtins", "dict")
    assert ("datetime", "timedelta") in seen.globals


def test_arrays_of_joblib_before_1_2_have_no_padding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wrapper = joblib.numpy_pickle.NumpyArrayWrapper
    path = tmp_path / "model.joblib"
    make = wrapper.__init__

    def old(self: object, *args: object, **kwargs: object) -> None:
        make(self, *args, **kwargs)
        del self.numpy_array_alignment_bytes

    monkeypatch.setattr(wrapper, "__init__", old)
    joblib.dump([np.arange(5), datetime.timedelta(1)], path)
    assert ("datetime", "timedelta") in artifact.scan(path).globals


@pytest.mark.parametrize(
    ("module", "wants"),
    [
        ("numpy._core.multiarray", {"numpy": ">=2"}),
        ("numpy._core", {"numpy": ">=2"}),
        ("numpy.core.multiarray", {}),
        ("numpy._corelation", {}),
    ],
)
def test_the_names_of_numpy_tell_which_numpy_reads_them(
    save: Callable[..., Path], module: str, wants: dict[str, str]
) -> None:
    assert artifact.scan(save(f"c{module}\nscalar\n.".encode())).wants == wants


def state(version: str, *inner: "Part") -> dict[str, object]:
    return {"parts": list(inner), "_sklearn_version": version}


class Part:
    """An object whose state says a version, as an estimator's does."""

    def __init__(self, version: str, *inner: "Part") -> None:
        self.__dict__.update(state(version, *inner))


def test_parts_of_two_versions_are_told_apart(save: Callable[..., Path]) -> None:
    seen = artifact.scan(save(pickle.dumps(Part("1.4.2", Part("1.10.0"), Part("1.9.1")))))
    assert seen.versions == {"scikit-learn": "1.4.2"}
    assert seen.recorded == {"scikit-learn": ("1.4.2", "1.9.1", "1.10.0")}


def in_main(code: str, path: Path) -> artifact.Artifact:
    """Scan what a script dumps to `path`."""
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=300)
    return artifact.scan(path)


def test_names_of_a_notebook_are_told(tmp_path: Path) -> None:
    code = "import pickle, sys\nclass Clip: pass\ndef f(): pass\npickle.dump([Clip(), f], open(sys.argv[1], 'wb'))"
    seen = in_main(code, tmp_path / "model.pkl")
    assert (seen.main_names, seen.by_value) == ({"Clip", "f"}, False)


@pytest.mark.parametrize("thing", ["Clip()", "lambda x: json.dumps(x)"])
def test_code_by_value_is_told(thing: str, tmp_path: Path) -> None:
    code = f"import cloudpickle as cp, json, sys\nclass Clip: pass\ncp.dump({thing}, open(sys.argv[1], 'wb'))"
    seen = in_main(code, tmp_path / "model.pkl")
    assert (seen.main_names, seen.by_value) == (set(), True)
    assert seen.imports == ({"json"} if "json" in thing else set())


@pytest.mark.parametrize(
    ("module", "name", "by_value"),
    [
        ("joblib.externals.cloudpickle.cloudpickle", "_make_skeleton_class", True),
        ("cloudpickle.cloudpickle_fast", "_builtin_type", True),
        ("cloudpickle.cloudpickle", "subimport", False),
        ("dill._dill", "_create_function", True),
        ("dill._dill", "_load_type", False),
        ("mycloudpickle", "_make_function", False),
    ],
)
def test_makers_of_code_are_known_by_name(module: str, name: str, by_value: bool, save: Callable[..., Path]) -> None:
    assert artifact.scan(save(f"c{module}\n{name}\n.".encode())).by_value is by_value


class Malice:
    """Runs a command when it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch /tmp/modelcast-was-here",))


HOSTILE = {
    "reduce": pickle.dumps(Malice()),
    "joblib, after an array": b"",
    "inst": b"(S'touch /tmp/modelcast-was-here'\nios\nsystem\n.",
    "obj": b"(cos\nsystem\nS'touch /tmp/modelcast-was-here'\no.",
    "newobj": b"\x80\x04cos\nsystem\n\x8c\x1dtouch /tmp/modelcast-was-here\x85\x81.",
    "build": b"cos\nsystem\n(dS'__setstate__'\ncos\nsystem\nsbS'x'\nb.",
    "persistent id": b"\x80\x02cos\nsystem\n0K\x01Q.",
    "extension": b"\x80\x02\x82\x01cos\nsystem\n\x86.",
    "append": b"cos\nsystem\nS'touch /tmp/modelcast-was-here'\na.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_listed_and_not_run(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    mark = Path("/tmp/modelcast-was-here")
    mark.unlink(missing_ok=True)
    if HOSTILE[name]:
        path.write_bytes(HOSTILE[name])
    else:
        joblib.dump([np.arange(3), Malice()], path, compress=3)
    seen = artifact.scan(path)
    assert seen.globals & {("posix", "system"), ("os", "system")}
    assert not mark.exists()


WATCHED = """
import sys
from pathlib import Path
from modelcast_builder import artifact
events = []
def watch(event, args):
    if event.split(".")[0] in ("import", "exec", "compile", "open", "os", "subprocess", "socket", "pickle", "ctypes"):
        events.append((event, str(args[0]) if args else ""))
paths = [Path(name) for name in sys.argv[1:]]
sys.addaudithook(watch)
for path in paths:
    artifact.scan(path)
seen = [event for event in events if event[0] != "open" or event[1] not in sys.argv[1:]]
print(len(events), seen)
"""


def test_a_scan_imports_opens_and_executes_nothing(tmp_path: Path) -> None:
    model = mixed()
    paths = []
    for name, dump in {**DUMPS, "hostile": lambda _, path: path.write_bytes(HOSTILE["reduce"])}.items():
        dump(model, tmp_path / f"{name}.joblib")
        paths.append(str(tmp_path / f"{name}.joblib"))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *paths], check=True, capture_output=True, text=True, timeout=300
    )
    count, _, seen = done.stdout.strip().partition(" ")
    assert seen == "[]"
    assert int(count) >= len(paths)


def joblib_bytes(value: object, **options: object) -> bytes:
    """What joblib writes for a value."""
    stream = io.BytesIO()
    joblib.dump(value, stream, **options)
    return stream.getvalue()


ARRAY = joblib_bytes(np.arange(1000.0))
PICKLED = pickle.dumps(["x" * 40] * 3)
BROKEN = {
    "text": (b"this is no model\n", "it is damaged, or of another kind"),
    "truncated pickle": (PICKLED[:-5], "it ends too early"),
    "truncated array": (ARRAY[:-500], "it ends too early"),
    "truncated zlib": (zlib.compress(PICKLED)[:-6], "it ends too early"),
    "truncated gzip": (gzip.compress(PICKLED)[:-12], "it ends too early"),
    "truncated bz2": (bz2.compress(PICKLED)[:-12], "it ends too early"),
    "no gzip": (b"\x1f\x8b\x08 but not really", "it is damaged, or of another kind"),
    "unknown opcode": (b"\x80\x04\xff.", "it is damaged, or of another kind"),
    "empty stack": (b"\x80\x04.", "it is damaged, or of another kind"),
    "future protocol": (b"\x80\x09N.", "it is of a protocol that this Python does not know"),
    "huge bytes": (b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b"x.", "it ends too early"),
    "huge string": (b"\x80\x04\x8d" + struct.pack("<Q", 2**60) + b"x.", f"one value claims {2**60} bytes"),
    "huge frame": (b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"x.", f"one value claims {2**60} bytes"),
    "shape of None": (
        ARRAY.replace(b"M\xe8\x03\x85", b"N\x85NN"),
        "an array cannot be read: its shape is no tuple of lengths",
    ),
    "no shape": (ARRAY.replace(b"shape", b"shapf"), "an array cannot be read: its shape is no tuple of lengths"),
    "no dtype": (
        ARRAY.replace(b"dtype\x94\x93", b"dtypf\x94\x93"),
        "an array cannot be read: its dtype is none of numpy's",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_pickle_is_refused_in_one_line(name: str, save: Callable[..., Path]) -> None:
    data, why = BROKEN[name]
    assert refusal(save(data)) == f"artifact: model.joblib is no pickle that can be read: {why}. {REWRITE}"


REFUSED = {
    "empty": ("model.joblib", b"", f"model.joblib is empty. {REWRITE}"),
    "lfs": (
        "model.pkl",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "model.pkl is a Git-LFS pointer, not the file itself. Run `git lfs pull` in the repository and build again",
    ),
    "lz4": (
        "model.joblib",
        b"\x04\x22\x4d\x18d@\xa7",
        "model.joblib is compressed with lz4, which the build does not read. "
        "Write it with joblib.dump(model, path, compress=3)",
    ),
    "zfile": (
        "model.pkl",
        b"ZF0x10              x\x9c",
        "model.pkl was written by joblib 0.9 or older, in a format that is not read any more. "
        "Write it with joblib.dump(model, path, compress=3)",
    ),
    "arrays apart": (
        "model.pkl",
        b"cjoblib.numpy_pickle\nNDArrayWrapper\n)\x81}b.",
        "model.pkl was written by joblib 0.9 or older (NDArrayWrapper: arrays in files of their own). "
        "Write it again with joblib >= 1.2: joblib.dump(model, path)",
    ),
    "no onnx": (
        "model.onnx",
        b"<html>",
        "model.onnx does not hold what its name says (onnx). "
        "Save the model again, or name the right file: `model: NAME` in modelcast.yaml",
    ),
    "no model": (
        "notes.txt",
        b"tree\nof life",
        "notes.txt is no kind of model that is known. "
        "Served are .joblib .pkl .pickle .skops and MLflow's MLmodel folders",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_model_says_what_to_do(case: str, save: Callable[..., Path]) -> None:
    name, data, line = REFUSED[case]
    assert refusal(save(data, name)) == f"artifact: {line}"


def test_a_bomb_stops_at_the_bound(save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelcast_builder.artifact.compression.MOST_INFLATED", 50 * 1024**2)
    head, tail = ARRAY.split(struct.pack("<d", 0.0) + struct.pack("<d", 1.0), 1)
    bomb = head.replace(b"M\xe8\x03", b"J\xff\xff\xff\x7f") + bytes(60 * 1024**2)
    assert tail
    assert refusal(save(zlib.compress(bomb))) == (
        f"artifact: model.joblib is no pickle that can be read: it inflates to more than 50 MiB, "
        f"too much for its size. {REWRITE}"
    )


def test_too_many_opcodes_are_refused(save: Callable[..., Path]) -> None:
    with save(b"N0" * 5000 + b"N.").open("rb") as file, pytest.raises(pickle.UnpicklingError) as caught:
        replay.Replay(open_stream(file), replay.Seen(steps_left=3000)).load()
    assert str(caught.value) == "it has more opcodes than a model of its size"


@pytest.mark.parametrize("nest", [b"]" * 200_000 + b"a" * 199_999, b")" + b"\x85" * 200_000, b"N" + b"2\x86" * 100_000])
@pytest.mark.parametrize("use", [b".", b"}\x94(h\x00K\x01u.", b"\x91."])
def test_deep_and_doubling_nests_cost_nothing(nest: bytes, use: bytes, save: Callable[..., Path]) -> None:
    path = save(b"\x80\x04(" + nest + use)
    began = time.thread_time()
    try:
        artifact.scan(path)
    except BuildError as error:
        assert error.step == "artifact"
    assert time.thread_time() - began < 20, "what doubles with each step would never end"


def test_an_escape_that_is_none_warns_nobody(save: Callable[..., Path]) -> None:
    assert artifact.scan(save(b"S'\\o'\n.")).root == ("builtins", "str")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_damage_gives_an_artifact_or_a_refusal(data: st.DataObject, save: Callable[..., Path]) -> None:
    whole = bytearray(data.draw(st.sampled_from([PICKLED, ARRAY[:400], *HOSTILE.values(), pickle.dumps(Part("1"), 0)])))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        assert artifact.scan(save(bytes(whole))).kind == "pickle"
    except BuildError as error:
        assert error.step == "artifact"


KINDS = {
    "model.onnx": (b"\x08\x0a\x12\x08skl2onnx", "onnx"),
    "model.ubj": (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{", "xgboost"),
    "model.json": (b'{"learner":{"attributes":{},"feature_names":[]},"version":[2,0,3]}', "xgboost"),
    "model.txt": (b"tree\nversion=v4\nnum_class=1\n", "lightgbm"),
}


@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_are_told_and_not_opened_further(name: str, save: Callable[..., Path]) -> None:
    data, kind = KINDS[name]
    seen = artifact.scan(save(data, name))
    assert (seen.kind, seen.size, seen.sha256) == (kind, len(data), hashlib.sha256(data).hexdigest())
    assert (seen.globals, seen.versions, seen.root) == (frozenset(), {}, None)

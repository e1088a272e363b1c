"""The gate for pickles: hostile files are refused before anything of them acts, benign ones are not refused."""

import json
import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from modelcast_builder import artifact
from modelcast_builder.artifact import allowed, verdict
from modelcast_builder.artifact.compression import Span, read_spans
from modelcast_builder.artifact.stubs import Array
from modelcast_builder.errors import BuildError
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.hostile import gadgets
from tests.hostile.gadgets import ESTIMATOR, joblibs, named, text, whole

ROOT = Path(__file__).parents[2]
REWRITE = 'Write it again with joblib.dump(model, "model.joblib") and commit the whole file'
AGAIN = 'Save the model again with joblib.dump(model, "model.joblib"), and do not serve a file that others made'
Save = Callable[[bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write bytes as an artifact."""

    def write(data: bytes) -> Path:
        path = tmp_path / "model.joblib"
        path.write_bytes(data)
        return path

    return write


def refused(path: Path, **options: object) -> str:
    """The whole line of a refusal."""
    with pytest.raises(BuildError) as caught:
        verdict.judge(artifact.scan(path), **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_hostile_files_are_refused_and_nothing_happens_meanwhile(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.hostile.watched", tmp_path]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=600)
    seen = json.loads(done.stdout)
    assert (seen["accepted"], seen["strange"], seen["events"]) == ([], [], [])
    assert seen["files"] > 3000


BOUND = """
import sys
from pathlib import Path
from modelcast_builder import artifact
from modelcast_builder.artifact import verdict
from modelcast_builder.errors import BuildError
def peak():  # of this process alone: getrusage would tell of the parent's too
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
verdict.uses()
before = peak()
for path in sys.argv[1:]:
    try:
        verdict.judge(artifact.scan(Path(path)))
        print("accepted", path)
    except BuildError:
        pass
print((peak() - before) // 1024)
"""


def test_bombs_cost_little_memory_and_time(tmp_path: Path) -> None:
    """All of them together in 30 s of CPU (each takes less than two when nothing else runs), and in 200 MB."""
    paths = []
    for number, bomb in enumerate(gadgets.BOMBS.values()):
        paths.append(tmp_path / f"{number}.joblib")
        paths[-1].write_bytes(bomb())
    done = subprocess.run(
        [sys.executable, "-c", BOUND, *paths], check=True, capture_output=True, text=True, timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (30, 30)),
    )  # fmt: skip
    *accepted, megabytes = done.stdout.split("\n")[:-1]
    assert accepted == []
    assert int(megabytes) < 200


ODD = {
    "a persistent id": (
        b"\x80\x02K\x01Q.",
        "audit: {} holds objects that lie outside of it (persistent ids), which no model needs",
    ),
    "a class's number": (b"\x80\x02\x82\x01.", None),
    "calls of results": (
        whole(named("functools", "partial", 4) + named("numpy", "log1p", 4) + b"\x85R)R", 4),
        "audit: {} calls what it made itself, which no model needs",
    ),
    "a buffer elsewhere": (
        b"\x80\x05\x97.",
        "artifact: {} is no pickle that can be read: it refers to buffers outside of it, which no file holds",
    ),
    "two protocols": (b"\x80\x04\x80\x04N.", "artifact: {} is no pickle that can be read: it names its protocol twice"),
    "something behind it": (
        whole(ESTIMATOR + b"}b", 4) + b"\n",
        "artifact: {} is no pickle that can be read: it goes on behind its end",
    ),
    "two states": (
        whole(ESTIMATOR + b"}b}b", 4),
        "artifact: {} is no pickle that can be read: it gives one object its state twice",
    ),
    "a method shadowed": (
        whole(ESTIMATOR + b"}" + text("predict", 4) + named("numpy", "log1p", 4) + b"sb", 4),
        "audit: {} sets the attribute predict of a sklearn.linear_model._logistic.LogisticRegression, which its class has by itself",
    ),
    "a class changed": (
        whole(ESTIMATOR + b"}" + text("__class__", 4) + named("numpy", "ndarray", 4) + b"sb", 4),
        "audit: {} sets the attribute __class__ of a sklearn.linear_model._logistic.LogisticRegression, which its class has by itself",
    ),
    "a slot changed": (
        whole(ESTIMATOR + b"N}" + text("__reduce__", 4) + named("numpy", "ndarray", 4) + b"s\x86b", 4),
        "audit: {} sets the attribute __reduce__ of a sklearn.linear_model._logistic.LogisticRegression, which its class has by itself",
    ),
    "a generator's maker": (
        whole(
            named("numpy.random._pickle", "__generator_ctor", 4)
            + text("x", 4)
            + named("builtins", "set", 4)
            + b"\x86R",
            4,
        ),
        "audit: {} calls numpy.random._pickle.__generator_ctor as no pickler does",
    ),
    "a default that acts": (
        whole(named("collections", "defaultdict", 4) + named("numpy", "load", 4) + b"\x85R", 4),
        "audit: {} names numpy.load, which no model needs: it is hostile",
    ),
    "a sealed dictionary": (b"\x80\x04}.", "load: {} holds a builtins.dict, which has no predict()"),
    "a tree alone": (
        whole(named("sklearn.utils._bunch", "Bunch", 4) + b")\x81", 4),
        "load: {} holds a sklearn.utils._bunch.Bunch, which has no predict()",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_what_no_model_needs_is_refused_in_its_own_words(case: str, save: Save) -> None:
    data, line = ODD[case]
    said = refused(save(data))
    expected = line or "audit: {} names copyreg.extension 1, which is not known to be harmless"
    assert said.startswith(expected.format("model.joblib") + ". ")


def test_a_dtype_whose_flags_lie_is_refused(save: Save) -> None:
    honest = pickle.dumps(np.array([None], dtype=object), 4)
    assert b"K?t" in honest
    assert refused(save(honest.replace(b"K?t", b"K\x00t"))) == (
        "artifact: model.joblib is no pickle that can be read: it holds a dtype that numpy would not write: "
        f"its flags do not say what it holds. {REWRITE}"
    )


def test_an_array_that_is_too_short_is_refused(save: Save) -> None:
    honest = pickle.dumps(np.arange(3, dtype="u1"), 4)
    assert honest.count(b"K\x03\x85") == 1
    assert refused(save(honest.replace(b"K\x03\x85", b"K\x04\x85"))) == (
        "artifact: model.joblib is no pickle that can be read: an array cannot be read: "
        f"it has another number of bytes than its shape says. {REWRITE}"
    )


def test_a_wrapper_with_a_method_of_its_own_is_refused(save: Save) -> None:
    honest = joblibs([np.arange(4.0)])
    assert "none of joblib's" in refused(save(honest.replace(b"\x8c\x0aallow_mmap", b"\x8c\x0aread_array")))


NAMES = {
    "features:Clip": 'audit: model.joblib names features.Clip, which is not known to be harmless. If it is meant, write `trusted: ["features:Clip"]` in modelcast.yaml',
    "imblearn.pipeline:Pipeline": "audit: model.joblib names imblearn.pipeline.Pipeline, which is not known to be harmless. "
    'If it is meant, write `trusted: ["imblearn.pipeline:Pipeline"]` in modelcast.yaml',
    "os:system": f"audit: model.joblib names os.system, which no model needs: it is hostile. {AGAIN}",
    "sklearn.linear_model._logistic:LogisticRegression.fit": "audit: model.joblib names sklearn.linear_model._logistic.LogisticRegression.fit, "
    'which is not known to be harmless. If it is meant, write `trusted: ["sklearn.linear_model._logistic:LogisticRegression.fit"]` in modelcast.yaml',
}  # fmt: skip


@pytest.mark.parametrize("entry", NAMES)
def test_a_name_that_is_not_on_the_list_is_refused_with_the_line_to_add(entry: str, save: Save) -> None:
    module, _, name = entry.partition(":")
    path = save(whole(named(module, name, 4) + b")\x81}b", 4))
    assert refused(path) == NAMES[entry]
    verdict.judge(artifact.scan(path), trusted=[entry])
    verdict.judge(artifact.scan(path), trusted=[f"{module}:*"])


def test_what_models_refer_to_may_not_be_called(save: Save) -> None:
    assert refused(save(whole(named("numpy", "log1p", 4) + b"K\x01\x85R", 4))) == (
        "audit: model.joblib calls numpy.log1p, which models only refer to. "
        'If it is meant, write `trusted: ["numpy:log1p"]` in modelcast.yaml'
    )


def test_what_a_notebook_wrote_may_hold_its_own_and_nothing_hostile(save: Save) -> None:
    own = save(whole(named("features", "Clip", 4) + b")\x81}b", 4))
    verdict.judge(artifact.scan(own), is_made_here=True)
    assert refused(own).startswith("audit: model.joblib names features.Clip")
    hostile = save(whole(named("os", "system", 4) + text("x", 4) + b"\x85R", 4))
    assert refused(hostile, is_made_here=True).startswith("audit: model.joblib names os.system, which no model needs")


NUMBERS = np.random.default_rng(0).normal(size=(40, 3))
LABELS = np.array(["a", "b"], dtype=object)[np.arange(40) % 2]
BENIGN = {
    "forest": lambda: RandomForestClassifier(3).fit(NUMBERS, LABELS),
    "frame": lambda: LogisticRegression().fit(pd.DataFrame(NUMBERS, columns=list("xyz")), pd.Categorical(LABELS)),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=3).fit(NUMBERS, NUMBERS[:, 0]),
    "neighbours": lambda: KNeighborsClassifier(2, algorithm="kd_tree").fit(NUMBERS, LABELS),
    "text": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a bee", "to be"] * 20, LABELS),
    "function": lambda: make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(abs(NUMBERS), LABELS),
}


@pytest.mark.parametrize("model", BENIGN)
def test_a_model_is_accepted_however_it_is_saved(model: str, save: Save) -> None:
    fitted = BENIGN[model]()
    for protocol in range(6):
        verdict.judge(artifact.scan(save(pickle.dumps(fitted, protocol))))
    for compress in (0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)):
        verdict.judge(artifact.scan(save(joblibs(fitted, compress=compress))))


@pytest.mark.parametrize("compress", [0, 3])
def test_the_bytes_of_an_array_are_found_again(compress: int, save: Save) -> None:
    arrays = [np.arange(1000.0), np.arange(600, dtype=">i4").reshape(20, 30)]
    path = save(joblibs(arrays, compress=compress))
    kept = [made for made in artifact.scan(path).made if isinstance(made, Array)]
    spans = [array.data for array in kept if isinstance(array.data, Span)]
    assert [(array.shape, array.dtype and array.dtype.code) for array in kept] == [((1000,), "f8"), ((20, 30), "i4")]
    found = dict(read_spans(path, spans))
    assert [found[span] for span in spans] == [array.tobytes() for array in arrays]


def test_flipped_bytes_are_an_artifact_or_a_refusal(save: Save) -> None:
    """Two thousand of them; `python -m tests.hostile.mutations` does as many as it is asked for."""
    from tests.hostile import mutations

    assert mutations.run(2000, seed=7, folder=save(b"").parent) == []


def test_the_lists_hold_what_they_say() -> None:
    uses = allowed.uses()
    assert ("sklearn.pipeline", "Pipeline") in uses
    assert uses["numpy.core.multiarray", "scalar"] == uses["numpy._core.multiarray", "scalar"] == {allowed.Use.CALL}
    assert [name for name in uses if allowed.is_hostile(*name)] == []
    assert not any("." in name for _, name in uses)

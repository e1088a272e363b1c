"""skops files: what is read of them inertly, what may be loaded, and what is refused with the line to write."""

import importlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from modelcast_builder import artifact, bundling
from modelcast_builder.artifact import skops, trust
from modelcast_builder.config import Config
from modelcast_builder.errors import BuildError
from modelcast_builder.frameworks import claim
from modelcast_builder.inside import loading
from modelcast_builder.inside.messages import Data, DescribeRequest, Refusal, Refused
from modelcast_builder.training import Trained
from modelcast_builder.travel import TravelFile

REAL = Path(__file__).resolve().parents[1] / "acceptance" / "logged" / "new" / "model.skops"
AGAIN = "Write it again with skops.io.dump(model, path), and commit the whole file"
Node = dict[str, Any]


def node(module: str, name: str, loader: str = "ObjectNode", **rest: Any) -> Node:
    return {"__module__": module, "__class__": name, "__loader__": loader, **rest}


def text(value: str) -> Node:
    return node("builtins", "str", "JsonNode", content=json.dumps(value), is_json=True)


def model(*parts: Node, version: str = "1.5.2") -> Node:
    attributes = {str(index): part for index, part in enumerate(parts)}
    state = node("builtins", "dict", "DictNode", content={**attributes, "_sklearn_version": text(version)})
    return node("sklearn.pipeline", "Pipeline", content=state)


def packed(schema: object, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema))
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def damaged(compression: int) -> bytes:
    """A schema of 20 kB packed in this way, whose bytes were then overwritten."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("schema.json", json.dumps([text(str(index)) for index in range(200)]))
    content = bytearray(stream.getvalue())
    content[60:600] = bytes(540)
    return bytes(content)


def saved(root: Node, skops_version: str = "0.16.0") -> bytes:
    return packed({**root, "protocol": 2, "_skops_version": skops_version})


Save = Callable[[bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(data: bytes) -> Path:
        (tmp_path / "model.skops").write_bytes(data)
        return tmp_path / "model.skops"

    return write


def refusal(path: Path) -> str:
    with pytest.raises(BuildError) as refused:
        artifact.scan(path)
    return str(refused.value)


def test_a_real_file_tells_its_versions_its_root_and_its_names() -> None:
    seen = artifact.scan(REAL)
    assert (seen.kind, seen.root) == ("skops", ("sklearn.pipeline", "Pipeline"))
    assert seen.versions == {"skops": "0.16.0", "scikit-learn": "1.9.1"}
    assert seen.recorded == {"skops": ("0.16.0",), "scikit-learn": ("1.9.1",)}
    assert ("measures.cap", "capped") in seen.called
    assert ("sklearn.preprocessing._encoders", "OneHotEncoder") in seen.globals - seen.called
    assert claim(seen).reason == "made by scikit-learn 1.9.1"


def test_the_roots_version_rules_and_every_version_is_told(save: Save) -> None:
    seen = artifact.scan(save(saved(model(model(version="1.10.0"), model(version="1.9.1"), version="1.5.2"))))
    assert seen.versions["scikit-learn"] == "1.5.2"
    assert seen.recorded["scikit-learn"] == ("1.5.2", "1.9.1", "1.10.0")
    own = node("features", "Clip", content=node("builtins", "dict", "DictNode", content={"inner": model()}))
    assert artifact.scan(save(saved(own))).versions == {"skops": "0.16.0", "scikit-learn": "1.5.2"}
    bare = artifact.scan(save(saved(node("__main__", "Clip"))))
    assert (bare.versions, bare.main_names) == ({"skops": "0.16.0"}, {"Clip"})


def test_a_function_of_protocol_0_is_a_name_too(save: Save) -> None:
    hidden = node("builtins", "function", "FunctionNode", content={"module_path": "os", "function": "system"})
    assert ("os", "system") in artifact.scan(save(saved(model(hidden)))).called


BROKEN: dict[str, tuple[bytes, str]] = {
    "half a file": (REAL.read_bytes()[:1000], "it is damaged, or of another kind"),
    "no schema": (packed("null"), "it has no schema.json of skops"),
    "no version of skops": (packed({"__class__": "Pipeline"}), "it has no schema.json of skops"),
    "no JSON": (packed("{"), "it is damaged, or of another kind"),
    **{
        f"damaged {name}": (damaged(compression), "it is damaged, or of another kind")
        for name, compression in (
            ("deflate", zipfile.ZIP_DEFLATED),
            ("bz2", zipfile.ZIP_BZIP2),
            ("lzma", zipfile.ZIP_LZMA),
        )
    },
    "a nest without end": (packed("[" * 200_000), "it is damaged, or of another kind"),
    "a checked name that old skops did not check": (
        saved(model(node("sklearn.svm", "SVC", "MethodNode")), "0.11.0"),
        "it holds a MethodNode, which skops 0.11.0 loads without a check",
    ),
    "a version that is none": (
        saved(model(node("operator", "call", "OperatorFuncNode")), "newest"),
        "it holds a OperatorFuncNode, which skops newest loads without a check",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_skops_file_is_refused_in_one_line(case: str, save: Save) -> None:
    data, why = BROKEN[case]
    assert refusal(save(data)) == f"artifact: model.skops is no skops file that can be read: {why}. {AGAIN}"


def test_a_bomb_is_not_inflated(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(packed({"_skops_version": "0.16.0"}, big=bytes(3_000_000)))
    monkeypatch.setattr(skops, "MOST_INFLATED", 2_000_000)
    assert "it inflates to more than 1 MiB" in refusal(path)
    monkeypatch.setattr(skops, "MOST_INFLATED", 2**32)
    monkeypatch.setattr(skops, "MOST_SCHEMA", 10)
    assert "it has a schema.json that is encrypted or too large" in refusal(path)


def test_what_is_no_zip_does_not_hold_what_its_name_says(save: Save) -> None:
    assert refusal(save(b"\x80\x04N.")) == (
        "artifact: model.skops does not hold what its name says (skops). "
        "Save the model again, or name the right file: `model: NAME` in modelcast.yaml"
    )


def approved(save: Save, *parts: Node, own: tuple[str, ...] = (), trusted: tuple[str, ...] = ()) -> set[str]:
    return set(trust.approve(artifact.scan(save(saved(model(*parts)))), own=own, trusted=trusted))


HOSTILE = {
    "builtins:eval": node("builtins", "eval", "FunctionNode"),
    "os:system": node("os", "system", "FunctionNode"),
    "posix:system": node("posix", "system", "ConstructorFromReduceNode", content=text("id")),
    "subprocess:Popen": node("subprocess", "Popen"),
    "features:Clip": node("features", "Clip"),
    "sklearnx.tree:Tree": node("sklearnx.tree", "Tree"),
    "operator:call": node("operator", "call", "OperatorFuncNode"),
}


@pytest.mark.parametrize("entry", HOSTILE)
def test_a_name_of_nobody_we_know_is_refused_with_the_line_to_write(entry: str, save: Save) -> None:
    with pytest.raises(BuildError) as refused:
        approved(save, HOSTILE[entry])
    assert str(refused.value) == (
        f"audit: model.skops names {entry.replace(':', '.')}, which is neither scikit-learn's nor of this repository. "
        f'If it is meant, write `trusted: ["{entry}"]` in modelcast.yaml'
    )
    assert entry.replace(":", ".") in approved(save, HOSTILE[entry], trusted=(entry,))
    everything = f"{entry.partition(':')[0]}:*"
    assert entry.replace(":", ".") in approved(save, HOSTILE[entry], trusted=(everything,))


def test_own_modules_and_the_libraries_types_are_approved(save: Save) -> None:
    own = [node("lib.steps", "Clip"), node("features", "capped", "FunctionNode")]
    theirs = [
        node("sklearn.tree._tree", "Tree", "TypeNode"),
        node("sklearn.feature_selection._univariate_selection", "f_classif", "FunctionNode"),
        node("_loss", "CyHalfSquaredError", "ReduceNode"),  # what scikit-learn 1.5 calls its own
        node("xgboost.sklearn", "XGBClassifier"),
        node("numpy", "float64", "TypeNode"),
    ]
    names = approved(save, *own, *theirs, own=("lib", "features"))
    assert {f"{part['__module__']}.{part['__class__']}" for part in (*own, *theirs)} <= names


CALLS = {
    "pandas.io.pickle.read_pickle": "FunctionNode",
    "numpy.load": "ConstructorFromReduceNode",
    "sklearn.utils._testing.check_output": "ConstructorFromReduceNode",
    "sklearn.datasets._base.load_files": "FunctionNode",
    "sklearn.tree.tests.test_tree.check": "FunctionNode",
    "pandas.read_clipboard": "DictNode",
}


@pytest.mark.parametrize("name", CALLS)
def test_what_of_the_libraries_opens_files_is_left_to_skops_to_refuse(name: str, save: Save) -> None:
    module, _, attribute = name.rpartition(".")
    assert name not in approved(save, node(module, attribute, CALLS[name], content={}))
    assert name in approved(save, node(module, attribute, CALLS[name], content={}), trusted=(f"{module}:{attribute}",))


FEATURES = """
import os
from subprocess import run
from lending_lib.steps import Scaled, check_output
class Clip:
    shell = os.system
    def low(self):
        return 0
system = os.system
"""
IN_AN_OWN_MODULE = {
    "lending.Clip": True,
    "lending.Clip.low": True,
    "lending.Scaled": True,
    "lending_lib.steps.Scaled": True,
    "__main__.Clip": True,
    "lending.run": False,
    "lending.system": False,
    "lending.check_output": False,
    "lending.Clip.shell": False,
    "lending.nothing": False,
    "lending_lib.steps.check_output": False,
    "__main__.lent": False,
}


def lending(folder: Path) -> Path:
    """Own modules with what they define, and what they only imported."""
    (folder / "lending_lib").mkdir(parents=True)
    (folder / "lending.py").write_text(FEATURES)
    (folder / "lending_lib" / "steps.py").write_text("from subprocess import check_output\nclass Scaled: pass\n")
    return folder


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`load("features.Clip", trusted=..., named=...)` of a file that asks skops for this name."""
    code = lending(tmp_path / "code")
    monkeypatch.syspath_prepend(str(code))
    for name in ("lending", "lending_lib", "lending_lib.steps"):
        monkeypatch.setitem(sys.modules, name, sys)  # so that it is forgotten afterwards
        del sys.modules[name]
    monkeypatch.setattr(sys.modules["__main__"], "Clip", importlib.import_module("lending").Clip, raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "lent", subprocess.run, raising=False)

    def ask(name: str, **question: Any) -> Any:
        fake = ModuleType("skops")
        fake.io = SimpleNamespace(get_untrusted_types=lambda file: [name], load=lambda path, trusted: Loaded())  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "skops", fake)
        asked = DescribeRequest(
            artifact="model.skops", framework="sklearn", code=str(code), definitions={}, by_value=False, recorded=None,
            data=Data(), inputs={}, trusted=(name,), sealed="", **question,
        )  # fmt: skip
        return loading.load(asked)

    return ask


class Loaded:
    """What skops would have made."""

    def predict(self) -> None:
        """Be a model."""


@pytest.mark.parametrize("name", IN_AN_OWN_MODULE)
def test_an_own_module_does_not_lend_what_it_only_imported(name: str, load: Callable[..., Any]) -> None:
    if IN_AN_OWN_MODULE[name]:
        assert isinstance(load(name), Loaded)
        return
    with pytest.raises(Refused) as refused:
        load(name)
    module, _, attribute = name.rpartition(".")
    assert refused.value.refusal == Refusal(
        step="audit",
        problem=f"model.skops makes a load use {name}, which skops does not trust by itself",
        fix=f'If it is meant, write `trusted: ["{module}:{attribute}"]` in modelcast.yaml',
    )
    assert isinstance(load(name, named=(name,)), Loaded), "the line that the refusal tells to write"


@pytest.mark.parametrize("file", ["subprocess.csv", "subprocess.py"])
def test_data_and_modules_of_pythons_own_names_are_no_own_modules(file: str, save: Save, tmp_path: Path) -> None:
    hostile = artifact.scan(save(saved(model(node("subprocess", "Popen")))))
    (tmp_path / file).touch()
    code = (TravelFile(target=PurePosixPath(file), source=tmp_path / file),)
    trained = Trained(artifact=hostile, repo=tmp_path, code=code, definitions={}, receipts={}, recorded=None)
    with pytest.raises(BuildError, match="^audit: model.skops names subprocess.Popen, which is neither"):
        bundling.question(trained, claim(hostile), Config(), tmp_path)

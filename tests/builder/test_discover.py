"""What is built of a repository, in the design's order, and every refusal in full."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from modelcast_builder.discover import discover, written
from modelcast_builder.errors import BuildError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
XGBOOST = b'{"learner":{"attributes":{}},"version":[2,0,3]}'
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"
PREDICT = b"import joblib\ndef predict(body):\n    return {}\n"
DUMP = 'joblib.dump(model, "model.joblib")'


@dataclass(frozen=True)
class Config:
    """What discovery asks of the configuration."""

    notebooks: tuple[str, ...] | None = None
    model: str | None = None
    notebooks_key: str = "notebooks"


def web(entry: str) -> str:
    """The refusal of a web application."""
    return (
        f"found no model and no notebook, but {entry} of a Python web application. To run it as it is, use the stock Python "
        f"builder; to serve a model, add a notebook that ends with {DUMP}, or prediction.py with predict(body)"
    )


def repository(root: Path, files: Mapping[str, bytes]) -> Path:
    """A repository of these files."""
    root.mkdir(exist_ok=True)
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def files(*names: str) -> dict[str, bytes]:
    """Files of one byte."""
    return dict.fromkeys(names, b"x")


FOUND: dict[str, tuple[dict[str, bytes], Config, tuple[list[str], str | None, str]]] = {
    "named notebooks, in their order": (
        files("b.ipynb", "a.ipynb", "model.joblib"),
        Config(notebooks=("b.ipynb", "./a.ipynb")),
        (["b.ipynb", "a.ipynb"], None, "named b.ipynb, a.ipynb"),
    ),
    "named notebooks before a named model": (
        files("a.ipynb", "model.joblib"),
        Config(notebooks=("a.ipynb",), model="model.joblib"),
        (["a.ipynb"], None, "named a.ipynb"),
    ),
    "a named model": (
        {**files("a.ipynb", "b.ipynb", "other.joblib"), "models/m.pkl": bytes(1024 * 1536)},
        Config(model="models/m.pkl"),
        ([], "models/m.pkl", "named models/m.pkl (1.5 MiB); a.ipynb, b.ipynb are documentation"),
    ),
    "a named model that the one notebook is to write": (
        files("train.ipynb", "encoder.joblib"),
        Config(model="model.joblib"),
        (["train.ipynb"], None, "to write model.joblib, found train.ipynb"),
    ),
    "one artifact": (files("deep/model.joblib"), Config(), ([], "deep/model.joblib", "found deep/model.joblib (1 B)")),
    "one artifact before one notebook": (
        files("model.pickle", "train.ipynb"),
        Config(),
        ([], "model.pickle", "found model.pickle (1 B); train.ipynb is documentation"),
    ),
    "one artifact, no notebook to execute": (
        files("model.onnx", "train.ipynb"),
        Config(notebooks=()),
        ([], "model.onnx", "found model.onnx (1 B); train.ipynb is documentation"),
    ),
    "prediction.py before the artifacts and notebooks beside it": (
        {**files("a.joblib", "b.pkl", "train.ipynb", "more.ipynb", "app.py"), "prediction.py": PREDICT},
        Config(),
        ([], "prediction.py",
         "found prediction.py with predict(), beside a.joblib, b.pkl; more.ipynb, train.ipynb are documentation"),
    ),
    "prediction.py alone": ({"prediction.py": PREDICT}, Config(), ([], "prediction.py", "found prediction.py with predict()")),
    "prediction.py named as the model": (
        {"prediction.py": PREDICT},
        Config(model="./prediction.py"),
        ([], "prediction.py", "named prediction.py with predict()"),
    ),
    "a named model before prediction.py": (
        {**files("model.skops"), "prediction.py": PREDICT},
        Config(model="model.skops"),
        ([], "model.skops", "named model.skops (1 B)"),
    ),
    "named notebooks before prediction.py": (
        {**files("train.ipynb"), "prediction.py": PREDICT},
        Config(notebooks=("train.ipynb",)),
        (["train.ipynb"], None, "named train.ipynb"),
    ),
    "prediction.py without predict is an ordinary module": (
        {**files("model.skops"), "prediction.py": b"class A:\n    def predict(self): pass\n"},
        Config(),
        ([], "model.skops", "found model.skops (1 B)"),
    ),
    "prediction.py whose predict takes a model is an ordinary module": (
        {**files("model.skops"), "prediction.py": b"def predict(model, rows): pass\n"},
        Config(),
        ([], "model.skops", "found model.skops (1 B)"),
    ),
    "prediction.py elsewhere is an ordinary module": (
        {**files("model.skops"), "src/prediction.py": PREDICT},
        Config(),
        ([], "model.skops", "found model.skops (1 B)"),
    ),
    "a model of a web application": (
        {**files("model.skops"), "app.py": b"import flask\n"},
        Config(),
        ([], "model.skops", "found model.skops (1 B)"),
    ),
    "a folder of MLflow": (
        {**files("m/MLmodel", "m/model.pkl", "m/code/other.pkl"), "m/conda.yaml": bytes(2045)},
        Config(),
        ([], "m", "found m (2.0 KiB)"),
    ),
    "JSON and text by content": (
        {"model.json": XGBOOST, **files("a.json", "notes.txt")},
        Config(),
        ([], "model.json", "found model.json (47 B)"),
    ),
    "LightGBM's text": (
        {"model.txt": LIGHTGBM, **files("requirements.txt")},
        Config(),
        ([], "model.txt", "found model.txt (28 B)"),
    ),
    "data is no artifact by its name": (
        files("data/train.pkl", "data/holdout.pickle", "model.ubj"),
        Config(),
        ([], "model.ubj", "found model.ubj (1 B)"),
    ),
    "what is no source is not seen": (
        {**files(".cache/a.pkl", ".a.pkl", "__pycache__/b.pkl", "out/model.joblib", "old/m.pkl", "c.pkl"),
         "out/manifest.json": b'{"bundle_version": 1}', ".s2iignore": b"old\n"},
        Config(),
        ([], "c.pkl", "found c.pkl (1 B)"),
    ),
    "one notebook at the root": (
        files("a train.ipynb", "docs/more.ipynb", ".ipynb_checkpoints/a train.ipynb", "data.csv"),
        Config(),
        (["a train.ipynb"], None, "found a train.ipynb"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOUND)
def test_what_is_found_is_planned(case: str, tmp_path: Path) -> None:
    content, config, (notebooks, artifact, reason) = FOUND[case]
    repo = repository(tmp_path, content)
    plan = discover(repo, config)
    assert plan.notebooks == tuple(repo / name for name in notebooks)
    assert plan.artifact == (repo / artifact if artifact else None)
    assert plan.reason == reason


REFUSED: dict[str, tuple[dict[str, bytes], Config, str]] = {
    "empty": (
        {},
        Config(),
        f"found no model and no notebook; the repository is empty. Add a notebook that ends with {DUMP}, or that file",
    ),
    "nothing to build": (
        files("README.md", "a.py", "b.py", "c.py", "d.py", "e.py", "f.py"),
        Config(),
        "found no model and no notebook; the repository holds README.md, a.py, b.py, c.py, d.py and 2 more. "
        f"Add a notebook that ends with {DUMP}, or that file",
    ),
    "two artifacts": (
        files("b.pkl", "a.joblib", "train.ipynb"),
        Config(),
        "found 2 models: a.joblib, b.pkl. Name the one to serve in modelcast.yaml: `model: a.joblib`",
    ),
    "two notebooks": (
        files("b.ipynb", "a.ipynb"),
        Config(),
        "found no model and 2 notebooks: a.ipynb, b.ipynb. "
        "Name those to execute, in order, in modelcast.yaml: `notebooks: [a.ipynb, b.ipynb]`",
    ),
    "a notebook elsewhere": (
        files("nb/a.ipynb"),
        Config(),
        "found no model, and no notebook at the root but nb/a.ipynb. "
        "Name the one to execute in modelcast.yaml: `notebooks: [nb/a.ipynb]`",
    ),
    "prediction.py whose predict takes something else": (
        {"prediction.py": b"import joblib\nasync def predict(model, rows: list, k=3): pass\n"},
        Config(),
        "found no model and no notebook, and predict(model, rows: list, k=3) in prediction.py cannot be called with one "
        "argument. Write `def predict(body):`, which takes a dict and gives one, or add a notebook that ends with "
        f"{DUMP}",
    ),
    "prediction.py that is no Python": (
        {"prediction.py": b"import json\ndef predict(body):\n    print 1\n", "model.joblib": b"x"},
        Config(),
        "prediction.py:3 is no Python that this version reads: Missing parentheses in call to 'print'. "
        "Did you mean print(...)?. Correct that line",
    ),
    "prediction.py that is no text": (
        {"prediction.py": b"\x00"},
        Config(),
        "prediction.py is no Python source. Save it as text in UTF-8",
    ),
    "another module named as the model": (
        {"src/prediction.py": PREDICT, "prediction.py": PREDICT},
        Config(model="src/prediction.py"),
        "`model: src/prediction.py` names a module, and own code is served from prediction.py at the root alone, with a "
        "function predict(body). Name a trained file, or write that function there and remove `model:`",
    ),
    "prediction.py without predict named as the model": (
        {"prediction.py": b""},
        Config(model="prediction.py"),
        "`model: prediction.py` names a module, and own code is served from prediction.py at the root alone, with a "
        "function predict(body). Name a trained file, or write that function there and remove `model:`",
    ),
    "a web application by the name of its file": ({"wsgi.py": b"application = None\n"}, Config(), web("wsgi.py")),
    "a web application by what it imports": (
        {"README.md": b"x", "service/api.py": b"from fastapi import FastAPI\n", "service/util.py": b"import json\n"},
        Config(),
        web("service/api.py"),
    ),
    "prediction.py without predict": (
        {"prediction.py": b"class A:\n    def predict(self): pass\n"},
        Config(),
        "found no model and no notebook; the repository holds prediction.py. "
        f"Add a notebook that ends with {DUMP}, or that file",
    ),
    "a named notebook that is missing": (
        files("nb/train.ipynb", "other.py"),
        Config(notebooks=("train.ipynb",)),
        "`notebooks: [train.ipynb]` is not in the repository. Did you mean `notebooks: [nb/train.ipynb]`?",
    ),
    "a notebook that the build's environment names, missing": (
        files("features.ipynb", "model.ipynb"),
        Config(notebooks=("features.ipynb", "modle.ipynb"), notebooks_key="S2I_SOURCE_NOTEBOOK_LIST"),
        "`S2I_SOURCE_NOTEBOOK_LIST=modle.ipynb` is not in the repository. "
        "Did you mean `S2I_SOURCE_NOTEBOOK_LIST=model.ipynb`?",
    ),
    "what the build's environment names is no notebook": (
        files("train.py"),
        Config(notebooks=("train.py",), notebooks_key="S2I_SOURCE_NOTEBOOK"),
        "`S2I_SOURCE_NOTEBOOK=train.py` is no notebook. Name files that end in .ipynb",
    ),
    "a named notebook where there is none": (
        files("a.md"),
        Config(notebooks=("zzz.ipynb",)),
        "`notebooks: [zzz.ipynb]` is not in the repository. Add it, or name another: the repository holds a.md",
    ),
    "a named notebook that is none": (
        files("train.py"),
        Config(notebooks=("train.py",)),
        "`notebooks: [train.py]` is no notebook. Name files that end in .ipynb",
    ),
    "a notebook outside": (
        files("a.ipynb"),
        Config(notebooks=("../a.ipynb",)),
        "`notebooks: [../a.ipynb]` leads out of the repository. Name a path relative to the repository's root",
    ),
    "a named model that is missing": (
        files("modle.joblib", "b.pkl"),
        Config(model="model.joblib"),
        "`model: model.joblib` is not in the repository. Did you mean `model: modle.joblib`?",
    ),
    "a named model that several notebooks could write": (
        files("a.ipynb", "b.ipynb"),
        Config(model="model.joblib"),
        "`model: model.joblib` is not in the repository; a.ipynb, b.ipynb could write it. "
        "Name those to execute, in order, in modelcast.yaml: `notebooks: [a.ipynb, b.ipynb]`",
    ),
    "an empty name": (
        files("README.md"),
        Config(model=" "),
        "`model:  ` is not in the repository. Add it, or name another: the repository holds README.md",
    ),
    "an absolute model": (
        files("a.pkl"),
        Config(model="/etc/passwd"),
        "`model: /etc/passwd` leads out of the repository. Name a path relative to the repository's root",
    ),
    "a linked model": (
        files("a.pkl"),
        Config(model="link.joblib"),
        "`model: link.joblib` leads out of the repository. Name a path relative to the repository's root",
    ),
    "an LFS pointer": (
        {"model.joblib": POINTER},
        Config(),
        "model.joblib is a Git-LFS pointer, not the file itself. Run `git lfs pull` in the repository and build again",
    ),
    "a notebook left in LFS": (
        {"train.ipynb": POINTER},
        Config(),
        "train.ipynb is a Git-LFS pointer, not the file itself. Run `git lfs pull` in the repository and build again",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_decided_is_refused_with_the_line_to_write(case: str, tmp_path: Path) -> None:
    content, config, line = REFUSED[case]
    repo = repository(tmp_path / "repo", content)
    if case == "a linked model":
        (repo / "link.joblib").symlink_to(tmp_path)
    with pytest.raises(BuildError) as caught:
        discover(repo, config)
    assert str(caught.value) == f"discover: {line}"


def test_a_link_that_leads_out_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "secret.pkl").write_bytes(b"x")
    repo = repository(tmp_path / "repo", files("model.joblib"))
    (repo / "secret.pkl").symlink_to("../secret.pkl")
    assert discover(repo, Config()).artifact == repo / "model.joblib"


NONE = "expected one .joblib .pkl .pickle .skops file in the repository"
WRITTEN: dict[str, tuple[list[str], Config, str]] = {
    "the one of a known kind": (["m.joblib", "plot.png", "data/train.pkl", "a.json"], Config(), "m.joblib"),
    "JSON by content": (["plot.png", "xgb.json"], Config(), "xgb.json"),
    "a folder of MLflow": (["flow/MLmodel", "flow/model.pkl"], Config(), "flow"),
    "a folder of MLflow, one file of it changed": (["flow/model.pkl"], Config(), "flow"),
    "the named one of several": (["m.joblib", "n.pkl"], Config(model="n.pkl"), "n.pkl"),
    "the named one, of any kind": (["m.joblib", "plot.png"], Config(model="./plot.png"), "plot.png"),
    "the named folder": (["flow/MLmodel", "m.joblib"], Config(model="flow"), "flow"),
}
CONTENT = {
    **files("m.joblib", "n.pkl", "plot.png", "data/train.pkl", "a.json", "flow/MLmodel", "flow/model.pkl"),
    **files("train.ipynb", ".cache/x.pkl"),
    "xgb.json": XGBOOST,
}


@pytest.mark.parametrize("case", WRITTEN)
def test_the_artifact_is_what_the_notebooks_wrote(case: str, tmp_path: Path) -> None:
    names, config, expected = WRITTEN[case]
    repo = repository(tmp_path, CONTENT)
    assert written(repo, [repo / name for name in names], config) == repo / expected


NOT_WRITTEN: dict[str, tuple[list[str], Config, str]] = {
    "nothing": ([], Config(), f"train.ipynb saved no model: {NONE}. End the notebook with {DUMP}"),
    "nothing, by a notebook that defines predictor(x)": (
        [],
        Config(notebooks=("model.ipynb",), notebooks_key="S2I_SOURCE_NOTEBOOK"),
        f"model.ipynb saved no model: {NONE}. "
        f"End the notebook with {DUMP}, where model is the fitted estimator or Pipeline that predictor() asks",
    ),
    "nothing that counts": (
        ["plot.png", ".cache/x.pkl", "../m.joblib"],
        Config(notebooks=("clean.ipynb", "nb/train.ipynb")),
        f"clean.ipynb, nb/train.ipynb saved no model: {NONE}. End the notebook with {DUMP}",
    ),
    "two": (
        ["n.pkl", "m.joblib"],
        Config(),
        "train.ipynb saved 2 models: m.joblib, n.pkl. Name the one to serve in modelcast.yaml: `model: m.joblib`",
    ),
    "another than the named": (
        ["n.pkl", "plot.png"],
        Config(model="m.joblib"),
        "train.ipynb did not save m.joblib (`model:` in modelcast.yaml) but wrote n.pkl, plot.png. "
        'End the notebook with joblib.dump(model, "m.joblib"), or correct `model:` in modelcast.yaml',
    ),
    "nothing, and one was named": (
        [],
        Config(model="m.joblib"),
        "train.ipynb did not save m.joblib (`model:` in modelcast.yaml) but wrote nothing. "
        'End the notebook with joblib.dump(model, "m.joblib"), or correct `model:` in modelcast.yaml',
    ),
}


@pytest.mark.parametrize("case", NOT_WRITTEN)
def test_none_or_several_written_are_refused(case: str, tmp_path: Path) -> None:
    names, config, line = NOT_WRITTEN[case]
    repo = repository(tmp_path / "repo", CONTENT)
    with pytest.raises(BuildError) as caught:
        written(repo, [repo / name for name in names], config)
    assert str(caught.value) == f"discover: {line}"

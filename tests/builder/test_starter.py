"""`modelcast init`: what is written is read back, decides what was decided, and shows every key that is built."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from modelcast_builder.config import BuildSettings, build_settings, read_config
from modelcast_builder.discover import discover
from modelcast_builder.document import NOT_BUILT, Document, meanings, section_of
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter
from modelcast_builder.starter import start

from tests.acceptance.commands import SAMPLES
from tests.acceptance.files import contents, copy, notebook, write

TRAINED = "two-artifacts-should-fail/model.joblib"


class Told(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, step: str, sentence: str) -> None:
        self.said.append(f"{step}: {sentence}")


def settings(tmp_path: Path, **variables: str) -> BuildSettings:
    return build_settings({"MODELCAST_CACHE": str(tmp_path / "cache"), **variables})


def started(root: Path, **variables: str) -> str:
    """The file's text, and nothing else is in the folder that was not there."""
    before = contents(root)
    path = start(str(root), settings(root.parent, **variables), Reporter())
    assert path == root / "modelcast.yaml"
    after = contents(root)
    assert {name: state for name, state in after.items() if name not in (".", "modelcast.yaml")} == {
        name: state for name, state in before.items() if name != "."
    }
    return path.read_text(encoding="utf-8")


def told_in(text: str, *wanted: str) -> str:
    """The file with the # taken away from every key, or from those that are wanted."""
    keys = "|".join(wanted) if wanted else "[a-z]"
    return re.sub(rf"^#(?={keys}|  [a-z])" if not wanted else rf"^#(?={keys})", "", text, flags=re.MULTILINE)


ROOTS = {
    "a notebook": ({"train.ipynb": notebook("1")}, {"name": "repo", "notebooks": ["train.ipynb"]}),
    "own code": ({"prediction.py": "def predict(body): ..."}, {"name": "repo", "model": "prediction.py"}),
    "an artifact in a folder": (
        {"out/a b.joblib": (SAMPLES / TRAINED).read_bytes(), "n.ipynb": notebook("1")},
        {"name": "repo", "model": "out/a b.joblib"},
    ),
    "an MLflow model at the root": (
        {"MLmodel": "flavors: {sklearn: {pickled_model: model.pkl}}", "model.pkl": (SAMPLES / TRAINED).read_bytes()},
        {"name": "repo"},
    ),
    "names that YAML reads otherwise": (
        {"yes: [no].ipynb": notebook("1"), "modèle.csv": ""},
        {"name": "repo", "notebooks": ["yes: [no].ipynb"]},
    ),
}


@pytest.mark.parametrize("case", ROOTS)
def test_what_discovery_decided_is_pinned_and_decided_again(tmp_path: Path, case: str) -> None:
    files, pinned = ROOTS[case]
    root = write(tmp_path / "repo", files)
    before = discover(root, read_config(root, {}))
    assert yaml.safe_load(started(root)) == pinned
    after = discover(root, read_config(root, {}))
    assert (after.notebooks, after.artifact) == (before.notebooks, before.artifact)


def test_what_s2i_is_told_is_pinned_in_its_order(tmp_path: Path) -> None:
    listed = "S2I_SOURCE_NOTEBOOK_LIST=b.ipynb,sub/a.ipynb\n"
    root = write(
        tmp_path / "repo",
        {"b.ipynb": notebook("1"), "sub/a.ipynb": notebook("1"), ".s2i/environment": listed},
    )
    assert yaml.safe_load(started(root, MODELCAST_NAME="other")) == {
        "name": "other",
        "notebooks": ["b.ipynb", "sub/a.ipynb"],
    }


def test_the_examples_are_the_repositorys_own_where_it_has_some(tmp_path: Path) -> None:
    files = {
        "data/train.parquet": b"",
        "own.py": "",
        "setup.py": "",
        "lib/x.py": "",
        "uv.lock": "",
        "pyproject.toml": "",
    }
    text = started(write(tmp_path / "repo", {"train.ipynb": notebook("1"), **files}))
    assert "\n#code: [own.py]\n" in text
    assert "\n#  train: data/train.parquet  # The rows " in text
    assert text.splitlines()[3:5] == ["# Seen here: found train.ipynb.", "# Packages: uv.lock, else pyproject.toml."]


def test_own_code_is_told_what_kind_it_is(tmp_path: Path) -> None:
    text = started(write(tmp_path / "repo", {"prediction.py": "def predict(body): ..."}))
    assert "\n#task: generic\n" in text


def built_keys() -> set[tuple[str, ...]]:
    """Every key that this version builds, by its path."""
    paths = set()
    for key, meaning in meanings(Document).items():
        inner = section_of(key)
        if NOT_BUILT in meaning:
            continue
        within = meanings(inner).items() if inner else [("", meaning)]
        paths |= {(key, name) for name, text in within if NOT_BUILT not in text}
    return paths


def test_every_built_key_is_there_with_its_meaning_and_may_be_said(tmp_path: Path) -> None:
    root = write(tmp_path / "repo", {"train.ipynb": notebook("1")})
    text = started(root)
    write(root, {"modelcast.yaml": told_in(text)})
    document = read_config(root, {}).document
    content = yaml.safe_load(told_in(text))
    paths = {(key, name) for key, inner in content.items() for name in (inner if section_of(key) else [""])}
    assert paths == built_keys()
    assert ("limits", "rows") in paths
    assert document.python == "{}.{}".format(*sys.version_info)
    defaults = Document()
    assert (document.limits, document.task, document.build.timeout_s) == (defaults.limits, "auto", 1800)
    for key, name in paths:
        meaning = meanings(section_of(key) or Document)[name or key]
        assert meaning, f"document.py says nothing of {key}.{name}"
        assert f"# {meaning}" in text


def test_a_choice_between_models_is_left_to_the_user(tmp_path: Path) -> None:
    root = copy(SAMPLES / "two-artifacts-should-fail", tmp_path / "repo")
    told = Told()
    start(str(root), settings(tmp_path), told)
    assert told.said == [
        "init: found 2 models: model.joblib, model_old.joblib",
        "init: modelcast.yaml lists them: take the # away from the `model:` line that is right",
    ]
    text = (root / "modelcast.yaml").read_text(encoding="utf-8")
    assert (
        "# found 2 models: model.joblib, model_old.joblib. Take the # away from the line that is right, or correct it:\n"
        "#model: model.joblib\n#model: model_old.joblib\n"
    ) in text
    assert yaml.safe_load(text) == {"name": "repo"}
    with pytest.raises(BuildError):
        discover(root, read_config(root, {}))
    write(root, {"modelcast.yaml": told_in(text, "model: model_old")})
    assert discover(root, read_config(root, {})).artifact == root / "model_old.joblib"


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (["b.ipynb", "a.ipynb"], ["#notebooks: [a.ipynb, b.ipynb]", "#notebooks: [a.ipynb]", "#notebooks: [b.ipynb]"]),
        (["sub/a.ipynb"], ["#notebooks: [sub/a.ipynb]"]),
    ],
)
def test_a_choice_between_notebooks_is_left_to_the_user(tmp_path: Path, names: list[str], lines: list[str]) -> None:
    text = started(write(tmp_path / "repo", dict.fromkeys(names, notebook("1"))))
    assert [line for line in text.splitlines() if line.startswith("#notebooks")] == lines
    assert yaml.safe_load(text) == {"name": "repo"}


REFUSED: dict[str, tuple[dict[str, str | bytes], str]] = {
    "nothing to choose from": (
        {"README.md": ""},
        "discover: found no model and no notebook; the repository holds README.md. "
        'Add a notebook that ends with joblib.dump(model, "model.joblib"), or that file',
    ),
    "a file that is there": (
        {"modelcast.yaml": "name: x\n", "train.ipynb": ""},
        "init: ROOT/modelcast.yaml exists. Edit it, or remove it and run `modelcast init ROOT` again",
    ),
    "a file that nobody reads": (
        {"modelcast.yml": "name: x\n", "train.ipynb": ""},
        "config: modelcast.yml is not read. Rename it to modelcast.yaml",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_leaves_everything_as_it_was(tmp_path: Path, case: str) -> None:
    files, expected = REFUSED[case]
    root = write(tmp_path / "repo", files)
    before = contents(root)
    with pytest.raises(BuildError) as refused:
        start(str(root), settings(tmp_path), Reporter())
    assert str(refused.value) == expected.replace("ROOT", str(root))
    assert contents(root) == before


def test_a_link_to_nowhere_is_not_written_through(tmp_path: Path) -> None:
    root = write(tmp_path / "repo", {"train.ipynb": notebook("1")})
    (root / "modelcast.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BuildError, match=r"^init: .*/modelcast\.yaml exists\. "):
        start(str(root), settings(tmp_path), Reporter())
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("source", ["https://host/x.git", "git@host:x.git#main"])
def test_a_repository_elsewhere_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(BuildError) as refused:
        start(source, settings(tmp_path), Reporter())
    assert str(refused.value) == f"init: {source} is a git repository elsewhere. Clone it, and name the folder"


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    root = write(tmp_path / "repo", {"train.ipynb": notebook("1")})
    done = subprocess.run(
        [sys.executable, "-m", "modelcast_builder", "init", str(root)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: init: {root}/modelcast.yaml cannot be written: File too large. "
        "Make room and the folder writable, or copy the repository.\n"
    )
    assert [path.name for path in root.iterdir()] == ["train.ipynb"]

"""`prediction.py`: when it is own code that predicts, what travels with it, and how it is refused when it is imported."""

from collections.abc import Mapping
from pathlib import Path

import joblib
import pytest
from modelcast_builder import own_code
from modelcast_builder.errors import BuildError
from modelcast_builder.inside import own
from modelcast_builder.inside.messages import Data, Described, DescribeRequest, InputOverride, Refused
from modelcast_runtime.contract import Golden, Signature
from sklearn import __version__ as ours
from sklearn.linear_model import LogisticRegression

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def write(repo: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text, encoding="utf-8")
    return repo


@pytest.mark.parametrize(
    ("source", "does"),
    [
        ("def predict(body): return {}", True),
        ("async def predict(body): return {}", True),
        ("from service import predict", True),
        ("from service import answer as predict", True),
        ("from service import predict as answer", False),
        ("predict = lambda body: body", True),
        ("predict: object = print", True),
        (
            "try:\n    import fast\n    predict = fast.predict\nexcept ImportError:\n    def predict(body): return {}",
            True,
        ),
        ("if True:\n    pass\nelse:\n    def predict(body): return {}", True),
        ("def predict(body, k=5, *, deep=False, **more): return {}", True),
        ("def predict(*bodies): return {}", True),
        ("def predict(model, body): return {}", False),
        ("def predict(): return {}", False),
        ("def predict(body, *, model): return {}", False),
        ("class Model:\n    def predict(self, body): return {}", False),
        ("def other():\n    def predict(body): return {}", False),
        ("predict_all = 1", False),
        ("text = '\\d'\ndef predict(body): return {}", True),
        ("", False),
    ],
)
def test_own_code_predicts_where_its_top_level_binds_the_name(source: str, does: bool, tmp_path: Path) -> None:
    assert own_code.predicts(write(tmp_path, {"prediction.py": source})) == does


FILES = {
    "prediction.py": "import lib.text",
    "lib/text.py": "",
    "models/m.bin": "m",
    "data/train.csv": "a,b",
    "train.ipynb": "{}",
    ".env": "SECRET=1",
    ".s2i/environment": "APP_CONFIG=gunicorn_config.py",
    ".s2iignore": "raw",
    "raw/big.csv": "x",
    "__pycache__/lib.pyc": "",
}


def targets(repo: Path, code: tuple[str, ...] | None = None) -> list[str]:
    files = own_code.files(repo, code)
    assert all(file.source == repo / file.target for file in files)
    return [file.target.as_posix() for file in files]


def test_everything_travels_but_notebooks_hidden_and_ignored_files(tmp_path: Path) -> None:
    assert targets(write(tmp_path, FILES)) == ["data/train.csv", "lib/text.py", "models/m.bin", "prediction.py"]


def test_what_code_names_travels_at_its_place_and_the_module_always(tmp_path: Path) -> None:
    repo = write(tmp_path, {**FILES, "src/deep/words.txt": "w", "src/deep/words.py": ""})
    assert targets(repo, ("src/deep",)) == ["prediction.py", "src/deep/words.py", "src/deep/words.txt"]
    assert targets(repo, ()) == ["prediction.py"]


REFUSED = {
    "an LFS pointer": (
        {"prediction.py": "", "models/m.bin": POINTER},
        None,
        "travel: models/m.bin is a Git-LFS pointer, not the file itself. "
        "Run `git lfs pull` in the repository and build again",
    ),
    "what is not there": (
        {"prediction.py": "", "lib/text.py": ""},
        ("lib/texts.py",),
        "travel: `code: lib/texts.py` is not in the repository. Write `code: [lib/text.py]` in modelcast.yaml",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_travel_is_refused(case: str, tmp_path: Path) -> None:
    files, code, line = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        own_code.files(write(tmp_path, files), code)
    assert str(refused.value) == line


def test_a_link_out_of_the_repository_is_refused(tmp_path: Path) -> None:
    repo = write(tmp_path / "repo", {"prediction.py": ""})
    (repo / "data").symlink_to(tmp_path)
    with pytest.raises(BuildError) as refused:
        own_code.files(repo, None)
    assert str(refused.value) == ("travel: data is a link that leads out of the repository. Put the file itself there")


def test_the_versions_on_which_the_trained_files_agree_are_recorded(tmp_path: Path) -> None:
    repo = write(tmp_path, {"prediction.py": "x = 1", "broken.pkl": "no pickle"})
    assert own_code.scan(repo / "prediction.py").versions == {}
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    joblib.dump(model, repo / "a.joblib")
    joblib.dump(model, repo / "b.joblib")
    artifact = own_code.scan(repo / "prediction.py")
    assert (artifact.kind, artifact.size, artifact.versions) == ("python", 5, {"scikit-learn": ours})
    another = ours[:-1] + ("1" if ours[-1] == "0" else "0")
    (repo / "b.joblib").write_bytes((repo / "b.joblib").read_bytes().replace(ours.encode(), another.encode()))
    assert own_code.scan(repo / "prediction.py").versions == {}


def asked(repo: Path, **said: object) -> DescribeRequest:
    request = {
        "artifact": str(repo / "prediction.py"),
        "framework": "python",
        "code": str(repo),
        "definitions": {},
        "by_value": False,
        "recorded": None,
        "data": Data(),
        "inputs": {},
        "sealed": str(repo / "prediction.py"),
    }
    return DescribeRequest(**{**request, **said})


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of own code; the working directory comes back after the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "code"


def test_own_code_is_described_with_its_folder_as_working_directory(
    code: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
import json
from pathlib import Path
from words import shout
here = Path("a/table.json").read_text()
there = Path(__file__).with_name("a").joinpath("table.json").read_text()
assert json.loads(here) == json.loads(there) == {"a": 1}
print(shout("ready"))
def predict(body, verbose=False):
    return {}
"""
    write(code, {"prediction.py": source, "words.py": "shout = str.upper", "a/table.json": '{"a": 1}'})
    assert own.describe(asked(code)) == Described(
        task="generic",
        signature=Signature(layout="object", inputs=(), outputs=()),
        golden=Golden(rows=(), predictions=()),
        source="predict() of prediction.py, one of 3 files, 0.0 MiB in all",
    )
    assert Path.cwd() == code
    assert capsys.readouterr() == ("", "READY\n"), "stdout is for the result of a command"
    assert sorted(path.name for path in code.rglob("*")) == ["a", "prediction.py", "table.json", "words.py"]


DEF = "\ndef predict(body): return {}\n"
FAILING = {
    "a module that is missing": (
        {"prediction.py": "import words" + DEF, "words.py": "import gradientlib.deep"},
        "load: words.py:1 needs the module 'gradientlib', which neither the repository nor the model's environment has. "
        "Add gradientlib.py to the repository, or the distribution that brings it to requirements.txt",
    ),
    "a library that is missing": (
        {"prediction.py": "import catboost.utils" + DEF},
        "load: prediction.py:1 needs the module 'catboost', which neither the repository nor the model's environment has. "
        "Add catboost to requirements.txt, at the version that made the model",
    ),
    "a file that is missing": (
        {"prediction.py": 'rows = [\n    open("models/m.bin"),\n]' + DEF},
        "load: prediction.py:2 opens models/m.bin, which does not travel with the service. "
        "Commit that file; notebooks, hidden files and what .s2iignore or `code:` leave out do not travel",
    ),
    "a file beside it that is missing": (
        {"prediction.py": 'import pathlib\npathlib.Path(__file__).with_name("m.bin").read_bytes()' + DEF},
        "load: prediction.py:2 opens m.bin, which does not travel with the service. "
        "Commit that file; notebooks, hidden files and what .s2iignore or `code:` leave out do not travel",
    ),
    "a file of another machine": (
        {"prediction.py": 'open("/opt/nowhere/m.bin")' + DEF},
        "load: prediction.py:1 opens /opt/nowhere/m.bin, which does not travel with the service. "
        "Write the path from the repository's root, which is the service's working directory",
    ),
    "an error of its own": (
        {"prediction.py": "from lib import scale" + DEF, "lib/__init__.py": "", "lib/scale.py": "\nk = int('seven')"},
        "load: lib/scale.py:2: ValueError: invalid literal for int() with base 10: 'seven'. "
        "Correct it: each start of the service imports it in the same way",
    ),
    "a file that it says is missing": (
        {"prediction.py": "raise FileNotFoundError('no model')" + DEF},
        "load: prediction.py:1: FileNotFoundError: no model. "
        "Correct it: each start of the service imports it in the same way",
    ),
    "a module that is no Python": (
        {"prediction.py": "import words" + DEF, "words.py": "x = 1\ny = ("},
        "load: words.py:2: SyntaxError: '(' was never closed (words.py, line 2). "
        "Correct it: each start of the service imports it in the same way",
    ),
    "a model of another scikit-learn": (
        {"prediction.py": 'import warnings\nclass InconsistentVersionWarning(UserWarning): pass\n'
         'warnings.warn("Trying to unpickle estimator A from version 1.3.0", InconsistentVersionWarning)' + DEF},
        "load: prediction.py:3: InconsistentVersionWarning: Trying to unpickle estimator A from version 1.3.0. "
        "Pin the version that made the model in requirements.txt: scikit-learn==VERSION",
    ),
    "a name that is no function": (
        {"prediction.py": "predict = {}"},
        "load: predict in prediction.py is a dict, which cannot be called. "
        "Write `def predict(body):`, which takes a dict and gives one",
    ),
    "a function of two arguments": (
        {"prediction.py": "from lib import predict", "lib.py": "def predict(model, body): return {}"},
        "load: predict(model, body) in prediction.py cannot be called with one argument. "
        "Write `def predict(body):`, which takes a dict and gives one",
    ),
    "one that writes beside itself": (
        {"prediction.py": 'import pathlib\npathlib.Path("cache.json").write_text("{}")' + DEF},
        "load: prediction.py changed cache.json beside itself while it was imported, and what is sealed never changes. "
        "Commit that file, or write it below tempfile.gettempdir()",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_own_code_that_cannot_be_served_is_refused_with_the_place_and_the_line_to_write(case: str, code: Path) -> None:
    files, line = FAILING[case]
    with pytest.raises(Refused) as refused:
        own.describe(asked(write(code, files)))
    said = refused.value.refusal
    assert f"{said.step}: {said.problem}. {said.fix}" == line


def test_a_function_that_does_not_tell_its_arguments_is_taken(code: Path) -> None:
    write(code, {"prediction.py": "predict = dict"})
    assert own.describe(asked(code)).task == "generic"


def test_inputs_that_describe_nothing_are_refused_before_anything_is_imported(code: Path) -> None:
    write(code, {"prediction.py": "raise SystemExit"})
    before = Path.cwd()
    with pytest.raises(Refused) as refused:
        own.describe(asked(code, inputs={"age": InputOverride(dtype="float64")}))
    said = refused.value.refusal
    assert f"{said.step}: {said.problem}. {said.fix}" == (
        "describe: `inputs:` in modelcast.yaml corrects what a model takes, and prediction.py takes any JSON object. "
        "Remove `inputs:`, or name the trained model to serve without it: `model: model.joblib`"
    )
    assert Path.cwd() == before

"""A build is whole or leaves nothing, wherever it ends; and it never writes to the source."""

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from modelcast_builder import pipeline
from modelcast_builder.config import BuildSettings
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.report import Reporter
from modelcast_runtime.bundle import Bundle, open_bundle

HERE = Path(__file__).parent / "describing"
STEPS = ["discover", "environment", "train", "describe", "gates", "compile", "seal", "smoke"]
BY_VALUE = b"\x80\x04ccloudpickle.cloudpickle\n_make_function\n)R."
IN_MAIN = b"\x80\x04c__main__\nClip\n)\x81."

Repository = Callable[..., Path]
Build = Callable[..., Bundle]


@pytest.fixture
def repository(tmp_path: Path, made_models: Path) -> Repository:
    """A repository with one of the made models, its module, and these files."""

    def make(model: str | None = None, **files: str | bytes) -> Path:
        repo = tmp_path / "My Repo"
        repo.mkdir()
        if model is not None:
            shutil.copy(made_models / model / "model.joblib", repo)
            shutil.copy(HERE / "own.py", repo)
        for name, content in files.items():
            path = repo / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return repo

    return make


@pytest.fixture
def build(tmp_path: Path, warm_environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A build into `out/bundle`; temporary folders go to `tmp`, the environment is the warm one after its own checks."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    real = pipeline.environment.read_requirements

    def prepare(root: Path, *_: object) -> Environment:
        real(root)
        return warm_environment

    monkeypatch.setattr(pipeline.environment, "prepare", prepare)

    def run(repo: Path, reporter: Reporter | None = None, **variables: str) -> Bundle:
        settings = BuildSettings(variables=variables, cache=tmp_path / "cache")
        return pipeline.build(str(repo), tmp_path / "out" / "bundle", settings, reporter or Reporter())

    return run


def state(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything in a folder: modes, times, contents."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        facts = path.stat()
        found[str(path)] = (facts.st_mode, facts.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
    return found


def left(tmp_path: Path) -> list[str]:
    """What a build left beside its target and among the temporary folders."""
    folders = [tmp_path / "out", tmp_path / "tmp"]
    return sorted(path.name for folder in folders if folder.exists() for path in folder.iterdir())


def test_a_build_is_a_bundle_and_nothing_else(build: Build, repository: Repository, tmp_path: Path) -> None:
    repo = repository(
        "own_class_with_a_frame",
        modelcast_dot_yaml="trusted: ['own:*']\ncode: ['own.py', 'räume/my module.py']\ninputs: {a: {dtype: float64}, b: {dtype: float64}}",
        **{"räume__my module_dot_py": "x = 1\n"},
    )
    before = state(repo)
    reporter = Reporter()
    bundle = build(repo, reporter)
    assert state(repo) == before
    assert left(tmp_path) == ["bundle"]
    assert bundle.manifest.name == "my-repo"
    sealed = [record.path for record in bundle.manifest.files]
    assert sealed == [
        *("baseline.json", "code/own.py", "code/räume/my module.py"),
        *("environment.lock", "golden.json", "model-card.html", "model.joblib", "sbom.cdx.json"),
    ]
    assert [step.name for step in reporter.steps] == STEPS
    provenance = bundle.provenance()
    assert provenance is not None
    assert (provenance.source, [step.name for step in provenance.steps]) == ("", STEPS[:6])
    again = build(repo)
    assert (again.digest, again.manifest) == (bundle.digest, bundle.manifest)
    assert left(tmp_path) == ["bundle"]


ROWS = {"records": [{"size": "S", "count": 1}, {"size": "L", "count": 9}]}
HELD = [{"request": ROWS, "response": {"model": {"name": "my-repo"}}}, {"request": ROWS, "response": {}}]
WRONG = [*HELD, {"request": ROWS, "response": {"probabilities": [{}, {"0": 2}]}}]
EXAMPLES = "limits: {rows: 2}\ntask: classifier\nexamples: asked/them.json"


def test_examples_are_asked_of_the_sealed_bundle(build: Build, repository: Repository) -> None:
    repo = repository("grid_search", modelcast_dot_yaml=EXAMPLES, asked__them_dot_json=json.dumps(HELD))
    said: list[str] = []
    reporter = Reporter()
    reporter.say = lambda step, sentence: said.append(f"{step}: {sentence}")  # type: ignore[method-assign]
    bundle = build(repo, reporter)
    assert bundle.manifest.service.limits.rows == 2
    assert said[-1].endswith(" golden rows reproduced, 2 examples of them.json held")


def test_an_example_that_does_not_hold_fails_the_build_with_its_place(
    build: Build, repository: Repository, tmp_path: Path
) -> None:
    repo = repository("grid_search", modelcast_dot_yaml=EXAMPLES, asked__them_dot_json=json.dumps(WRONG))
    with pytest.raises(BuildError) as refused:
        build(repo)
    share = re.fullmatch(
        r"smoke: them\.json, example 2: \$\.probabilities\[1\]\['0'\]: expected 2, got (0\.[0-9]+)\. "
        "Correct that example, or train a model that answers it",
        str(refused.value),
    )
    assert share, str(refused.value)
    assert left(tmp_path) == []


EARLY = {
    "examples that are not there": ("examples: none.json", "config"),
    "another Python": ("python: '2.7'", "config"),
    "another ending": (None, "config"),
}


@pytest.mark.parametrize("case", EARLY)
def test_what_is_known_at_once_is_refused_before_the_work(build: Build, repository: Repository, case: str) -> None:
    text, step = EARLY[case]
    files = {"modelcast_dot_yml": ""} if text is None else {"modelcast_dot_yaml": text}
    reporter = Reporter()
    with pytest.raises(BuildError) as refused:
        build(repository("grid_search", **files), reporter)
    assert (refused.value.step, [done.name for done in reporter.steps]) == (step, ["discover"])


def test_groups_that_the_data_does_not_have(build: Build, repository: Repository) -> None:
    repo = repository(
        "grid_search",
        modelcast_dot_yaml="data: {groups: [size, counts]}",
        data__holdout_dot_csv="size,count\nsmall,1\n",
    )
    with pytest.raises(BuildError) as refused:
        build(repo)
    assert str(refused.value) == (
        "describe: data.groups in modelcast.yaml names 'counts', which is no column of holdout.csv. Did you mean `count`"
    )


HOLDOUT = "size,count,site,kind\nS,1,n,0\nL,9,n,1\nM,5,s,0\nL,8,s,1\n"
MEASURED = "data: {holdout: data/holdout.csv, target: kind, groups: [site]}\ngates: {metrics: {accuracy: '>= %s'}}"
NO_ROWS = (
    "gates: `gates:` in modelcast.yaml asks for metrics, and there are no rows that the model was not fitted on. "
    "Write `data: {holdout: FILE, target: NAME}` in modelcast.yaml"
)
NO_METRICS = (
    "gates: `gates:` in modelcast.yaml asks for metrics, and prediction.py answers any JSON object: none is told. "
    "Remove them, and write what it must answer: `examples: examples.json`"
)


def test_the_model_is_measured_on_the_holdout_and_held_to_its_gates(
    build: Build, repository: Repository, tmp_path: Path
) -> None:
    repo = repository("grid_search", modelcast_dot_yaml=MEASURED % "0.0", data__holdout_dot_csv=HOLDOUT)
    bundle = build(repo)
    evaluation, (gate,) = bundle.manifest.evaluation, bundle.manifest.gates
    assert evaluation is not None
    assert (evaluation.data, evaluation.rows, [part.group for part in evaluation.slices]) == (
        "data/holdout.csv", 4, ["n", "s"],
    )  # fmt: skip
    assert (gate.name, gate.got, gate.passed) == ("metrics.accuracy", evaluation.metrics["accuracy"], True)
    again = build(repo)
    assert again.digest == bundle.digest
    wrong = HOLDOUT.replace(",0\n", ",2\n").replace(",1\n", ",0\n").replace(",2\n", ",1\n")
    (repo / "data" / "holdout.csv").write_text(wrong, encoding="utf-8")
    (repo / "modelcast.yaml").write_text(MEASURED % "1.0", encoding="utf-8")
    with pytest.raises(
        BuildError, match=r"^gates: accuracy is 0\S*, expected >= 1.0 \(1 of 1 gate failed\)\. Train a "
    ):
        build(repo)
    assert open_bundle(tmp_path / "out" / "bundle").digest == bundle.digest


def test_gates_that_no_rows_can_tell_are_refused(build: Build, repository: Repository) -> None:
    asked = "gates: {metrics: {accuracy: '>= 0.9'}}"
    repo = repository("grid_search", modelcast_dot_yaml=asked)
    with pytest.raises(BuildError) as refused:
        build(repo)
    assert str(refused.value) == NO_ROWS
    for name in ("model.joblib", "own.py"):
        (repo / name).unlink()
    (repo / "prediction.py").write_text("predict = dict\n", encoding="utf-8")
    with pytest.raises(BuildError) as refused:
        build(repo)
    assert str(refused.value) == NO_METRICS


def test_a_holdout_that_nobody_named_may_be_meant_for_something_else(build: Build, repository: Repository) -> None:
    repo = repository("grid_search", data__holdout_dot_csv="size,count\nS,1\n")
    reporter = Reporter()
    bundle = build(repo, reporter)
    assert (bundle.manifest.evaluation, bundle.manifest.gates) == (None, ())
    assert reporter.notes == [
        "gates: the model was not evaluated: data/holdout.csv has no column beside the model's inputs, "
        "and one column has to be the right answers"
    ]
    (repo / "modelcast.yaml").write_text("data: {holdout: data/holdout.csv}", encoding="utf-8")
    with pytest.raises(BuildError, match="^gates: data/holdout.csv has no column beside the model's inputs, and one "):
        build(repo)


OWN = "trusted: ['own:*']\ninputs: {a: {dtype: float64}}"
FAILURES: dict[str, tuple[str, str | None, dict[str, str | bytes]]] = {
    "nothing there": ("discover", None, {}),
    "a bad configuration": ("config", "grid_search", {"modelcast_dot_yaml": "nam: x"}),
    "a bad name": ("config", "grid_search", {"modelcast_dot_yaml": "name: My_Model"}),
    "code by value": ("audit", None, {"model_dot_pkl": BY_VALUE}),
    "a notebook's class": ("audit", None, {"model_dot_pkl": IN_MAIN}),
    "an own class that nobody trusts": ("audit", "nothing_known", {}),
    "no pickle": ("artifact", None, {"model_dot_pkl": b"nonsense"}),
    "bad requirements": ("environment", "grid_search", {"requirements_dot_txt": "numpy ==== what\n"}),
    "a dict": ("load", "a_dict", {}),
    "no inputs": ("describe", "nothing_known", {"modelcast_dot_yaml": "trusted: ['own:*']"}),
    "a crash": ("describe", "predict_is_killed", {"modelcast_dot_yaml": OWN}),
    "data that is not there": ("describe", "grid_search", {"modelcast_dot_yaml": "data: {train: data/train.csv}"}),
    "data outside": ("describe", "grid_search", {"modelcast_dot_yaml": "data: {train: ../x.csv}"}),
    "answers that differ": ("smoke", "predict_draws", {"modelcast_dot_yaml": OWN}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_build_leaves_nothing(build: Build, repository: Repository, tmp_path: Path, case: str) -> None:
    step, model, files = FAILURES[case]
    repo = repository(model, **files)
    before = state(repo)
    with pytest.raises(BuildError) as refused:
        build(repo)
    assert refused.value.step == step
    assert left(tmp_path) == []
    assert state(repo) == before


class Stops(Reporter):
    """Stands for the user: presses Ctrl-C when a step begins."""

    def __init__(self, at: str) -> None:
        """The name of the step."""
        super().__init__()
        self.at = at

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """End the step before its work."""
        if name == self.at:
            raise KeyboardInterrupt
        with super().step(name):
            yield


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("before", [True, False], ids=["over a bundle", "afresh"])
def test_a_build_stopped_anywhere_leaves_what_was_there(
    build: Build, repository: Repository, tmp_path: Path, step: str, before: bool
) -> None:
    repo = repository("text_from_nothing")
    out = tmp_path / "out" / "bundle"
    if before:
        out.mkdir(parents=True)
        (out / "manifest.json").write_bytes(b'{"bundle_version": 0}')
    with pytest.raises(KeyboardInterrupt):
        build(repo, Stops(step))
    assert left(tmp_path) == (["bundle"] if before else [])
    assert not before or (out / "manifest.json").read_bytes() == b'{"bundle_version": 0}'


def test_a_target_that_is_no_bundle_is_refused_before_the_work(
    build: Build, repository: Repository, tmp_path: Path
) -> None:
    mine = tmp_path / "out" / "bundle" / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"")
    reporter = Reporter()
    with pytest.raises(BuildError) as refused:
        build(repository("grid_search"), reporter)
    assert str(refused.value) == (
        f"seal: {mine.parent} exists and is no bundle. Name another folder with --out, or remove it"
    )
    assert (reporter.steps, mine.exists()) == ([], True)


def test_a_name_that_is_no_label_is_refused_before_the_work(build: Build, repository: Repository) -> None:
    reporter = Reporter()
    with pytest.raises(BuildError, match="^config: the name 'No Label' is no DNS label"):
        build(repository("grid_search"), reporter, MODELCAST_NAME="No Label")
    assert [step.name for step in reporter.steps] == ["discover"]


OWN_CODE = """
import json
with open("words/table.json") as file:
    words = json.load(file)


def predict(body):
    return {"word": words[body["key"]]}
"""
ASKED = [{"request": {"key": "a"}, "response": {"word": "apple"}}]


def test_own_code_is_sealed_with_what_it_loads_and_held_to_its_examples(
    build: Build, repository: Repository, tmp_path: Path
) -> None:
    repo = repository(
        prediction_dot_py=OWN_CODE,
        words__table_dot_json='{"a": "apple"}',
        explore_dot_ipynb="{}",
        modelcast_dot_yaml="examples: asked.json\ntask: generic\ncode: [words]",
        asked_dot_json=json.dumps(ASKED),
    )
    said: list[str] = []
    reporter = Reporter()
    reporter.say = lambda step, sentence: said.append(f"{step}: {sentence}")  # type: ignore[method-assign]
    bundle = build(repo, reporter)
    manifest = bundle.manifest
    assert (manifest.format, manifest.task, manifest.model) == ("python", "generic", "code/prediction.py")
    assert [record.path for record in manifest.files] == [
        "code/prediction.py", "code/words/table.json", "environment.lock", "golden.json", "model-card.html",
        "sbom.cdx.json",
    ]  # fmt: skip
    assert said == [
        "discover: found prediction.py with predict(); explore.ipynb is documentation",
        "describe: generic: any JSON object goes to predict() of prediction.py, one of 2 files, 0.0 MiB in all",
        "compile: native: own code is served as it stands",
        f"smoke: my-repo {manifest.version}: predict() can be called, 1 example of asked.json held",
    ]
    again = build(repo)
    assert (again.digest, again.manifest) == (bundle.digest, manifest)
    assert left(tmp_path) == ["bundle"]


VARIABLES = {
    "SHOWN": "1",
    "HIDDEN": "2",
    "S2I_ANY": "3",
    "GIT_TOKEN": "4",
    "PYTHONPATH": "/5",
    "MODELCAST_LIMITS_ROWS": "6",
}
TOLD = """
import os
seen = [name for name in {names} if name in os.environ]
with open({told!r}, "a") as file:
    file.write(f"{{seen}} ")


def predict(body):
    return {{"seen": seen}}
"""
HANDED = {
    "what `build.env` names": ("build: {env: [SHOWN]}", "['SHOWN', 'S2I_ANY']", "['SHOWN', 'S2I_ANY']"),
    "all but credentials, and of the service's settings none": (
        "", "['SHOWN', 'HIDDEN', 'S2I_ANY', 'MODELCAST_LIMITS_ROWS']", "['SHOWN', 'HIDDEN', 'S2I_ANY']",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HANDED)
def test_own_code_has_the_variables_of_the_notebooks(
    build: Build, repository: Repository, tmp_path: Path, case: str
) -> None:
    line, described, served = HANDED[case]
    told = tmp_path / "told.txt"
    code = TOLD.format(names=tuple(VARIABLES), told=str(told))
    build(repository(prediction_dot_py=code, modelcast_dot_yaml=line), **VARIABLES)
    assert told.read_text() == f"{described} {served} "


OWN_FAILURES = {
    "it leaves when it is imported": (
        "import sys\nsys.exit('no')\ndef predict(body): return {}",
        "describe: loading or scoring prediction.py ended the process: sys.exit('no'). "
        "Raise an error instead, in the module of the repository that calls it",
    ),
    "an example that it refuses": (
        "def predict(body): return body['word']",
        "smoke: asked.json, example 0: POST /predict answered 400: $: expected an object that predict() can answer, got "
        "one on which it raises KeyError for the key word. Whoever wrote predict() knows what it takes. "
        "Correct that example, or train a model that answers it",
    ),
    "an example that it answers otherwise": (
        "def predict(body): return {'word': 'pear'}",
        'smoke: asked.json, example 0: $.word: expected "apple", got "pear". '
        "Correct that example, or train a model that answers it",
    ),
    "it writes beside itself when it is asked": (
        "def predict(body):\n    with open('left.txt', 'w') as file:\n        file.write('x')\n    return {'word': 'apple'}",
        "smoke: answering changed the bundle: code/left.txt is in the bundle but not in its manifest. "
        "Let predict() write below tempfile.gettempdir(): what is sealed never changes",
    ),
}


@pytest.mark.parametrize("case", OWN_FAILURES)
def test_own_code_that_fails_is_refused_and_leaves_nothing(
    build: Build, repository: Repository, tmp_path: Path, case: str
) -> None:
    source, line = OWN_FAILURES[case]
    repo = repository(
        prediction_dot_py=source, modelcast_dot_yaml="examples: asked.json", asked_dot_json=json.dumps(ASKED)
    )
    before = state(repo)
    with pytest.raises(BuildError) as refused:
        build(repo)
    assert str(refused.value) == line
    assert left(tmp_path) == []
    assert state(repo) == before

"""What the tests ask to be built, each once a session and two at a time: what is needed later is built meanwhile."""

import fcntl
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from modelcast_builder.environment import base_python

from tests.acceptance import kinds, repositories, watched
from tests.acceptance.commands import ROOT, SAMPLES, STARTED, Built, Modelcast
from tests.acceptance.files import Entry, contents, copy, write
from tests.acceptance.hands import Hands


@dataclass(frozen=True, kw_only=True)
class Case:
    """A repository, its bundle, and for an artifact made by hand what its maker answered."""

    source: Path
    built: Built
    made: Mapping[str, object] = field(default_factory=dict)
    before: Mapping[str, Entry] = field(default_factory=dict)
    """What the folder held before anything was done with it."""


class Workshop:
    """Builds by name, in the background.

    In processes of their own: a test that sets a variable, the temporary folder or a function of the library sets
    them in its own process, where a build that another test waits for must not find them.
    """

    def __init__(self, modelcast: Modelcast, folder: Path, hands: Hands) -> None:
        """Nothing is built before it is begun."""
        self.modelcast, self.hands = modelcast, hands
        self._pool = ProcessPoolExecutor(
            2, multiprocessing.get_context("spawn"), initializer=_set_up, initargs=(modelcast, folder, STARTED)
        )
        self._begun: dict[str, Future[Case]] = {}

    def begin(self, name: str) -> Future[Case]:
        """Start a recipe, once."""
        if name not in self._begun:
            self._begun[name] = self._pool.submit(_make, name)
        return self._begun[name]

    def close(self) -> None:
        """Leave out what was not begun yet, and wait for the rest."""
        self._pool.shutdown(cancel_futures=True)


class Bench:
    """Where a recipe is followed."""

    def __init__(self, modelcast: Modelcast, folder: Path) -> None:
        self.modelcast, self.folder, self.hands = modelcast, folder, Hands()

    def repository(self) -> Path:
        """A git repository with an origin: the search on main, its best estimator on another branch."""
        root = self.folder / "git" / "working copy"
        with (self.folder / "git.lock").open("w") as lock:  # the other bench may need it too
            fcntl.flock(lock, fcntl.LOCK_EX)
            return root if root.exists() else committed(root)

    def build(self, name: str, source: Path) -> Case:
        """Build a folder; the build must not touch it."""
        before = contents(source)
        built = self.modelcast.build(source, self.folder / "bundles" / name)
        assert contents(source) == before
        return Case(source=source, built=built)


_BENCHES: list[Bench] = []
"""The one of this process."""


def _set_up(modelcast: Modelcast, folder: Path, started: Mapping[str, str]) -> None:
    """A process may be started in the middle of a test: it has its variables and its working directory."""
    for variables in (os.environ, STARTED):
        variables.clear()
        variables.update(started)
    os.chdir(ROOT)
    _BENCHES.append(Bench(modelcast, folder))


def _make(name: str) -> Case:
    try:
        return RECIPES[name](_BENCHES[0], name)
    except Exception:
        raise AssertionError(traceback.format_exc()) from None  # not every error can be sent to another process


Recipe = Callable[[Bench, str], Case]


def written(files: Mapping[str, str | bytes], called: str = "") -> Recipe:
    """A repository of these files."""
    return lambda shop, name: shop.build(name, write(shop.folder / "unseen" / name / (called or name), files))


def old_artifact(shop: Bench, name: str) -> Case:
    """A folder with a forest that scikit-learn 1.4.2 made, and nothing that says so."""
    python = shop.modelcast.python_with("scikit-learn==1.4.2")
    source = write(shop.folder / "unseen" / name, {"README.md": "a forest"})
    made = shop.hands.ask(python, source, repositories.OLD_ARTIFACT, "probabilities")
    case = shop.build(name, source)
    return Case(source=source, built=case.built, made=made)


def watched_model(shop: Bench, name: str) -> Case:
    """A repository of what is watched, made when it is asked for: its table has thousands of rows."""
    return shop.build(name, write(shop.folder / "unseen" / name, watched.MODELS[name]()))


def own_code(shop: Bench, name: str) -> Case:
    """prediction.py with what it loads, of which one file is a trained line."""
    source = write(shop.folder / "unseen" / name, repositories.OWN_CODE)
    (source / "models").mkdir()
    shutil.copy(SAMPLES / "two-artifacts-should-fail" / "model.joblib", source / "models" / "line.joblib")
    return shop.build(name, source)


def lightgbm(shop: Bench, name: str) -> Case:
    """A folder with a bare LightGBM classifier and the requirement that it needs."""
    pins = ("lightgbm==4.7.0",)
    python = shop.modelcast.python_with(*pins)
    source = write(shop.folder / "unseen" / name, {"requirements.txt": "\n".join(pins)})
    made = shop.hands.ask(python, source, repositories.LIGHTGBM, "probabilities")
    case = shop.build(name, source)
    return Case(source=source, built=case.built, made=made)


def logged(shop: Bench, name: str) -> Case:
    """A repository with a folder that MLflow wrote; `logged_old` by 2.9.2, `logged_new` by 3.17.2."""
    root = Path(__file__).with_name("logged")
    age = name.removeprefix("logged_")
    source = shop.folder / "unseen" / name
    copy(root / age, source / "model")
    write(source, {"modelcast.yaml": 'trusted: ["measures.cap:capped"]\n'})
    case = shop.build(name, source)
    return Case(source=source, built=case.built, made=json.loads((root / f"{age}.json").read_bytes()))


def served_sample(shop: Bench, name: str) -> Case:
    """A sample as `modelcast serve` builds it, from the folder itself."""
    source = SAMPLES / name
    before = contents(source)
    with shop.modelcast.serving(source, workers=1, OMP_NUM_THREADS="1") as service:
        (bundle,) = shop.modelcast.kept(name)
        told = {"name": service.name, "version": service.version}
    return Case(source=source, built=Built(root=bundle, told=told, log=""), before=before)


def sample_given(sample: str, **variables: str) -> Recipe:
    """A sample built with these variables in the build's environment."""

    def built(shop: Bench, name: str) -> Case:
        source, out = SAMPLES / sample, shop.folder / "bundles" / name
        return Case(source=source, built=shop.modelcast.build(source, out, **variables))

    return built


def copied_sample(shop: Bench, name: str) -> Case:
    """breast-cancer in a folder of another path."""
    return shop.build(name, copy(SAMPLES / "breast-cancer", shop.folder / name / "breast-cancer"))


def changed_sample(shop: Bench, name: str) -> Case:
    """breast-cancer with one digit of its data changed."""
    source = copy(SAMPLES / "breast-cancer", shop.folder / name / "breast-cancer")
    data = source / "data" / "holdout.csv"
    text = data.read_text(encoding="utf-8")
    assert text.count("13.68,") >= 1
    data.write_text(text.replace("13.68,", "13.69,", 1), encoding="utf-8")
    return shop.build(name, source)


def committed(root: Path) -> Path:
    """Two branches, and an origin that nobody may see the password of."""
    write(root, repositories.searched("search"))
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "search")
    git(root, "checkout", "--quiet", "-b", "best")
    write(root, repositories.searched("search.best_estimator_"))
    git(root, "commit", "--quiet", "--all", "--message", "best")
    git(root, "checkout", "--quiet", "main")
    git(root, "remote", "add", "origin", "https://user:secret@git.example.org/team/Side_Model.git")
    return root


def git(root: Path, *arguments: str) -> None:
    """git, as somebody."""
    somebody = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", root, *somebody, *arguments], check=True, capture_output=True, env=STARTED)


def git_copy(shop: Bench, name: str) -> Case:
    """What S2I has of the repository: the files, without .git, in a folder of another name and at another time."""
    source = copy(shop.repository(), shop.folder / name / "side-model", ".git")
    return shop.build(name, source)


def git_branch(shop: Bench, name: str) -> Case:
    """A branch by its URL."""
    root = shop.repository()
    built = shop.modelcast.build(f"{root.as_uri()}#best", shop.folder / "bundles" / name)
    return Case(source=root, built=built)


def installed(shop: Bench, name: str) -> Case:
    """breast-cancer, built by a modelcast that pip installed from copies of the two distributions."""
    for part in ("runtime", "builder"):
        copy(ROOT / part, shop.folder / name / part, "__pycache__", "*.egg-info", "build", ".*")
    venv, uv = shop.folder / name / "venv", Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--no-project", "--python", base_python(), venv], check=True, env=STARTED)
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", venv / "bin" / "python", "--no-config",
         "--constraints", ROOT / "requirements" / "builder.txt", "./runtime", "./builder"],
        check=True, cwd=shop.folder / name, env=STARTED,
    )  # fmt: skip
    theirs = Modelcast(cache=shop.modelcast.cache, command=venv / "bin" / "modelcast")
    source = copy(SAMPLES / "breast-cancer", shop.folder / name / "breast-cancer")
    return Case(source=source, built=theirs.build(source, shop.folder / "bundles" / name))


def git_main(shop: Bench, name: str) -> Case:
    """The working copy."""
    return shop.build(name, shop.repository())


RECIPES: dict[str, Recipe] = {
    "breast-cancer": served_sample,
    "penguins": served_sample,
    "object-counter": served_sample,
    "own_code": own_code,
    "sibling_module": written(repositories.SIBLING_MODULE, "Sibling module"),
    "boosting": written(repositories.HIST_GRADIENT_BOOSTING),
    "configured": written(repositories.CONFIGURED),
    "clusters": written(repositories.K_MEANS),
    "own_definitions": written(repositories.OWN_DEFINITIONS),
    "old_pin": written(repositories.OLD_PIN),
    "text": written(repositories.TEXT_WITH_PACKAGE),
    "regression": written(repositories.REGRESSION, "café modèle"),
    "mixed": written(kinds.MIXED),
    "no_numbers": written(kinds.NO_NUMBERS),
    "several_numbers": written(kinds.SEVERAL_NUMBERS),
    "several_labels": written(kinds.SEVERAL_LABELS),
    "old_artifact": old_artifact,
    "xgboost": written(repositories.XGBOOST),
    "lightgbm": lightgbm,
    "logged_old": logged,
    "logged_new": logged,
    "copied_sample": copied_sample,
    "changed_sample": changed_sample,
    "spam": served_sample,
    "spam_in_few_buckets": sample_given("spam", TFIDF_BUCKETS='"64"'),
    "customers": sample_given("customers"),
    "diabetes": sample_given("diabetes"),
    "customers_of_seven_kinds": sample_given("customers", MODELCAST_PARAMETERS="""'{"k": 7}'"""),
    "customers_of_seven_kinds_again": sample_given("customers", MODELCAST_PARAMETERS='"{\\"k\\": 7}"'),
    "own_stages": written(repositories.STAGES_OF_OWN_CLASSES),
    "stages_by_value": written(repositories.STAGES_BY_VALUE),
    "git_main": git_main,
    "git_copy": git_copy,
    "git_branch": git_branch,
    "installed": installed,
    **dict.fromkeys(watched.MODELS, watched_model),
}

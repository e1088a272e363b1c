"""Stages that notebooks saved become one Pipeline: names, what is refused, and whose rows tell the signature."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
from modelcast_builder import child, training
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.inside import examples
from modelcast_builder.inside.messages import AssembleRequest, StageFile
from modelcast_builder.notebooks import stages
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler


def test_a_stage_is_called_as_its_notebook() -> None:
    names = [
        "01 features.ipynb",
        "my__model.ipynb",
        "deep/my__model.ipynb",
        "steps.ipynb",
        "my_model.ipynb",
        "räume.ipynb",
    ]
    planned = stages.planned(Path("/repo"), [Path(name) for name in names])
    assert [(stage.name, str(stage.path)) for stage in planned] == [
        ("01 features", "/repo/01 features.sav"),
        ("my_model", "/repo/my__model.sav"),
        ("my_model-2", "/repo/my__model-2.sav"),
        ("steps-2", "/repo/steps.sav"),
        ("my_model-3", "/repo/my_model.sav"),
        ("räume", "/repo/räume.sav"),
    ]


Assemble = Callable[..., Any]


@pytest.fixture
def assemble(warm_environment: Environment, tmp_path: Path) -> Assemble:
    """Save these objects, or bytes, as the stages a, b, ... and give back what they became."""

    def run(*saved: object) -> Any:
        files = []
        for name, stage in zip("abc", saved, strict=False):
            path = tmp_path / f"{name}.sav"
            path.write_bytes(stage if isinstance(stage, bytes) else pickle.dumps(stage))
            files.append(StageFile(name=name, path=str(path), notebook=f"{name}.ipynb", definitions={}))
        target = tmp_path / "model.joblib"
        request = AssembleRequest(stages=tuple(files), code=str(tmp_path), by_value=False, target=str(target))
        child.assemble(warm_environment, request, tmp_path, os.environ)
        return joblib.load(target)

    return run


def test_stages_become_one_pipeline_in_their_order(assemble: Assemble) -> None:
    texts, labels = ["win money", "lunch at noon", "money now", "noon it is"], ["spam", "fine", "spam", "fine"]
    first = Pipeline([("words", TfidfVectorizer())]).fit(texts)
    first._modelcast_fit = 7
    last = LogisticRegression().fit(first.transform(texts), labels)
    last._modelcast_fit = 1_000_001
    made = assemble(first, last)
    assert [name for name, _ in made.steps] == ["a", "b"]
    assert made._modelcast_fit == 7, "the rows of the first stage's fit are the Pipeline's"
    assert made.predict(texts).tolist() == last.predict(first.transform(texts)).tolist()


def test_a_first_stage_that_was_never_fitted_has_no_rows(assemble: Assemble) -> None:
    last = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    last._modelcast_fit = 3
    assert assemble(StandardScaler(), last)._modelcast_fit == 0, "no record, and no guess by the kind of the Pipeline"


def test_the_rows_of_another_pipeline_are_not_taken_for_those_of_the_stages(tmp_path: Path) -> None:
    path, record = tmp_path / "fits.pickle", {"id": 9, "estimator": "sklearn.pipeline.Pipeline", "X": [[1.0]]}
    joblib.dump([record], path)
    made = Pipeline([("a", StandardScaler())])
    made._modelcast_fit = 0
    assert examples._recorded(made, str(path)) is None
    del made._modelcast_fit
    assert examples._recorded(made, str(path)) == record, "a class that lost its mark, and one fit of its kind"


LINE = LogisticRegression().fit([[0.0], [1.0]], [0, 1])


class Leaves:
    """Own code that ends the process when it is loaded."""

    def __reduce__(self) -> tuple[Callable[[object], object], tuple[object]]:
        return sys.exit, ("no licence",)


REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "a model before the last": (
        (LINE, LINE),
        "a.ipynb saved a sklearn.linear_model._logistic.LogisticRegression as its stage, which has no transform(). "
        "Save the fitted transformer: what follows is trained on what it gives",
    ),
    "no estimator": (
        ({"model": LINE}, LINE),
        "a.ipynb saved a builtins.dict as its stage, which has no fit() and no transform(). "
        "Save the fitted transformer: what follows is trained on what it gives",
    ),
    "a last one that only transforms": (
        (StandardScaler(), StandardScaler()),
        "b.ipynb saved a sklearn.preprocessing._data.StandardScaler as its stage, which has no predict(). "
        "Name the notebook that trains the model last, and save the fitted model",
    ),
    "one that leaves": (
        (StandardScaler(), Leaves()),
        "loading a.sav, b.sav ended the process: sys.exit('no licence'). "
        "Raise an error instead, in the module of the repository that calls it",
    ),
    "one that does not load": (
        (b"cgone_away\nThing\n)\x81.", LINE),
        "a.sav of a.ipynb cannot be loaded: ModuleNotFoundError: No module named 'gone_away'. "
        "Save what loads in a fresh process: move own classes and functions into a module beside the notebook",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_stage_is_refused(assemble: Assemble, case: str) -> None:
    saved, line = REFUSED[case]
    with pytest.raises(BuildError) as refused:
        assemble(*saved)
    assert str(refused.value) == f"stages: {line}"


def test_a_stage_that_is_no_pickle_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "features.sav").write_text("id,text\n1,hello\n")
    with pytest.raises(BuildError) as refused:
        training._scanned(tmp_path / "features.sav")
    assert str(refused.value) == (
        "stages: features.sav is no pickle that can be read: it is damaged, or of another kind. "
        'Save the fitted stage with joblib.dump(stage, os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"])'
    )

"""Which framework an artifact belongs to, by scanned facts alone."""

from pathlib import Path

import pytest
from modelcast_builder.artifact import Artifact, scan
from modelcast_builder.errors import BuildError
from modelcast_builder.frameworks import FRAMEWORKS, Claim, claim

SAMPLE = Path(__file__).resolve().parents[2] / "sample-models" / "breast-cancer" / "model.joblib"


def test_a_scikit_learn_file_is_claimed_with_its_version() -> None:
    artifact = scan(SAMPLE)
    assert claim(artifact) == Claim(
        framework="sklearn",
        format="joblib",
        model="model.joblib",
        reason=f"made by scikit-learn {artifact.versions['scikit-learn']}",
    )


@pytest.mark.parametrize("name", [framework.NAME for framework in FRAMEWORKS])
def test_a_framework_names_a_format_of_the_runtime(name: str) -> None:
    from modelcast_runtime.formats import FORMATS

    framework = next(framework for framework in FRAMEWORKS if name == framework.NAME)
    assert framework.FORMAT in FORMATS


def test_own_code_is_claimed_by_its_kind() -> None:
    assert claim(Artifact(path=Path("prediction.py"), kind="python", size=1, sha256="")) == Claim(
        framework="python", format="python", model="code/prediction.py", reason="prediction.py answers by itself"
    )


CLAIMED = {
    "by a module that it names": (
        Artifact(
            path=Path("m.pkl"), kind="pickle", size=1, sha256="", globals=frozenset({("sklearn.svm._classes", "SVC")})
        ),
        "names sklearn.svm._classes",
    ),
    "by its root alone": (
        Artifact(path=Path("m.pkl"), kind="pickle", size=1, sha256="", root=("features", "Clip")),
        "its root is features.Clip",
    ),
    "by its version before all": (
        Artifact(
            path=Path("m.pkl"), kind="pickle", size=1, sha256="", versions={"scikit-learn": "1.5.0"}, root=("a", "B")
        ),
        "made by scikit-learn 1.5.0",
    ),
}


@pytest.mark.parametrize("case", CLAIMED)
def test_why_it_is_claimed(case: str) -> None:
    artifact, reason = CLAIMED[case]
    assert claim(artifact).reason == reason


NATIVE = {
    "onnx": "ONNX, which is not built yet in this version. "
    'Save the scikit-learn model that it was made from: joblib.dump(model, "model.joblib")',
    "xgboost": "XGBoost's own format, which is not built yet in this version. "
    'Save the scikit-learn wrapper: joblib.dump(XGBClassifier().fit(X, y), "model.joblib")',
    "lightgbm": "LightGBM's own format, which is not built yet in this version. "
    'Save the scikit-learn wrapper: joblib.dump(LGBMClassifier().fit(X, y), "model.joblib")',
}


@pytest.mark.parametrize("kind", NATIVE)
def test_what_is_known_and_not_built_yet_says_what_to_save(kind: str) -> None:
    with pytest.raises(BuildError) as refused:
        claim(Artifact(path=Path("models/m.bin"), kind=kind, size=1, sha256=""))
    assert str(refused.value) == f"audit: m.bin is {NATIVE[kind]}"


def test_a_pickle_that_names_nothing_is_refused() -> None:
    with pytest.raises(BuildError) as refused:
        claim(Artifact(path=Path("m.pkl"), kind="pickle", size=1, sha256=""))
    assert str(refused.value) == (
        "audit: m.pkl is a pickle file that no framework of this version serves (sklearn, python). "
        'Save a fitted scikit-learn estimator or Pipeline: joblib.dump(model, "model.joblib")'
    )

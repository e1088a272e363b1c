"""Models that are watched, rows as they were in training, and rows that have moved: what the figures of drift are of."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tests.acceptance.files import as_csv, notebook

Numbers = npt.NDArray[np.float64]
Files = Mapping[str, str | bytes]
TRAINED, INPUTS, SOURCES = 3_000, 30, 6
NAMES = [f"x{place:02}" for place in range(INPUTS)]
WORDS = [f"{first}{middle}{last}" for first in "bdfgklmnprst" for middle in "aeiou" for last in "lmnrstk"]


def numbers(rows: int, seed: int) -> Numbers:
    """Thirty correlated inputs of six sources, as a breast cancer's measures are of its size, texture and shape."""
    loadings = np.random.default_rng(2018).normal(size=(SOURCES, INPUTS))
    draw = np.random.default_rng(seed)
    mixed = draw.normal(size=(rows, SOURCES)) @ loadings / np.sqrt(SOURCES)
    return np.asarray(np.round(mixed + 0.4 * draw.normal(size=(rows, INPUTS)), 6))


def labels(rows: Numbers, seed: int) -> list[str]:
    """What is learned of them: some are on the wrong side, as in life."""
    noise = np.random.default_rng(seed + 1).normal(size=len(rows))
    score = rows[:, 0] + rows[:, 1] - rows[:, 2] + 0.5 * rows[:, 3] * rows[:, 4] + 0.5 * noise
    return np.where(score > 0, "malignant", "benign").tolist()


def with_gaps(rows: Numbers, share: float, seed: int) -> list[list[float | None]]:
    """A share of all values is missing."""
    gone = np.random.default_rng(seed).random(rows.shape) < share
    return [[None if lost else value for value, lost in zip(*row, strict=True)]
            for row in zip(rows.tolist(), gone.tolist(), strict=True)]  # fmt: skip


def permuted(rows: Numbers, seed: int) -> Numbers:
    """Every input has the very values that it had, in another order: only what they have to do with each other is gone."""
    return np.random.default_rng(seed).permuted(rows, axis=0)


def messages(rows: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts of about forty words, half of them of a topic, and their labels."""
    draw = np.random.default_rng(seed)
    kinds = draw.random(rows) < 0.4
    common = 1 / np.arange(1, len(WORDS) + 1) ** 0.8
    topics = [np.where(np.arange(len(WORDS)) % 7 == place, 3 * common, common) for place in (1, 2)]
    shares = [topic / topic.sum() for topic in topics]
    lengths = draw.poisson(40, rows) + 5
    texts = [
        " ".join(draw.choice(WORDS, size=length, p=shares[int(kind)]))
        for kind, length in zip(kinds, lengths.tolist(), strict=True)
    ]
    return texts, np.where(kinds, "spam", "legitimate").tolist()


def shortened(texts: list[str]) -> list[str]:
    """The first three quarters of each text's words."""
    return [" ".join(words[: round(len(words) * 0.75)]) for words in map(str.split, texts)]


def with_new_words(texts: list[str], share: float, seed: int) -> list[str]:
    """A share of the words is replaced by ones of their length that were never seen."""
    draw = np.random.default_rng(seed)
    return [" ".join("zzz" if draw.random() < share else word for word in text.split()) for text in texts]


_TRAIN = """
import joblib
import pandas as pd
{imports}
table = pd.read_csv("data/train.csv")
X, y = table.drop(columns="target"), table["target"]
model = {model}
joblib.dump(model, "model.joblib")
"""


def _repository(imports: str, model: str, table: str, settings: str = "") -> Files:
    return {
        "train.ipynb": notebook(_TRAIN.format(imports=imports, model=model)),
        "data/train.csv": table,
        **({"modelcast.yaml": settings} if settings else {}),
    }


def _table() -> str:
    rows = numbers(TRAINED, 1)
    return as_csv([*NAMES, "target"], [[*row, kind] for row, kind in zip(rows.tolist(), labels(rows, 1), strict=True)])


def _table_with_gaps() -> str:
    rows = numbers(TRAINED, 1)
    told = with_gaps(rows, 0.02, 1)
    return as_csv([*NAMES, "target"], [[*row, kind] for row, kind in zip(told, labels(rows, 1), strict=True)])


def _table_of_messages() -> str:
    return as_csv(["text", "target"], [list(row) for row in zip(*messages(1_500, 1), strict=True)])


_FOREST = "RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1).fit(X, y)"


def _forest() -> Files:
    model = "RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1).fit(X, y)"
    return _repository("from sklearn.ensemble import RandomForestClassifier", model, _table())


def _line() -> Files:
    imports = (
        "from sklearn.linear_model import LogisticRegression\nfrom sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import StandardScaler"
    )
    return _repository(imports, "make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)", _table())


def _native() -> Files:
    model = "RandomForestClassifier(20, min_samples_leaf=5, random_state=0).fit(X, y)"
    return _repository("from sklearn.ensemble import RandomForestClassifier", model, _table(), "compile: never\n")


def _clusters() -> Files:
    return _repository("from sklearn.cluster import KMeans", "KMeans(5, n_init=4, random_state=0).fit(X)", _table())


def _gaps() -> Files:
    model = "HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(X, y)"
    imports = "from sklearn.ensemble import HistGradientBoostingClassifier"
    return _repository(imports, model, _table_with_gaps())


def _text() -> Files:
    imports = (
        "from sklearn.feature_extraction.text import TfidfVectorizer\n"
        "from sklearn.linear_model import LogisticRegression\nfrom sklearn.pipeline import make_pipeline"
    )
    model = 'make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(X["text"], y)'
    return _repository(imports, model, _table_of_messages())


MODELS: Mapping[str, Callable[[], Files]] = {
    "watched_forest": _forest,
    "watched_line": _line,
    "watched_native": _native,
    "watched_clusters": _clusters,
    "watched_gaps": _gaps,
    "watched_text": _text,
}
"""Name -> what makes the files of its repository."""

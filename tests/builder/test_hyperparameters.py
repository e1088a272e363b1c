"""Parameters of a loaded model that would make it dangerous to ask: refused, or set aside with a note."""

import pytest
from modelcast_builder.inside import hyperparameters
from modelcast_builder.inside.expressions import is_exponential
from modelcast_builder.inside.messages import Refused
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

HARMLESS = [
    r"(?u)\b\w\w+\b",
    r"[a-z]+(?:'[a-z]+)?",
    r"(?:[A-Za-z]+\.)+[A-Za-z]+",
    r"(?:\d{1,3}\.){3}\d{1,3}",
    r"\b[a-zA-Z]{3,}\b",
    r"(?u)\b\w[\w-]*\w\b",
    r"[^\s,]+(?:,[^\s,]+)*",
    r"(?:https?://)?\w+(?:\.\w+)*",
    r"(\w+\s?)*",  # nothing can fail after it
    r"(?i)[a-z]+(?:-[a-z]+)*",
    r"(?<!\w)\w+(?!\w)",
    r"#\w+|@\w+|\w+",
    "(",
]
EXPONENTIAL = [
    r"(\w+\s?)*$",
    r"(a+)+b",
    r"(a*)*b",
    r"(?:ab|ab)*c",
    r"(?:\w\w|\d\d)+!",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(x+x+)+y",
    r"(?:.*,)*z",
    r"([a-zA-Z]+)*\d",
    r"(?:a?){20,}b",
    r"(?:\w+-?)+:",
]


@pytest.mark.parametrize("pattern", HARMLESS)
def test_an_expression_that_reads_a_text_in_one_way_is_harmless(pattern: str) -> None:
    assert not is_exponential(pattern)


@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_an_expression_that_reads_a_text_in_many_ways_is_not(pattern: str) -> None:
    assert is_exponential(pattern)


@pytest.mark.parametrize("kind", [CountVectorizer, TfidfVectorizer, HashingVectorizer])
@pytest.mark.parametrize("way", ["filename", "file"])
def test_a_vectoriser_that_opens_what_a_request_names_is_refused(kind: type, way: str) -> None:
    with pytest.raises(Refused) as caught:
        hyperparameters.check(make_pipeline(kind(input=way), LogisticRegression()), "model.joblib")
    name, refusal = kind.__name__, caught.value.refusal
    assert refusal.step == "audit"
    assert refusal.problem == (
        f"model.joblib holds a {name} with input={way!r}: it opens the file that a request names"
    )
    assert refusal.fix == f'Write {name}(input="content") and train again'


def test_a_token_pattern_that_never_ends_is_refused() -> None:
    hyperparameters.check(make_pipeline(TfidfVectorizer()), "model.joblib")
    with pytest.raises(Refused) as caught:
        hyperparameters.check([TfidfVectorizer(token_pattern=r"(\w+)+!")], "model.joblib")
    assert caught.value.refusal.problem == (
        "model.joblib holds a TfidfVectorizer with token_pattern='(\\\\w+)+!': a text of fifty letters can take "
        "it hours, as a loop in it reads one text in two ways"
    )
    assert caught.value.refusal.fix == (
        'Write it without a loop in a loop, such as TfidfVectorizer(token_pattern=r"\\b\\w\\w+\\b"), and train again'
    )


def test_what_only_a_training_needs_is_set_aside() -> None:
    forest, pipeline = RandomForestClassifier(n_jobs=-1, verbose=2), make_pipeline(KMeans(), memory="/tmp/cache")
    kmeans = pipeline[0]
    kmeans._n_threads = 64
    changed = [hyperparameters.make_harmless(part) for part in (forest, pipeline, kmeans)]
    assert changed == [{"n_jobs", "verbose"}, {"memory"}, set()]
    assert (forest.n_jobs, forest.verbose, pipeline.memory, kmeans._n_threads) == (1, 0, None, 1)
    assert hyperparameters.notes({"verbose", "n_jobs", "memory"}) == (
        "n_jobs is 1 in the sealed model: the service scales by processes",
        "memory is None in the sealed model: it is the cache of a training",
        "verbose is off in the sealed model: it would print for each request",
    )

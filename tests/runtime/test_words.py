"""Words and letters as scikit-learn cuts and hashes them: its own functions are the judge."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelcast_runtime.formats import hashing
from modelcast_runtime.formats.hashing import Buckets, murmur3
from modelcast_runtime.formats.words import Analyzer, Vocabulary, counting, cutting

PATTERN = r"(?u)\b\w\w+\b"
TEXTS = (
    "", " ", "a", "Win MONEY now, win!", "İstanbul ısırgan", "Straße GROẞ ﬁne Ⅳ ½ ²", "ΟΔΥΣΣΕΥΣ", "cafe\u0301 café", "don't can’t",
    "#42 anna.li@example.org __x__", "日本語 テキスト हिन्दी पाठ", "👍🏽 👩‍👩‍👧 a\0b", "one\u00a0two\u2003 three\u200bfour  \n\t five\x1csix", "\u1e9b\u0323",
)  # fmt: skip


@given(st.binary(max_size=40))
def test_bytes_are_hashed_as_scikit_learn_does(content: bytes) -> None:
    from sklearn.utils import murmurhash3_32

    assert murmur3(content) == murmurhash3_32(content, seed=0)


@pytest.mark.parametrize(("columns", "signed"), [*product([1, 7, 256, 2**20], [True, False])])
def test_a_hashed_word_is_in_scikit_learns_column_and_counted_its_way(columns: int, signed: bool) -> None:
    from sklearn.feature_extraction import FeatureHasher

    known = ["money", "win", "", "ß", "日本", "x" * 200, *(f"word {number}" for number in range(200))]
    hasher = FeatureHasher(columns, input_type="string", alternate_sign=signed)
    count = counting(Vocabulary(buckets=columns, is_signed=signed))
    for chosen in (known, known[:1], known * 2):
        row = hasher.transform([chosen])
        assert count(chosen) == dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))


def test_the_lowest_hash_has_a_column_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "murmur3", lambda _: -(2**31))
    assert ~Buckets(10, is_signed=True)["word"] == 2**31 % 10
    assert Buckets(10, is_signed=False)["word"] == 2**31 % 10


def test_what_is_remembered_of_words_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_MOST_KEPT", 100)
    buckets = Buckets(2**20, is_signed=True)
    found = [buckets[f"word {number}"] for number in range(250)]
    assert len(buckets) == 50
    assert [buckets[f"word {number}"] for number in range(250)] == found
    buckets = Buckets(2**20, is_signed=True)
    assert isinstance(buckets["x" * 65], int)
    assert len(buckets) == 0


def test_half_a_letter_is_refused_as_scikit_learn_refuses_it() -> None:
    with pytest.raises(UnicodeEncodeError):
        counting(Vocabulary(buckets=8))(["\ud800"])


ANALYZERS: tuple[dict[str, Any], ...] = (
    {},
    {"ngram_range": (1, 2)},
    {"ngram_range": (2, 3), "stop_words": ["now", "win"]},
    {"lowercase": False},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii", "lowercase": False},
    {"token_pattern": r"[a-zA-Z]+"},
    {"token_pattern": r"(\w)\w*"},
    {"token_pattern": r"\w*"},
    {"token_pattern": r"(?a)\b\w+\b", "ngram_range": (1, 3)},
    {"analyzer": "char"},
    {"analyzer": "char", "ngram_range": (2, 4), "strip_accents": "unicode"},
    {"analyzer": "char_wb", "ngram_range": (1, 3)},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "lowercase": False},
)


def _analyzer(told: dict[str, Any]) -> Analyzer:
    shortest, longest = told.get("ngram_range", (1, 1))
    return Analyzer(
        unit=told.get("analyzer", "word"), lowercase=told.get("lowercase", True), accents=told.get("strip_accents"),
        pattern=told.get("token_pattern", PATTERN), shortest=shortest, longest=longest,
        stop_words=tuple(told.get("stop_words", ())),
    )  # fmt: skip


@pytest.mark.parametrize("told", ANALYZERS, ids=str)
def test_a_text_is_cut_as_scikit_learn_cuts_it(told: dict[str, Any]) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    cut, expected = cutting(_analyzer(told)), CountVectorizer(**told).build_analyzer()

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=30) | st.text(alphabet="aB1_ '\n\u00a0\u0301İßé日", max_size=30))
    def holds(text: str) -> None:
        assert list(cut(text)) == list(expected(text))

    for text in TEXTS:
        assert list(cut(text)) == list(expected(text))
    holds()


def test_words_that_are_not_known_are_not_counted() -> None:
    count = counting(Vocabulary(words=("money", "win")))
    assert count(["win", "a", "win", "prize", "money"]) == {1: 2, 0: 1}
    assert count(["prize"]) == {}
    assert counting(Vocabulary(words=("",)))([""]) == {0: 1}

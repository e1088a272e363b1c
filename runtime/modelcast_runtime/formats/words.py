"""Cuts a text into words or pieces of words, and counts them: as scikit-learn's text vectorisers do, step by step.

The same regular expressions, the same lower case and the same Unicode tables, since it is the same Python; only the
order of what is counted is not the text's. A type here is what is sealed, a function what is done with it.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

from modelcast_runtime.contract import Contract
from modelcast_runtime.formats.hashing import Buckets

Cut = Callable[[str], Iterable[str]]
"""From a text to its words, or to whatever is counted."""
Counts = dict[int, int]
"""What stands in a text: column -> how often."""


class Analyzer(Contract, frozen=True, kw_only=True):
    """The parameters of a vectoriser that say what is counted."""

    unit: Literal["word", "char", "char_wb"]
    lowercase: bool
    accents: Literal["ascii", "unicode"] | None
    pattern: str
    """A regular expression of Python's for a word."""
    shortest: int
    longest: int
    """How many words, or letters, are counted as one."""
    stop_words: tuple[str, ...] = ()


class Vocabulary(Contract, frozen=True, kw_only=True):
    """Which column a word is counted in."""

    words: tuple[str, ...] = ()
    """In the order of their columns; no others are counted."""
    buckets: int = 0
    """Where words are hashed instead: the number of columns."""
    is_signed: bool = False
    """Half of the hashed words are counted down."""


def cutting(analyzer: Analyzer) -> Cut:
    """The function that cuts; raises `re.error` for a pattern that is none."""
    prepare = _preparing(analyzer)
    if analyzer.unit == "word":
        find = re.compile(analyzer.pattern).findall
        join = _joining(analyzer)
        return lambda text: join(find(prepare(text)))
    pieces = _letters if analyzer.unit == "char" else _letters_of_words
    cut = partial(pieces, shortest=analyzer.shortest, longest=analyzer.longest)
    return lambda text: cut(_SPACES.sub(" ", prepare(text)))


def counting(vocabulary: Vocabulary) -> Callable[[Iterable[str]], Counts]:
    """The function that counts; a word that is counted up and down as often stays, as 0."""
    if vocabulary.buckets:
        return partial(_hashed, Buckets(vocabulary.buckets, is_signed=vocabulary.is_signed))
    return partial(_known, {word: column for column, word in enumerate(vocabulary.words)})


def _known(columns: dict[str, int], words: Iterable[str]) -> Counts:
    counts: Counter[Any] = Counter(map(columns.get, words))
    counts.pop(None, None)  # all words that are not known
    return counts


def _hashed(buckets: Buckets, words: Iterable[str]) -> Counts:
    counts = Counter(map(buckets.__getitem__, words))
    for column in [column for column in counts if column < 0]:
        counts[~column] -= counts.pop(column)
    return counts


def _preparing(analyzer: Analyzer) -> Callable[[str], str]:
    if analyzer.accents is None:
        return str.lower if analyzer.lowercase else str
    strip = _ascii if analyzer.accents == "ascii" else _without_accents
    return (lambda text: strip(text.lower())) if analyzer.lowercase else strip


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ASCII", "ignore").decode("ASCII")


def _joining(analyzer: Analyzer) -> Callable[[list[str]], list[str]]:
    """Without stop words, and with words joined to their neighbours."""
    stopped, shortest, longest = frozenset(analyzer.stop_words), analyzer.shortest, analyzer.longest

    def join(words: list[str]) -> list[str]:
        if stopped:
            words = [word for word in words if word not in stopped]
        if longest == 1:
            return words
        return [
            " ".join(words[start : start + size])
            for size in range(shortest, min(longest, len(words)) + 1)
            for start in range(len(words) - size + 1)
        ]

    return join


_SPACES = re.compile(r"\s\s+")


def _letters(text: str, *, shortest: int, longest: int) -> list[str]:
    return [
        text[start : start + size]
        for size in range(shortest, min(longest, len(text)) + 1)
        for start in range(len(text) - size + 1)
    ]


def _letters_of_words(text: str, *, shortest: int, longest: int) -> list[str]:
    """Never across a word's ends, where a space is added; a word that is shorter is counted once, as it is."""
    pieces: list[str] = []
    for word in text.split():
        padded = f" {word} "
        for size in range(shortest, longest + 1):
            pieces += [padded[start : start + size] for start in range(max(len(padded) - size, 0) + 1)]
            if len(padded) <= size:
                break
    return pieces

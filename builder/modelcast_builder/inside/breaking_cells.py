"""Values that break conversions, one column at a time: each with its kind in words."""

import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from modelcast_runtime.contract import Cell, Column

_LONG = 100_000
_LARGEST = {"float64": 1e150, "float32": 3.4028234663852886e38}
"""A double whose square is a number still: beyond it the original itself computes with infinities."""


class Odd(NamedTuple):
    """One cell, and what it is in words."""

    kind: str
    cell: Cell


def odd_cells(column: Column, seen: Iterable[Cell], words: tuple[str, ...], largest: float | None) -> list[Odd]:
    """What to try in this column: all of it is what a service of this signature takes.

    `seen` are values of its ordinary rows, `words` what a vectoriser knows.
    """
    present = [cell for cell in seen if cell is not None]
    found = [*_known(column), *_free(column, present, words, largest)]
    if column.nullable:
        found.append(Odd("missing", None))
    return [Odd(f"{column.name}: {kind}", cell) for kind, cell in found]


def _known(column: Column) -> Iterator[Odd]:
    yield from (Odd("a known category", category) for category in column.categories or ())


def _free(column: Column, seen: list[Any], words: tuple[str, ...], largest: float | None) -> Iterator[Odd]:
    if column.dtype == "bool":
        yield from (Odd("true", True), Odd("false", False))  # noqa: FBT003 - cells
    elif column.categories is not None:
        if column.unknown == "accept":
            yield from _unseen(column)
    elif column.dtype == "string":
        yield from texts(seen, words)
    elif column.dtype == "datetime":
        yield from (Odd(f"the moment {moment}", moment) for moment in _MOMENTS)
    elif column.dtype == "int64":
        yield from (Odd(kind, int(cell)) for kind, cell in _whole(seen) if _within(column, cell))
    else:
        bound = min(largest or np.inf, _LARGEST[column.dtype])
        yield from (
            odd for odd in _numbers(column, seen, bound) if _within(column, odd.cell) and abs(odd.cell) <= bound
        )


def _within(column: Column, number: Any) -> bool:
    return (column.minimum is None or number >= column.minimum) and (column.maximum is None or number <= column.maximum)


_MOMENTS = (
    "1970-01-01T00:00:00", "1969-12-31T23:59:59.999999999", "2000-02-29T12:00:00", "1900-01-01", "2038-01-19T03:14:08",
    "1677-09-22T00:00:00", "2262-04-11T00:00:00", "2024-12-31T23:59:59.999999999", "2024-03-31T02:30:00",
)  # fmt: skip


def _numbers(column: Column, seen: list[Any], bound: float) -> Iterator[Any]:
    for size in (0.0, 5e-324, 2.2250738585072014e-308, 1.401298464324817e-45, 1.1754943508222875e-38, 1e-30, 1e-7):
        yield from (Odd(f"{size:.3g}", size), Odd(f"{-size:.3g}", -size))
    for size in (0.5, 1.0, 2.0, 1e3, 1e7, 2.0**24 + 1, 2.0**31, 2.0**53 + 2, 1e15, 1e30, 1e38, 3e38, 1e100, bound):
        if np.isfinite(size):
            yield from (Odd(f"{size:.3g}", size), Odd(f"{-size:.3g}", -size))
    yield from (Odd("0.1 + 0.2", 0.1 + 0.2), Odd("1/3", 1 / 3), Odd("1 - 1 ulp", np.nextafter(1, 0).item()))
    for name, bounds in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bounds is not None:
            yield Odd(f"its {name}", float(bounds))
    if seen:
        low, high = float(min(seen)), float(max(seen))
        span = high - low or abs(high) or 1.0
        yield from (Odd("the smallest seen", low), Odd("the largest seen", high))
        for factor in (1e-9, 0.5, 3.0, 1e4):
            yield Odd(f"{factor:.3g} ranges below", low - factor * span)
            yield Odd(f"{factor:.3g} ranges above", high + factor * span)


def _whole(seen: list[Any]) -> Iterator[Any]:
    for size in (0, 1, 2**24 + 1, 2**31, 2**53 + 1, 2**62 + 1):
        yield from (Odd(str(size), size), Odd(str(-size), -size))
    if seen:
        yield from (Odd("one below the smallest", int(min(seen)) - 1), Odd("one above the largest", int(max(seen)) + 1))


def _unseen(column: Column) -> Iterator[Odd]:
    known = list(column.categories or ())
    if column.dtype == "string":
        made = [odd for category in known[:20] for odd in _like(str(category))]
        made += [Odd(f"unseen, {kind}", text) for kind, text in _STRANGE]
    else:
        numbers = [value for value in known if isinstance(value, int | float)]
        beyond = [max(numbers) + 1, min(numbers) - 1, 0, -1, 2**24 + 1, 2**31, max(numbers) + 10**9]
        between = [] if column.dtype == "int64" else [(one + two) / 2 for one, two in pairwise(numbers)]
        close = [] if column.dtype == "int64" else [np.nextafter(value, np.inf).item() for value in numbers]
        made = [Odd("an unseen category", value) for value in (*beyond, *between, *close)]
    # Another text of the same category, letter by letter, is no stranger.
    yield from (odd for odd in made if odd.cell not in set(known))


def _like(text: str) -> Iterator[Odd]:
    """Not this category, but what a careless comparison takes for it."""
    for kind, other in (
        ("with a space behind", f"{text} "),
        ("with a space before", f" {text}"),
        ("in upper case", text.upper()),
        ("in lower case", text.lower()),
        ("decomposed", unicodedata.normalize("NFD", text)),
        ("composed", unicodedata.normalize("NFC", text)),
        ("shortened", text[:-1]),
        ("with a NUL behind", f"{text}\0"),
        ("with an accent behind", f"{text}\u0301"),
    ):
        yield Odd(f"a known category {kind}", other)


_STRANGE: tuple[tuple[str, str], ...] = (
    ("empty", ""),
    ("one space", " "),
    ("an accent", "café"),
    ("a combining accent", "cafe\u0301"),
    ("Russian", "русский текст"),
    ("Japanese", "日本語 テキスト"),
    ("Turkish", "İstanbul ısırgan I i"),
    ("German", "Straße GROẞ Maße"),
    ("Greek", "ΟΔΥΣΣΕΥΣ ὈΔΥΣΣΕΎΣ"),
    ("Arabic", "مرحبا بالعالم"),
    ("Hindi", "हिन्दी पाठ"),
    ("emoji", "great 👍🏽 day 👩‍👩‍👧"),
    ("an e-mail", "anna.li@example.org"),
    ("a hash and a number", "#42 no. 42"),
    ("apostrophes", "don't can’t o'clock"),
    ("hyphens and underscores", "well-known snake_case __x__"),
    ("numbers", "1,234.56 -7e3 0x1F ½ ²"),
    ("newlines and tabs", "one\ntwo\r\nthree\tfour\x0bfive"),
    ("a NUL", "a\0b word\0"),
    ("strange spaces", "one\u00a0two\u2003three\u200bfour\ufefffive"),
    ("ligatures and full width", "ﬁne ｆｕｌｌ Ⅳ"),
    ("outside the first plane", "𝔘𝔫𝔦 𐐷𐐷"),
    ("a lone letter", "a"),
    ("punctuation", "!!! ... ?! ;-)"),
    ("nan", "nan"),
    ("NaN", "NaN"),
    ("None", "None"),
    ("a number as text", "1"),
    ("markup", "<b>bold</b> &amp; \\n \\w+ (.*)"),
    ("very long", "x" * _LONG),
    ("very many words", "word " * (_LONG // 5)),
)


def texts(seen: list[Any], words: tuple[str, ...]) -> Iterator[Odd]:
    """Texts that tokenizers cut differently, by themselves and around the words that the model knows."""
    yield from (Odd(kind, text) for kind, text in _STRANGE)
    yield from (Odd(f"letters of the class {kind}", f"ab{one}cd {one}{one} {one}") for kind, one in _of_each_class())
    known = list(
        dict.fromkeys((*words[:: max(1, len(words) // 40)], *(word for text in seen[:40] for word in text.split()[:2])))
    )
    for word in known[:60]:
        for kind, form in _FORMS:
            yield Odd(f"a known word {kind}", form.format(word, word.upper(), word.title()))
    for text in seen[:40]:
        yield Odd("a seen text, in upper case", text.upper())
        yield Odd("a seen text, twice", f"{text} {text}")
        yield Odd("a seen text, its spaces changed", "\n\t".join(text.split()))


@cache
def _of_each_class() -> tuple[tuple[str, str], ...]:
    """The first, the middle and the last letter of every class of Unicode, but halves of letters."""
    classes: dict[str, list[str]] = defaultdict(list)
    for point in range(sys.maxunicode + 1):
        classes[unicodedata.category(chr(point))].append(chr(point))
    del classes["Cs"]
    return tuple(
        (kind, letter)
        for kind, letters in sorted(classes.items())
        for letter in dict.fromkeys((letters[0], letters[len(letters) // 2], letters[-1]))
    )


_FORMS = (
    ("alone", "{0}"),
    ("in upper case", "{1}"),
    ("as a title", "{2}"),
    ("before an accent", "{0}\u0301"),
    ("behind a letter with an accent", "é{0}"),
    ("before a letter with an accent", "{0}é"),
    ("inside Russian letters", "я{0}я"),
    ("beside Japanese", "日本{0}語"),
    ("before a Turkish I", "{0}İ"),
    ("between underscores", "_{0}_"),
    ("with a genitive", "{0}'s"),
    ("with a typographic genitive", "{0}’s"),
    ("twice, joined by a hyphen", "{0}-{0}"),
    ("twice, joined by a dot", "{0}.{0}"),
    ("twice, joined by a no-break space", "{0}\u00a0{0}"),
    ("twice, joined by a zero-width space", "{0}\u200b{0}"),
    ("before a digit", "{0}1"),
    ("behind a hash", "#{0}"),
    ("in an e-mail", "{0}@{0}.org"),
    ("before a NUL", "{0}\0"),
    ("between lone letters", "a {0} b {0} c"),
    ("between emoji", "👍{0}👍"),
    ("before a superscript", "{0}²"),
    ("a hundred times", "{0} " * 100),
)

r"""Regular expressions that take exponential time: thirty letters, and a worker of the service never answers.

Python's engine tries every way in which an expression can match. There are exponentially many where a loop can read
one text in two ways, `(\w+\s?)*` or `(a+)+`, and something after the loop fails. That is looked for exactly: the
expression becomes an automaton whose states are its characters, and a loop is ambiguous where two different paths over
the same text lead from a state back to it. Nothing is matched, nothing is timed.
"""

import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

# The parser of the standard library: the very one that compiles the expression.
_parser: Any = importlib.import_module("re._parser")

MOST_STATES = 200
"""Characters of an expression, its repetitions written out; a longer one is not looked at."""
_WRITTEN_OUT = 8
"""Repetitions up to which a bounded loop is written out; a longer one counts as endless."""
_SAMPLE = "".join(map(chr, range(128))) + "\u00a0\u00b2\u00df\u00e9\u03a9\u0434\u0663\u2003\u6f22\U0001f41d"
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_WORD": lambda letter: letter.isalnum() or letter == "_",
}


def is_exponential(pattern: str) -> bool:
    """Whether some text takes the expression a time that doubles with each of its letters."""
    try:
        parsed = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return False  # the vectoriser will say so
    automaton = _Automaton()
    try:
        automaton.add(list(parsed), can_fail_after=False, ignores_case=bool(parsed.state.flags & re.IGNORECASE))
    except _TooLongError:
        return False
    return automaton.is_ambiguous()


class _TooLongError(Exception):
    """The expression has more states than are looked at."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The states that a part of the expression begins and ends with, and whether it can be empty."""

    first: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()
    is_empty: bool = True


@dataclass(slots=True)
class _Automaton:
    """Glushkov's: a state for each character of the expression, a step for each that can follow another."""

    letters: list[int] = field(default_factory=list)
    """What each state reads: a bit for each letter of the sample."""
    steps: list[set[int]] = field(default_factory=list)
    twice: set[tuple[int, int]] = field(default_factory=set)
    """Steps that two loops around each other offer: `(a+)+`."""
    fallible: set[int] = field(default_factory=set)
    """States in a loop behind which something can fail."""
    empty_choices: int = 0
    """Choices between ways that are both empty: what the parser makes of `ab|ab`."""
    is_doubled: bool = False
    """Whether such a choice, or a part that may be empty and must come often, is in a loop that can fail."""

    def add(self, items: list[Any], *, can_fail_after: bool, ignores_case: bool) -> _Part:
        """Add a sequence; `can_fail_after` says whether anything that can fail follows it."""
        whole = _Part()
        for index, (kind, value) in enumerate(items):
            can_fail = can_fail_after or any(_can_fail(item) for item in items[index + 1 :])
            part = self._one(str(kind), value, can_fail=can_fail, ignores_case=ignores_case)
            self._link(whole.last, part.first)
            whole = _Part(
                whole.first | part.first if whole.is_empty else whole.first,
                whole.last | part.last if part.is_empty else part.last,
                whole.is_empty and part.is_empty,
            )
        return whole

    def _one(self, kind: str, value: Any, *, can_fail: bool, ignores_case: bool) -> _Part:
        if kind in ("MAX_REPEAT", "MIN_REPEAT"):
            return self._loop(*value, can_fail=can_fail, ignores_case=ignores_case)
        if kind == "SUBPATTERN":
            cases = (ignores_case or bool(value[1] & re.IGNORECASE)) and not value[2] & re.IGNORECASE
            return self.add(list(value[3]), can_fail_after=can_fail, ignores_case=cases)
        if kind == "BRANCH":
            parts = [self.add(list(way), can_fail_after=can_fail, ignores_case=ignores_case) for way in value[1]]
            self.empty_choices += sum(part.is_empty for part in parts) > 1
            return _Part(_union(p.first for p in parts), _union(p.last for p in parts), any(p.is_empty for p in parts))
        if kind in ("ASSERT", "ASSERT_NOT"):
            self.add(list(value[1]), can_fail_after=True, ignores_case=ignores_case)
            return _Part()
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._state(kind, value, ignores_case=ignores_case)
        return _Part()  # places in the text, and what never goes back: possessive loops, atomic groups

    def _state(self, kind: str, value: Any, *, ignores_case: bool) -> _Part:
        if len(self.letters) == MOST_STATES:
            raise _TooLongError
        read = (_matches(kind, value, letter, ignores_case=ignores_case) for letter in _SAMPLE)
        self.letters.append(sum(1 << place for place, is_read in enumerate(read) if is_read))
        self.steps.append(set())
        here = frozenset({len(self.letters) - 1})
        return _Part(here, here, is_empty=False)

    def _loop(self, least: int, most: int, body: Any, *, can_fail: bool, ignores_case: bool) -> _Part:
        items = list(body)
        most = int(most)
        if most <= _WRITTEN_OUT:
            whole = _Part()
            for turn in range(most):
                part = self.add(items, can_fail_after=can_fail or turn + 1 < most, ignores_case=ignores_case)
                self._link(whole.last, part.first)
                is_optional = part.is_empty or turn >= least
                last = whole.last | part.last if is_optional else part.last
                first = whole.first | part.first if whole.is_empty else whole.first
                whole = _Part(first, last, whole.is_empty and is_optional)
            return whole
        begin, choices = len(self.letters), self.empty_choices
        part = self.add(items, can_fail_after=can_fail, ignores_case=ignores_case)
        self._link(part.last, part.first)
        if can_fail:
            self.is_doubled |= self.empty_choices > choices or (part.is_empty and least > 1)
            self.fallible.update(range(begin, len(self.letters)))
        return _Part(part.first, part.last, part.is_empty or not least)

    def _link(self, last: Iterable[int], first: frozenset[int]) -> None:
        for state in last:
            self.twice.update((state, follower) for follower in self.steps[state] & first)
            self.steps[state] |= first

    def is_ambiguous(self) -> bool:
        """Whether a state that can fail has two paths over one text back to itself."""
        looped = (state in self.fallible and state in _closure(follower, self._next) for state, follower in self.twice)
        if self.is_doubled or any(looped):
            return True
        seen: set[int] = set()
        for state in self.fallible:
            if state not in seen:
                together = self._meeting(state)
                if any(one != other for one, other in together):
                    return True
                seen |= {one for one, _ in together}
        return False

    def _next(self, state: int) -> set[int]:
        return self.steps[state]

    def _meeting(self, state: int) -> set[tuple[int, int]]:
        """Where two walkers from this state can be, having read the same letters, and still meet there again."""
        ahead = _closure((state, state), self._both)
        before: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for pair in ahead:
            for following in self._both(pair):
                before.setdefault(following, []).append(pair)
        return ahead & _closure((state, state), lambda pair: before.get(pair, ()))

    def _both(self, pair: tuple[int, int]) -> Iterator[tuple[int, int]]:
        for one in self.steps[pair[0]]:
            for other in self.steps[pair[1]]:
                if self.letters[one] & self.letters[other]:
                    yield (min(one, other), max(one, other))


def _closure(begin: Any, steps: Callable[[Any], Iterable[Any]]) -> set[Any]:
    """All that steps lead to, the beginning itself only where they lead back."""
    found: set[Any] = set()
    waiting = [begin]
    while waiting:
        for place in steps(waiting.pop()):
            if place not in found:
                found.add(place)
                waiting.append(place)
    return found


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset().union(*sets)


def _can_fail(item: tuple[Any, Any]) -> bool:
    """Whether this may not match: loops and choices that may be empty always do."""
    kind, value = item
    if str(kind) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        return bool(value[0]) and any(map(_can_fail, value[2]))
    if str(kind) == "SUBPATTERN":
        return any(map(_can_fail, value[3]))
    if str(kind) == "BRANCH":
        return all(any(map(_can_fail, way)) for way in value[1])
    return True


def _matches(kind: str, value: Any, letter: str, *, ignores_case: bool) -> bool:
    if ignores_case:
        cases = {case for case in (letter, letter.lower(), letter.upper()) if len(case) == 1}
        return any(_matches(kind, value, case, ignores_case=False) for case in cases)
    if kind == "ANY":
        return letter != "\n"
    if kind in ("LITERAL", "NOT_LITERAL"):
        return (ord(letter) == value) is (kind == "LITERAL")
    is_negated = any(str(part) == "NEGATE" for part, _ in value)
    return any(_is_in(str(part), held, letter) for part, held in value) is not is_negated


def _is_in(kind: str, held: Any, letter: str) -> bool:
    if kind == "LITERAL":
        return bool(ord(letter) == held)
    if kind == "RANGE":
        return bool(held[0] <= ord(letter) <= held[1])
    if kind == "CATEGORY":
        name = str(held)
        return _CATEGORIES[name.replace("_NOT_", "_")](letter) is not ("_NOT_" in name)
    return False

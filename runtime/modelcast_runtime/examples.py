"""Holds a bundle to the repository's examples: each is asked, and what it names must be in the answer."""

import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from modelcast_runtime.bundle import Bundle, BundleError
from modelcast_runtime.contract import Example, decode_examples, query_of
from modelcast_runtime.problems import describe, member

Ask = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]
"""From the query and the body of a `POST /predict` to the status and the body of its answer."""

_LONGEST_VALUE = 80


async def hold(file: Path, bundle: Bundle, ask: Ask) -> int:
    """Ask every example of the file, and say how many; raises `BundleError` with the first place that differs."""
    given = _read(file)
    for index, example in enumerate(given):
        status, body = await ask(_query(example, bundle), msgspec.json.encode(example.request))
        if status != 200:
            raise BundleError(f"{file.name}, example {index}: POST /predict answered {status}: {_detail(body)}")
        flaw = _flaw(msgspec.json.decode(body), example.response, "$", bundle.golden.tolerance)
        if flaw is not None:
            raise BundleError(f"{file.name}, example {index}: {flaw}")
    return len(given)


def _read(file: Path) -> tuple[Example, ...]:
    try:
        return decode_examples(file.read_bytes())
    except OSError as error:
        raise BundleError(f"{file.name} cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BundleError(f'{file.name} is no list of {{"request": ..., "response": ...}}: {error}') from error


def _query(example: Example, bundle: Bundle) -> str:
    held = example.response if isinstance(example.response, dict) else {}
    # What the model does not give is not asked for: then the answer lacks it, and that is what is said.
    return query_of(question for question in bundle.manifest.signature.questions if question.field in held)


def _detail(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["detail"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:300]


def _flaw(answer: Any, expected: Any, at: str, tolerance: float) -> str | None:
    """The first place where the answer is not what is expected, in words; keys that nothing is expected of are free."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        for name, value in expected.items():
            if name not in answer:
                held = ", ".join(answer) or "no key"
                return f"{at}{member(name)}: expected {_shown(value)}, got nothing: the answer holds {held}"
            if flaw := _flaw(answer[name], value, f"{at}{member(name)}", tolerance):
                return flaw
        return None
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        pairs = enumerate(zip(answer, expected, strict=True))
        return next((f for i, (one, other) in pairs if (f := _flaw(one, other, f"{at}[{i}]", tolerance))), None)
    if _equal(answer, expected, tolerance):
        return None
    return f"{at}: expected {_shown(expected)}, got {_shown(answer)}"


def _equal(answer: Any, expected: Any, tolerance: float) -> bool:
    if _is_number(answer) and _is_number(expected):
        return math.isclose(answer, expected, rel_tol=tolerance, abs_tol=tolerance)
    return type(answer) is type(expected) and bool(answer == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """The example's own value and the model's answer to it may be shown; what holds others is described."""
    if isinstance(value, dict | list):
        return f"{'an' if isinstance(value, dict) else 'a'} {describe(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."

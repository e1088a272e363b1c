"""The names that images have: `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, as the distribution project's grammar says."""

import re

_WORD = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_DIGEST = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_WORD}(?:/{_WORD})*)(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@(?P<digest>{_DIGEST}))?"
)
_NAME_LENGTH = 255


def is_reference(text: str) -> bool:
    """Whether an engine would take this as an image's name."""
    found = _REFERENCE.fullmatch(text)
    return found is not None and len(found["name"]) <= _NAME_LENGTH


def is_pinned(reference: str) -> bool:
    """Whether it names one image for ever: it has a digest."""
    return "@" in reference

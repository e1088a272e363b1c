"""Which image is deployed: a name as `modelcast image` takes it, and the digest that makes it one image for ever."""

import re

from modelcast_builder.images import parse_reference

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_NAME_LENGTH = 255


def is_reference(text: str) -> bool:
    """Whether an engine would take this as an image's name: `[REGISTRY/]NAME[:TAG][@DIGEST]`."""
    name, at, digest = text.partition("@")
    try:
        repository = parse_reference(name).repository
    except ValueError:
        return False
    return len(repository) <= _NAME_LENGTH and (not at or _DIGEST.fullmatch(digest) is not None)


def is_pinned(reference: str) -> bool:
    """Whether it names one image for ever: it has a digest."""
    return "@" in reference

"""Random bytes for identities, asked of the kernel for many at once: each question costs as much as scoring a row."""

import os

SIZE = 16
_AT_ONCE = 64
_reserve: list[bytes] = []


def random_bytes() -> bytes:
    """16 of them, never given before; from any thread."""
    try:
        return _reserve.pop()
    except IndexError:
        drawn = os.urandom(SIZE * _AT_ONCE)
        _reserve.extend(drawn[at : at + SIZE] for at in range(SIZE, len(drawn), SIZE))
        return drawn[:SIZE]


# What a parent has drawn, each of its children would give as its own.
os.register_at_fork(after_in_child=_reserve.clear)

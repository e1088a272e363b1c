"""Hashes words to columns as scikit-learn's `FeatureHasher` does: MurmurHash3 in 32 bits, seed 0."""

_MOST_KEPT = 2**15
_LONGEST_KEPT = 64
"""Words that are looked up again; together they stay below 10 MB a worker, whatever is sent."""
_MASK = 0xFFFFFFFF
_LOWEST = -(2**31)


class Buckets(dict[str, int]):
    """Word -> its column, or the complement (`~column`) where it is counted down; filled as words are asked for."""

    def __init__(self, columns: int, *, is_signed: bool) -> None:
        """`columns` are at least 1."""
        super().__init__()
        self._columns = columns
        self._is_signed = is_signed

    def __missing__(self, word: str) -> int:
        """Raises UnicodeEncodeError for half a letter, as the original does."""
        hashed = murmur3(word.encode("utf-8"))
        # Its absolute value is no number of 32 bits.
        column = (2**31 - self._columns if hashed == _LOWEST else abs(hashed)) % self._columns
        bucket = ~column if self._is_signed and hashed < 0 else column
        if len(word) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[word] = bucket
        return bucket


def murmur3(content: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0, as a signed number of 32 bits."""
    size = len(content)
    whole = size & ~3
    state = 0
    for start in range(0, whole, 4):
        state ^= _scrambled(int.from_bytes(content[start : start + 4], "little"))
        state = (state << 13 | state >> 19) & _MASK
        state = (state * 5 + 0xE6546B64) & _MASK
    if size > whole:
        state ^= _scrambled(int.from_bytes(content[whole:], "little"))
    state ^= size
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    state ^= state >> 16
    return state - 2**32 if state & 2**31 else state


def _scrambled(block: int) -> int:
    block = block * 0xCC9E2D51 & _MASK
    return (block << 15 | block >> 17) * 0x1B873593 & _MASK

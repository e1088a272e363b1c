"""A lock: what the model's environment holds, as a value and as the bundle's `environment.lock`."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelcast_runtime import contract

from modelcast_builder.errors import BuildError

STEP = "environment"
FILE = "requirements.txt"
"""Where a repository says what it wants, if no other file rules."""
HEAD = "# The environment that the model was built in and is served from, made by modelcast."
PYTHON = contract.LOCK_PYTHON
AS_OF = "# as of: "
NO_DATE = "no date"
PIN = r"(?!modelcast(-runtime)?==)[a-z0-9]+(-[a-z0-9]+)*==[0-9][\w.!+]*"
"""Our own names are never taken from an index."""
NOTE = "# note: "
"""In files that keep a lock for later, before what the report should say."""
HASHES = f"{contract.RECEIPTS}/environment.hashes"
"""In a bundle, beside what is digested: the hashes differ between an index and a wheelhouse."""
_HASH = "--hash=sha256:"
SERVING = "# The service's own packages:"


def this_python() -> str:
    """The minor version of the Python that builds and serves."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Every package of an environment as `name==version`, sorted: the model's, then what the service adds."""

    packages: tuple[str, ...]
    serving: tuple[str, ...]
    as_of: str
    """The moment that everything unpinned was resolved as of (RFC 3339), or nothing where the index tells no dates."""
    python: str = field(default_factory=this_python)
    notes: tuple[str, ...] = ()
    """What the report should say; not a part of the lock's text."""
    wheels: Path | None = None
    """The repository's own wheelhouse, which everything comes from; not a part of the lock's text."""
    file: str = FILE
    """Where the repository says what it wants, for a refusal; not a part of the lock's text."""
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    """Pin -> the SHA-256 of the files that the index had for it; not a part of the lock's text (decision 0012)."""


def lock_text(lock: Lock) -> str:
    """The lock as `environment.lock`, the same on every machine; `pip install -r` reads it too."""
    head = [HEAD, f"{PYTHON}{lock.python}", f"{AS_OF}{lock.as_of or NO_DATE}"]
    return "\n".join([*head, *lock.packages, SERVING, *lock.serving, ""])


def parse_lock(text: str) -> Lock:
    """The lock that `lock_text` wrote. Raises BuildError for anything else."""
    lines = text.splitlines()
    if not text.startswith(f"{HEAD}\n{PYTHON}") or SERVING not in lines or not lines[2].startswith(AS_OF):
        raise _damaged("its head is missing")
    middle = lines.index(SERVING)
    as_of = lines[2].removeprefix(AS_OF)
    return Lock(
        packages=_pins(lines[3:middle]),
        serving=_pins(lines[middle + 1 :]),
        as_of="" if as_of == NO_DATE else as_of,
        python=lines[1].removeprefix(PYTHON),
    )


def lock_of(bundle: Path) -> Lock:
    """The lock that the bundle in a folder holds, with the hashes of its receipts where it has some."""
    lock = parse_lock((bundle / contract.LOCK).read_text(encoding="utf-8"))
    receipt = bundle / HASHES
    return replace(lock, hashes=parse_hashes(receipt.read_text(encoding="utf-8"))) if receipt.is_file() else lock


def hashes_text(hashes: Mapping[str, tuple[str, ...]]) -> str:
    """A pin a line, with its hashes, as `parse_hashes` reads them; `pip` and uv read it too."""
    return "".join(f"{pinned(pin, hashes)}\n" for pin in sorted(hashes))


def pinned(pin: str, hashes: Mapping[str, tuple[str, ...]]) -> str:
    """A line of a requirements file: the pin with the hashes that are known of it."""
    return " ".join([pin, *(f"{_HASH}{one}" for one in hashes.get(pin, ()))])


def parse_hashes(text: str) -> dict[str, tuple[str, ...]]:
    """What `hashes_text` wrote. Raises BuildError for anything else."""
    found = {}
    for line in text.splitlines():
        pin, *hashes = line.split(" ")
        if not re.fullmatch(PIN, pin) or not all(re.fullmatch(f"{_HASH}[0-9a-f]{{64}}", one) for one in hashes):
            raise BuildError(STEP, f"{HASHES} cannot be read: `{line[:80]}`", "Build the bundle again")
        found[pin] = tuple(one.removeprefix(_HASH) for one in hashes)
    return found


def of_these(hashes: Mapping[str, tuple[str, ...]], pins: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The hashes of these pins alone."""
    return {pin: hashes[pin] for pin in pins if pin in hashes}


def _pins(lines: list[str]) -> tuple[str, ...]:
    for line in lines:
        if not re.fullmatch(PIN, line):
            raise _damaged(f"`{line[:80]}` is not NAME==VERSION")
    return tuple(lines)


def _damaged(why: str) -> BuildError:
    return BuildError(STEP, f"environment.lock cannot be read: {why}", "Build the bundle again")

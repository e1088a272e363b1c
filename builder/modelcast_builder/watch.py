"""Whether a repository has changed: its files are looked at, not read.

A look costs some microseconds a file and needs nothing of the machine, where a notification service is absent, limited
or blind: containers' mounts, network file systems, other machines' edits.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from time import thread_time

from modelcast_builder import source_tree
from modelcast_builder.errors import BuildError

PAUSE_S = 0.5
SHARE = 0.1
"""Looking takes no more than this of a core, however large the repository is."""
_SHOWN = 3
# What editors write beside a file while somebody edits it; what tools keep is hidden.
_DROPPINGS = re.compile(r"~$|^#.*#$|^4913$|\.tmp$|\.sw.$")
_READ_THOUGH_HIDDEN = (".s2i", source_tree.IGNORE_FILE)

Stamp = tuple[int, int, int]
"""When a file was changed, its size, and its number."""


class Watch:
    """The files that matter to a repository's build, as they were when this was made, or last told of a change."""

    def __init__(self, root: Path, *, apart: Path) -> None:
        """What lies in the folder `apart` is not looked at."""
        self._root, self._apart = root, f"{apart}/"
        self._took_s = 0.0
        self._told: Mapping[str, Stamp]
        self._latest: Mapping[str, Stamp]
        self._told = self._latest = {}
        self._told = self._latest = self._look()

    @property
    def pause_s(self) -> float:
        """How long to wait before the next look."""
        return max(PAUSE_S, self._took_s / SHARE)

    def changes(self) -> str:
        """What has changed, for a sentence, once two looks agree that it is over; else nothing."""
        before, self._latest = self._latest, self._look()
        if self._latest != before or self._latest == self._told:
            return ""
        said = _said(self._told, self._latest)
        self._told = self._latest
        return said

    def _look(self) -> Mapping[str, Stamp]:
        began = thread_time()
        try:
            paths = list(source_tree.files(self._root))
            seen: dict[str, Stamp] = {}
        except BuildError:
            # One of the two files that say what counts is broken: the build says where, and this waits for them.
            paths = [self._root / source_tree.CONFIG_FILE, self._root / source_tree.IGNORE_FILE]
            seen = dict(self._told)
        except (FileNotFoundError, NotADirectoryError):  # a folder that was listed, and is gone or replaced
            return self._latest
        start = len(f"{self._root}/")
        for path in map(str, paths):
            if _matters(path[start:]) and not path.startswith(self._apart) and (stamp := _stamp(path)):
                seen[path[start:]] = stamp
        self._took_s = thread_time() - began
        return seen


def _stamp(path: str) -> Stamp | None:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _matters(name: str) -> bool:
    parts = name.split("/")
    hidden = next((part for part in parts if part.startswith(".")), None)
    return not _DROPPINGS.search(parts[-1]) and (hidden is None or hidden in _READ_THOUGH_HIDDEN)


def _said(before: Mapping[str, Stamp], after: Mapping[str, Stamp]) -> str:
    ways = {
        "changed": [name for name in after if name in before and after[name] != before[name]],
        "came": [name for name in after if name not in before],
        "went": [name for name in before if name not in after],
    }
    return ", ".join(f"{_listed(names)} {way}" for way, names in ways.items() if names)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

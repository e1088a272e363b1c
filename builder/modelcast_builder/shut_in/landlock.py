"""Landlock: what a process and all that it starts may touch of the file system, with no root and no namespace.

Whoever is within can neither trace nor signal what is outside, nor read its environment in /proc.
"""

import ctypes
import os

from modelcast_builder.shut_in import system

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_BENEATH = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READING = _EXECUTE | _READ_FILE | _READ_DIR | _IOCTL_DEVICE
_NO_ABSTRACT_SOCKETS, _NO_SIGNALS = 1, 2
_KNOWN = {2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights each version has; the first one could not allow to move a file to another folder."""
_NEWEST_KNOWN, _SCOPES_SINCE, _NETWORK_SINCE = 5, 6, 4


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def restrict(read: list[str], write: list[str]) -> None:
    """Leave reading and executing below `read`, everything below `write`; paths that are not there allow nothing.

    Raises OSError where the kernel has no Landlock, or an old one.
    """
    version = system.call(_CREATE_RULESET, None, 0, _VERSION)
    if version not in _KNOWN and version < _NEWEST_KNOWN:
        raise OSError(0, f"Landlock {version} is too old")
    handled = (1 << _KNOWN[min(version, _NEWEST_KNOWN)]) - 1
    scopes = _NO_ABSTRACT_SOCKETS | _NO_SIGNALS if version >= _SCOPES_SINCE else 0
    size = 24 if version >= _SCOPES_SINCE else 16 if version >= _NETWORK_SINCE else 8
    ruleset = system.call(_CREATE_RULESET, _Ruleset(files=handled, network=0, scopes=scopes), size, 0)
    try:
        for path in read:
            _allow(ruleset, path, handled & _READING)
        for path in write:
            _allow(ruleset, path, handled)
        system.call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there cannot be allowed
        return
    try:
        allowed = rights if os.path.isdir(path) else rights & _OF_FILES  # noqa: PTH112 - pathlib takes 10 ms to import
        system.call(_ADD_RULE, ruleset, _BENEATH, _Beneath(allowed=allowed, parent=place), 0)
    finally:
        os.close(place)

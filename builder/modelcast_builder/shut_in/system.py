"""Linux' own calls that Python has no names for."""

import ctypes
import os
import sys
from typing import Any

_SET_PARENT_DEATH_SIGNAL, _SET_NO_NEW_PRIVILEGES, _SET_CHILD_SUBREAPER = 1, 38, 36
_CAPABILITIES_VERSION = 0x20080522
_OF_FILES_AND_USERS = 0xFF
"""CAP_CHOWN to CAP_SETUID: whose files root reads, and as whom it starts something."""
_library = ctypes.CDLL(None, use_errno=True)


def _function(name: str) -> Any:
    """A function of the C library; raises OSError where only Linux has it."""
    try:
        return getattr(_library, name)
    except AttributeError as absent:
        raise OSError(0, "only Linux has it") from absent


def checked(result: int) -> int:
    """The result of a call of the C library; raises OSError where it failed."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def call(number: int, *arguments: "int | ctypes._SimpleCData[int] | ctypes.Structure | None") -> int:
    """A system call by its number, which means another one where this is not Linux."""
    if sys.platform != "linux":
        raise OSError(0, "only Linux has it")
    given = [ctypes.byref(one) if isinstance(one, ctypes.Structure) else _long(one) for one in arguments]
    return checked(_function("syscall")(ctypes.c_long(number), *given))


def _long(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def prctl(option: int, *arguments: object) -> None:
    """What a process sets for itself."""
    given = [_long(one) for one in arguments] + [ctypes.c_long(0)] * (4 - len(arguments))
    checked(_function("prctl")(ctypes.c_int(option), *given))


def unshare(flags: int) -> None:
    """Leave these namespaces for new ones."""
    checked(_function("unshare")(ctypes.c_int(flags)))


def end_with_parent(number: int) -> None:
    """Let the kernel send this signal to this process when the thread that started it ends."""
    prctl(_SET_PARENT_DEATH_SIGNAL, number)


def gain_no_privileges() -> None:
    """From now on no program that is executed has more rights than this process: `sudo` does nothing."""
    prctl(_SET_NO_NEW_PRIVILEGES, 1)


def drop_capabilities() -> None:
    """Let root be root to files and users only: it cannot raise a limit, mount, or look into other processes."""
    kept = _Capabilities()
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    checked(_function("capget")(header, ctypes.byref(kept)))
    kept.effective &= _OF_FILES_AND_USERS
    kept.permitted &= _OF_FILES_AND_USERS
    kept.inheritable = kept.more_effective = kept.more_permitted = kept.more_inheritable = 0
    checked(_function("capset")(header, ctypes.byref(kept)))


class _Capabilities(ctypes.Structure):
    _names = ("effective", "permitted", "inheritable", "more_effective", "more_permitted", "more_inheritable")
    _fields_ = tuple((name, ctypes.c_uint32) for name in _names)


def adopt_orphans() -> None:
    """What loses its parent below this process becomes its child, and not init's."""
    prctl(_SET_CHILD_SUBREAPER, 1)

"""seccomp: a filter of system calls, by which a process and all that it starts have no socket but local ones."""

import ctypes
import errno
import os

from modelcast_builder.shut_in import system

_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_OTHER_ABI = 0x40000000
_LOCAL = (1, 16)
"""AF_UNIX, and AF_NETLINK, by which a process asks about its interfaces."""
_IO_URING_SETUP = 425
_SOCKET = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""The kernel's number of the architecture, and of `socket` on it."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def refuse_networks() -> None:
    """Refuse every socket but local ones, with ENETUNREACH; raises OSError where the platform has no filters."""
    machine = os.uname().machine
    if machine not in _SOCKET:
        raise OSError(0, f"no filter is known for {machine}")
    architecture, socket = _SOCKET[machine]
    refused = _FAIL | errno.ENETUNREACH
    install(
        [
            (_LOAD, 0, 0, _ARCHITECTURE),
            (_EQUALS, 1, 0, architecture),
            (_RETURN, 0, 0, refused),  # a program of another architecture has other numbers
            (_LOAD, 0, 0, _NUMBER),
            (_AT_LEAST, 5, 0, _OTHER_ABI),
            (_EQUALS, 4, 0, _IO_URING_SETUP),  # it makes sockets by itself
            (_EQUALS, 0, 4, socket),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            *((_EQUALS, 2 - at, 0, family) for at, family in enumerate(_LOCAL)),
            (_RETURN, 0, 0, refused),
            (_RETURN, 0, 0, _ALLOW),
        ]
    )


def install(instructions: "list[tuple[int, int, int, int]]") -> None:
    """Add a filter; needs a process that gains no privileges."""
    array = (_Instruction * len(instructions))(*(_Instruction(*one) for one in instructions))
    program = _Program(length=len(instructions), filter=array)
    system.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program))

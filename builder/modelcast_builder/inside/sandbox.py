"""Shuts a kernel's process in before anything runs in it: a limit of memory, and no network."""

import contextlib
import ctypes
import os
import resource
import socket
import struct
from pathlib import Path

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def limit_memory(megabytes: int) -> None:
    """Let this process and those that it starts have so much data each."""
    # Not RLIMIT_AS, which also counts what is only reserved: under it OpenBLAS was seen to spin for ever at its import.
    wanted = megabytes << 20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def leave_network() -> str | None:
    """Move into a network that holds nothing but this machine's own loopback; else why that cannot be.

    Only a process of one thread can.
    """
    user, group = os.getuid(), os.getgid()
    try:
        _unshare(_NEW_USER | _NEW_NETWORK)
    except OSError:
        # Where users may not have namespaces, root may still have this one.
        try:
            _unshare(_NEW_NETWORK)
        except OSError as error:
            return error.strerror
    else:
        # The network is gone; without a name of its own the process would only look like `nobody`.
        with contextlib.suppress(OSError):
            _map_to_itself("uid", user)
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            _map_to_itself("gid", group)
    with contextlib.suppress(OSError):
        _raise_loopback()
    return None


def _unshare(flags: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "unshare"):
        raise OSError(0, "only Linux has network namespaces")
    if library.unshare(flags):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _map_to_itself(kind: str, number: int) -> None:
    Path(f"/proc/self/{kind}_map").write_text(f"{number} {number} 1", encoding="ascii")


def _raise_loopback() -> None:
    """Some libraries speak with their own helpers over 127.0.0.1."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))

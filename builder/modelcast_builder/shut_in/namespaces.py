"""Namespaces: a network that holds nothing but this machine's loopback, a user whose processes count by themselves."""

import os

from modelcast_builder.shut_in import system

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_SET_FLAGS, _IS_UP = 0x8914, 0x1


def leave_network() -> None:
    """Move into a network of one's own; raises OSError. Only a process of one thread can."""
    try:
        become_other_user(_NEW_NETWORK)
    except OSError:
        # Where users may not have namespaces, root may still have this one.
        system.unshare(_NEW_NETWORK)
    _raise_loopback()


def become_other_user(others: int = 0) -> None:
    """Move into a user namespace in which this user is itself; raises OSError, and then nothing has changed."""
    user, group = os.getuid(), os.getgid()
    _try_out(user, group, others)
    system.unshare(_NEW_USER | others)
    _be(user, group)


def _try_out(user: int, group: int, others: int) -> None:
    """In a process of its own: who could not keep its name in the namespace that it is in could write no file."""
    trial = os.fork()
    if not trial:
        try:
            system.unshare(_NEW_USER | others)
            _be(user, group)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, status = os.waitpid(trial, 0)
    if status:
        number = os.waitstatus_to_exitcode(status)
        raise OSError(number, os.strerror(number))


def _be(user: int, group: int) -> None:
    _write("uid_map", f"{user} {user} 1")
    _write("setgroups", "deny")
    _write("gid_map", f"{group} {group} 1")


def _write(name: str, text: str) -> None:
    with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes 10 ms to import
        file.write(text)


def _raise_loopback() -> None:
    """Some libraries speak with their own helpers over 127.0.0.1."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _IS_UP))

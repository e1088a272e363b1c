"""Puts the walls around this process, one after the other; what cannot be put is told, and the rest still stands."""

import resource
import signal
from collections.abc import Callable
from os import getuid

from modelcast_builder.shut_in import landlock, namespaces, processes, seccomp, system

_LIMITS = {
    # Not RLIMIT_AS, which also counts what is only reserved: under it OpenBLAS was seen to spin for ever at its import.
    "memory": resource.RLIMIT_DATA,
    "cpu": resource.RLIMIT_CPU,
    "file": resource.RLIMIT_FSIZE,
    "open_files": resource.RLIMIT_NOFILE,
    "core": resource.RLIMIT_CORE,
}
_GRACE_S = 5
"""Between the signal by which a process is told that its time is over, and its end."""


def put(limits: dict[str, int], network: str, read: list[str], write: list[str], group: str | None) -> list[str]:
    """Put every wall, and return what does not hold, in words. Needs a process of one thread.

    `limits` are bytes, seconds and numbers by the names of `_LIMITS`, and `processes`; `network` is `host`, `loopback`
    or `none`; `group` is a control group that holds the number of processes.
    """
    is_away = network == "loopback" and _refused(namespaces.leave_network) is None
    lacking = _processes(limits["processes"], group, has_own_user=is_away and getuid() != 0)
    for name, kind in _LIMITS.items():
        _limit(kind, limits[name])
    if reason := _refused(_stay_small):
        lacking.append(f"it can gain privileges ({reason})")
    if reason := _refused(lambda: landlock.restrict(read, write)):
        lacking.append(f"files and processes of this user outside of it can be reached (no Landlock: {reason})")
    if network != "host" and not is_away and (reason := _refused(seccomp.refuse_networks)):
        lacking.append(f"the network stays ({reason})")
    return lacking


def _stay_small() -> None:
    system.gain_no_privileges()
    system.drop_capabilities()
    # Not earlier: it is forgotten by who becomes another user.
    system.end_with_parent(signal.SIGKILL)


def _processes(most: int, group: str | None, *, has_own_user: bool) -> list[str]:
    if group is not None:
        processes.join(group)
        return []
    if has_own_user:
        processes.limit_within(most)
        return []
    reason = processes.limit(most)
    return [f"the number of processes is not limited ({reason})"] if reason else []


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    later = wanted + _GRACE_S if kind == resource.RLIMIT_CPU else wanted
    if hard != resource.RLIM_INFINITY:
        later = min(later, hard)
    resource.setrlimit(kind, (min(wanted, later), later))


def _refused(wall: Callable[[], None]) -> str | None:
    """Put the wall; else why the platform refuses it."""
    try:
        wall()
    except OSError as error:
        return error.strerror or str(error)
    return None

"""How many processes: held by a control group of their own, by the user's limit, or by the container's.

RLIMIT_NPROC counts every process of a user on the machine, other containers' too, and root's not at all. It means what
it says only in a user namespace of one's own.
"""

import os
import resource

from modelcast_builder.shut_in import namespaces

_ROOT = "/sys/fs/cgroup"


def group_for(most: int, name: str) -> str | None:
    """The folder of a new control group that holds so many processes; None where none can be made."""
    for place, path in _own():
        folder = f"{place}{path.rstrip('/')}/{name}"
        try:
            # One of that name is a killed predecessor's, and empty.
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - pathlib takes 10 ms to import
        except OSError:
            continue
        try:
            _write(f"{folder}/pids.max", str(most))
        except OSError:
            os.rmdir(folder)  # noqa: PTH106
            continue
        return folder
    return None


def join(folder: str) -> None:
    """Move this process into the group; raises OSError."""
    _write(f"{folder}/cgroup.procs", str(os.getpid()))


def limit(most: int) -> str | None:
    """Let this user have so many in a namespace of its own; else why the number is not limited."""
    if _is_root():
        return None if _limit_of_container() else "root's processes are not counted here"
    try:
        namespaces.become_other_user()
    except OSError as error:
        return None if _limit_of_container() else f"user namespaces are refused: {error.strerror}"
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
    return None


def limit_within(most: int) -> None:
    """The same for a user that has a namespace already."""
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _is_root() -> bool:
    return os.getuid() == 0


def _limit_of_container() -> bool:
    """Whether whoever started this container limits the processes in it."""
    for place, path in _own():
        for folder in (f"{place}{path.rstrip('/')}", place):
            try:
                if _read(f"{folder}/pids.max").strip() != "max":
                    return True
            except OSError:  # the root of all groups has no limit, and no file
                continue
    return False


def _own() -> "list[tuple[str, str]]":
    """Where the groups of processes are, and the path of this process' own."""
    found = []
    try:
        lines = _read("/proc/self/cgroup").splitlines()
    except OSError:  # only Linux has them
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "pids":
            found.append((f"{_ROOT}/pids", path))
        elif not controllers:
            found.append((_ROOT, path))
    return found


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
        file.write(text)

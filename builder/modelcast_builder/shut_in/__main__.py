"""Runs a command within walls, and when it ends ends all that it started: `python -IS shut_in WALLS COMMAND...`.

WALLS is the JSON of `modelcast_builder.sandbox`. Without a command it prints as JSON what does not hold here.
This process stays outside of the walls as the parent of all that is within, also of what was forked away.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

# The folder of the package itself: the builder's own environment is not looked at (`-IS`), which takes a third of a
# second.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))  # noqa: PTH100, PTH120

from modelcast_builder.shut_in import processes, system, walls

_NOT_STARTED = 126


def main(arguments: list[str]) -> int:
    """Run the command to its end; its exit code, or its signal."""
    asked, command = json.loads(arguments[0]), arguments[1:]
    with contextlib.suppress(OSError):  # elsewhere than on Linux only the group ends
        system.end_with_parent(signal.SIGTERM)
        system.adopt_orphans()
    group = processes.group_for(asked["limits"]["processes"], f"modelcast-{os.getpid()}")
    child = os.fork()
    if not child:
        _become(asked, group, command)
    return _watch(child, group)


def _become(asked: dict[str, Any], group: str | None, command: list[str]) -> NoReturn:
    """In the child: a group of processes of its own, the walls, then the command."""
    try:
        os.setpgid(0, 0)
        lacking = walls.put(asked["limits"], asked["network"], asked["read"], asked["write"], group)
        if command:
            os.execvp(command[0], command)  # noqa: S606 - the walls are this process' own
        sys.stdout.write(json.dumps(lacking))
        sys.stdout.flush()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - what is forked never returns into the parent's story
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(_NOT_STARTED)


def _watch(child: int, group: str | None) -> int:
    """Wait for the child, pass on an interrupt, and end whatever is left of it."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, number)

    def stop(_number: int, _frame: FrameType | None) -> None:
        _end(child, group)
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, stop)
    status = _awaited(child)
    _end(child, group)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        _die_by(-code)
    return code


def _awaited(child: int) -> int:
    """Take every orphan's end until it is the child's."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            return status


def _end(child: int, group: str | None) -> None:
    """Kill the child's group at once, so that nothing in it can fork away, then what left the group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for orphan in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    if group is not None:
        with contextlib.suppress(OSError):
            os.rmdir(group)  # noqa: PTH106 - pathlib takes 10 ms to import


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:  # noqa: PTH123
            return [int(number) for number in file.read().split()]
    except FileNotFoundError:
        return []


def _die_by(number: int) -> None:
    """End as the child did, so that whoever waits sees its signal."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

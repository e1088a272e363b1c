"""Runs one notebook in a kernel of the model's environment, and asks that kernel before it goes what it knows."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.client import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, v4

from modelcast_builder.environment.lock import FILE
from modelcast_builder.errors import BuildError
from modelcast_builder.notebooks import injection
from modelcast_builder.notebooks.files import STEP
from modelcast_builder.sandbox import Sandbox

AT_START = "at its start"
_START_S = 120
_ASK_S = 300
# The name of a socket may have 107 bytes; the kernel adds "/kernel-ipc-5".
_LONGEST_SOCKET_FOLDER = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a kernel runs: the model's interpreter, the repository's copy, a folder for what passes between us."""

    python: Path
    root: Path
    work: Path
    env: Mapping[str, str]
    sandbox: Sandbox
    """What the notebook and all that it starts may have."""
    requirements: str = FILE
    """The file of the repository that says what the environment holds."""


class Failed(Exception):
    """The notebook did not reach its end: `where` it was, and the `output` that there is."""

    def __init__(self, where: str, output: str) -> None:
        """Keep the parts."""
        super().__init__(where)
        self.where, self.output = where, output


class CellFailed(Failed):
    """A cell raised."""

    def __init__(self, where: str, output: str, *, ename: str, evalue: str) -> None:
        """Keep the exception's name and message."""
        super().__init__(where, output)
        self.ename, self.evalue = ename, evalue


class OutOfTime(Failed):
    """The time box ended."""

    def __init__(self, where: str, output: str, *, limit_s: float) -> None:
        """Keep the limit."""
        super().__init__(where, output)
        self.limit_s = limit_s


class KernelDied(Failed):
    """The kernel's process ended, with this exit code where it is known."""

    def __init__(self, where: str, output: str, *, code: int | None) -> None:
        """Keep the exit code; negative: the signal."""
        super().__init__(where, output)
        self.code = code


class _OneSpec(KernelSpecManager):  # type: ignore[misc, unused-ignore]
    """Knows the model's interpreter only: no kernelspec that is installed somewhere matters."""

    argv: list[str]

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        provisioner = {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}
        return KernelSpec(argv=self.argv, display_name=kernel_name, language="python", metadata=provisioner)


class Session:
    """A living kernel with the notebook that it runs."""

    def __init__(self, notebook: NotebookNode, manager: Any, place: Place, log: Path) -> None:
        """Use `opened` to get one."""
        self._notebook, self._manager, self._place, self._log = notebook, manager, place, log
        self._channels: Any = None
        self._where = AT_START

    async def start(self) -> None:
        """Start the kernel; raises `KernelDied`."""
        with self._log.open("wb") as log:
            await self._manager.start_kernel(
                cwd=str(self._place.root), env=_environment(self._place), stdout=log, stderr=log
            )
        self._channels = self._manager.client()
        self._channels.start_channels()
        try:
            await self._channels.wait_for_ready(timeout=_START_S)
        except RuntimeError as error:
            raise KernelDied(self._where, self._last_words(), code=None) from error
        self._channels.allow_stdin = False

    async def end(self) -> None:
        """Let the kernel clean up after itself (joblib's shared memory), then take what it left running."""
        group = getattr(self._manager.provisioner, "pgid", None)
        if self._channels is not None:
            self._channels.stop_channels()
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel()
        await self._manager.cleanup_resources()
        if group:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    async def run(self, timeout_s: float) -> None:
        """Run every cell; raises `CellFailed`, `OutOfTime`, `KernelDied`."""
        client = self._client(self._notebook, timeout_s)
        number = 0
        for index, cell in enumerate(self._notebook.cells):
            is_added = injection.is_added(cell)
            number += runs(cell) and not is_added
            self._where = "the injected parameters" if is_added else f"cell {number}"
            try:
                await client.async_execute_cell(cell, index, execution_count=number, store_history=not is_added)
            except CellExecutionError as error:
                raise CellFailed(self._where, _printed(cell), ename=error.ename, evalue=error.evalue) from error
            except CellTimeoutError as error:
                raise OutOfTime(self._where, _printed(cell), limit_s=timeout_s) from error
            except DeadKernelError as error:
                raise await self._death(cell) from error
            if is_added:
                cell["execution_count"] = None
        self._where = "after its last cell"

    async def ask(self, function: str, **arguments: str | int) -> None:
        """Call a function of `inside.kernel` in the kernel; what fails there is our own bug."""
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        # No import statement: it would leave a name in the notebook's own namespace.
        make: Any = v4
        hidden = make.new_code_cell(f"__import__('sys').modules['modelcast_inside.kernel'].{function}({given})")
        client = self._client(make.new_notebook(cells=[hidden]), _ASK_S)
        try:
            await client.async_execute_cell(hidden, 0, store_history=False)
        except DeadKernelError as error:
            raise await self._death(hidden) from error

    def _client(self, notebook: NotebookNode, timeout_s: float) -> NotebookClient:
        deadline = monotonic() + timeout_s
        client = NotebookClient(
            notebook,
            km=self._manager,
            timeout_func=lambda _cell: max(0.01, deadline - monotonic()),
            iopub_timeout=30,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
        )
        client.kc = self._channels
        return client

    async def _death(self, cell: NotebookNode) -> BaseException:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # nbclient takes Ctrl-C for a death; asyncio.run makes KeyboardInterrupt of it again.
            return asyncio.CancelledError()
        code = await self._manager.provisioner.poll()
        return KernelDied(self._where, f"{_printed(cell)}\n{self._last_words()}", code=code)

    def _last_words(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


def runs(cell: NotebookNode) -> bool:
    """Whether a cell is executed: these are counted, as `In [n]` does."""
    return bool(
        cell.cell_type == "code" and cell.source.strip() and "skip-execution" not in cell.metadata.get("tags", ())
    )


@asynccontextmanager
async def opened(notebook: NotebookNode, place: Place) -> AsyncIterator[Session]:
    """A started session; its processes are gone afterwards, whatever happens."""
    inside = Path(__file__).parents[1] / "inside" / "__main__.py"
    with tempfile.TemporaryDirectory(prefix="modelcast-", dir=_short_folder()) as folder:
        transport = "ipc" if _is_short(folder) else "tcp"
        if transport == "tcp" and place.sandbox.network != "host":
            problem = f"a kernel without network is reached by a socket in a file, whose path is too long: {folder}"
            raise BuildError(STEP, problem, "Set TMPDIR to a short path, such as /var/tmp")
        specs = _OneSpec()
        specs.argv = place.sandbox.command([str(place.python), str(inside), "kernel", "-f", "{connection_file}"])
        manager = AsyncKernelManager(
            kernel_spec_manager=specs,
            connection_file=str(Path(folder) / "kernel.json"),
            transport=transport,
            shutdown_wait_time=4.0,
        )
        session = Session(notebook, manager, place, Path(folder) / "kernel.log")
        try:
            await session.start()
            yield session
        finally:
            await session.end()


def _short_folder() -> str | None:
    """Where the sockets are: the usual place for temporary files (None), or the shortest where that is too long."""
    usual, shortest = tempfile.gettempdir(), "/tmp"  # noqa: S108 - mkdtemp makes the folder in it safely
    fits = _is_short(f"{usual}/modelcast-12345678") or not os.access(shortest, os.W_OK)
    return None if fits else shortest


def _is_short(folder: str) -> bool:
    return len(os.fsencode(folder)) <= _LONGEST_SOCKET_FOLDER


def _environment(place: Place) -> dict[str, str]:
    programs = place.python.parent
    # Without a pip of its own, `!pip` finds another environment's: it shall act on this one.
    pip = {} if (programs / "pip").exists() else {"PIP_PYTHON": str(place.python)}
    return {
        **place.env,
        **pip,
        "PATH": os.pathsep.join([str(programs), place.env.get("PATH", os.defpath)]),
        "VIRTUAL_ENV": str(programs.parent),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The order of sets of strings would otherwise change the model from build to build.
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "IPYTHONDIR": str(place.work / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def _printed(cell: NotebookNode) -> str:
    """What the cell had put out when it ended, the traceback last."""
    parts = []
    for output in cell.get("outputs", ()):
        if output.output_type == "stream":
            parts.append(str(output.text))
        elif output.output_type == "error":
            parts.append("\n".join(output.traceback))
        else:
            parts.append(str(output.get("data", {}).get("text/plain", "")))
    return "\n".join(part.rstrip("\n") for part in parts)

"""Says why a notebook did not reach its end: one line with the cell's number, the line to write, the last output."""

import errno
import re
import signal
from collections.abc import Callable
from pathlib import Path

from modelcast_builder import endings
from modelcast_builder.errors import BuildError
from modelcast_builder.notebooks import kernel
from modelcast_builder.notebooks.files import STEP

_LINES = 15
_LONGEST_MESSAGE = 300
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07")
# IPython writes a cell to a file of its own for the debugger: a path that tells the user nothing.
_CELL_FILE = re.compile(r"\((?:\S*[\\/])?\d+\.py, line (\d+)\)")
_MISSING = re.compile(r"No module named '([^']+)'")
# Where the distribution is not called as the module.
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "imblearn": "imbalanced-learn",
    "Crypto": "pycryptodome",
    "umap": "umap-learn",
    "psycopg2": "psycopg2-binary",
}
_FIXES = {
    "FileNotFoundError": "Commit the file, or write its path from the repository's root, where the notebook runs",
    "StdinNotImplementedError": "Write the value into the notebook: nobody answers input() in a build",
    "SystemExit": "Take the call out of the cell: what comes after it would not run",
}
_KILLED_FIX = "Train on fewer rows, or give the build more memory"
# How it shows in workers of joblib.
_OUT_OF_MEMORY = ("MemoryError", "TerminatedWorkerError", "BrokenProcessPool")
_DEFAULT_FIX = "Correct the cell, and run the notebook from top to bottom in a fresh kernel before you commit it"


def explained(failed: kernel.Failed, name: Path, place: kernel.Place, say: Callable[[str], None]) -> BuildError:
    """Pass on the end of the output, and return the error to raise."""
    for line in _last_lines(failed.output):
        say(line)
    problem, fix = _reason(failed, place)
    return BuildError(STEP, f"{name.as_posix()}, {failed.where}: {problem}", fix)


def _reason(failed: kernel.Failed, place: kernel.Place) -> tuple[str, str]:
    if isinstance(failed, kernel.CellFailed):
        return _headline(failed), _fix(failed, place)
    if isinstance(failed, kernel.OutOfTime):
        others = "or commit the trained model and name it in `model:`"
        fix = f"Train on fewer rows or search less, or {place.sandbox.more_time}, {others}"
        return f"the notebook takes longer than {failed.limit_s:g} s", fix
    code = failed.code if isinstance(failed, kernel.KernelDied) else None
    wall = endings.by_wall(code, place.sandbox) if code is not None else None
    if wall:
        return f"the notebook {wall[0]}", wall[1]
    if endings.by_memory(plain(failed.output)):
        return f"the kernel ended for want of memory: it may have {place.sandbox.memory_mb} MiB", _memory_fix(place)
    return _death(code, failed.where)


def _memory_fix(place: kernel.Place) -> str:
    return f"Train on fewer rows, or {place.sandbox.more_memory}"


def _headline(failed: kernel.CellFailed) -> str:
    """The line that Python ends a traceback with."""
    first = next((line.strip() for line in plain(failed.evalue).splitlines() if line.strip()), "")
    first = _CELL_FILE.sub(r"(line \1)", first)
    return f"{failed.ename}: {first[:_LONGEST_MESSAGE]}" if first else failed.ename


def _fix(failed: kernel.CellFailed, place: kernel.Place) -> str:
    missing = _MISSING.search(failed.evalue)
    if failed.ename == "ModuleNotFoundError" and missing:
        return _missing_fix(missing[1].partition(".")[0], place)
    if failed.ename == "BlockingIOError":
        return f"Start fewer processes, for instance by `n_jobs=1`: all together may be {place.sandbox.processes}"
    if failed.ename == "OSError" and failed.evalue.startswith(f"[Errno {errno.EFBIG}]"):
        return endings.too_large_a_file(place.sandbox)[1]
    if failed.ename in _OUT_OF_MEMORY or endings.by_memory(failed.evalue):
        return _memory_fix(place)
    return _FIXES.get(failed.ename, _DEFAULT_FIX)


def _missing_fix(module: str, place: kernel.Place) -> str:
    # A module of the repository that lies elsewhere: its name on an index would be somebody else's package.
    root = place.root
    own = sorted([*root.rglob(f"{module}.py"), *root.rglob(f"{module}/__init__.py")])
    if own:
        found = own[0].relative_to(root).as_posix()
        return f"Move {found} to the repository's root or beside the notebook, or add its folder to sys.path"
    return f"Add {_DISTRIBUTIONS.get(module, module)} to {place.requirements}"


def _death(code: int | None, where: str) -> tuple[str, str]:
    if where == kernel.AT_START:
        return "the kernel did not start", "See the lines above: the model's environment may lack ipykernel"
    if code == -signal.SIGKILL:
        return "the kernel was killed, most often for want of memory", _KILLED_FIX
    if code is not None and code < 0:
        problem = f"the kernel crashed ({signal.Signals(-code).name})"
        return problem, "See the lines above: a compiled library of the model's environment failed"
    return f"the kernel's process ended with exit code {code}", "Take the call that ends the process out of the cell"


def _last_lines(output: str) -> list[str]:
    lines = [line.rstrip() for line in plain(output).splitlines()]
    return [line for line in lines if line][-_LINES:]


def plain(text: str) -> str:
    """Without colours, and with the last state of lines that were written over."""
    return "\n".join(line.rpartition("\r")[2] for line in _ESCAPES.sub("", text).replace("\r\n", "\n").split("\n"))

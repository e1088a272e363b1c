"""The sandbox, with real processes that do what it forbids: each ends with one line that says which wall it was."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from modelcast_builder import child, own_process, sandbox
from modelcast_builder.document import Build
from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import Data, DescribeRequest
from modelcast_builder.sandbox import Sandbox

from tests.acceptance.commands import is_alive, until

ROOT = Path(__file__).resolve().parents[2]
MODEL = sandbox.of_model(Build(memory_mb=2048))


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that is no temporary one."""
    (ROOT / "build").mkdir(exist_ok=True)
    # Wherever the project was cloned to: what lies below these two is open to models.
    places = (ROOT / "build", Path.home(), Path("/var/lib"))
    private = next(place for place in places if place.parts[1] != "tmp" and place.parts[1:3] != ("var", "tmp"))
    folder = Path(tempfile.mkdtemp(dir=private))
    yield folder
    shutil.rmtree(folder)


def load(environment: Environment, work: Path, lines: str, walls: Sandbox) -> str:
    """The refusal of a pickle whose own module does this when it is loaded."""
    (work / "code").mkdir()
    body = "\n".join(f"    {line}" for line in lines.splitlines())
    (work / "code" / "trouble.py").write_text(f"import os, signal, socket, tempfile\ndef make():\n{body}\n")
    (work / "model.pkl").write_bytes(b"ctrouble\nmake\n(tR.")
    asked = DescribeRequest(
        artifact=str(work / "model.pkl"),
        framework="sklearn",
        code=str(work / "code"),
        definitions={},
        by_value=False,
        recorded=None,
        data=Data(),
        inputs={},
        sealed=str(work / "model.joblib"),
    )
    with pytest.raises(BuildError) as refused:
        child.describe(environment, asked, work, os.environ, walls)
    return str(refused.value)


REFUSED = {
    "crashes": (
        "import ctypes; ctypes.string_at(0)",
        MODEL,
        "describe: loading or scoring the model crashed the process (SIGSEGV). "
        "Train the model again with the versions that requirements.txt names",
    ),
    "is killed": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        MODEL,
        "describe: loading or scoring the model was killed, most often for want of memory. "
        "Train a smaller model, or give the machine or container that builds more memory",
    ),
    "hangs": (
        "signal.pause()",
        replace(MODEL, timeout_s=2),
        "describe: loading the model and asking it for a few rows took longer than 2 seconds. "
        "Save a model that answers a row in well under a second, and opens nothing while it is loaded",
    ),
    "computes": (
        "while True: pass",
        replace(MODEL, cpu_s=1),
        "describe: loading or scoring the model used more than 1 s of CPU time. "
        "Write `build: {timeout_s: 1200}` in modelcast.yaml",
    ),
    "takes memory": (
        "bytearray(2**32)",
        MODEL,
        "describe: loading or scoring model.pkl takes more memory than the 2048 MiB that it may have. "
        "Train a smaller model, or write `build: {memory_mb: 4096}` in modelcast.yaml",
    ),
    "writes": (
        "with tempfile.TemporaryFile() as file: file.write(bytes(2**21))",
        replace(MODEL, file_mb=1),
        "describe: loading or scoring model.pkl writes a file of more than 1 MiB. "
        "Save a model that writes nothing when it is loaded",
    ),
    "forks": (
        "while os.fork(): pass\nsignal.pause()",
        replace(MODEL, processes=30),
        "describe: loading or scoring model.pkl starts more processes or threads than it may have. "
        "Save a model with a small `n_jobs`, which starts no others",
    ),
    "connects": (
        "socket.create_connection(('127.0.0.1', 9), timeout=1)",
        MODEL,
        "describe: loading or scoring model.pkl reaches for a network, and a model has none when it is loaded. "
        "Fetch it when the model is trained, and let it hold it",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_model_that_does_what_it_may_not_is_told_in_a_line(
    model_environment: Environment, tmp_path: Path, kind: str
) -> None:
    lines, walls, expected = REFUSED[kind]
    assert load(model_environment, tmp_path, lines, walls) == expected


def test_a_model_reads_and_writes_nothing_of_the_users(
    model_environment: Environment, tmp_path: Path, outside: Path
) -> None:
    (outside / "id_rsa").write_text("secret")
    said = load(model_environment, tmp_path, f"open({str(outside / 'id_rsa')!r}).read()", MODEL)
    assert said == (
        f"describe: loading or scoring model.pkl may not touch {outside / 'id_rsa'}, which will not be where the model "
        "is served. Put what it needs into the repository and into `code:`"
    )


AROUND = """
import json, os, pathlib, sys
def tried(what):
    try:
        return what()
    except OSError as error:
        return type(error).__name__
print(json.dumps([
    tried(lambda: pathlib.Path(sys.argv[1], "new").write_text("x")),
    tried(lambda: pathlib.Path(sys.argv[2], "new").write_text("x")),
    tried(lambda: os.kill(os.getppid(), 9)),
    tried(lambda: open(f"/proc/{os.getppid()}/environ").read() and "read"),
    tried(lambda: "sees " + os.listdir(sys.argv[1])[0]),
]))
"""


def test_what_is_within_writes_where_it_may_and_reaches_no_process_outside(tmp_path: Path, outside: Path) -> None:
    (outside / "file").touch()
    walls = MODEL.reaching(read=[Path(sys.prefix), Path(sys.base_prefix)], write=[tmp_path])
    done = own_process.run(
        [sys.executable, "-c", AROUND, str(outside), str(tmp_path)], cwd=tmp_path, env={}, sandbox=walls
    )
    assert json.loads(done.stdout) == ["PermissionError", 1, "PermissionError", "PermissionError", "PermissionError"]


LEAVES = """
import os, pathlib, signal, sys
reader, writer = os.pipe()
if not os.fork():
    os.setsid()
    if not os.fork():
        os.write(writer, str(os.getpid()).encode())
        signal.pause()
    os._exit(0)
print(os.read(reader, 20).decode(), flush=True)
if sys.argv[1:]:
    signal.pause()
"""


def test_what_forked_itself_away_ends_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEAVES]
    done = own_process.run(command, cwd=tmp_path, env=os.environ, sandbox=sandbox.of_notebook(Build()))
    assert done.returncode == 0
    assert not is_alive(int(done.stdout))


def test_what_is_within_ends_with_a_builder_that_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    walls = json.dumps(sandbox.of_notebook(Build()).command([sys.executable, "-c", LEAVES, "hang"]))
    code = f"import json, subprocess; subprocess.run(json.loads({walls!r}), stdout=open({str(file)!r}, 'w'))"
    builder = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    until(lambda: file.is_file() and file.read_text().endswith("\n"))
    builder.kill()
    builder.wait()
    until(lambda: not is_alive(int(file.read_text())))


REFUSING = """
import errno, os, sys
sys.path.append(sys.argv[1])
from modelcast_builder.shut_in import seccomp, system
checks = [(0x15, 6 - at, 0, number) for at, number in enumerate((272, 444, 83, 258))]
seccomp_by_prctl = [(0x15, 0, 3, 157), (0x20, 0, 0, 16), (0x15, 0, 1, 22)]
system.gain_no_privileges()
fail = (0x06, 0, 0, 0x00050000 | errno.EPERM)
seccomp.install([(0x20, 0, 0, 0), *checks, *seccomp_by_prctl, fail, (0x06, 0, 0, 0x7FFF0000)])
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_what_a_platform_refuses_is_told_in_a_sentence_and_the_rest_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a container's engine does: no namespaces, no Landlock, no filters, no control groups.
    assert os.uname().machine == "x86_64"
    refusing = (sys.executable, "-IS", "-c", REFUSING, str(ROOT / "builder"))
    monkeypatch.setattr(sandbox, "PROGRAM", (*refusing, *sandbox.PROGRAM))
    told = sandbox.lacking(Build(network=False))
    assert told is not None
    known = ("root's processes are not counted here", "user namespaces are refused: Operation not permitted")
    parts = told.removeprefix("the sandbox is not whole on this machine: ").split("; ")
    # A container that limits its processes itself lacks nothing of that kind.
    assert parts[-2:] == [
        "files and processes of this user outside of it can be reached (no Landlock: Operation not permitted)",
        "the network stays (Operation not permitted)",
    ]
    assert parts[:-2] in ([], *([f"the number of processes is not limited ({reason})"] for reason in known))
    limits = "import resource as r; print([r.getrlimit(n)[0] for n in (r.RLIMIT_DATA, r.RLIMIT_FSIZE, r.RLIMIT_CORE)])"
    done = own_process.run([sys.executable, "-c", limits], cwd=tmp_path, env={}, sandbox=MODEL)
    assert done.stdout == f"[{2 << 30}, {8 << 30}, 0]\n"


def test_a_sandbox_that_is_whole_needs_no_words() -> None:
    assert sandbox.lacking(Build()) is None
    assert sandbox.lacking(Build(network=False)) is None


def test_a_build_decides_the_limits() -> None:
    notebook = sandbox.of_notebook(Build(timeout_s=100, memory_mb=512, network=False))
    model = sandbox.of_model(Build(timeout_s=100, memory_mb=512))
    processors = os.cpu_count() or 1
    assert (notebook.timeout_s, notebook.memory_mb, notebook.cpu_s, notebook.file_mb, notebook.network) == (
        100, 512, 100 * processors + 60, 2048, "loopback",
    )  # fmt: skip
    assert (model.timeout_s, model.memory_mb, model.network) == (100, 512, "none")
    assert sandbox.of_model(Build()).timeout_s == 600
    assert sandbox.of_notebook(Build()).network == "host"

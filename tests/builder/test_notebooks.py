"""Notebooks run in kernels of the model's environment, and everything they leave behind is found."""

import json
import os
import pickletools
import re
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import notebooks, sandbox
from modelcast_builder.config import read_config
from modelcast_builder.document import Build
from modelcast_builder.errors import BuildError
from modelcast_builder.notebooks import Executed, failures, files, kernel
from modelcast_builder.notebooks import page as pages
from modelcast_builder.notebooks.kernel import Place
from modelcast_builder.sandbox import of_notebook
from nbformat import v4

from tests.acceptance.commands import is_alive, until

INSIDE = Path(notebooks.__file__).parents[1] / "inside" / "__main__.py"


@pytest.fixture(scope="session")
def model_python() -> Path:
    """An interpreter with ipykernel and scikit-learn, as the model's environment has them."""
    return Path(os.environ.get("MODELCAST_TEST_PYTHON", sys.executable))


def notebook(path: Path, *cells: str, **metadata: Any) -> None:
    """Write a notebook; a cell that starts with `md:` is markdown."""
    made = [v4.new_markdown_cell(c[3:]) if c.startswith("md:") else v4.new_code_cell(c) for c in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(v4.new_notebook(cells=made, metadata=metadata)), encoding="utf-8")


def names_of_main(artifact: Path) -> frozenset[str]:
    """The names of `__main__` in a plain pickle."""
    words: list[str] = []
    found = set()
    for opcode, argument, _ in pickletools.genops(artifact.read_bytes()):
        if opcode.name == "STACK_GLOBAL" and "__main__" in words[-2:]:
            found.add(words[-1])
        if isinstance(argument, str):
            words.append(argument)
    return frozenset(found)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(BuildError) as caught:
        call()
    return str(caught.value)


TRAIN = (
    "md:# Training\n![plot](plot.png) ![remote](https://example.com/a.png) [link](https://example.com)",
    "import os, sys, pickle, warnings\nimport kernel, describe, recorder\nfrom features import doubled\n"
    "print(os.getcwd(), os.environ['PYTHONHASHSEED'], os.environ['MINE'], sys.executable)\n"
    "print(sys.path.index(os.getcwd()) + 1 == sys.path.index(os.path.join(os.getcwd(), 'deep')))",
    "",
    "%%time\nfrom sklearn.base import BaseEstimator\nclass Twice(BaseEstimator):\n"
    "    def fit(self, X, y=None):\n        return self\n    def predict(self, X):\n        return doubled(X) + PLUS",
    "!echo from the shell\n%pip --version",
    "PLUS = 1\nmodel = Twice().fit([[1.0], [2.0]])\nPLUS = 2",
    "with open('model.pkl', 'wb') as file:\n    pickle.dump(model, file)\n"
    "os.makedirs('out', exist_ok=True)\nopen('out/metrics.json', 'w').write('{}')\nopen('data.csv', 'a').write('x')\n"
    "os.utime('touched.txt')",
    'from IPython.display import HTML\nHTML(\'<b onclick="x()">bold</b><script src="https://cdn.example.com/x.js"></script>\')',
    "%config InlineBackend.figure_format = 'svg'\n'\\u2713 done'",
)
AGAIN = {
    "nbformat": 3,
    "nbformat_minor": 0,
    "metadata": {},
    "worksheets": [
        {
            "cells": [
                {"cell_type": "heading", "level": 1, "source": ["Again"]},
                {
                    "cell_type": "code",
                    "language": "python",
                    "input": [
                        "import pickle, features\n",
                        "from sklearn.linear_model import LinearRegression as Line\n",
                        "pickle.dump(Line().fit([[0.], [1.]], [0, 1]), open('second.pkl', 'wb'))",
                    ],
                    "outputs": [],
                    "collapsed": False,
                },
            ]
        }
    ],
}


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("a repository") / "copy"
    notebook(root / "deep" / "Träin model.ipynb", *TRAIN)
    (root / "again.ipynb").write_text(json.dumps(AGAIN), encoding="utf-8")
    for name in ("kernel", "describe", "recorder"):
        (root / f"{name}.py").write_text("")
    (root / "deep" / "features.py").write_text("def doubled(rows):\n    return [2 * row[0] for row in rows][0]\n")
    (root / "features.py").write_text("from helping import doubled\n")
    (root / "helping").mkdir()
    (root / "helping" / "__init__.py").write_text((root / "deep" / "features.py").read_text())
    for name in ("data.csv", "touched.txt", "old.json"):
        (root / name).write_text("")
    (root / "deep" / "plot.png").write_bytes(b"\x89PNG")
    return root


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def executed(repo: Path, said: list[str], model_python: Path) -> Executed:
    env = {"PATH": os.environ["PATH"], "HOME": str(repo.parent), "MINE": "handed through"}
    return notebooks.execute(
        repo,
        [Path("deep/Träin model.ipynb"), repo / "again.ipynb"],
        model_python,
        work=repo.parent / "work",
        sandbox=Build(timeout_s=60),
        say=said.append,
        main_names=names_of_main,
        env=env,
    )


def test_each_notebook_is_executed_in_the_repository(executed: Executed, repo: Path, said: list[str]) -> None:
    assert [item.path for item in executed.notebooks] == [repo / "deep" / "Träin model.ipynb", repo / "again.ipynb"]
    text = executed.notebooks[0].html.decode()
    assert f"{repo} 0 handed through {os.environ.get('MODELCAST_TEST_PYTHON', sys.executable)}\nTrue" in text
    assert "from the shell" in text
    assert "Wall time" in text
    assert [re.sub(r"[\d.]+ s$", "N s", line) for line in said] == [
        "executed deep/Träin model.ipynb: 7 cells in N s",
        "executed again.ipynb: 1 cell in N s",
    ]


def test_files_of_an_artifacts_kind_that_were_written_are_found(executed: Executed, repo: Path) -> None:
    assert executed.written == tuple(
        repo / name for name in ("model.pkl", "out/metrics.json", "second.pkl", "touched.txt")
    )


def test_own_modules_are_told_with_their_files(executed: Executed, repo: Path) -> None:
    files = {name: path.relative_to(repo).as_posix() for name, path in executed.modules.items()}
    assert files == {
        "describe": "describe.py",
        "features": "features.py",
        "helping": "helping/__init__.py",
        "kernel": "kernel.py",
        "recorder": "recorder.py",
    }


def test_own_definitions_become_a_module_for_the_artifact(executed: Executed, repo: Path) -> None:
    (definition,) = executed.definitions
    assert (definition.module, definition.names) == ("modelcast_notebook_train_model", ("Twice",))
    assert (definition.values, definition.artifacts) == (None, (repo / "model.pkl",))
    assert definition.source == (
        '"""Definitions of deep/Träin model.ipynb, taken from it by modelcast."""\n\n'
        "from features import doubled\nfrom sklearn.base import BaseEstimator\n\n\n"
        "class Twice(BaseEstimator):\n    def fit(self, X, y=None):\n        return self\n"
        "    def predict(self, X):\n        return doubled(X) + PLUS\n\nPLUS = 2\n"
    )


def test_the_artifact_loads_with_that_module_in_the_notebooks_place(
    executed: Executed, repo: Path, model_python: Path, tmp_path: Path
) -> None:
    (definition,) = executed.definitions
    (tmp_path / f"{definition.module}.py").write_text(definition.source, encoding="utf-8")
    code = (
        f"import pickle, sys\nsys.path[:0] = [{str(tmp_path)!r}, {str(repo)!r}]\n"
        f"from {definition.module} import Twice\nprint(pickle.load(open({str(repo / 'model.pkl')!r}, 'rb')).predict([[4]]))"
    )
    done = subprocess.run([model_python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "10\n"


def test_the_fits_of_all_notebooks_are_recorded(executed: Executed, model_python: Path) -> None:
    code = (
        "import pickle, sys\nfor fit in pickle.load(open(sys.argv[1], 'rb')):\n"
        "    print(fit['id'], fit['estimator'], fit['X'], fit['y'], fit['rows'], fit['nulls'], fit['sampled'])"
    )
    done = subprocess.run(
        [model_python, "-c", code, str(executed.recorded)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "1 __main__.Twice [[1.0], [2.0]] None 2 {0: 0} False",
        "1000001 sklearn.linear_model._base.LinearRegression [[0.0], [1.0]] [0, 1] 2 {0: 0} False",
    ]


class _Loads(HTMLParser):
    """Collects what a browser would run or fetch: elements, attributes, addresses in CSS."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_style = tag == "style"
        self.found += [tag] if tag in ("script", "link", "iframe", "object", "embed", "base") else []
        for name, value in attrs:
            is_link = tag == "a" and name == "href" and str(value).startswith(("https://", "#"))
            is_data = str(value).startswith("data:")
            if name.startswith("on") or (
                name in ("src", "srcset", "href", "data", "xlink:href") and not (is_link or is_data)
            ):
                self.found.append(f"{tag} {name}={value}")
            if name == "style":
                self._look_into_css(str(value))

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self._look_into_css(data)

    def _look_into_css(self, css: str) -> None:
        self.found += re.findall(r"url\((?!data:)[^)]*\)|@import.*", css)


def loaded_by(page: str) -> list[str]:
    parser = _Loads()
    parser.feed(page)
    return parser.found


def test_a_receipt_is_one_page_that_loads_nothing(executed: Executed) -> None:
    page = executed.notebooks[0].html.decode()
    assert "<title>deep/Träin model.ipynb</title>" in page
    assert "✓ done" in page
    assert 'src="data:image/png;base64,iVBORw=="' in page
    assert '<a href="https://example.com">link</a>' in page
    assert "<b>bold</b>" in page
    assert loaded_by(page) == []


def test_outputs_that_would_load_or_run_something_are_disarmed(tmp_path: Path) -> None:
    outputs = [
        "<style>@import 'https://x.example/a.css'; p {background: url(http://x.example/b.png)}</style><p>kept</p>",
        "<iframe src='https://x.example'></iframe><object data='https://x.example/o'></object>",
        "<svg><image xlink:href='https://x.example/i.png' href='https://x.example/i.png'/></svg>",
        "<img srcset='https://x.example/i.png 2x' onerror='x()'><a href='javascript:x()'>click</a>",
        "<div style='background: url(\"https://x.example/c.png\")'>styled</div>",
    ]
    cell = v4.new_code_cell("show()", outputs=[v4.new_output("display_data", {"text/html": html}) for html in outputs])
    cell.outputs.append(v4.new_output("display_data", {"application/javascript": "x()", "text/plain": "plain"}))
    cell.outputs.append(v4.new_output("stream", text="a" * 300_000 + "the end"))
    made = v4.new_notebook(cells=[cell, v4.new_markdown_cell("```python\nx = 1\n```\n$a < b$")])
    page = pages.render(made, title="<odd>.ipynb", folder=tmp_path).decode()
    assert loaded_by(page) == []
    assert re.findall(r"https?://|javascript:|@import", page) == []
    assert loaded_by(f"<p>{page}<img src=x><b style='url(y)'>") == ["img src=x", "url(y)"]  # the test itself looks
    assert "<title>&lt;odd&gt;.ipynb</title>" in page
    for kept in ("kept", "styled", "plain", "the end", "100007 characters left out"):
        assert kept in page


def test_a_missing_attachment_is_told(tmp_path: Path) -> None:
    made = v4.new_notebook(cells=[v4.new_markdown_cell("![a](attachment:a.png)")])
    with pytest.raises(pages.NotShown, match=r"^missing attachment: a\.png$"):
        pages.render(made, title="a.ipynb", folder=tmp_path)


def run(root: Path, python: Path, *cells: str, **sandbox_of: Any) -> tuple[str, list[str]]:
    """Execute one notebook that fails: the error's line and what was said before."""
    said: list[str] = []
    notebook(root / "train model.ipynb", *cells)
    arguments, sandbox = (root, [Path("train model.ipynb")], python), Build(**{"timeout_s": 60, **sandbox_of})
    line = refusal(
        lambda: notebooks.execute(
            *arguments, work=root.parent / "work", sandbox=sandbox, env=os.environ, say=said.append
        )
    )
    return line, said


def test_a_failing_cell_is_quoted_by_its_number_with_the_end_of_its_output(tmp_path: Path, model_python: Path) -> None:
    line, said = run(
        tmp_path / "repo",
        model_python,
        "md:text",
        "rows = 'first\\n' * 40",
        "",
        "print(rows)\nprint('\\x1b[31mred\\x1b[0m')\nfloat('abc')",
        "print('never')",
    )
    assert line == (
        "notebooks: train model.ipynb, cell 2: ValueError: could not convert string to float: 'abc'. "
        "Correct the cell, and run the notebook from top to bottom in a fresh kernel before you commit it"
    )
    assert len(said) == 15
    assert said[-1] == "ValueError: could not convert string to float: 'abc'"
    assert "red" in said
    assert not any("\x1b" in text for text in said)


def test_a_notebook_that_takes_too_long_is_stopped_with_what_it_started(tmp_path: Path, model_python: Path) -> None:
    line, said = run(
        tmp_path / "repo",
        model_python,
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\nopen('pid', 'w').write(str(child.pid))",
        "print('working')\nwhile True: pass",
        timeout_s=8,  # the first cell has time enough on a machine with other work, too
    )
    assert line == (
        "notebooks: train model.ipynb, cell 2: the notebook takes longer than 8 s. "
        "Train on fewer rows or search less, or write `build: {timeout_s: 16}` in modelcast.yaml, "
        "or commit the trained model and name it in `model:`"
    )
    assert said == ["working"]
    pid = int((tmp_path / "repo" / "pid").read_text())
    until(lambda: not is_alive(pid))


def test_a_kernel_that_dies_is_told_with_its_cell(tmp_path: Path, model_python: Path) -> None:
    line, _ = run(tmp_path / "repo", model_python, "x = 1", "import os\nos.kill(os.getpid(), 9)")
    assert line == (
        "notebooks: train model.ipynb, cell 2: the kernel was killed, most often for want of memory. "
        "Train on fewer rows, or give the build more memory"
    )


def test_an_environment_without_ipykernel_is_told(tmp_path: Path) -> None:
    venv.create(tmp_path / "empty", with_pip=False)
    line, said = run(tmp_path / "repo", tmp_path / "empty" / "bin" / "python", "x = 1")
    assert line == (
        "notebooks: train model.ipynb, at its start: the kernel did not start. "
        "See the lines above: the model's environment may lack ipykernel"
    )
    assert said[-1] == "ModuleNotFoundError: No module named 'ipykernel'"


@pytest.mark.parametrize("has_pip", [True, False])
def test_shell_commands_find_the_models_environment(has_pip: bool, tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    if has_pip:
        (python.parent / "pip").touch()
    inherited = {"PATH": "/usr/bin", "TOKEN": "x"}
    env = kernel._environment(
        Place(python=python, root=tmp_path, work=tmp_path / "work", env=inherited, sandbox=of_notebook(Build()))
    )
    assert env == inherited | ({} if has_pip else {"PIP_PYTHON": str(python)}) | {
        "PATH": f"{python.parent}:/usr/bin",
        "VIRTUAL_ENV": str(tmp_path),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUTF8": "1",
        "IPYTHONDIR": str(tmp_path / "work" / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }


def test_what_is_about_the_builders_own_python_stays_with_the_builder(tmp_path: Path) -> None:
    ours = {"PYTHONPATH": "/builder", "PYTHONHOME": "/builder", "PYTHONSTARTUP": "/builder/start.py"}
    theirs = {"PYTHONWARNINGS": "ignore", "MINE": "1"}
    given = read_config(tmp_path, ours | theirs | {"VIRTUAL_ENV": "/builder", "MPLBACKEND": "agg"}).handed
    env = kernel._environment(
        Place(python=tmp_path / "bin" / "python", root=tmp_path, work=tmp_path, env=given, sandbox=of_notebook(Build()))
    )
    assert given == theirs
    assert (env["VIRTUAL_ENV"], env["MPLBACKEND"]) == (str(tmp_path), "module://matplotlib_inline.backend_inline")
    assert not ours.keys() & env.keys()


@pytest.mark.parametrize(
    ("ename", "evalue", "expected"),
    [
        ("ModuleNotFoundError", "No module named 'sklearn'",
         "ModuleNotFoundError: No module named 'sklearn'. Add scikit-learn to environment.yml"),
        ("ModuleNotFoundError", "No module named 'cv2.dnn'; 'cv2' is not a package",
         "ModuleNotFoundError: No module named 'cv2.dnn'; 'cv2' is not a package. "
         "Add opencv-python-headless to environment.yml"),
        ("ModuleNotFoundError", "No module named 'features'",
         "ModuleNotFoundError: No module named 'features'. "
         "Move src/features.py to the repository's root or beside the notebook, or add its folder to sys.path"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'x.csv'",
         "FileNotFoundError: [Errno 2] No such file or directory: 'x.csv'. "
         "Commit the file, or write its path from the repository's root, where the notebook runs"),
        ("StdinNotImplementedError", "raw_input was called",
         "StdinNotImplementedError: raw_input was called. Write the value into the notebook: nobody answers input() in a build"),
        ("SyntaxError", "invalid syntax (/tmp/ipykernel_12/345.py, line 3)",
         "SyntaxError: invalid syntax (line 3). "
         "Correct the cell, and run the notebook from top to bottom in a fresh kernel before you commit it"),
        ("ValueError", "\n\x1b[1mAll fits failed\x1b[0m.\nmore", "ValueError: All fits failed. "
         "Correct the cell, and run the notebook from top to bottom in a fresh kernel before you commit it"),
        ("MemoryError", "Unable to allocate 2.00 GiB", "MemoryError: Unable to allocate 2.00 GiB. "
         "Train on fewer rows, or write `build: {memory_mb: 1024}` in modelcast.yaml"),
        ("TerminatedWorkerError", "A worker process was terminated", "TerminatedWorkerError: A worker process was terminated. "
         "Train on fewer rows, or write `build: {memory_mb: 1024}` in modelcast.yaml"),
        ("OSError", "[Errno 12] Cannot allocate memory", "OSError: [Errno 12] Cannot allocate memory. "
         "Train on fewer rows, or write `build: {memory_mb: 1024}` in modelcast.yaml"),
        ("KeyboardInterrupt", "", "KeyboardInterrupt. "
         "Correct the cell, and run the notebook from top to bottom in a fresh kernel before you commit it"),
    ],
)  # fmt: skip
def test_the_last_line_says_what_to_do(ename: str, evalue: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "features.py").write_text("")
    failed = kernel.CellFailed("cell 4", "", ename=ename, evalue=evalue)
    place = Place(
        python=tmp_path,
        root=tmp_path,
        work=tmp_path,
        env={},
        sandbox=of_notebook(Build(memory_mb=512)),
        requirements="environment.yml",
    )
    error = failures.explained(failed, Path("a.ipynb"), place, lambda _line: None)
    assert str(error) == f"notebooks: a.ipynb, cell 4: {expected}"


def test_a_cell_that_wants_more_than_its_memory_is_told_the_key(tmp_path: Path, model_python: Path) -> None:
    line, _ = run(
        tmp_path / "repo",
        model_python,
        "import numpy\nnumpy.ones((400, 400)) @ numpy.ones((400, 400))",
        "import subprocess, sys\ncode = 'import numpy; numpy.ones(2**28)'\n"
        "child = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)\n"
        "assert child.stderr.startswith('Traceback') and 'MemoryError' in child.stderr, child.stderr",
        "rows = numpy.ones(2**28)",
        memory_mb=1024,
    )
    assert line == (
        "notebooks: train model.ipynb, cell 3: MemoryError: "
        "Unable to allocate 2.00 GiB for an array with shape (268435456,) and data type float64. "
        "Train on fewer rows, or write `build: {memory_mb: 2048}` in modelcast.yaml"
    )


@pytest.mark.parametrize(
    "output", ["terminate called after throwing 'std::bad_alloc'", "OpenBLAS error: Memory allocation failed"]
)
def test_a_kernel_that_ended_for_want_of_memory_is_told_the_key(output: str, tmp_path: Path) -> None:
    place = Place(python=tmp_path, root=tmp_path, work=tmp_path, env={}, sandbox=of_notebook(Build(memory_mb=512)))
    died = kernel.KernelDied("cell 4", output, code=-6)
    assert str(failures.explained(died, Path("a.ipynb"), place, lambda _line: None)) == (
        "notebooks: a.ipynb, cell 4: the kernel ended for want of memory: it may have 512 MiB. "
        "Train on fewer rows, or write `build: {memory_mb: 1024}` in modelcast.yaml"
    )


NETWORK = """
import errno, socket, threading
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()  # its own loopback works
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    reason = errno.errorcode.get(error.errno, "reached the network")
import os
open("reason.txt", "w").write(f"{reason} {os.getuid()}")
"""


def test_a_notebook_without_network_reaches_itself_only(tmp_path: Path, model_python: Path) -> None:
    root, said = tmp_path / "repo", list[str]()
    notebook(root / "a.ipynb", NETWORK)
    python, work = model_python, tmp_path / "work"
    notebooks.execute(
        root, [Path("a.ipynb")], python, work=work, sandbox=Build(network=False), env=os.environ, say=said.append
    )
    assert (root / "reason.txt").read_text() == f"ENETUNREACH {os.getuid()}"
    assert len(said) == 1, "nothing but that it was executed"


def test_sockets_lie_in_a_short_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("long" * 20)))
    assert kernel._short_folder() == "/tmp"
    monkeypatch.setattr("tempfile.tempdir", "/var/tmp")
    assert kernel._short_folder() is None


STAGED = """
import os, pickle
place = os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"]
print(place)
if save:
    class Own:
        pass
    pickle.dump(Own(), open(place, "wb"))
"""


def test_each_notebook_has_a_place_for_its_stage(tmp_path: Path, model_python: Path) -> None:
    root = tmp_path / "repo"
    (root / "b.sav").parent.mkdir()
    (root / "b.sav").write_bytes(b"an old one")
    for name in ("a.ipynb", "b.ipynb", "my folder/a.ipynb"):
        save = name != "b.ipynb"
        notebook(root / name, f"save = {save}{STAGED}")
    executed = notebooks.execute(
        root, [Path("a.ipynb"), Path("b.ipynb"), Path("my folder/a.ipynb")], model_python, work=tmp_path / "work",
        sandbox=Build(), env=os.environ, say=print, main_names=names_of_main,
    )  # fmt: skip
    found = [(stage.name, stage.path, stage.notebook.as_posix()) for stage in executed.stages]
    assert found == [("a", root / "a.sav", "a.ipynb"), ("a-2", root / "a-2.sav", "my folder/a.ipynb")]
    assert [definition.artifacts for definition in executed.definitions] == [(root / "a.sav",), (root / "a-2.sav",)]
    assert str(root / "b.sav") in executed.notebooks[1].html.decode()


def test_the_parameters_cell_is_in_the_receipt_and_numbers_stay_the_users(tmp_path: Path, model_python: Path) -> None:
    root = tmp_path / "repo"
    made = v4.new_notebook(cells=[v4.new_code_cell("k = 3"), v4.new_code_cell("print('k is', k)\n")])
    made.cells[0].metadata["tags"] = ["parameters"]
    root.mkdir()
    (root / "a.ipynb").write_text(json.dumps(made))
    python, work = model_python, tmp_path / "work"
    given: dict[str, Any] = {
        "parameters": {"k": {"a": [None, True, "it's"]}},
        "sandbox": Build(),
        "env": os.environ,
        "say": print,
    }
    executed = notebooks.execute(root, [Path("a.ipynb")], python, work=work, **given)
    text = re.sub(r"<[^>]+>", "", executed.notebooks[0].html.decode())
    assert "k is {'a': [None, True, \"it's\"]}" in text
    assert "# Parameters" in text
    assert re.findall(r"In\s*\[(\d*)", text) == ["1", "", "2"]
    made.cells[1].source = "1 / 0"
    (root / "a.ipynb").write_text(json.dumps(made))
    said = list[str]()
    line = refusal(
        lambda: notebooks.execute(root, [Path("a.ipynb")], python, work=work, **{**given, "say": said.append})
    )
    assert line.startswith("notebooks: a.ipynb, cell 2: ZeroDivisionError: division by zero. ")
    assert any("Cell In[2]" in told for told in said), said


SAVE = "Open it in Jupyter and save it again, or remove it"


def valid(**changes: object) -> str:
    cell = {"cell_type": "code", "source": "x = 1", "metadata": {}, "outputs": [], "execution_count": None}
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]} | changes)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "a.ipynb is empty. Commit the notebook with its cells, or remove it"),
        ("{\n<<<<<<< HEAD", "a.ipynb is not a notebook: its JSON ends being valid in line 2: "
         f"Expecting property name enclosed in double quotes. {SAVE}"),
        ("\xff".encode("latin-1"), f"a.ipynb is not a notebook: it is not UTF-8. {SAVE}"),
        ("[]", f"a.ipynb is not a notebook of nbformat 3 or 4. {SAVE}"),
        (valid(nbformat=5), f"a.ipynb is not a notebook of nbformat 3 or 4. {SAVE}"),
        (valid(cells=[{"cell_type": "odd", "source": "", "metadata": {}}]),
         f"a.ipynb is not a valid notebook: $.cells[0] is not as nbformat defines it. {SAVE}"),
        (valid(cells=7), f"a.ipynb is not a valid notebook: TypeError: 'int' object is not iterable. {SAVE}"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n",
         "a.ipynb is a Git-LFS pointer, not the notebook. Run `git lfs pull` before the build"),
        (valid(metadata={"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}),
         "a.ipynb is written in R. Name a Python notebook in `notebooks:`: the model's environment runs Python only"),
        (valid(cells=[]), "a.ipynb has no code to run. Name another notebook in `notebooks:`, or write the code"),
    ],
)  # fmt: skip
def test_what_is_no_python_notebook_is_refused(content: str | bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert refusal(lambda: files.read(path, "a.ipynb")) == f"notebooks: {expected}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gone.ipynb", "gone.ipynb does not exist. Correct `notebooks:` in modelcast.yaml"),
        ("../a.ipynb", "../a.ipynb is not in the repository. Write its path below the repository's root in `notebooks:`"),
    ],
)  # fmt: skip
def test_a_notebook_that_is_not_there_is_refused(path: str, expected: str, tmp_path: Path) -> None:
    call = lambda: notebooks.execute(  # noqa: E731
        tmp_path, [Path(path)], Path(sys.executable), work=tmp_path / "work", sandbox=Build(), env={}, say=print
    )
    assert refusal(call) == f"notebooks: {expected}"


@pytest.mark.parametrize("text", ["\ufeff" + valid(), valid(nbformat_minor=5), valid(nbformat_minor=0)])
def test_notebooks_of_every_minor_version_are_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="utf-8")
    assert files.read(path, "a.ipynb").cells[0].source == "x = 1"


def test_only_files_of_an_artifacts_kind_are_looked_at_and_no_environment(tmp_path: Path) -> None:
    def write(names: Iterable[str]) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("")

    before = files.state(tmp_path)
    write(["a.JOBLIB", "b/c.onnx", "b/d.csv", ".venv/pyvenv.cfg", ".venv/x.pkl", ".git/y.txt", ".hidden/z.ubj"])
    assert files.changed(before, files.state(tmp_path)) == tuple(
        tmp_path / name for name in (".hidden/z.ubj", "a.JOBLIB", "b/c.onnx")
    )


def test_the_child_refuses_a_task_that_it_does_not_know(model_python: Path) -> None:
    done = subprocess.run([model_python, INSIDE, "dance"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "usage: __main__.py kernel|assemble|describe|evaluate|labelled|convert ...\n",
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (
            "import ctypes; ctypes.string_at(0)",
            "the kernel crashed (SIGSEGV). See the lines above: a compiled library of the model's environment failed",
        ),
        (
            "import os, signal\nwhile os.fork(): pass\nsignal.pause()",
            "BlockingIOError: [Errno 11] Resource temporarily unavailable. "
            "Start fewer processes, for instance by `n_jobs=1`: all together may be 60",
        ),
        (
            "open('large', 'wb').truncate(2**40)",
            "OSError: [Errno 27] File too large. Write less into one file, "
            "or write `build: {memory_mb: 2048}` in modelcast.yaml: a file may have four times that",
        ),
    ],
)
def test_a_notebook_that_does_what_it_may_not_is_told_in_a_line(
    tmp_path: Path, model_python: Path, monkeypatch: pytest.MonkeyPatch, cell: str, expected: str
) -> None:
    monkeypatch.setattr(sandbox, "_processes", lambda: 60)
    line, _ = run(tmp_path / "repo", model_python, cell, memory_mb=1024)
    assert line == f"notebooks: train model.ipynb, cell 1: {expected}"

"""Runs cases of `definitions.export` in a model's environment: JSON on stdin, JSON on stdout."""

import codeop
import contextlib
import importlib
import io
import json
import sys
import tempfile
import types
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager
from modelcast_builder.inside import definitions


class Shell:
    """As much of IPython as the transformed cells call."""

    def run_cell_magic(self, name, line, body):
        exec(TransformerManager().transform_cell(body), vars(sys.modules["__main__"]))

    def run_line_magic(self, name, line):
        if name == "run":
            exec(Path(line).read_text(), vars(sys.modules["__main__"]))

    def system(self, command):
        pass


def run(case, folder):
    main = types.ModuleType("__main__")
    outer, sys.modules["__main__"] = sys.modules["__main__"], main
    transform = TransformerManager().transform_cell
    try:
        main.get_ipython = get_ipython = lambda shell=Shell(): shell
        compiled = codeop.Compile()  # a future import holds for the cells that follow, as in IPython
        for cell in case["cells"]:
            exec(compiled(transform(cell), "<cell>", "exec"), vars(main))
        names = {name: value for name, value in vars(main).items() if value is not get_ipython}
        notebook = definitions.Notebook(cells=tuple(case["cells"]), names=names, transform=transform)
        made, again = (
            definitions.export(notebook, case["needed"], module=case["module"], title="a notebook.ipynb")
            for _ in range(2)
        )
    except definitions.NotExportableError as error:
        return {"problem": str(error)}
    finally:
        sys.modules["__main__"] = outer
    Path(folder, case["module"] + ".py").write_text(made.source, encoding="utf-8")
    if made.values is not None:
        Path(folder, case["module"] + ".joblib").write_bytes(made.values)
    module = importlib.import_module(case["module"])
    return {
        "source": made.source,
        "has_values": made.values is not None,
        "is_same_again": made == again,
        "result": eval(case["probe"], vars(module)),
    }


def main():
    cases = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        sys.path.insert(0, folder)
        results = {case["module"]: run(case, folder) for case in cases}
    json.dump(results, sys.stdout)


main()

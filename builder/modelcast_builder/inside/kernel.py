"""The child's task `kernel`: IPython's kernel for one notebook, with the recorder in it.

The builder asks it three things by hidden cells (`begin`, `finish`, `export`); answers are JSON files, because what
the notebook prints is no channel.
"""

import json
import pickle
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from . import definitions, live, recorder


def main(arguments: list[str]) -> int:
    """Run the kernel until it is told to stop; `arguments` are IPython's (`-f CONNECTION_FILE`)."""
    from ipykernel.kernelapp import IPKernelApp

    app: Any = IPKernelApp.instance()
    app.initialize([*arguments, "--HistoryManager.hist_file=:memory:"])
    app.start()
    return 0


def begin(*, root: str, folder: str, first_id: int) -> None:
    """Before the first cell: own modules are found at the repository's root and beside the notebook."""
    # Where IPython itself puts the working directory: behind the standard library, before what is installed.
    place = sys.path.index("") if "" in sys.path else 0
    sys.path[place:place] = list(dict.fromkeys([root, folder]))
    recorder.install(first_id)


def finish(*, root: str, answer: str, records: str) -> None:
    """After the last cell: tell which modules came from the repository, and add the recorded fits to a file."""
    log = recorder.LOG
    _append(Path(records), [record for record in map(_as_dict, log.records) if _is_storable(record, log.notes)])
    facts = {"modules": _own_modules(Path(root)), "notes": list(dict.fromkeys(log.notes))}
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")


def export(*, request: str, answer: str) -> None:
    """Make a module from definitions of the notebook; the answer is `{"problem": ...}` where that cannot be."""
    from IPython.core import getipython

    shell: Any = getipython.get_ipython()  # type: ignore[no-untyped-call, unused-ignore]
    wanted = json.loads(Path(request).read_text(encoding="utf-8"))
    hidden = shell.user_ns_hidden
    names = {name: value for name, value in shell.user_ns.items() if hidden.get(name, hidden) is not value}
    notebook = definitions.Notebook(
        cells=tuple(wanted["cells"]), names=names, transform=shell.input_transformer_manager.transform_cell
    )
    try:
        made = definitions.export(notebook, wanted["needed"], module=wanted["module"], title=wanted["title"])
    except definitions.NotExportableError as error:
        facts: dict[str, Any] = {"problem": str(error)}
    else:
        facts = {"source": made.source, "has_values": made.values is not None}
        if made.values is not None:
            Path(wanted["values"]).write_bytes(made.values)
    Path(answer).write_text(json.dumps(facts), encoding="utf-8")


def _as_dict(record: recorder.Record) -> dict[str, Any]:
    """Shallow: the samples stay one object where records share them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def _is_storable(record: dict[str, Any], notes: list[str]) -> bool:
    """Whether another process can read the record: rows may hold objects of the notebook's own classes."""
    try:
        own = live.main_names(record)
    except Exception as error:  # noqa: BLE001 - rows hold anything, and anything may refuse to be pickled
        problem = f"{type(error).__name__}: {error}"
    else:
        problem = f"they hold objects of the notebook's own {', '.join(sorted(own))}" if own else ""
    if problem:
        notes.append(f"the rows given to {record['estimator']}.{record['method']} were not kept: {problem}")
    return not problem


def _append(path: Path, records: list[dict[str, Any]]) -> None:
    """Notebooks run one after the other; their records end up in one file."""
    earlier = pickle.loads(path.read_bytes()) if path.exists() else []  # noqa: S301 - written by the kernel before
    if records or earlier:
        path.write_bytes(pickle.dumps([*earlier, *records], protocol=5))


def _own_modules(root: Path) -> dict[str, str]:
    """Imported module -> file, for the files of the repository (an environment inside it is none of them)."""
    found = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not isinstance(file, str):
            continue
        path = Path(file).resolve()
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            found[name] = str(path)
    return found

"""Starts a task in the model's environment, which has no builder: makes this folder a package and runs one module."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

_PACKAGE = "modelcast_inside"
_HERE = Path(__file__).resolve().parent
# Modules of this package with `main(arguments) -> int`; imported only when asked for.
_TASKS = ("kernel", "assemble", "describe", "evaluate", "labelled", "convert")
# Those that are done when they have written their answer; a notebook's own threads may have work to finish.
_ANSWERING = ("assemble", "describe", "evaluate", "labelled", "convert")


def main(arguments: list[str]) -> int:
    """Run the task that the first argument names."""
    if not arguments or arguments[0] not in _TASKS:
        sys.stderr.write(f"usage: {Path(__file__).name} {'|'.join(_TASKS)} ...\n")
        return 2
    _become_package()
    task = importlib.import_module(f"{_PACKAGE}.{arguments[0]}")
    code = int(task.main(arguments[1:]))
    if arguments[0] in _ANSWERING:
        from modelcast_runtime.ending import end_soon

        end_soon(code)
    return code


def _become_package() -> None:
    # Python put this folder on the path, where `kernel` and `describe` would hide modules of the user's.
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != str(_HERE)]
    spec = importlib.util.spec_from_file_location(
        _PACKAGE, _HERE / "__init__.py", submodule_search_locations=[str(_HERE)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{_HERE} is no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_PACKAGE] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

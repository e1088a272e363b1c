"""Holds the architecture: who may import whom, and that nothing heavy happens at import."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "runtime" / "modelcast_runtime"
BUILDER = ROOT / "builder" / "modelcast_builder"
INSIDE = BUILDER / "inside"

RUNTIME_MAY = {"a2wsgi", "flask", "gunicorn", "msgspec", "numpy", "orjson", "prometheus_client", "werkzeug"}
# What the model's own environment brings, imported where a model is at hand and never at import.
OF_THE_MODEL = {"joblib", "onnxruntime", "pandas", "pyarrow", "sklearn"}
BUILDER_MAY = {
    "click", "jinja2", "jupyter_client", "modelcast_runtime", "msgspec", "nbclient", "nbconvert", "nbformat", "numpy", "packaging",
    "rich", "traitlets", "uv", "yaml",
}  # fmt: skip
INSIDE_MAY = {
    "IPython", "ipykernel", "joblib", "modelcast_runtime", "msgspec", "numpy", "onnx", "pandas", "scipy", "skl2onnx",
    "sklearn", "skops",
}  # fmt: skip
HEAVY = ("sklearn", "pandas", "scipy", "joblib", "onnxruntime", "xgboost", "matplotlib", "nbconvert", "IPython")
# The builder reads bundles and shares the contract; it does not reach into the service.
BUILDER_TAKES_OF_RUNTIME = {"", "baseline", "bundle", "contract", "listening", "settings", "statement"}


def modules(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if package != BUILDER or INSIDE not in path.parents)


def imported(path: Path) -> set[str]:
    """Every absolute module name that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def foreign(path: Path) -> set[str]:
    tops = {name.partition(".")[0] for name in imported(path)}
    return {top for top in tops if top not in sys.stdlib_module_names and top != "_typeshed"}


@pytest.mark.parametrize("path", modules(RUNTIME), ids=lambda path: path.name)
def test_runtime_imports_its_own_dependencies_and_never_the_builder(path: Path) -> None:
    assert foreign(path) <= RUNTIME_MAY | OF_THE_MODEL | {"modelcast_runtime"}


@pytest.mark.parametrize("path", modules(BUILDER), ids=lambda path: path.name)
def test_builder_never_imports_the_models_libraries(path: Path) -> None:
    assert foreign(path) <= BUILDER_MAY | {"modelcast_builder"}


@pytest.mark.parametrize("path", modules(INSIDE), ids=lambda path: path.name)
def test_what_runs_in_the_models_environment_does_not_need_the_builder(path: Path) -> None:
    assert foreign(path) <= INSIDE_MAY


@pytest.mark.parametrize("path", modules(BUILDER), ids=lambda path: path.name)
def test_builder_takes_only_the_contract_and_the_reader_of_the_runtime(path: Path) -> None:
    taken = {name.split(".")[1] for name in imported(path) if name.startswith("modelcast_runtime.")}
    assert taken <= BUILDER_TAKES_OF_RUNTIME


@pytest.mark.parametrize(("package", "folder"), [("modelcast_runtime", RUNTIME), ("modelcast_builder", BUILDER)])
def test_importing_every_module_loads_no_framework(package: str, folder: Path) -> None:
    names = [
        package + "." + path.relative_to(folder).with_suffix("").as_posix().replace("/", ".")
        for path in modules(folder)
    ]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    code = (
        f"import importlib, json, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print(json.dumps(sorted(set(sys.modules) & set({HEAVY!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_the_contract_needs_msgspec_alone() -> None:
    assert foreign(RUNTIME / "contract.py") == {"msgspec"}


def test_the_runtime_works_where_the_builder_is_absent() -> None:
    code = "import sys; sys.modules['modelcast_builder'] = None; import modelcast_runtime.start, modelcast_runtime.cli"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

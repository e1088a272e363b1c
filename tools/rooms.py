"""Lists every module of the two distributions with what its docstring says that it is for."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def rooms(package: Path) -> Iterator[tuple[str, str]]:
    """A package's modules and packages by path, each with the first sentence about it."""
    for path in sorted(package.rglob("*.py"), key=lambda path: (*path.parent.parts, path.stem)):
        told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        place = path.relative_to(package).with_suffix("").as_posix().removesuffix("__init__")
        if place and not place.endswith("__main__"):
            yield f"`{place}`", told.partition("\n\n")[0].replace("\n", " ")


BUILDER = ROOT / "builder" / "modelcast_builder"
RUNTIME = ROOT / "runtime" / "modelcast_runtime"

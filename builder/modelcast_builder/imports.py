"""Which modules a source file could import, read with `ast`: nothing is imported to find out."""

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path


def imports_of(file: Path, module: str, *, is_package: bool) -> list[str]:
    """Every module that the file, itself imported as `module`, could import, also inside functions.

    `from a import b` may mean `a.b`, so both are named; a file that does not parse imports nothing.
    """
    package = module if is_package else module.rpartition(".")[0]
    tree = parsed(file)
    if tree is None:
        return []  # the load of the model tells it, with the line
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(package, node)
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)] if origin else []
    return [*names, *(parent for name in names for parent in _parents(name))]


def parsed(file: Path) -> ast.Module | None:
    """The file's syntax tree, None where it has none; its warnings are its author's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _origin(package: str, node: ast.ImportFrom) -> str | None:
    """The absolute name of what is imported from; None where the dots lead out of the package."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if node.level > len(parts):
        return None
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def _parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])

"""Reads the statements of a notebook's cells: which names each one binds and which it uses."""

import ast
import symtable
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_BODY_MAGICS = ("time", "capture", "prun", "timeit")
_COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")
Transform = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement at module level: `order` is its place in the notebook, `certain` that it surely ran."""

    order: int
    node: ast.stmt
    source: str
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """Names of the module that code uses: `now` when it is defined, `later` when its functions run."""

    now: frozenset[str]
    later: frozenset[str]


def statements(cells: tuple[str, ...], transform: Transform) -> tuple[Statement, ...]:
    """The statements in the order in which they ran, through `%%time`, `%run` and compound statements."""
    found: list[Statement] = []
    for cell in cells:
        for node, source, certain in _in_cell(cell, transform):
            found.append(Statement(order=len(found), node=node, source=source, certain=certain))
    return tuple(found)


def _in_cell(cell: str, transform: Transform) -> Iterator[tuple[ast.stmt, str, bool]]:
    text = transform(cell)
    try:
        tree = compile(text, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        # It ran all the same: a magic of an extension that is no Python. What it bound is taken as it is.
        return
    for node in tree.body:
        magic = _magic(node)
        if magic is None:
            yield from _flat(node, text, certain=True)
        else:
            yield from _in_magic(*magic, transform)


def _magic(node: ast.stmt) -> tuple[str, str] | None:
    """The name of a magic and the code in it, for `get_ipython().run_..._magic(...)`."""
    call = node.value if isinstance(node, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    if call.func.attr not in ("run_cell_magic", "run_line_magic"):
        return None
    words = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return (str(words[0]), str(words[-1])) if len(words) > 1 else None


def _in_magic(name: str, code: str, transform: Transform) -> Iterator[tuple[ast.stmt, str, bool]]:
    if name in _BODY_MAGICS:
        yield from _in_cell(code, transform)
    elif name == "run":
        script = Path(code.strip().strip("'\""))
        if script.suffix == ".py" and script.is_file():
            yield from _in_cell(script.read_text(encoding="utf-8"), lambda text: text)


def _flat(node: ast.stmt, text: str, *, certain: bool) -> Iterator[tuple[ast.stmt, str, bool]]:
    """A compound statement is also what stands in its branches: which one ran, only the live values tell."""
    yield node, _source(node, text) if certain else ast.unparse(node), certain
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _flat(child, text, certain=False)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            for inner in child.body:
                yield from _flat(inner, text, certain=False)


def _source(node: ast.stmt, text: str) -> str:
    """As written, with comments; the decorators stand before the line that the node tells."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return ast.get_source_segment(text, node) or ast.unparse(node)


def bound(node: ast.stmt) -> frozenset[str]:
    """The names that a statement binds itself (not the ones that the statements in its branches do)."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return frozenset([node.name])
    if isinstance(node, ast.Import | ast.ImportFrom):
        return frozenset(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    parts = [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt | ast.ExceptHandler)]
    inner = [name for part in parts for name in ast.walk(part)]
    of_loops = {id(name) for loop in inner if isinstance(loop, ast.comprehension) for name in ast.walk(loop.target)}
    names = (name for name in inner if isinstance(name, ast.Name) and id(name) not in of_loops)
    return frozenset(name.id for name in names if isinstance(name.ctx, ast.Store))


def imported(found: list[Statement], name: str) -> str:
    """The last import of the name; for a plain `import a.b`, all that bind the same `a`."""
    lines = [line for statement in found for line in _imports(statement.node, name)]
    plain = [line for line in lines if line.startswith("import ") and " as " not in line]
    return "\n".join(dict.fromkeys(plain)) if lines[-1] in plain else lines[-1]


def _imports(node: ast.stmt, name: str) -> list[str]:
    """What binds this name in an import statement, each as a statement of its own."""
    if isinstance(node, ast.Import):
        aliases = (alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) == name)
        return [ast.unparse(ast.Import(names=[alias])) for alias in aliases]
    if isinstance(node, ast.ImportFrom):
        aliases = (alias for alias in node.names if (alias.asname or alias.name) == name)
        return [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in aliases]
    return []


def extends(node: ast.stmt) -> str | None:
    """The name that a statement adds to from outside: `Clip.low = 0`, `@describe.register`."""
    if isinstance(node, ast.FunctionDef):
        parts: list[ast.expr] = [decorator for decorator in node.decorator_list if _is_registration(decorator)]
    else:
        parts = [target for target in getattr(node, "targets", ()) if isinstance(target, ast.Attribute)]
    return _root(parts[0]) if parts else None


def _is_registration(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Attribute) and function.attr == "register"


def _root(node: ast.expr) -> str | None:
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else None


def uses(source: str) -> Uses:
    """The module-level names that a statement uses, builtins among them."""
    now: set[str] = set()
    later: set[str] = set()
    _collect(symtable.symtable(source, "<definition>", "exec"), now, later, is_now=True)
    return Uses(now=frozenset(now), later=frozenset(later - now))


def _collect(table: symtable.SymbolTable, now: set[str], later: set[str], *, is_now: bool) -> None:
    is_module = table.get_type() == "module"
    for symbol in table.get_symbols():
        # In the module's own table is_global() is also true for what is bound there.
        if symbol.is_referenced() if is_module else symbol.is_global():
            (now if is_now else later).add(symbol.get_name())
    for child in table.get_children():
        # A function's body runs later; a class's body, a comprehension and (dataclasses) annotations run now.
        waits = child.get_type() == "function" and child.get_name() not in _COMPREHENSIONS
        _collect(child, now, later, is_now=is_now and not waits)

"""Makes a module from the definitions of a notebook that an artifact needs, and from what they use.

Code is taken as written, its last version; names that hold data keep the value that they have when the notebook ends.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import cells as reading
from . import live

_STORED = "the stored values"
_LOAD = '_stored = _joblib.load(_pathlib.Path(__file__).with_suffix(".joblib"))'
_Def = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class NotExportableError(Exception):
    """A definition cannot travel; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """What ran: the cells in their order, IPython's transformer for them, and the names at the end."""

    cells: tuple[str, ...]
    names: Mapping[str, Any]
    transform: reading.Transform


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The module's text, and the joblib file that it reads beside itself where there are values to keep."""

    source: str
    values: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """A piece of the module: what it says, and the names that must stand before it (`now`) or anywhere (`later`)."""

    text: str
    order: int
    now: frozenset[str] = frozenset()
    later: frozenset[str] = frozenset()
    is_import: bool = False


def export(notebook: Notebook, needed: Iterable[str], *, module: str, title: str) -> Made:
    """The module that defines `needed`; raises `NotExportableError`."""
    plan = _Plan(notebook)
    for name in sorted({name.partition(".")[0] for name in needed}):
        if not plan.add(name):
            raise NotExportableError(f"{name} is not defined any more when the notebook ends")
    values = live.stored(plan.values, plan.definitions(), module) if plan.values else None
    return Made(source=_text(plan, title), values=values)


@dataclass(slots=True)
class _Plan:
    """Collects what the module needs, following names until nothing is open."""

    notebook: Notebook
    items: dict[str, _Item] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    statements: tuple[reading.Statement, ...] = ()
    _bindings: dict[str, list[reading.Statement]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.statements = reading.statements(self.notebook.cells, self.notebook.transform)
        for statement in self.statements:
            for name in reading.bound(statement.node):
                self._bindings[name].append(statement)

    def add(self, name: str) -> bool:
        """Take the name and all that it uses; False where the notebook has no such name (a builtin, say)."""
        if name in self.items:
            return True
        if name not in self.notebook.names or (name.startswith("__") and name.endswith("__")):
            return False
        self._take(name, self._item(name))
        last = self._bindings[name][-1:]
        for added in self.statements if last and isinstance(last[0].node, _Def) else ():
            if added.certain and reading.extends(added.node) == name and added.order > last[0].order:
                self._take(f"{name} at {added.order}", _as_written([added]))
        return True

    def definitions(self) -> dict[str, Any]:
        """The notebook's own classes and functions that the module has."""
        names = self.notebook.names
        return {name: names[name] for name in self.items if name in names and live.is_own(names[name])}

    def _take(self, key: str, item: _Item) -> None:
        self.items[key] = item
        for used in sorted(item.now | item.later):
            self.add(used)

    def _order(self, name: str) -> int:
        found = self._bindings.get(name)
        return found[-1].order if found else -1

    def _item(self, name: str) -> _Item:
        found, value = self._bindings.get(name, []), self.notebook.names[name]
        last = found[-1] if found else None
        if last is not None and isinstance(last.node, _Def) and (last.certain or live.is_own(value)):
            return _as_written(_chain(found, name))
        if last is not None and last.certain and isinstance(last.node, ast.Import | ast.ImportFrom):
            return _Item(text=reading.imported(found, name), order=last.order, is_import=True)
        return self._from_value(name, value, found)

    def _from_value(self, name: str, value: Any, found: list[reading.Statement]) -> _Item:
        order = self._order(name)
        line = self._star(name, value) or live.imported(value, name)
        if line is not None:
            return _Item(text=line, order=order, is_import=True)
        literal = live.literal(value)
        if literal is not None:
            return _Item(text=f"{name} = {literal}", order=order)
        return self._stored_or_written(name, value, found)

    def _stored_or_written(self, name: str, value: Any, found: list[reading.Statement]) -> _Item:
        reason = "it was made in no way that can be written down"
        if not live.is_own(value):
            try:
                own = live.main_names(value)
            except Exception as error:  # noqa: BLE001 - pickling runs the object's own code; the reason is told below
                reason = f"{type(error).__name__}: {error}"
            else:
                return self._store(name, value, own)
        if found and found[-1].certain and isinstance(found[-1].node, ast.Assign | ast.AnnAssign):
            return _as_written(_chain(found, name))
        raise NotExportableError(f"{name}, a {type(value).__qualname__}, cannot be stored: {reason}")

    def _store(self, name: str, value: Any, own: frozenset[str]) -> _Item:
        item = _Item(text=f'{name} = _stored["{name}"]', order=self._order(name), now=frozenset([_STORED]))
        # Known before its parts are followed: a method of what it holds may use this very name.
        self.items[name], self.values[name] = item, value
        before = self.items[_STORED].now if _STORED in self.items else frozenset()
        self._take(_STORED, _Item(text=_LOAD, order=-1, now=before | own))
        return item

    def _star(self, name: str, value: Any) -> str | None:
        """The `from x import *` that brought a name which no statement binds."""
        if name in self._bindings:
            return None
        for statement in reversed(self.statements):
            node = statement.node
            is_star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
            if is_star and getattr(live.module(node.module), name, live) is value:  # type: ignore[attr-defined]
                return ast.unparse(node)
        return None


def _chain(found: list[reading.Statement], name: str) -> list[reading.Statement]:
    """The last binding, and the ones before that it is made from (`f = cached(f)`, `class C(C)`)."""
    first = len(found) - 1
    while name in reading.uses(found[first].source).now:
        first -= 1
        if first < 0 or not found[first].certain:
            raise NotExportableError(f"{name} is made from an earlier {name}")
    return found[first:]


def _as_written(statements: list[reading.Statement]) -> _Item:
    parts = [reading.uses(statement.source) for statement in statements]
    own = frozenset().union(*(reading.bound(statement.node) for statement in statements))
    return _Item(
        text="\n\n".join(statement.source for statement in statements),
        order=statements[-1].order,
        now=frozenset().union(*(part.now for part in parts)) - own,
        later=frozenset().union(*(part.later for part in parts)) - own,
    )


def _text(plan: _Plan, title: str) -> str:
    imports = sorted((item.order, item.text) for item in plan.items.values() if item.is_import)
    lines = list(dict.fromkeys(text for _, text in imports))
    if plan.values:
        lines = [*lines, "import pathlib as _pathlib", "import joblib as _joblib"]
    nodes = (statement.node for statement in plan.statements)
    is_future = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in nodes)
    head = [f'"""Definitions of {_quoted(title)}, taken from it by modelcast."""']
    head += ["from __future__ import annotations"] if is_future else []
    head += ["\n".join(lines)] if lines else []
    return "\n\n".join([*head, *(f"\n{text}" if "\n" in text else text for text in _ordered(plan.items))]) + "\n"


def _quoted(title: str) -> str:
    return title.replace("\\", "/").replace('"', "'")


def _ordered(items: Mapping[str, _Item]) -> list[str]:
    """The texts as the notebook had them, but each after what it needs when it is defined."""
    texts: dict[str, None] = {}
    done: set[str] = set()
    started: set[str] = set()

    def emit(key: str) -> None:
        if key in started:
            return
        started.add(key)
        needed = _reached(items, key, with_later=False)
        # What a function called on the way uses comes before too, unless it waits for what is being defined here.
        helpful = {
            name
            for name in _reached(items, key, with_later=True) - needed
            if not _reached(items, name, with_later=False) & (started - done)
        }
        for name in sorted(needed | helpful, key=lambda name: (items[name].order, name)):
            emit(name)
        done.add(key)
        if not items[key].is_import:
            texts[items[key].text] = None

    _refuse_circles(items)
    for key in sorted(items, key=lambda key: (items[key].order, key)):
        emit(key)
    return list(texts)


def _refuse_circles(items: Mapping[str, _Item]) -> None:
    for key in sorted(items):
        needed = _reached(items, key, with_later=False)
        if key in needed - {_STORED}:
            reason = "needs stored values, and they hold objects of" if _STORED in needed else "is made from an earlier"
            raise NotExportableError(f"{key} {reason} {key}")


def _reached(items: Mapping[str, _Item], key: str, *, with_later: bool) -> set[str]:
    """What the definition of this piece leads to: names it uses now, and all that those use when they are called."""
    waiting, found = [name for name in items[key].now if name in items], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            used = items[name].now | items[name].later if with_later else items[name].now
            waiting.extend(other for other in used if other in items)
    return found

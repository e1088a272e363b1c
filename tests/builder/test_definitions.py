"""A notebook's own classes and functions become a module that works without the notebook."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder.inside import cells

HERE = Path(__file__).parent
PYTHON = os.environ.get("MODELCAST_TEST_PYTHON", sys.executable)


@dataclass(frozen=True, kw_only=True)
class Case:
    cells: list[str]
    needed: list[str]
    probe: str = "None"
    result: Any = None
    problem: str | None = None


CASES = {
    "the_last_definition_wins": Case(
        cells=["def f(x):\n    return 1", "def f(x):\n    return 2"], needed=["f"], probe="f(0)", result=2
    ),
    "cell_magics_hold_definitions": Case(
        cells=["%%time\n!ls\nclass C:\n    a = 1", "%%capture out\nB = 5\ndef f():\n    return C.a + B"],
        needed=["f"],
        probe="f()",
        result=6,
    ),
    "a_global_has_its_value_at_the_end": Case(
        cells=["seen = ['a']\ndef f():\n    return seen", "seen.append('b')\nseen = seen + ['c']"],
        needed=["f"],
        probe="f()",
        result=["a", "b", "c"],
    ),
    "data_is_stored_beside_the_module": Case(
        cells=["import fractions", "RATIO = fractions.Fraction(1, 3)\ndef f(x):\n    return float(x * RATIO)"],
        needed=["f"],
        probe="f(3)",
        result=1.0,
    ),
    "stored_data_may_hold_own_objects": Case(
        cells=[
            "class Unit:\n    def __init__(self, n):\n        self.n = n\n    def all(self):\n        return len(UNITS)",
            "UNITS = [Unit(1), Unit(2)]\ndef f():\n    return [u.n for u in UNITS]",
        ],
        needed=["f"],
        probe="[*f(), Unit(3).all(), type(UNITS[0]) is Unit, Unit.__module__]",
        result=[1, 2, 2, True, "stored_data_may_hold_own_objects"],
    ),
    "lambdas_and_named_tuples_are_written": Case(
        cells=[
            "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')",
            "clean = lambda s: s.strip()\nf = lambda s: Point(clean(s), 1)",
        ],
        needed=["f", "Point"],
        probe="[list(f(' a ')), Point.__module__]",
        result=[["a", 1], "lambdas_and_named_tuples_are_written"],
    ),
    "a_name_made_from_itself_keeps_its_history": Case(
        cells=[
            "import functools\ndef f(x):\n    return x + 1",
            "f = functools.lru_cache(f)",
            "class C:\n    a = 1",
            "class C(C):\n    b = 2",
        ],
        needed=["f", "C"],
        probe="[f(1), f.cache_info().misses, C.a, C.b]",
        result=[2, 1, 1, 2],
    ),
    "classes_with_super_and_dataclasses": Case(
        cells=[
            "from dataclasses import dataclass, field\nLIMIT = 3",
            "class Top:\n    def __init__(self, a):\n        self.a = a\n"
            "class Low(Top):\n    __slots__ = ()\n    def __init__(self):\n        super().__init__(LIMIT)",
            "@dataclass(frozen=True)\nclass Pair:\n    low: Low = field(default_factory=Low)\n    n: int = LIMIT",
        ],
        needed=["Pair"],
        probe="[Pair().low.a, Pair().n]",
        result=[3, 3],
    ),
    "star_imports_stay_where_a_name_comes_from_one": Case(
        cells=["from textwrap import *\nfrom string import *", "def f(s):\n    return dedent(s)"],
        needed=["f"],
        probe="f('  a')",
        result="a",
    ),
    "the_import_that_worked_is_taken": Case(
        cells=[
            "try:\n    import no_such_json as js\nexcept ImportError:\n    import json as js\n"
            "try:\n    from no_such import g\nexcept ImportError:\n    def g(x):\n        return [x]",
            "import os.path\nimport os\nimport xml.dom\ndef f(x):\n    xml.dom.Node\n    return js.dumps(g(os.path.basename(x)))",
        ],
        needed=["f"],
        probe="f('a/b')",
        result='["b"]',
    ),
    "what_cannot_be_pickled_is_written": Case(
        cells=["import threading\nlock = threading.Lock()\ndef f():\n    with lock:\n        return 1"],
        needed=["f"],
        probe="f()",
        result=1,
    ),
    "additions_from_outside_come_along": Case(
        cells=[
            "from functools import singledispatch\nclass C:\n    low = 0",
            "C.low = 7\n@singledispatch\ndef f(x):\n    return 'any'\n@f.register\ndef _(x: int):\n    return 'int'",
            "@f.register(str)\ndef _(x):\n    return 'str'",
        ],
        needed=["f", "C"],
        probe="[f(1), f('a'), f(None), C.low]",
        result=["int", "str", "any", 7],
    ),
    "an_own_decorator_finds_what_it_needs": Case(
        cells=[
            "@__import__('functools').lru_cache\ndef key():\n    return PREFIX",
            "def named(f):\n    f.title = key() + f.__name__\n    return f",
            "PREFIX = 'p_'\nPLAIN = {'a': (1, 2.5, None), 'b': {'y', 'x'}}",
            "@named\ndef f(x=len(PLAIN)):\n    return x",
            "PREFIX = 'q_'",
        ],
        needed=["f"],
        probe="[f.title, f()]",
        result=["q_f", 2],
    ),
    "annotations_stay_text": Case(
        cells=["from __future__ import annotations", "class C:\n    def f(self) -> Unknown:\n        return 1"],
        needed=["C.f"],
        probe="C().f()",
        result=1,
    ),
    "comprehensions_and_nested_functions": Case(
        cells=[
            "A, B = 2, 3\nx = 9",
            "def f(rows):\n    def g(x):\n        return x * A\n    return [g(x) + B for x in rows if (n := x)]",
        ],
        needed=["f"],
        probe="[f([1, 2]), 'x' in globals()]",
        result=[[5, 7], False],
    ),
    "a_deleted_name": Case(
        cells=["def f(x):\n    return 1", "del f"],
        needed=["f"],
        problem="f is not defined any more when the notebook ends",
    ),
    "what_can_neither_be_stored_nor_written": Case(
        cells=["for stream in [(n for n in range(3))]:\n    pass\ndef f():\n    return next(stream)"],
        needed=["f"],
        problem="stream, a generator, cannot be stored: TypeError: cannot pickle 'generator' object",
    ),
    "a_circle_of_classes": Case(
        cells=["class A:\n    pass\nclass B(A):\n    pass", "class A(B):\n    pass"],
        needed=["A"],
        problem="A is made from an earlier A",
    ),
    "a_circle_of_values_and_classes": Case(
        cells=[
            "import fractions\nHALF = fractions.Fraction(1, 2)",
            "class C:\n    half = HALF\n    def all(self):\n        return ALL",
            "ALL = [C()]",
        ],
        needed=["C"],
        problem="C needs stored values, and they hold objects of C",
    ),
}


@pytest.fixture(scope="module")
def exported() -> dict[str, dict[str, Any]]:
    """Every case in one process of the model's environment: its start costs more than all cases."""
    asked = [
        {"module": name, "cells": case.cells, "needed": case.needed, "probe": case.probe}
        for name, case in CASES.items()
    ]
    asked.append({"module": "text", "cells": TEXT_CELLS, "needed": ["Clip"], "probe": "Clip(2).cut(9)"})
    env = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [PYTHON, HERE / "notebooks" / "drive_exports.py"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.problem is None])
def test_the_module_answers_as_the_notebook(name: str, exported: dict[str, dict[str, Any]]) -> None:
    assert exported[name].get("problem") is None
    assert exported[name]["result"] == CASES[name].result
    assert exported[name]["is_same_again"]


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.problem is not None])
def test_a_definition_that_cannot_travel_is_told(name: str, exported: dict[str, dict[str, Any]]) -> None:
    assert exported[name] == {"problem": CASES[name].problem}


def test_values_are_stored_only_where_source_cannot_say_them(exported: dict[str, dict[str, Any]]) -> None:
    stored = {name for name, made in exported.items() if made.get("has_values")}
    assert stored == {"data_is_stored_beside_the_module", "stored_data_may_hold_own_objects"}


TEXT_CELLS = [
    "import json, os as system\nimport unused\nfrom functools import partial, wraps".replace("import unused\n", ""),
    "LOW = 1\nUNUSED = 2",
    "class Clip:\n    # as written\n    def __init__(self, high, low=LOW):\n        self.high, self.low = high, low\n"
    "    def cut(self, x):\n        return bounded(x, self)",
    "def bounded(x, clip):\n    return partial(min, clip.high)(x) if system.sep else json",
    "LOW = 0",
]
TEXT = '''"""Definitions of a notebook.ipynb, taken from it by modelcast."""

import json
import os as system
from functools import partial


class Clip:
    # as written
    def __init__(self, high, low=LOW):
        self.high, self.low = high, low
    def cut(self, x):
        return bounded(x, self)


def bounded(x, clip):
    return partial(min, clip.high)(x) if system.sep else json
'''


def test_the_text_holds_what_is_used_as_it_was_written(exported: dict[str, dict[str, Any]]) -> None:
    head, clip = TEXT.split("\n\n\nclass Clip")
    assert exported["text"]["source"] == f"{head}\n\nLOW = 0\n\n\nclass Clip{clip}"
    assert exported["text"]["result"] == 2


@pytest.mark.parametrize(
    ("source", "now", "later"),
    [
        ("def f(a=A) -> R:\n    return B(a)", {"A", "R"}, {"B"}),
        ("@deco(D)\nclass C(Base):\n    x = X\n    y = [Y for _ in Z]\n    def m(self):\n        return super().m(W)",
         {"deco", "D", "Base", "X", "Y", "Z"}, {"super", "W"}),
        ("f = lambda s: g(s)", set(), {"g"}),
        ("async def f():\n    global G\n    G = 1\n    import os\n    return os", set(), {"G"}),
        ("def f():\n    x = 1\n    def g():\n        return x + f()\n    return g", set(), {"f"}),
    ],
)  # fmt: skip
def test_names_are_used_when_defined_or_when_called(source: str, now: set[str], later: set[str]) -> None:
    used = cells.uses(source)
    assert (used.now, used.later) == (now, later)

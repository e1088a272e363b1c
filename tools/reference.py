"""Fills the tables of docs/reference/ with what the code says of itself."""

import inspect
import re
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import click
from modelcast_builder import cli, conformance
from modelcast_runtime import connection, metrics, openapi, problems
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.contract import (
    Column,
    Compilation,
    Golden,
    Limits,
    Manifest,
    Output,
    ServiceDefaults,
    Signature,
    Task,
)
from modelcast_runtime.dialects import v2_problems
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import SETTINGS, read_settings
from modelcast_runtime.store import Store
from prometheus_client.parser import text_string_to_metric_families

from tools.readme import filled
from tools.rooms import BUILDER, RUNTIME, rooms

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
_WIDTH = 100


def main() -> None:
    """Write every page again."""
    for page in FOLDER.glob("*.md"):
        page.write_text(made(page), encoding="utf-8")


def made(page: Path) -> str:
    """A page with its tables made anew; what stands around them is written by hand."""
    text = page.read_text(encoding="utf-8")
    for name in tables_of(text):
        text = filled(text, name, TABLES[name]().strip())
    return text


def tables_of(text: str) -> list[str]:
    """The names of the tables that a page shows."""
    return re.findall(r"^<!-- /([\w-]+) -->$", text, re.MULTILINE)


def settings() -> str:
    """What the service reads at start."""
    rows = [
        (
            f"`{row.key}`",
            " ".join(f"`{name}`" for name in row.env),
            f"`{row.flag}`" if row.flag else "",
            row.default if " " in row.default else f"`{row.default}`",
            row.kind.expected,
            row.meaning,
        )
        for row in SETTINGS
    ]
    return _table(("setting", "environment", "flag", "default", "takes", "meaning"), rows)


# Small models that show between them all that a service can tell.

_CLASSIFIER = Signature(
    layout="frame",
    inputs=(Column(name="age", dtype="float64"), Column(name="plan", dtype="string", categories=("free", "paid"))),
    outputs=(
        Output(name="predict", dtype="string", shape=(-1,)),
        Output(name="predict_proba", dtype="float64", shape=(-1, 2)),
    ),
    classes=("stays", "leaves"),
)
_CLUSTERER = Signature(
    layout="array",
    inputs=(Column(name="age", dtype="float64"),),
    outputs=(
        Output(name="predict", dtype="int64", shape=(-1,)),
        Output(name="distances", dtype="float64", shape=(-1, 2)),
    ),
    classes=(0, 1),
)
_REGRESSOR = Signature(
    layout="array",
    inputs=(Column(name="age", dtype="float64"),),
    outputs=(Output(name="predict", dtype="float64", shape=(-1,)),),
)
_NAME, _VERSION = "customers", "sha256:3f2a"
_MODELS: tuple[tuple[Task, Signature, Golden], ...] = (
    ("classifier", _CLASSIFIER, Golden(rows=((41.0, "free"),), predictions=("stays",))),
    ("clusterer", _CLUSTERER, Golden(rows=((41.0,),), predictions=(0,))),
    ("regressor", _REGRESSOR, Golden(rows=((41.0,),), predictions=(7.5,))),
)


def _bundles() -> Iterator[Bundle]:
    for task, signature, golden in _MODELS:
        manifest = Manifest(
            name=_NAME,
            version=_VERSION,
            format="joblib",
            framework="sklearn",
            task=task,
            model="model.joblib",
            signature=signature,
            compilation=Compilation(backend="native", reason=""),
            files=(),
        )
        yield Bundle(root=Path("nowhere"), manifest=manifest, golden=golden, digest="sha256:9c1e")


def routes() -> str:
    """What the OpenAPI description of a service lists."""
    paths = _described()[0]["paths"]
    rows = [_route(path, method, told) for path, methods in paths.items() for method, told in methods.items()]
    return _table(("route", "what", "answers", "as"), rows)


def questions() -> str:
    """The query parameters of a prediction, of all kinds of models."""
    asked = [given for each in _described() for given in each["paths"]["/predict"]["post"]["parameters"]]
    told = {given["name"]: given["description"] for given in asked}
    return _table(("parameter", "does"), [(f"`?{name}=true`", text) for name, text in told.items()])


def _described() -> list[dict[str, Any]]:
    in_force = read_settings({}, {}, ServiceDefaults())
    return [openapi.document(bundle, in_force) for bundle in _bundles()]


def _route(path: str, method: str, told: dict[str, Any]) -> tuple[str, str, str, str]:
    summary = "Ask the model" if path == "/predict" else told["summary"]
    kinds = " ".join(f"`{kind}`" for kind in told["responses"]["200"]["content"])
    path = path.replace(_NAME, "NAME").replace(_VERSION, "VERSION")
    return f"`{method.upper()} {path}`", summary, " ".join(sorted(told["responses"])), kinds


def series() -> str:
    """The families of a scrape, of all kinds of models."""
    rows: dict[str, tuple[str, ...]] = {}
    for bundle in _bundles():
        rows |= {family[0]: family for family in _families(bundle)}
    ours_first = sorted(rows.values(), key=lambda row: row[0].startswith("`PREFIX"))
    return _table(("metric", "type", "labels", "what"), ours_first)


def _families(bundle: Bundle) -> Iterator[tuple[str, ...]]:
    layout = metrics.layout_for(bundle.manifest, bundle.golden)
    text = metrics.exposition(Store.create(layout, slots=1), bundle.manifest, None, "PREFIX")[0].decode()
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels: dict[str, list[str]] = {}
        for label, value in chain.from_iterable(sample.labels.items() for sample in family.samples):
            labels.setdefault(label, []).append(value)
        told = [_label(label, dict.fromkeys(values)) for label, values in labels.items() if label != "le"]
        yield f"`{name}`", family.type, "; ".join(told), family.documentation


def _label(name: str, values: Iterable[str]) -> str:
    is_the_services = name in ("code", "protocol")
    return f"`{name}`: {' '.join(values)}" if is_the_services else f"`{name}`"


# Each function that makes a problem, and what it is given here.

_AT, _NAMES = "$.instances[0].age", ("age", "plan")
CASES: dict[Callable[..., Problem], tuple[Any, ...]] = {
    problems.not_json: ("line 1, column 12",),
    problems.not_utf8: (b"", 0),
    problems.not_csv: ("line 2", "a comma or the line's end", "a quote"),
    problems.wrong_field: ("another field",),
    problems.pickled: (),
    problems.bad_percent: ("position 14",),
    problems.other_labels: ("$.plan", "$.age"),
    problems.no_room: (("proba",),),
    problems.wrong_form: ("$", "an object or a list", "string"),
    problems.wrong_type: (_AT, "a number", "string"),
    problems.null_refused: (_AT, "a number"),
    problems.out_of_range: (_AT, "a number of at least 0", "a smaller number"),
    problems.unknown_category: ("$.instances[0].plan", ("free", "paid"), "string"),
    problems.missing_input: ("$.instances[0]", _NAMES),
    problems.extra_input: ("$.instances[0]", _NAMES, "another name"),
    problems.duplicate_input: ("line 1",),
    problems.wrong_length: ("$.instances[0]", _NAMES, 3),
    problems.ragged: ("$.columns.plan", 2, 3),
    problems.no_rows: ("$.instances",),
    problems.bad_question: ("proba",),
    problems.not_given: ("proba", "regressor"),
    problems.refused_by_model: ("$.instances[0]", "ValueError"),
    problems.refused_by_predict: ("KeyError", "image"),
    problems.takes_an_object: (),
    problems.not_a_file: ("Parquet",),
    problems.corrupt_encoding: (),
    problems.too_slow: (Limits().body_s,),
    problems.body_too_large: (Limits().body_bytes,),
    problems.too_many_rows: (Limits().rows,),
    problems.unsupported_media_type: (),
    problems.unsupported_charset: (),
    problems.unsupported_encoding: (),
    problems.internal_error: (),
    v2_problems.wrong_request: ("$.inputs", "a list of tensors", "nothing"),
    v2_problems.wrong_tensor: ("$.inputs[0].data", "as many values as the shape says, 8", "list of 7 values"),
    v2_problems.wrong_bytes: ("$.inputs[0].parameters.binary_data_size", "at most the bytes that are left", "more"),
    v2_problems.not_found: (),
    v2_problems.not_ready: (),
    connection.header_too_slow: (Limits().header_s,),
    connection.request_line_too_long: (4094,),
    connection.header_too_large: (64, 8190),
}
_OTHERS = (
    ("a path that is not there", problems.of_status(404, {})),
    ("another method than the path takes; `Allow` names it", problems.of_status(405, {"Allow": "POST"})),
    ("what is no HTTP/1.1", connection.FIXED[400]),
    ("a transfer coding that is not known", connection.FIXED[501]),
)


def errors() -> str:
    """Every kind of problem, with an example."""
    made = [(_when(make), make(*given)) for make, given in CASES.items()]
    every = sorted([*made, *_OTHERS], key=lambda each: (each[1].status, each[1].title))
    rows = [(str(each.status), f"`{each.type.rpartition(':')[2]}`", when, each.detail) for when, each in every]
    return _table(("status", "kind", "when", "an example of `detail`"), rows)


def _when(make: Callable[..., Problem]) -> str:
    said = " ".join((inspect.getdoc(make) or "").split())
    return said.partition(" ")[2].removesuffix(".")


def exit_codes() -> str:
    """What a command ends with."""
    rows = [
        ("0", "done; of a service: it was told to stop, and what was in flight is answered"),
        (
            str(cli.REPOSITORY_AT_FAULT),
            "the repository, the bundle, the data or the server checked is at fault: the last line says what to write",
        ),
        (str(click.UsageError.exit_code), "wrong usage: an unknown command or option; `--help` shows them"),
        (str(cli.PART_MISSING), "a part of the machine is missing: a tool, the network"),
        (str(cli.OUR_BUG), "a bug of modelcast: a traceback, and a line that asks to report it"),
        (str(128 + signal.SIGTERM), "a build was stopped by SIGTERM, and left nothing behind"),
    ]
    return _table(("code", "means"), rows)


def commands() -> str:
    """The help of every command of `modelcast`."""
    # As the command itself is run: click keeps the option of help that it was first asked for.
    main = click.Context(cli.main, info_name="modelcast", **cli.main.context_settings)
    texts = [
        command.get_help(click.Context(command, parent=main, info_name=name, terminal_width=_WIDTH))
        for name, command in _commands()
    ]
    return "\n".join(f"```text\n{text}\n```\n" for text in texts)


def _commands() -> Iterator[tuple[str, click.Command]]:
    for name in cli.main.list_commands(click.Context(cli.main)):
        yield name, cli.main.commands[name]


def cases() -> str:
    """What `modelcast check` asks."""
    rows = [(case.id, case.title, case.expected, inspect.getdoc(case.ask) or "") for case in conformance.CASES]
    return _table(("id", "asked", "expected", ""), rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "routes": routes,
    "questions": questions,
    "metrics": series,
    "errors": errors,
    "exit-codes": exit_codes,
    "commands": commands,
    "cases": cases,
    "builder": lambda: _table(("room", "what it is for"), rooms(BUILDER)),
    "runtime": lambda: _table(("room", "what it is for"), rooms(RUNTIME)),
}


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_escaped(cell) for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    main()

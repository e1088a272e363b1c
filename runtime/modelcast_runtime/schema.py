"""JSON Schema (2020-12) of the own request format, made from the signature."""

import re
from collections.abc import Iterator

from modelcast_runtime.contract import Column, Dtype, Label, Manifest, Signature, label_text
from modelcast_runtime.settings import Settings

_TYPES: dict[str, dict[str, object]] = {
    "bool": {"type": "boolean"},
    # 41.0 is an integer to JSON Schema as it is to us; 41.5 is not.
    "int64": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    # The largest number that 32 bits do not round to infinity.
    "float32": {"type": "number", "minimum": -3.4028235677973362e38, "maximum": 3.4028235677973362e38},
    "float64": {"type": "number"},
    "string": {"type": "string"},
    # The years that 64 bits of nanoseconds hold whole.
    "datetime": {"type": "string", "format": "date-time", "pattern": "^(1(69|[7-9]\\d)|2([01]\\d|2[0-5]))\\d-"},
}
# Twelve digits with such an exponent are less than 32 bits hold, as which a tree reads 64 bits too.
_DECIMAL = r"[-+]?([0-9]{1,12}(\.[0-9]*)?|\.[0-9]+)([eE](-[0-9]{1,3}|\+?([01]?[0-9]|2[0-5])))?"
_FIELDS: dict[Dtype, str] = {
    "bool": "(true|false)",
    "int64": "[-+]?[0-9]{1,18}",
    "float32": _DECIMAL,
    "float64": _DECIMAL,
    "string": r'("([^"]|"")*"|[^",\r\n]+)',
    "datetime": r"(1[7-9]|2[01])\d\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])(T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?Z?)?",
}
_SPECIAL = re.compile(r"[.*+?^${}()|\[\]\\/]")

Schema = dict[str, object]


def request_schema(manifest: Manifest, settings: Settings) -> Schema:
    """What `POST /predict` takes as JSON, under the settings in force."""
    head: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Request to {manifest.name}"}
    if not manifest.signature.takes_rows:
        return {**head, "type": "object"}
    forms = request_forms(manifest, settings, "#/$defs/", max_rows=settings.limits.rows)
    return {**head, "anyOf": list(forms.values()), "$defs": row_schemas(manifest, settings)}


def row_schemas(manifest: Manifest, settings: Settings) -> dict[str, Schema]:
    """One row as an object by name (`record`) and as a list in the signature's order (`row`)."""
    signature = manifest.signature
    return {"record": _record(signature, settings.extra_inputs == "ignore"), "row": _row(signature)}


def csv_schema(manifest: Manifest, *, needs_header: bool = True) -> Schema:
    """What `POST /predict` takes as `text/csv`, with the inputs in their order; others are taken too.

    Narrower than the service where a pattern cannot tell: huge numbers, days after the 28th, bounds.
    """
    columns = manifest.signature.inputs
    header = ",".join(_escaped(csv_field(column.name)) for column in columns)
    row = ",".join(_csv_cell(column) for column in columns)
    if not needs_header:
        return {"type": "string", "pattern": rf"^({header}\r?\n)?{row}(\r?\n{row})*(\r?\n)?$"}
    return {"type": "string", "pattern": rf"^{header}(\r?\n{row})+(\r?\n)?$"}


def _csv_cell(column: Column) -> str:
    field = _FIELDS[column.dtype]
    if column.categories is not None and column.unknown == "refuse":
        field = "(" + "|".join(_csv_labels(column.categories)) + ")"
    return f"({field})?" if column.nullable else field


def _csv_labels(categories: tuple[Label, ...]) -> Iterator[str]:
    return (_escaped(csv_field(label_text(label))) for label in categories)


def csv_field(text: str) -> str:
    """A text as a field of a CSV, in quotes where it needs them; the empty text too: a bare empty field is null."""
    return text if text and not set(text) & set('",\r\n') else '"' + text.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    # Not re.escape: what it escapes is no ECMAScript.
    return _SPECIAL.sub(r"\\\g<0>", text)


def request_forms(manifest: Manifest, settings: Settings, refs: str, *, max_rows: int | None) -> dict[str, Schema]:
    """The forms of a request by name, of at most so many rows; they refer to `row_schemas` at `refs`."""
    signature, takes_extra = manifest.signature, settings.extra_inputs == "ignore"
    kinds: list[Schema] = [{"$ref": f"{refs}row"}, {"$ref": f"{refs}record"}]
    if signature.layout == "text":
        kinds.append(_cell(signature.inputs[0], signature))
    rows: Schema = {"type": "array", "minItems": 1} | ({} if max_rows is None else {"maxItems": max_rows})
    # All rows of a request have the form of the first.
    any_rows: Schema = {"anyOf": [{**rows, "items": kind} for kind in kinds]}
    return {
        "instances": _wrapped("instances", any_rows),
        "rows": any_rows,
        "records": _wrapped("records", {**rows, "items": {"$ref": f"{refs}record"}}),
        "columns": _wrapped("columns", _columns(signature, takes_extra)),
        "split": _wrapped("split", _split(signature, takes_extra)),
    }


def instances(manifest: Manifest, refs: str, *, takes_extra: bool) -> Schema:
    """The rows of V1 and of MLflow's `instances`: a value of an object may be a list of one."""
    signature = manifest.signature
    record = _record(signature, takes_extra)
    cells = {column.name: _cell(column, signature) for column in signature.inputs}
    alone: Schema = {"type": "array", "minItems": 1, "maxItems": 1}
    loose: Schema = {name: {"anyOf": [cell, {**alone, "items": cell}]} for name, cell in cells.items()}
    kinds: list[Schema] = [{"$ref": f"{refs}row"}, {**record, "properties": loose}]
    if signature.layout == "text":
        kinds.append(_cell(signature.inputs[0], signature))
    return {"anyOf": [{"type": "array", "minItems": 1, "items": kind} for kind in kinds]}


def dataframes(manifest: Manifest, refs: str) -> dict[str, Schema]:
    """MLflow's two forms of a DataFrame by their keys; in the second the names are told in the signature's order."""
    names = [column.name for column in manifest.signature.inputs]
    rows: Schema = {"type": "array", "minItems": 1}
    split: Schema = {
        "type": "object",
        "properties": {
            "columns": {"const": names},
            "index": {"type": "array"},
            "data": {**rows, "items": {"$ref": f"{refs}row"}},
        },
        "required": ["data"],
        "additionalProperties": False,
    }
    records = {**rows, "items": _record(manifest.signature, takes_extra=True)}
    return {"dataframe_split": split, "dataframe_records": records}


def _wrapped(key: str, content: Schema) -> Schema:
    return {"type": "object", "properties": {key: content}, "required": [key], "additionalProperties": False}


def _record(signature: Signature, takes_extra: bool) -> Schema:
    inputs = signature.inputs
    return {
        "type": "object",
        "properties": {column.name: _cell(column, signature) for column in inputs},
        "required": [column.name for column in inputs],
        "additionalProperties": takes_extra,
    }


def _row(signature: Signature) -> Schema:
    width = len(signature.inputs)
    return {
        "type": "array",
        "prefixItems": [_cell(column, signature) for column in signature.inputs],
        "minItems": width,
        "maxItems": width,
    }


def _columns(signature: Signature, takes_extra: bool) -> Schema:
    record = _record(signature, takes_extra)
    values: Schema = {"type": "array", "minItems": 1}
    columns = {column.name: {**values, "items": _cell(column, signature)} for column in signature.inputs}
    return {**record, "properties": columns}


def _split(signature: Signature, takes_extra: bool) -> Schema:
    names = [column.name for column in signature.inputs]
    item: Schema = {"type": "string"} if takes_extra else {"enum": names}
    return {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": item, "minItems": len(names), "uniqueItems": True},
            "data": {"type": "array", "minItems": 1, "items": {"type": "array"}},
        },
        "required": ["columns", "data"],
        "additionalProperties": False,
    }


def _cell(column: Column, signature: Signature) -> Schema:
    cell: Schema = {**_TYPES[column.dtype], **_bounds(column, signature.largest)}
    if column.categories is not None and column.unknown == "refuse":
        cell = {"enum": list(column.categories)}
    return {"anyOf": [cell, {"type": "null"}]} if column.nullable else cell


def _bounds(column: Column, largest: float | None) -> Schema:
    low, high = [column.minimum], [column.maximum]
    if largest is not None and column.dtype == "float64":
        low.append(-largest)
        high.append(largest)
    bounds = {
        "minimum": max((bound for bound in low if bound is not None), default=None),
        "maximum": min((bound for bound in high if bound is not None), default=None),
    }
    return {name: bound for name, bound in bounds.items() if bound is not None}

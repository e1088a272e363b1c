"""JSON Schema (2020-12) of the own request format, made from the signature."""

from modelcast_runtime.contract import Column, Manifest, Signature
from modelcast_runtime.settings import Settings

_TYPES: dict[str, dict[str, object]] = {
    "bool": {"type": "boolean"},
    # 41.0 is an integer to JSON Schema as it is to us; 41.5 is not.
    "int64": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float32": {"type": "number"},
    "float64": {"type": "number"},
    "string": {"type": "string"},
    "datetime": {"type": "string", "format": "date-time"},
}

Schema = dict[str, object]


def request_schema(manifest: Manifest, settings: Settings) -> Schema:
    """What `POST /predict` takes as JSON, under the settings in force."""
    signature, takes_extra = manifest.signature, settings.extra_inputs == "ignore"
    head: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Request to {manifest.name}"}
    if signature.layout == "object":
        return {**head, "type": "object"}
    rows = {"type": "array", "minItems": 1, "maxItems": settings.limits.rows}
    by_name: Schema = {**rows, "items": {"$ref": "#/$defs/record"}}
    any_rows: Schema = {**rows, "items": {"anyOf": _row_forms(signature)}}
    return {
        **head,
        "anyOf": [
            _wrapped("instances", any_rows),
            any_rows,
            _wrapped("records", by_name),
            _wrapped("columns", _columns(signature, takes_extra)),
            _wrapped("split", _split(signature, takes_extra)),
        ],
        "$defs": {"record": _record(signature, takes_extra), "row": _row(signature)},
    }


def _row_forms(signature: Signature) -> list[Schema]:
    forms: list[Schema] = [{"$ref": "#/$defs/row"}, {"$ref": "#/$defs/record"}]
    return [*forms, _cell(signature.inputs[0])] if signature.layout == "text" else forms


def _wrapped(key: str, content: Schema) -> Schema:
    return {"type": "object", "properties": {key: content}, "required": [key], "additionalProperties": False}


def _record(signature: Signature, takes_extra: bool) -> Schema:
    inputs = signature.inputs
    return {
        "type": "object",
        "properties": {column.name: _cell(column) for column in inputs},
        "required": [column.name for column in inputs],
        "additionalProperties": takes_extra,
    }


def _row(signature: Signature) -> Schema:
    width = len(signature.inputs)
    return {
        "type": "array",
        "prefixItems": [_cell(column) for column in signature.inputs],
        "minItems": width,
        "maxItems": width,
    }


def _columns(signature: Signature, takes_extra: bool) -> Schema:
    record = _record(signature, takes_extra)
    columns = {column.name: {"type": "array", "minItems": 1, "items": _cell(column)} for column in signature.inputs}
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


def _cell(column: Column) -> Schema:
    cell: Schema = {**_TYPES[column.dtype], **_bounds(column)}
    if column.categories is not None and column.unknown == "refuse":
        cell = {"enum": list(column.categories)}
    return {"anyOf": [cell, {"type": "null"}]} if column.nullable else cell


def _bounds(column: Column) -> Schema:
    bounds = {"minimum": column.minimum, "maximum": column.maximum}
    return {name: bound for name, bound in bounds.items() if bound is not None}

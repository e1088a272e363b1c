"""What the page at `/docs` shows: the OpenAPI description as sections to read, made here so that it needs no script."""

import json
from collections.abc import Iterator
from typing import Any

from modelcast_runtime.contract import number_text

Document = dict[str, Any]

_WIDTH = 88
_BOUNDS = {"minimum": "at least", "maximum": "at most"}
_NO_BOUND = 1e15
"""What is larger is a bound of the type, which nobody wants to read."""


def facts(document: Document) -> dict[str, Any]:
    """Everything that the template shows."""
    operations = list(_operations(document))
    tags = [(tag, [each for each in operations if each["tag"] == tag["name"]]) for tag in document["tags"]]
    return {"info": document["info"], "tags": tags}


def _operations(document: Document) -> Iterator[dict[str, Any]]:
    schemas = document["components"]["schemas"]
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            body = operation.get("requestBody", {}).get("content", {})
            yield {
                "id": operation["operationId"],
                "verb": verb,
                "path": path,
                "tag": operation["tags"][0],
                "summary": operation["summary"],
                "description": [_spelled(each) for each in operation.get("description", "").split("\n\n") if each],
                "parameters": [
                    (each["name"], each["in"], words(each["schema"]).partition(",")[0], each.get("description", ""))
                    for each in operation.get("parameters", ())
                ],
                "inputs": _inputs(schemas.get("record")) if body else [],
                "bodies": [(media, list(_examples(content))) for media, content in body.items()],
                "schema": _text({"body": body, "schemas": schemas}) if body else "",
                "responses": [
                    _response(status, response, document) for status, response in operation["responses"].items()
                ],
            }


def _inputs(record: Document | None) -> list[tuple[str, str]]:
    return [] if record is None else [(name, words(schema)) for name, schema in record["properties"].items()]


def _response(status: str, response: Document, document: Document) -> tuple[str, str, list[tuple[str, list[Any]]]]:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = [(media, list(_examples(content))) for media, content in response.get("content", {}).items()]
    return status, response["description"], content


def _examples(content: Document) -> Iterator[tuple[str, str]]:
    if "example" in content:
        yield "", _text(content["example"])
    for example in content.get("examples", {}).values():
        yield example.get("summary", ""), _text(example["value"])


def _spelled(paragraph: str) -> list[tuple[str, bool]]:
    """The parts of a paragraph of Markdown, and whether each is code."""
    return [(text, bool(index % 2)) for index, text in enumerate(" ".join(paragraph.split()).split("`"))]


def _text(value: object) -> str:
    return value if isinstance(value, str) else _folded(value, 0)


def _folded(value: object, depth: int) -> str:
    """JSON that breaks a line only where it must."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(flat) + 2 * depth <= _WIDTH:
        return flat
    inner, outer = "\n" + "  " * (depth + 1), "\n" + "  " * depth
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {_folded(each, depth + 1)}" for key, each in value.items()]
        return "{" + inner + f",{inner}".join(parts) + outer + "}"
    return "[" + inner + f",{inner}".join(_folded(each, depth + 1) for each in value) + outer + "]"


def words(schema: Document) -> str:
    """A small schema in words: `number, at least 0, or null`."""
    if "anyOf" in schema:
        return ", or ".join(words(each) for each in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    kind = schema.get("type", "any JSON")
    texts = [" or ".join(kind) if isinstance(kind, list) else str(kind)]
    texts += [schema["format"]] if "format" in schema else []
    bounds = {said: schema[key] for key, said in _BOUNDS.items() if key in schema}
    texts += [f"{said} {number_text(bound)}" for said, bound in bounds.items() if abs(bound) < _NO_BOUND]
    return ", ".join(texts)

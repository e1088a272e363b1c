"""Pieces that every part of the OpenAPI description is made of."""

import re
from typing import Any

Document = dict[str, Any]

JSON = "application/json"
HTML = "text/html"
REFS = "#/components/schemas/"
ANY_OBJECT: Document = {"type": "object"}


def get(tag: str, summary: str, response: Document) -> Document:
    """A route that is read: its 200, and the 500 that any page may give."""
    identity = re.sub(r"[^a-z0-9]+", "_", summary.lower()).strip("_")
    responses = {"200": response, **refer("InternalError", 500)}
    return {"get": {"tags": [tag], "operationId": identity, "summary": summary, "responses": responses}}


def json_answer(description: str, example: object = None) -> Document:
    """An answer in JSON of which nothing more is said than an example."""
    content: Document = {"schema": ANY_OBJECT}
    return {
        "description": description,
        "content": {JSON: content if example is None else {**content, "example": example}},
    }


def page(description: str) -> Document:
    """An answer for a browser."""
    return {"description": description, "content": {HTML: {"schema": {"type": "string"}}}}


def refer(name: str, status: int) -> Document:
    """An answer that stands among the components."""
    return {str(status): {"$ref": f"#/components/responses/{name}"}}

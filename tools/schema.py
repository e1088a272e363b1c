"""Writes docs/modelcast.schema.json, the JSON Schema of `modelcast.yaml`, from the types that read it."""

import ast
import inspect
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
from modelcast_builder import document

TARGET = Path(__file__).resolve().parent.parent / "docs" / "modelcast.schema.json"


def main() -> None:
    """Write the file."""
    TARGET.write_text(schema_text(), encoding="utf-8")


def schema_text() -> str:
    """The schema, with what the docstrings say of the keys."""
    sections: dict[str, Any] = msgspec.json.schema(document.Document)["$defs"]
    for name, section in sections.items():
        for key, text in _docstrings(getattr(document, name)).items():
            section["properties"][key]["description"] = text
    root = sections.pop("Document") | {"title": "modelcast.yaml", "$defs": sections}
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | root, indent=2, ensure_ascii=False) + "\n"


def _docstrings(section: type) -> dict[str, str]:
    """Key -> the text under it, of the class and of those that it extends."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct:
            (definition,) = ast.parse(inspect.getsource(kind)).body
            found |= {
                field.target.id: text.value.value
                for field, text in pairwise(definition.body)  # type: ignore[attr-defined]
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
                if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
                if isinstance(text.value.value, str)
            }
    return found


if __name__ == "__main__":
    main()

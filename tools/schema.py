"""Writes docs/modelcast.schema.json, the JSON Schema of `modelcast.yaml`, from the types that read it."""

import json
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
        for key, text in document.texts(getattr(document, name)).items():
            section["properties"][key]["description"] = text
    root = sections.pop("Document") | {"title": "modelcast.yaml", "$defs": sections}
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | root, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()

"""What is published of `modelcast.yaml`, its JSON Schema and its page, is what the builder reads."""

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from jsonschema.exceptions import best_match
from modelcast_builder import document
from modelcast_builder.config import Config, read_config
from modelcast_builder.document import Document

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "modelcast-yaml.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "docs" / "modelcast.schema.json").read_text(encoding="utf-8"))
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
WHOLE = max(EXAMPLES, key=len)
SECTIONS = [
    kind
    for kind in vars(document).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == document.__name__
]
KEYS = sorted({key for kind in SECTIONS for key in kind.__struct_fields__})


def errors(content: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(content)]


def read(folder: Path, content: dict[str, Any]) -> Config:
    """The document as this version reads it: on this Python, without what is not built yet."""
    built = {key: value for key, value in content.items() if key != "drift"}
    if "service" in built:
        later = ("cors", "token_file", "metrics_port")
        built["service"] = {key: value for key, value in built["service"].items() if key not in later}
    if "limits" in built:
        later = ("queue", "deadline_s")
        built["limits"] = {key: value for key, value in built["limits"].items() if key not in later}
    if "python" in built:
        built["python"] = ".".join(map(str, sys.version_info[:2]))
    (folder / "modelcast.yaml").write_text(yaml.safe_dump(built), encoding="utf-8")
    return read_config(folder, {})


def test_the_schema_is_what_its_tool_writes() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "schema.py"))["schema_text"]()
    assert (ROOT / "docs" / "modelcast.schema.json").read_text(encoding="utf-8") == written, (
        "run python tools/schema.py"
    )


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "modelcast.yaml"
    assert "$id" not in SCHEMA


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n")[0][:30])
def test_every_example_is_valid_and_is_read(tmp_path: Path, text: str) -> None:
    content = yaml.safe_load(text)
    assert errors(content) == []
    read(tmp_path, content)


def test_the_whole_example_has_every_key(tmp_path: Path) -> None:
    content = yaml.safe_load(WHOLE)
    assert set(content) == set(Document.__struct_fields__)
    config = read(tmp_path, content)
    assert (config.name, config.document.data.groups, config.service.limits.header_s) == ("penguins", ("sex",), 5)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_its_place_on_the_page(key: str) -> None:
    assert re.search(rf"`[a-z_.]*\b{key}(: always)?`", PAGE), f"docs/modelcast-yaml.md does not tell of `{key}`"


WRONG = {
    "nam: x": "Additional properties are not allowed ('nam' was unexpected)",
    "data: {trian: x}": "Additional properties are not allowed ('trian' was unexpected)",
    "inputs: {age: {dtyp: string}}": "Additional properties are not allowed ('dtyp' was unexpected)",
    "limits: {row: 3}": "Additional properties are not allowed ('row' was unexpected)",
    "limits: {rows: 0}": "0 is less than the minimum of 1",
    "limits: {header_s: 0}": "0 is less than the minimum of 0.1",
    "gates: {metrics: {acuracy: '> 1'}}": "'acuracy' is not one of ['accuracy', 'balanced_accuracy', 'f1_macro', ",
    "gates: {slices: {sex: {accuracy: '1'}}}": "'1' does not match '^(>=|<=|>|<) *-?[0-9]+(\\\\.[0-9]+)?$'",
    "python: 3.11": "3.11 is not valid under any of the given schemas",
    "task: regression": "'regression' is not valid under any of the given schemas",
    "trusted: [Clip]": "'Clip' does not match '^[A-Za-z_][\\\\w.]*:([A-Za-z_][\\\\w.]*|\\\\*)$'",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_the_builder_refuses_the_schema_refuses(tmp_path: Path, text: str) -> None:
    found = best_match(jsonschema.Draft202012Validator(SCHEMA).iter_errors(yaml.safe_load(text)))
    assert found is not None
    assert found.message.startswith(WRONG[text])
    (tmp_path / "modelcast.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match="^config: modelcast.yaml:1: "):
        read_config(tmp_path, {})

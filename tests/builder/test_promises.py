"""The file that `examples:` names is looked at before the work begins."""

import json
from pathlib import Path

import pytest
from modelcast_builder.config import read_config
from modelcast_builder.errors import BuildError
from modelcast_builder.promises import find

FORM = 'Write [{"request": {...}, "response": {...}}]: a body of POST /predict, and what its answer must hold'
PATH = "Add the file, or correct the path"


def found(repo: Path, named: str, content: str | bytes | None) -> Path | None:
    """What a repository with this line and this file gives."""
    (repo / "modelcast.yaml").write_text(f"examples: {named}", encoding="utf-8")
    if content is not None:
        (repo / named).write_bytes(content.encode() if isinstance(content, str) else content)
    return find(repo, read_config(repo, {}))


def test_a_repository_without_the_key_has_none(tmp_path: Path) -> None:
    assert find(tmp_path, read_config(tmp_path, {})) is None


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_of_examples_is_found_whatever_is_asked_and_answered(tmp_path: Path, mark: str) -> None:
    content = [{"request": {"any": [1, None]}, "response": {"predictions": [1]}}, {"request": ["a"], "response": "b"}]
    assert found(tmp_path, "my examples.json", mark + json.dumps(content)) == tmp_path / "my examples.json"


REFUSED: dict[str, tuple[str, str | bytes | None, str]] = {
    "no file": ("e.json", None, f"`examples: e.json` in modelcast.yaml is no file of the repository. {PATH}"),
    "a folder": (".", None, f"`examples: .` in modelcast.yaml is no file of the repository. {PATH}"),
    "outside": ("../e.json", "[]", f"`examples: ../e.json` in modelcast.yaml is no file of the repository. {PATH}"),
    "empty": ("e.json", "", "e.json:1 is no JSON: it ends too early. Mend that line"),
    "half": ("e.json", '[\n{"request":\n', "e.json:3 is no JSON: it ends too early. Mend that line"),
    "a comma too much": ("e.json", '[{"request": {}, "response": {}},\n\n]', "e.json:3 is no JSON: trailing comma in array. Mend that line"),
    "no number of JSON": (
        "e.json",
        '[\n {"request":\n  NaN,\n "response": {}}]',
        "e.json:3 is no JSON: invalid character. Mend that line",
    ),
    "other bytes": (
        "e.json",
        '[{"request": "für",\n "response": {}}]'.encode("latin-1"),
        "e.json is not UTF-8. Save the file as UTF-8",
    ),
    "a number beyond all numbers": (
        "e.json",
        '[{"request": 1e999, "response": {}}]',
        f"e.json: $[0].request: number out of range. {FORM}",
    ),
    "a nest without end": (
        "e.json",
        '[{"request": ' + "[" * 100_000,
        f"e.json is nested too deeply to be read. {FORM}",
    ),
    "an object": ("e.json", "{}", f"e.json: $: expected a list of examples. {FORM}"),
    "none": ("e.json", "[]", f"e.json: $: expected at least one example, got none. {FORM}"),
    "a row": (
        "e.json",
        '[{"request": {}, "response": {}}, [1, 2]]',
        f"e.json: $[1]: expected an object. {FORM}",
    ),
    "no response": (
        "e.json",
        '[{"request": {}, "answer": {}}]',
        f"e.json: $[0]: expected the keys request and response, got `answer`. {FORM}",
    ),
    "only a request": (
        "e.json",
        '[{"request": {}}]',
        f"e.json: $[0]: expected the keys request and response, and response is missing. {FORM}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_holds_none_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    named, content, message = REFUSED[case]
    repo = tmp_path / "repo"
    repo.mkdir()
    with pytest.raises(BuildError) as refused:
        found(repo, named, content)
    assert str(refused.value) == f"config: {message}"

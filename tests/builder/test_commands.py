"""What is built once for the same content, and what is never taken for it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder import commands
from modelcast_builder.config import build_settings
from modelcast_builder.report import Reporter
from modelcast_builder.source import fetch
from modelcast_runtime.bundle import Bundle, open_bundle


def test_what_was_edited_while_it_was_built_is_built_again(
    tmp_path: Path, make_bundle: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    note = root / "note.txt"
    note.write_text("before")
    settings = build_settings({"MODELCAST_CACHE": str(tmp_path / "cache")})
    edits = ["meanwhile", "meanwhile", "never read"]
    built: list[Path] = []

    def build(_source: Any, out: Path, *_: Any) -> Bundle:
        """A build during which somebody saves a file."""
        note.write_text(edits[len(built)])
        built.append(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        return open_bundle(shutil.copytree(make_bundle("array"), out))

    monkeypatch.setattr(commands, "_build", build)

    def served() -> Path:
        return commands._built_once(fetch(str(root), tmp_path), settings, Reporter()).root

    first = served()
    assert (first.is_dir(), first in built) == (True, False)
    note.write_text("before")
    assert built[0].exists() is False, "what was built of another content has not this one's name"
    note.write_text("meanwhile")
    second = served()
    assert second == built[1]
    assert served() == second
    assert len(built) == 2

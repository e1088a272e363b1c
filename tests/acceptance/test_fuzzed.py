"""Thousands of requests made from the description of the service find nothing that it does otherwise than described.

`examples` are for each of thirty routes, five of which score.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.commands import Modelcast
from tests.acceptance.workshop import Workshop

SCHEMATHESIS = Path(sys.executable).with_name("st")


@pytest.mark.parametrize(("name", "examples"), [("text", 200), ("breast-cancer", 50)])
def test_schemathesis_finds_nothing(
    workshop: Workshop, modelcast: Modelcast, tmp_path: Path, name: str, examples: int
) -> None:
    bundle = workshop.begin(name).result().built.root
    with modelcast.serving(bundle, workers=1) as service:
        done = subprocess.run(
            [SCHEMATHESIS, "run", f"{service.url}/openapi.json", "--url", service.url, "--max-examples", str(examples),
             "--seed", "1", "--no-color", "--exclude-path-regex", "/versions/"],
            cwd=tmp_path, env=modelcast.environment({}), capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"\b\d{3,} generated, \d{3,} passed$", done.stdout, re.MULTILINE), done.stdout

"""A bundle that is not what was sealed is not served, and serving changes nothing in it."""

import json
from pathlib import Path

import pytest

from tests.acceptance.commands import Modelcast
from tests.acceptance.files import contents, copy
from tests.acceptance.workshop import Case

AGAIN = "Build it again with `modelcast build`."


@pytest.fixture
def bundle(sibling_module: Case, tmp_path: Path) -> Path:
    return copy(sibling_module.built.root, tmp_path / "bundle")


def refusal(modelcast: Modelcast, bundle: Path) -> str:
    """The one line by which the bundle is refused."""
    done = modelcast.run("serve", bundle, "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("name", ["code/features.py", "model.joblib", "environment.lock", "golden.json"])
def test_a_changed_byte_is_refused(modelcast: Modelcast, bundle: Path, name: str) -> None:
    path = bundle / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    expected = f"error: bundle: {name} is not what was sealed: its SHA-256 differs from the manifest's. {AGAIN}"
    assert refusal(modelcast, bundle) == expected


def test_a_byte_more_is_refused(modelcast: Modelcast, bundle: Path) -> None:
    path = bundle / "code" / "features.py"
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(b"\n")
    assert refusal(modelcast, bundle) == (
        f"error: bundle: code/features.py has {size + 1} bytes, its manifest says {size}; "
        f"the bundle was changed after it was sealed. {AGAIN}"
    )


def test_a_file_more_is_refused(modelcast: Modelcast, bundle: Path) -> None:
    (bundle / "code" / "json.py").write_text("print('not sealed')\n", encoding="utf-8")
    assert refusal(modelcast, bundle) == (
        "error: bundle: code/json.py is in the bundle but not in its manifest; "
        f"the bundle was changed after it was sealed. {AGAIN}"
    )


def test_a_file_less_is_refused(modelcast: Modelcast, bundle: Path) -> None:
    (bundle / "code" / "features.py").unlink()
    expected = f"error: bundle: code/features.py is in the manifest but not in the bundle. {AGAIN}"
    assert refusal(modelcast, bundle) == expected


def test_a_link_in_place_of_a_file_is_refused(modelcast: Modelcast, bundle: Path, tmp_path: Path) -> None:
    path = bundle / "code" / "features.py"
    path.rename(tmp_path / "features.py")
    path.symlink_to(tmp_path / "features.py")
    expected = f"error: bundle: code/features.py is in the manifest but not in the bundle. {AGAIN}"
    assert refusal(modelcast, bundle) == expected


def test_a_bundle_of_another_version_is_refused(modelcast: Modelcast, bundle: Path) -> None:
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps({**manifest, "bundle_version": 2}), encoding="utf-8")
    line = refusal(modelcast, bundle)
    assert line.startswith(f"error: bundle: {bundle} is a bundle of version 2; this runtime opens version 1. ")
    assert line.lower().count("build it again") == 1, "the advice is given once"


def test_serving_leaves_the_bundle_as_it_was(modelcast: Modelcast, bundle: Path) -> None:
    before = contents(bundle)
    with modelcast.serving(bundle, workers=2, cwd=bundle) as service:
        answer = service.ask(json=[[0.5, 1.5, -3.0]])
        assert answer.status_code == 200, answer.text
        assert contents(bundle) == before
    assert contents(bundle) == before


def test_a_receipt_may_be_taken_away(modelcast: Modelcast, bundle: Path) -> None:
    for path in (bundle / "receipts").rglob("*"):
        if path.is_file():
            path.unlink()
    done = modelcast.run("inspect", bundle, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["provenance"] is None

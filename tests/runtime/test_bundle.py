"""A bundle opens only as it was sealed; every other folder is refused in one sentence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelcast_runtime import contract
from modelcast_runtime.bundle import BundleError, bundle_digest, is_bundle, open_bundle, sealed_files

MakeBundle = Callable[..., Path]
CHANGED = "the bundle was changed after it was sealed"


def refusal(root: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(root)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewrite(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = root / contract.MANIFEST
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def record_of(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(record for record in document["files"] if record["path"] == name)
    return found


def test_a_sealed_bundle_opens(make_bundle: MakeBundle) -> None:
    root = make_bundle("own")
    bundle = open_bundle(root)
    assert bundle.root == root
    assert bundle.manifest.name == "own"
    assert bundle.golden.predictions == (1.5, 2.5)
    assert bundle.model == root / "model.joblib"
    assert bundle.code == root / "code"
    assert {record.path for record in bundle.manifest.files} == set(sealed_files(root))
    assert set(sealed_files(root)) == {"code/own_model.py", "environment.lock", "golden.json", "model.joblib"}


def test_the_digest_is_of_every_sealed_byte_and_not_of_the_place_or_the_receipts(make_bundle: MakeBundle) -> None:
    one, other = make_bundle("own"), make_bundle("own")
    (other / contract.PROVENANCE).unlink()
    assert open_bundle(one).digest == open_bundle(other).digest
    manifest = open_bundle(other).manifest
    with (other / contract.MANIFEST).open("a") as file:
        file.write("\n")
    assert bundle_digest(other, manifest) != open_bundle(one).digest
    assert open_bundle(make_bundle("own", description="other")).digest != open_bundle(one).digest


def test_a_bundle_opens_by_a_relative_path_and_through_a_link_to_its_folder(
    make_bundle: MakeBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_bundle()
    (tmp_path / "current").symlink_to(root)
    monkeypatch.chdir(tmp_path)
    assert open_bundle(Path("current")).root == root


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "environment.lock", "code/own_model.py"])
def test_one_byte_more_is_seen_by_its_size(make_bundle: MakeBundle, name: str) -> None:
    root = make_bundle("own")
    size = (root / name).stat().st_size
    with (root / name).open("ab") as file:
        file.write(b" ")
    assert refusal(root) == f"{name} has {size + 1} bytes, its manifest says {size}; {CHANGED}"


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "environment.lock", "code/own_model.py"])
@pytest.mark.parametrize("at", [0, -1])
def test_one_flipped_bit_is_seen_by_its_hash(make_bundle: MakeBundle, name: str, at: int) -> None:
    root = make_bundle("own")
    content = bytearray((root / name).read_bytes())
    content[at] ^= 1
    (root / name).write_bytes(content)
    assert refusal(root) == f"{name} is not what was sealed: its SHA-256 differs from the manifest's"


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "environment.lock", "code/own_model.py"])
def test_a_missing_file_is_named(make_bundle: MakeBundle, name: str) -> None:
    root = make_bundle("own")
    (root / name).unlink()
    assert refusal(root) == f"{name} is in the manifest but not in the bundle"


@pytest.mark.parametrize(
    "name",
    [
        "code/extra.py",
        "code/__pycache__/own_model.cpython-311.pyc",
        "sklearn.py",
        ".hidden",
        "receiptsx",
        "x/receipts/y",
    ],
)
def test_a_file_too_much_is_named(make_bundle: MakeBundle, name: str) -> None:
    root = make_bundle("own")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"")
    assert refusal(root) == f"{name} is in the bundle but not in its manifest; {CHANGED}"


def test_receipts_may_come_and_go(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / "receipts/notebooks").mkdir()
    (root / "receipts/notebooks/train.html").write_text("<p>")
    open_bundle(root)
    shutil.rmtree(root / "receipts")
    bundle = open_bundle(root)
    assert bundle.provenance() is None


def test_an_empty_folder_too_much_is_nothing(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / "code/__pycache__").mkdir(parents=True)
    open_bundle(root)


@pytest.mark.parametrize("name", ["model.joblib", "code/own_model.py"])
def test_a_link_is_no_file_even_to_the_same_bytes(make_bundle: MakeBundle, tmp_path: Path, name: str) -> None:
    root = make_bundle("own")
    shutil.move(root / name, tmp_path / "elsewhere")
    (root / name).symlink_to(tmp_path / "elsewhere")
    assert refusal(root) == f"{name} is in the manifest but not in the bundle"


def test_a_link_to_a_receipt_is_no_file(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    shutil.move(root / "model.joblib", root / "receipts/model.joblib")
    (root / "model.joblib").symlink_to(root / "receipts/model.joblib")
    assert refusal(root) == "model.joblib is in the manifest but not in the bundle"


def test_a_link_to_a_folder_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("own")
    shutil.move(root / "code", tmp_path / "code")
    (root / "code").symlink_to(tmp_path / "code")
    assert refusal(root) == "code/own_model.py is in the manifest but not in the bundle"


def test_a_link_to_a_folder_inside_of_the_bundle_is_refused(make_bundle: MakeBundle) -> None:
    root = make_bundle("own")
    (root / "other").symlink_to(root / "code")
    assert refusal(root) == f"other is in the bundle but not in its manifest; {CHANGED}"


def test_a_dangling_link_too_much_is_named(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / "nothing").symlink_to(root / "nowhere")
    assert refusal(root) == f"nothing is in the bundle but not in its manifest; {CHANGED}"


def test_a_pipe_in_place_of_a_file_is_not_read(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / "model.joblib").unlink()
    os.mkfifo(root / "model.joblib")
    assert refusal(root) == "model.joblib is in the manifest but not in the bundle"


@pytest.mark.parametrize("path", ["/etc/passwd", "../golden.json", "code/../../x", "code/.."])
def test_a_path_that_leads_out_is_refused_before_it_is_read(make_bundle: MakeBundle, path: str) -> None:
    root = make_bundle()
    rewrite(root, lambda document: record_of(document, "golden.json").update(path=path))
    assert refusal(root) == f"{path} in the manifest leads out of the bundle"


@pytest.mark.parametrize("path", ["", ".", "code", "a\0b"])
def test_a_path_that_is_no_file_is_refused(make_bundle: MakeBundle, path: str) -> None:
    root = make_bundle("own")
    rewrite(root, lambda document: record_of(document, "golden.json").update(path=path))
    assert refusal(root) == f"{path} is in the manifest but not in the bundle"


@pytest.mark.parametrize("name", ["model.joblib", "golden.json", "environment.lock"])
def test_a_manifest_that_does_not_list_what_every_bundle_has_is_refused(make_bundle: MakeBundle, name: str) -> None:
    root = make_bundle()
    rewrite(root, lambda document: document["files"].remove(record_of(document, name)))
    assert refusal(root) == f"{name} is not in the manifest; {CHANGED}"


def test_a_model_outside_of_the_manifest_is_refused(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    rewrite(root, lambda document: document.update(model="../model.joblib"))
    assert refusal(root) == f"../model.joblib is not in the manifest; {CHANGED}"


def test_a_bundle_of_another_version_is_told_apart_from_a_broken_one(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / contract.MANIFEST).write_text('{"bundle_version": 2, "model": {"parts": []}}')
    assert refusal(root) == (
        f"{root} is a bundle of version 2; this runtime opens version 1. "
        "Serve it with the runtime that it was built with"
    )
    assert is_bundle(root)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Input data was truncated"),
        (b'{"bundle_version": 1', "Input data was truncated"),
        (b"nonsense", "JSON is malformed: invalid character (byte 4)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "Object missing required field `bundle_version`"),
        (b'{"bundle_version": "1"}', "Expected `int`, got `str` - at `$.bundle_version`"),
        (b'{"bundle_version": 1}', "Object missing required field `name`"),
        (b'{"bundle_version": 1, "colour": 2}', "Object contains unknown field `colour`"),
        (
            b'{"bundle_version": 1, "name": "\xff"}',
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ],
)
def test_a_broken_manifest_is_refused_with_the_place(make_bundle: MakeBundle, content: bytes, reason: str) -> None:
    root = make_bundle()
    (root / contract.MANIFEST).write_bytes(content)
    assert refusal(root) == f"manifest.json is not what a bundle holds: {reason}"


def reseal(root: Path, name: str, content: bytes) -> None:
    (root / name).write_bytes(content)
    (root / "new").write_bytes(content)
    from modelcast_runtime.bundle import sha256_of

    digest = sha256_of(root / "new")
    (root / "new").unlink()
    rewrite(root, lambda document: record_of(document, name).update(sha256=digest, size=len(content)))


def test_golden_rows_that_are_none_are_refused_with_the_place(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    reseal(root, "golden.json", b'{"rows": [[[1]]], "predictions": []}')
    assert refusal(root) == (
        "golden.json is not what a bundle holds: Expected `bool | int | float | str | null`, got `array` - at `$.rows[0][0]`"
    )


def test_a_broken_receipt_is_a_bundle_error_and_no_traceback(make_bundle: MakeBundle) -> None:
    root = make_bundle()
    (root / contract.PROVENANCE).write_text("{")
    bundle = open_bundle(root)  # receipts are in no digest
    with pytest.raises(BundleError) as caught:
        bundle.provenance()
    assert str(caught.value) == "receipts/provenance.json is not what a bundle holds: Input data was truncated"


def test_a_folder_that_is_no_bundle_is_told_so(tmp_path: Path) -> None:
    expected = "expected a bundle made by `modelcast build`"
    assert refusal(tmp_path) == f"{tmp_path} has no manifest.json; {expected}"
    assert refusal(tmp_path / "no") == f"{tmp_path}/no is no folder; {expected}"
    (tmp_path / "file").touch()
    assert refusal(tmp_path / "file") == f"{tmp_path}/file is no folder; {expected}"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"bundle_version": 1}', True),
        (b'{"bundle_version": 99, "more": [1]}', True),
        (b'{"name": "npm"}', False),
        (b"[]", False),
        (b"{", False),
        (b'{"bundle_version": "\xff"}', False),
        (None, False),
    ],
)
def test_a_folder_says_itself_whether_it_is_a_bundle(tmp_path: Path, content: bytes | None, expected: bool) -> None:
    if content is not None:
        (tmp_path / contract.MANIFEST).write_bytes(content)
    assert is_bundle(tmp_path) is expected
    assert is_bundle(tmp_path / "absent") is False

"""Whatever byte of a bundle, a receipt or a label was changed, `modelcast verify` finds it and names it."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from modelcast_builder import commands, provenance, sbom
from modelcast_builder.config import Config
from modelcast_builder.discover import Plan
from modelcast_builder.environment import Lock, lock_text
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.image_labels import labels
from modelcast_builder.provenance import Build, Sealed
from modelcast_builder.seal import Writer
from modelcast_builder.source import Source
from modelcast_builder.verify import Image, Report, Running, verify
from modelcast_runtime import contract
from modelcast_runtime.bundle import BundleError, bundle_digest, open_bundle, read_manifest
from modelcast_runtime.contract import Column, Compilation, Golden, Manifest, Output, Signature

from tests.builder.played_engine import PlayedEngine, play

GOLDEN_V1 = Path(__file__).resolve().parents[1] / "contract" / "golden" / "v1"
LOCK = Lock(packages=("numpy==2.4.6", "scikit-learn==1.9.1"), serving=("flask==3.1.3",), as_of="2026-01-01T00:00:00Z")
SOURCE = f"sha256:{'f' * 64}"
MANIFEST = Manifest(
    name="lunch",
    version="",
    description="Whether it is lunch",
    format="joblib",
    framework="sklearn",
    task="classifier",
    model="model.joblib",
    signature=Signature(
        layout="array",
        inputs=(Column(name="x", dtype="float64"),),
        outputs=(Output(name="predict", dtype="int64", shape=(-1,)),),
    ),
    parameters={"k": 5, "rate": 0.1},
    compilation=Compilation(backend="native", reason="no compiler"),
    files=(),
)
COMPILED = msgspec.structs.replace(
    MANIFEST,
    format="onnx",
    model="model.onnx",
    compilation=Compilation(backend="onnxruntime", reason="equal", precision="float64", tools={"skl2onnx": "1.20.0"}),
)
ANSWERED = Running(answers=lambda bundle: f"{bundle.manifest.name}: 2 golden rows reproduced")
ORDER = ["manifest", "files", "receipts", "provenance", "version", "sbom", "card", "answers"]


def sealed(root: Path, said: Manifest = MANIFEST, original: bytes = b"model", lock: Lock = LOCK) -> Path:
    """A bundle as a build seals it, of bytes that are no model."""
    root.mkdir()
    writer = Writer(root=root)
    model = writer.write(said.model, b"graph" if said.format == "onnx" else original).sha256
    trained = hashlib.sha256(original).hexdigest()
    writer.write(contract.GOLDEN, contract.encode(Golden(rows=(), predictions=())))
    locked = writer.write(contract.LOCK, lock_text(LOCK).encode())
    version = contract.version_of(source=SOURCE, lock=locked.sha256, parameters='{"k":5,"rate":0.1}', model=trained)
    manifest = msgspec.structs.replace(said, version=version)
    writer.write(contract.CARD, b"<p>lunch")
    writer.write(contract.SBOM, sbom.render(manifest, lock, model, trained))
    writer.write_receipt("receipts/notebooks/train.html", b"<p>a notebook")
    build = Build(
        source=Source(root=root, location="", origin="https://host/lunch.git", commit="1" * 40),
        source_digest=SOURCE,
        config=Config(parameters={"k": 5, "rate": 0.1}),
        plan=Plan(notebooks=(), artifact=None, reason=""),
        lock=LOCK,
        began=datetime(2026, 1, 2, tzinfo=UTC),
    )
    made = Sealed(
        name=manifest.name,
        digest=writer.digest(manifest),
        model=manifest.model,
        model_sha256=model,
        original_sha256=trained,
        lock_sha256=locked.sha256,
        receipts=dict(writer.receipts),
    )
    writer.write_receipt(contract.PROVENANCE, contract.encode(provenance.record(build, made)))
    writer.finish(manifest)
    return root


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return sealed(tmp_path / "bundle")


def states(report: Report) -> dict[str, str]:
    return {check.name: check.status for check in report.checks}


def detail(report: Report, name: str) -> str:
    return next(check.detail for check in report.checks if check.name == name)


def change(path: Path, content: bytes | None = None) -> None:
    """Flip one bit in the middle, or write this."""
    changed = bytearray(path.read_bytes())
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed if content is None else content)


def reseal(root: Path) -> None:
    """What somebody who knows how does: the manifest's records fit the changed files."""
    document = json.loads((root / contract.MANIFEST).read_bytes())
    for record in document["files"]:
        content = (root / record["path"]).read_bytes()
        record.update(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    (root / contract.MANIFEST).write_bytes(contract.encode(document))


@pytest.mark.parametrize("said", [MANIFEST, COMPILED], ids=["native", "compiled"])
def test_what_was_sealed_is_whole(tmp_path: Path, said: Manifest) -> None:
    report = verify(sealed(tmp_path / "bundle", said), None, ANSWERED)
    assert states(report) == dict.fromkeys(ORDER, "ok"), report.as_table()
    assert report.fault is None
    assert report.digest == open_bundle(tmp_path / "bundle").digest
    assert report.as_table().splitlines()[-1] == "answers     ok  lunch: 2 golden rows reproduced"
    told = json.loads(report.as_json())
    assert (told["name"], told["ok"], [check["name"] for check in told["checks"]]) == ("lunch", True, ORDER)


@pytest.mark.parametrize(
    "name", ["model.joblib", "golden.json", "environment.lock", "model-card.html", "sbom.cdx.json"]
)
def test_a_changed_byte_of_a_file_is_found_and_nothing_is_run(bundle: Path, name: str) -> None:
    change(bundle / name)
    report = verify(bundle, None, Running(answers=lambda _: pytest.fail("the model was asked")))
    expected = f"{name} is not what was sealed: its SHA-256 differs from the manifest's"
    assert (states(report)["files"], detail(report, "files")) == ("failed", expected)
    assert states(report)["answers"] == "not checked"
    assert report.fault is not None
    assert str(report.fault).startswith(f"verify: files: {expected}")


@pytest.mark.parametrize(
    "name", ["model.joblib", "golden.json", "environment.lock", "model-card.html", "sbom.cdx.json"]
)
def test_a_changed_file_whose_record_was_changed_with_it_is_found(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    change(bundle / name, content.replace(b"flask", b"flusk") if b"flask" in content else content + b"\n")
    reseal(bundle)
    report = verify(bundle, None, ANSWERED)
    assert states(report)["files"] == "ok"
    assert states(report)["provenance"] == "failed"
    assert detail(report, "provenance") == (
        f"receipts/provenance.json says that the bundle's digest is {provenance_digest(bundle)}, and it is {report.digest}"
    )


def provenance_digest(bundle: Path) -> str:
    return "sha256:" + json.loads((bundle / contract.PROVENANCE).read_bytes())["subject"][0]["digest"]["sha256"]


def test_a_changed_byte_of_the_manifest_is_found(bundle: Path) -> None:
    path = bundle / contract.MANIFEST
    change(path, path.read_bytes().replace(b"Whether it is lunch", b"Whether it is lunch?"))
    report = verify(bundle, None, ANSWERED)
    assert [check.name for check in report.failed] == ["provenance"]
    change(path, b"{" + path.read_bytes())
    report = verify(bundle, None, ANSWERED)
    assert (states(report), report.manifest) == ({"manifest": "failed"}, None)
    assert str(report.fault).startswith("verify: manifest: manifest.json is not what a bundle holds: ")
    assert json.loads(report.as_json())["ok"] is False


@pytest.mark.parametrize("name", ["receipts/notebooks/train.html", "receipts/provenance.json"])
def test_a_changed_byte_of_a_receipt_is_found(bundle: Path, name: str) -> None:
    content = (bundle / name).read_bytes()
    change(bundle / name, content.replace(b"notebook", b"notebooK"))
    report = verify(bundle, None, ANSWERED)
    assert detail(report, "receipts") == f"{name} is not what receipts/hashes.json says"
    assert report.failed[0].name == "receipts"


@pytest.mark.parametrize("content", [b" {}", b"{}\n", b"[]", b"{"])
def test_a_changed_list_of_the_receipts_is_found(bundle: Path, content: bytes) -> None:
    change(bundle / contract.RECEIPT_HASHES, content)
    assert verify(bundle, None, ANSWERED).failed[0].name == "receipts"


def test_a_receipt_more_or_less_is_found(bundle: Path) -> None:
    (bundle / "receipts" / "more.txt").write_bytes(b"more")
    assert detail(verify(bundle, None, ANSWERED), "receipts") == "receipts/more.txt is not in receipts/hashes.json"
    (bundle / "receipts" / "more.txt").unlink()
    (bundle / "receipts" / "notebooks" / "train.html").unlink()
    report = verify(bundle, None, ANSWERED)
    assert detail(report, "receipts") == "receipts/notebooks/train.html is missing"


def test_a_receipt_that_was_changed_with_its_hash_contradicts_the_provenance(bundle: Path) -> None:
    name = "receipts/notebooks/train.html"
    change(bundle / name)
    listed = json.loads((bundle / contract.RECEIPT_HASHES).read_bytes())
    listed[name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    change(bundle / contract.RECEIPT_HASHES, contract.encode(listed))
    report = verify(bundle, None, ANSWERED)
    assert states(report)["receipts"] == "ok"
    assert detail(report, "provenance") == f"receipts/provenance.json names another digest of {name}"


def test_a_file_more_and_a_file_less_are_named(bundle: Path) -> None:
    (bundle / "more.py").write_bytes(b"")
    (bundle / "golden.json").unlink()
    assert detail(verify(bundle, None, ANSWERED), "files") == (
        "golden.json is in the manifest but not in the bundle; "
        "more.py is in the bundle but not in its manifest; the bundle was changed after it was sealed"
    )


def test_every_changed_file_is_named_up_to_three(bundle: Path) -> None:
    for name in ("model.joblib", "golden.json", "environment.lock", "model-card.html"):
        change(bundle / name)
    said = detail(verify(bundle, None, ANSWERED), "files")
    assert (said.count("is not what was sealed"), said.endswith(" (and 1 more)")) == (3, True)


def test_a_version_that_is_not_made_of_its_parts_is_found(tmp_path: Path) -> None:
    said = msgspec.structs.replace(MANIFEST, parameters={"k": 6, "rate": 0.1})
    report = verify(sealed(tmp_path / "bundle", said), None, ANSWERED)
    assert [check.name for check in report.failed] == ["version"]
    assert detail(report, "version").startswith("source, lock, parameters and model make sha256:")


def test_a_bill_of_materials_of_another_lock_is_found(tmp_path: Path) -> None:
    other = Lock(packages=("numpy==2.4.6", "left-pad==1.0"), serving=LOCK.serving, as_of=LOCK.as_of)
    report = verify(sealed(tmp_path / "bundle", lock=other), None, ANSWERED)
    assert [check.name for check in report.failed] == ["sbom"]
    assert detail(report, "sbom") == (
        "sbom.cdx.json does not list pkg:pypi/scikit-learn@1.9.1; environment.lock does not hold pkg:pypi/left-pad@1.0"
    )


def test_answers_that_differ_are_found(bundle: Path) -> None:
    def differs(_: Any) -> str:
        raise BuildError("smoke", "golden row 1 does not reproduce", "Train again")

    report = verify(bundle, None, Running(answers=differs))
    assert str(report.fault) == (
        "verify: answers: golden row 1 does not reproduce. "
        "Get it again from where it was built, or build it again with `modelcast build`"
    )


def test_what_was_left_out_is_not_checked_and_not_wrong(bundle: Path) -> None:
    for path in sorted((bundle / "receipts").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    report = verify(bundle, None, ANSWERED)
    unknown = {name for name, state in states(report).items() if state == "not checked"}
    assert (unknown, report.fault) == ({"receipts", "provenance", "version"}, None)


def test_a_bundle_of_an_older_modelcast_is_verified_as_far_as_it_goes() -> None:
    report = verify(GOLDEN_V1, None, ANSWERED)
    assert states(report) == {
        "manifest": "ok",
        "files": "ok",
        "receipts": "ok",
        "provenance": "not checked",
        "version": "not checked",
        "sbom": "not checked",
        "card": "not checked",
        "answers": "ok",
    }


# An image.


def image(bundle: Path, **said: Any) -> Image:
    facts = {
        "reference": "lunch:1",
        "labels": labels(open_bundle(bundle)),
        "user": "1001",
        "command": "modelcast-runtime serve",
    }
    return Image(**facts | said)


def there(bundle: Path, **more: str) -> Running:
    listed = sbom.read((bundle / contract.SBOM).read_bytes()).components
    found = {one.name: one.version for one in listed if one.purl} | more
    return Running(answers=ANSWERED.answers, installed=lambda: found)


def test_an_image_that_says_what_its_bundle_says_is_whole(bundle: Path) -> None:
    report = verify(bundle, image(bundle), there(bundle))
    assert states(report) == dict.fromkeys([*ORDER[:-1], "labels", "settings", "installed", "answers"], "ok")
    assert detail(report, "settings") == "it serves as user 1001"


def test_the_labels_hold_what_tools_of_any_image_look_for_and_no_time(bundle: Path) -> None:
    said = labels(open_bundle(bundle))
    common = {name.rpartition(".")[2]: text for name, text in said.items() if name.startswith("org.opencontainers.")}
    assert common == {
        "title": "lunch",
        "version": read_manifest(bundle).version,
        "description": "Whether it is lunch",
        "revision": "1" * 40,
        "source": "https://host/lunch.git",
    }
    assert said["modelcast.bundle-digest"] == bundle_digest(bundle, read_manifest(bundle))


@pytest.mark.parametrize("name", ["modelcast.version", "modelcast.commit", "org.opencontainers.image.revision"])
def test_a_changed_label_is_found(bundle: Path, name: str) -> None:
    said = labels(open_bundle(bundle))
    report = verify(bundle, image(bundle, labels=said | {name: "0"}), there(bundle))
    assert [check.name for check in report.failed] == ["labels"]
    assert detail(report, "labels") == f"{name} is '0', and the bundle says {said[name]!r}"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"user": ""}, "lunch:1 runs as root"),
        ({"user": "0:0"}, "lunch:1 runs as root"),
        ({"command": "/bin/bash"}, "lunch:1 does not serve: its command is '/bin/bash'"),
    ],
)
def test_an_image_that_serves_otherwise_is_found(bundle: Path, said: Mapping[str, str], problem: str) -> None:
    assert detail(verify(bundle, image(bundle, **said), there(bundle)), "settings") == problem


def test_a_package_that_is_listed_and_not_installed_is_found(bundle: Path) -> None:
    report = verify(bundle, image(bundle), there(bundle, flask="0.1"))
    assert detail(report, "installed") == "sbom.cdx.json lists pkg:pypi/flask@3.1.3, which is not in the image"
    more = verify(bundle, image(bundle), there(bundle, nbconvert="7.0"))
    assert detail(more, "installed").endswith("; 1 more are there, modelcast's own for a build")


def test_labels_that_a_platform_does_not_keep_are_not_wrong(bundle: Path) -> None:
    report = verify(bundle, image(bundle, labels={"io.k8s.display-name": "lunch"}), there(bundle))
    assert (states(report)["labels"], report.fault) == ("not checked", None)


# The command.


def test_a_folder_that_is_no_bundle_is_one_line(tmp_path: Path) -> None:
    report = commands.verify(str(tmp_path), {})
    assert str(report.fault).startswith(f"verify: manifest: {tmp_path} has no manifest.json; ")


def test_a_bundle_that_was_changed_needs_no_environment(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_serving_environment", lambda *_: pytest.fail("an environment was made"))
    change(bundle / "model.joblib")
    assert commands.verify(str(bundle), {}).failed[0].name == "files"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedEngine:
    played = play(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(played.folder))
    return played


def test_an_image_that_is_not_there_is_a_missing_part(engine: PlayedEngine) -> None:
    engine.answers({"image inspect": (1, "", "no such image")})
    with pytest.raises(MissingPart) as missing:
        commands.verify("lunch:1", os.environ)
    assert "there is neither a folder lunch:1 nor an image of that name on this machine" in str(missing.value)


def test_an_image_is_taken_apart_and_then_asked_without_a_network(engine: PlayedEngine, bundle: Path) -> None:
    shutil.copytree(bundle, engine.image / "opt/app-root/bundle")
    listed = sbom.read((bundle / contract.SBOM).read_bytes()).components
    config = {"User": "1001", "Cmd": ["modelcast-runtime", "serve"], "Labels": labels(open_bundle(bundle))}
    table = {
        "image inspect": json.dumps(config),
        "create": "c0ffee\n",
        "run": "lunch: 2 golden rows reproduced\n",
        "run --rm --network none --read-only --cap-drop ALL --security-opt no-new-privileges --entrypoint /bin/sh": (
            json.dumps([[one.name, one.version] for one in listed if one.purl])
        ),
    }
    engine.answers(table)
    report = commands.verify("lunch:1", os.environ)
    assert report.fault is None, report.as_table()
    assert report.as_table().splitlines()[-1].endswith("lunch: 2 golden rows reproduced")
    ran = [words for words in engine.asked() if words[0] == "run"]
    assert [words[:5] for words in ran] == [["run", "--rm", "--network", "none", "--read-only"]] * 2

    engine.answers(
        table | {"image inspect": json.dumps(config | {"Labels": {**config["Labels"], "modelcast.name": "x"}})}
    )  # type: ignore[dict-item]
    before = len(engine.asked())
    report = commands.verify("lunch:1", os.environ)
    assert str(report.fault).startswith("verify: labels: modelcast.name is 'x', and the bundle says 'lunch'. ")
    assert [words for words in engine.asked()[before:] if words[0] == "run"] == []

    engine.answers(table | {"run": (1, "", "error: selftest: golden row 1 differs\n")})
    report = commands.verify("lunch:1", os.environ)
    assert [check.name for check in report.failed] == ["answers"]


def test_every_file_that_is_wrong_is_told_by_the_reader(bundle: Path) -> None:
    change(bundle / "golden.json")
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    assert str(caught.value) == "golden.json is not what was sealed: its SHA-256 differs from the manifest's"

"""How a bundle is written: whole or not at all, hashed as it was written, and over nothing but a bundle."""

import hashlib
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from modelcast_builder import seal
from modelcast_builder.errors import BuildError
from modelcast_runtime import contract
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Compilation, FileRecord, Golden, Manifest, Signature

MANIFEST = Manifest(
    name="x",
    version="sha256:0",
    format="joblib",
    framework="sklearn",
    task="classifier",
    model="model.joblib",
    signature=Signature(layout="array", inputs=(), outputs=()),
    compilation=Compilation(backend="native", reason="a test"),
    files=(),
)
CODE = "code/räume/my module.py"


def fill(writer: seal.Writer, model: bytes = b"model") -> None:
    """The least that a bundle holds."""
    writer.write("model.joblib", model)
    writer.write(contract.GOLDEN, contract.encode(Golden(rows=(), predictions=())))
    writer.write(contract.LOCK, b"numpy==2.0.0\n")


def built(out: Path, model: bytes = b"model") -> Path:
    """A published bundle."""
    with seal.staging(out) as writer:
        fill(writer, model)
        writer.finish(MANIFEST)
        seal.publish(writer, out)
    return out


def names(folder: Path) -> list[str]:
    """Everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_what_is_sealed_opens(tmp_path: Path) -> None:
    source = tmp_path / "my module.py"
    source.write_bytes(b"x = 1\n" * 300_000)
    out = tmp_path / "bundle"
    with seal.staging(out) as writer:
        fill(writer)
        record = writer.copy(source, CODE)
        writer.write_receipt("receipts/notebooks/a b.html", b"<p>")
        assert not (writer.root / contract.MANIFEST).exists()
        writer.finish(MANIFEST)
        seal.publish(writer, out)
    content = source.read_bytes()
    assert record == FileRecord(path=CODE, sha256=hashlib.sha256(content).hexdigest(), size=len(content))
    bundle = open_bundle(out)
    assert [file.path for file in bundle.manifest.files] == [CODE, "environment.lock", "golden.json", "model.joblib"]
    receipts = contract.decode((out / contract.RECEIPT_HASHES).read_bytes(), dict[str, str])
    assert receipts == {"receipts/notebooks/a b.html": hashlib.sha256(b"<p>").hexdigest()}
    assert names(tmp_path) == ["bundle", "my module.py"]


def test_receipts_are_in_no_digest(tmp_path: Path) -> None:
    digests = set()
    for said in (b"one", b"two"):
        with seal.staging(tmp_path / "bundle") as writer:
            fill(writer)
            writer.write_receipt("receipts/a.html", said)
            writer.finish(MANIFEST)
            seal.publish(writer, tmp_path / "bundle")
        digests.add(open_bundle(tmp_path / "bundle").digest)
    assert len(digests) == 1


SEALED = """
import sys
from pathlib import Path
from modelcast_builder import seal
from modelcast_runtime import contract
out, tool, said = map(Path, sys.argv[1:])
with seal.staging(out) as writer:
    writer.copy(tool, "code/deep/tool.py")
    writer.finish(contract.decode(said.read_bytes(), contract.Manifest))
    seal.publish(writer, out)
"""


def test_every_user_may_read_it_and_nobody_runs_it(tmp_path: Path) -> None:
    source = tmp_path / "tool.py"
    source.write_bytes(b"")
    source.chmod(0o700)
    said = tmp_path / "said.json"
    said.write_bytes(contract.encode(MANIFEST))
    command = [sys.executable, "-c", SEALED, str(tmp_path / "bundle"), str(source), str(said)]
    subprocess.run(command, check=True, umask=0o077)  # this process has one mask for all its threads
    modes = {path: path.stat().st_mode & 0o777 for path in [tmp_path / "bundle", *(tmp_path / "bundle").rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o644}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}


@pytest.mark.parametrize("name", ["../x", "code/../../x", "/etc/x", "code/../../bundle-x/y"])
def test_no_file_is_written_outside(tmp_path: Path, name: str) -> None:
    with seal.staging(tmp_path / "bundle") as writer:
        for write in (lambda: writer.write(name, b""), lambda: writer.write_receipt(name, b"")):
            with pytest.raises(BuildError) as refused:
                write()
            assert str(refused.value) == f"seal: {name} would be written outside of the bundle. Rename the file"
    assert names(tmp_path) == []


def test_an_older_bundle_is_replaced_whole(tmp_path: Path) -> None:
    out = built(tmp_path / "bundle", b"old")
    (out / "stray").write_bytes(b"")
    built(out, b"new")
    assert open_bundle(out).model.read_bytes() == b"new"
    assert names(tmp_path) == ["bundle"]


def test_a_bundle_of_another_version_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "manifest.json").write_bytes(b'{"bundle_version": 99}')
    assert open_bundle(built(out)).manifest.name == "x"


@pytest.mark.parametrize("kind", ["empty folder", "folder", "file", "other manifest", "dead link"])
def test_nothing_but_a_bundle_is_replaced(tmp_path: Path, kind: str) -> None:
    out = tmp_path / "bundle"
    if kind == "file":
        out.write_bytes(b"mine")
    elif kind == "dead link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        out.mkdir()
    if kind == "folder":
        (out / "mine").write_bytes(b"")
    if kind == "other manifest":
        (out / "manifest.json").write_bytes(b'{"name": "a web extension"}')
    with pytest.raises(BuildError) as refused:
        seal.check_target(out)
    assert str(refused.value) == (f"seal: {out} exists and is no bundle. Name another folder with --out, or remove it")
    with pytest.raises(BuildError):
        built(out)
    assert names(tmp_path) == ["bundle"]


def test_a_link_to_a_bundle_is_replaced_and_the_bundle_stays(tmp_path: Path) -> None:
    real = built(tmp_path / "real", b"old")
    (tmp_path / "bundle").symlink_to(real)
    built(tmp_path / "bundle", b"new")
    assert (open_bundle(real).model.read_bytes(), open_bundle(tmp_path / "bundle").model.read_bytes()) == (
        b"old",
        b"new",
    )
    assert names(tmp_path) == ["bundle", "real"]


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(BuildError) as refused:
        built(tmp_path / "file" / "bundle")
    assert str(refused.value) == (
        f"seal: nothing can be written to {tmp_path}/file: File exists. Name another folder with --out"
    )


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    assert open_bundle(built(tmp_path / "a" / "b c" / "bundle")).manifest.name == "x"


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_what_was_there(tmp_path: Path, before: bool, error: type[BaseException]) -> None:
    out = tmp_path / "bundle"
    if before:
        built(out, b"old")
    with pytest.raises(error), seal.staging(out) as writer:
        fill(writer)
        raise error
    assert names(tmp_path) == (["bundle"] if before else [])
    assert not before or open_bundle(out).model.read_bytes() == b"old"


# Whoever runs the tests in the background of a shell has them, and all they start, ignore Ctrl-C.
KILLED = """
import signal, sys, time
from pathlib import Path
from modelcast_builder import seal
signal.signal(signal.SIGINT, signal.default_int_handler)
with seal.staging(Path(sys.argv[1])) as writer:
    writer.write("model.joblib", b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_build_leaves_no_bundle(tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "bundle"
    command = [sys.executable, "-c", KILLED, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as build:
        assert build.stdout is not None
        build.stdout.readline()
        build.send_signal(number)
    left = names(tmp_path)
    # Nobody can tidy up after SIGKILL: what stays is hidden, is no bundle, and goes with the next build of this target.
    assert [name for name in left if not name.startswith(".bundle-")] == []
    assert len(left) == (number == signal.SIGKILL)
    built(tmp_path / "bund")
    assert names(tmp_path) == [*left, "bund"], "another target's"
    assert open_bundle(built(out)).model.read_bytes() == b"model"
    assert names(tmp_path) == ["bund", "bundle"]


def test_what_a_living_build_is_writing_stays(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    mine = tmp_path / ".bundle-archived"
    mine.mkdir()
    command = [sys.executable, "-c", KILLED, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as build:
        assert build.stdout is not None
        build.stdout.readline()
        writing = names(tmp_path)
        with seal.staging(out):
            assert len(names(tmp_path)) == 3
        built(out)
        left = names(tmp_path)
        build.kill()
    assert left == [*writing, "bundle"]
    built(out)
    assert names(tmp_path) == [".bundle-archived", "bundle"]


def test_many_builds_to_one_target_end_with_one_bundle(tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    models = [f"model {number}".encode() for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda model: built(out, model), models))
    assert open_bundle(out).model.read_bytes() in models
    assert names(tmp_path) == ["bundle"]


def test_one_name_twice_is_no_bundle(tmp_path: Path) -> None:
    with seal.staging(tmp_path / "bundle") as writer:
        fill(writer)
        writer.write("model.joblib", b"again")
        writer.finish(MANIFEST)
        with pytest.raises(BundleError):
            open_bundle(writer.root)

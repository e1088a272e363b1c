"""What S2I wants around a build: labels that fit, the saved stream, and wheels made again from what is installed."""

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import pytest
from click.testing import CliRunner
from modelcast_builder import __version__, s2i
from modelcast_builder.config import BuildSettings
from modelcast_builder.environment import Lock, base_python, lock_text, remembered, use_uv
from modelcast_builder.errors import MissingPart
from modelcast_builder.image_labels import labels
from modelcast_builder.repack import repack
from modelcast_builder.s2i import Places
from modelcast_runtime import contract
from modelcast_runtime.bundle import open_bundle

MakeBundle = Callable[..., Path]
LOCK = Lock(packages=("kiln==1.0", "scikit-learn==1.9.1"), serving=("msgspec==0.22.0",), as_of="2026-01-01T00:00:00Z")
FILES = {
    "kiln/__init__.py": "VERSION = '1.0'\n",
    "kiln/data/grün.txt": "a name that is not ASCII",
    "kiln/bin/tool": "#!/bin/sh\n",
    "kiln-1.0.data/scripts/kiln-fire": "#!/bin/sh\necho fired\n",
    "kiln-1.0.data/data/share/kiln/map.json": "{}",
    "kiln-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: kiln\nVersion: 1.0\n",
    "kiln-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
    "kiln-1.0.dist-info/entry_points.txt": "[console_scripts]\nkiln = kiln:main\n",
    "kiln-1.0.dist-info/licenses/LICENSE": "MIT",
}


def install(wheel: Path, root: Path) -> metadata.Distribution:
    """The wheel in an environment of its own."""
    uv = use_uv()
    assert uv("venv", "--quiet", "--no-project", "--python", str(base_python()), str(root)).ok
    installed = uv(
        "pip", "install", "--no-index", "--compile-bytecode", "--python", str(root / "bin/python"), str(wheel)
    )
    assert installed.ok, installed.err
    return next(iter(metadata.distributions(path=[str(next(root.glob("lib/python3*/site-packages")))])))


@pytest.fixture
def kiln(tmp_path: Path) -> metadata.Distribution:
    """An installed package with one of everything that a wheel may hold."""
    wheel = tmp_path / "kiln-1.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if text.startswith("#!") else 0o100644) << 16
            archive.writestr(entry, text)
        archive.writestr(
            "kiln-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in [*FILES, "kiln-1.0.dist-info/RECORD"])
        )
    return install(wheel, tmp_path / "environment")


def test_a_wheel_made_again_is_installed_as_the_first_was(kiln: metadata.Distribution, tmp_path: Path) -> None:
    wheel = repack(kiln, tmp_path / "environment", tmp_path)
    assert wheel.name == "kiln-1.0-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(archive.namelist()) == sorted([*FILES, "kiln-1.0.dist-info/RECORD"])
        assert {name: archive.read(name).decode() for name in FILES} == FILES
    install(wheel, tmp_path / "again")
    first, again = ({
        path.relative_to(root): path.stat().st_mode
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "/bin/" not in path.as_posix().replace("kiln/bin", "")
    } for root in (tmp_path / "environment", tmp_path / "again"))  # fmt: skip
    assert again == first
    for command in ("kiln-fire", "kiln"):
        assert (tmp_path / "again" / "bin" / command).stat().st_mode & 0o111
    assert subprocess.run([tmp_path / "again/bin/kiln-fire"], capture_output=True, check=True).stdout == b"fired\n"


def sealed(make_bundle: MakeBundle, **said: str) -> Path:
    """A bundle whose provenance and lock say these."""
    root = make_bundle()
    receipt = contract.decode((root / contract.PROVENANCE).read_bytes(), dict)
    (root / contract.PROVENANCE).write_bytes(contract.encode(receipt | said))
    return root


def test_labels_say_what_info_says(make_bundle: MakeBundle) -> None:
    root = sealed(make_bundle, commit="f" * 40, packages={"scikit-learn": "1.9.1"}, source="https://host/team/spam")  # type: ignore[arg-type]
    bundle = open_bundle(root)
    assert labels(bundle) == {
        "modelcast.name": bundle.manifest.name,
        "modelcast.version": bundle.manifest.version,
        "modelcast.bundle-digest": bundle.digest,
        "modelcast.framework": bundle.manifest.framework,
        "modelcast.task": bundle.manifest.task,
        "modelcast.python": "3.11.7",
        "modelcast.scikit-learn": "1.9.1",
        "modelcast.commit": "f" * 40,
        "modelcast.source": "https://host/team/spam",
        "org.opencontainers.image.title": bundle.manifest.name,
        "org.opencontainers.image.version": bundle.manifest.version,
        "org.opencontainers.image.revision": "f" * 40,
        "org.opencontainers.image.source": "https://host/team/spam",
    }


def test_labels_stay_far_below_what_s2i_takes(make_bundle: MakeBundle) -> None:
    bundle = open_bundle(sealed(make_bundle, commit="c" * 9000, source="s" * 9000))
    assert sum(len(name) + len(text) for name, text in labels(bundle).items()) < 1024 * 2


@pytest.fixture
def built(make_bundle: MakeBundle, tmp_path: Path) -> tuple[BuildSettings, Places]:
    """An image's folders after `modelcast build`: a bundle, its environment, and two resolutions in the cache."""
    root = make_bundle()
    (root / contract.LOCK).write_text(lock_text(LOCK), encoding="utf-8")
    manifest = json.loads((root / contract.MANIFEST).read_bytes())
    for record in manifest["files"]:
        if record["path"] == contract.LOCK:
            content = (root / contract.LOCK).read_bytes()
            record |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (root / contract.MANIFEST).write_bytes(contract.encode(manifest))
    remembered.keep(tmp_path / "cache", "used", LOCK)
    remembered.keep(tmp_path / "cache", "of-another-time", Lock(packages=(), serving=(), as_of=LOCK.as_of))
    wheelhouse = tmp_path / "wheelhouse"
    wheelhouse.mkdir()
    for name in ("scikit_learn-1.9.1-py3-none-any.whl", "msgspec-0.22.0-py3-none-any.whl"):
        (wheelhouse / name).touch()
    settings = BuildSettings(
        variables={}, cache=tmp_path / "cache", environment=tmp_path / "environment", wheelhouse=wheelhouse
    )
    return settings, Places(bundle=root, kept=tmp_path / "kept", metadata=tmp_path / "s2i" / "image_metadata.json")


def test_finish_writes_what_s2i_reads_and_keeps_the_resolution_in_use(built: tuple[BuildSettings, Places]) -> None:
    settings, at = built
    s2i.finish(settings, at)
    written = json.loads(at.metadata.read_text(encoding="utf-8"))
    assert [list(label) for label in written["labels"]] == [[name] for name in labels(open_bundle(at.bundle))]
    assert [path.relative_to(at.kept).as_posix() for path in at.kept.rglob("*.txt")] == ["resolutions/used.txt"]


def test_what_is_saved_is_what_the_wheelhouse_lacks(
    built: tuple[BuildSettings, Places], kiln: metadata.Distribution
) -> None:
    settings, at = built
    s2i.finish(settings, at)
    out = io.BytesIO()
    s2i.save_artifacts(settings, at, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue() + bytes(10240))) as stream:
        assert stream.getnames() == ["resolutions/used.txt", "wheels/kiln-1.0-py2.py3-none-any.whl"]
        kept = stream.extractfile("resolutions/used.txt")
        assert kept
        assert kept.read().decode().endswith(lock_text(LOCK))


def test_where_nothing_was_built_nothing_is_saved(tmp_path: Path) -> None:
    settings = BuildSettings(variables={}, cache=tmp_path, environment=tmp_path / "environment")
    out = io.BytesIO()
    s2i.save_artifacts(settings, Places(bundle=tmp_path / "bundle", kept=tmp_path / "kept"), out)
    assert out.getvalue() == b""


def broken() -> NoReturn:
    """A bug of ours."""
    raise ZeroDivisionError("broken on purpose")


def away() -> NoReturn:
    """A machine that lacks something."""
    raise MissingPart("the image's wheelhouse is away. Build the image again")


ENDS = {
    "a bug of ours": (
        broken, 70, f"error: modelcast {__version__} failed. "
        "Please report it with the lines above to the maintainers of modelcast: it is a bug of ours.",
    ),
    "a part that is missing": (away, 3, "error: the image's wheelhouse is away. Build the image again."),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_its_errors_end_as_those_of_modelcast(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work, code, last = ENDS[case]
    monkeypatch.setattr(s2i, "bake", lambda _settings: work())
    done = CliRunner().invoke(s2i.main, ["bake"])
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1]) == (code, "", last)


def test_a_word_that_it_does_not_know_is_wrong_usage() -> None:
    done = CliRunner().invoke(s2i.main, ["finnish"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "No such command 'finnish'" in done.stderr

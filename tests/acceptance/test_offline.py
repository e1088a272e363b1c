"""A build from a wheelhouse with no network at all is the build with one, and no credential of an index stays anywhere."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from modelcast_builder import source_tree

from tests.acceptance.commands import MODELCAST, SAMPLES, Modelcast
from tests.package_index import Index, Release, serving

SECRET = "s3cr3t-of-the-index"


def without_network(modelcast: Modelcast, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command where there is no network interface, and where uv has no cache."""
    env = modelcast.environment({"UV_CACHE_DIR": str(modelcast.cache / "uv")})
    return subprocess.run(
        ["unshare", "--map-root-user", "--net", MODELCAST, *arguments],
        env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def files_with(secret: str, folders: Sequence[Path]) -> list[Path]:
    """The files that hold it."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 1000
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_a_build_without_network_equals_the_one_with_it_and_no_credential_stays(tmp_path: Path) -> None:
    source = tmp_path / "offline"
    shutil.copytree(SAMPLES / "breast-cancer", source)
    (source / "requirements.txt").write_text("own-words==1.0\r\nidna==3.7", encoding="utf-8")
    connected, alone = Modelcast(cache=tmp_path / "connected"), Modelcast(cache=tmp_path / "alone")
    with serving(Index([Release("own-words", "1.0")], credentials=f"me:{SECRET}")) as index:
        private = {
            "PIP_EXTRA_INDEX_URL": f"'{index.address.replace('://', f'://me:{SECRET}@')}/simple'",
            "UV_CACHE_DIR": str(tmp_path / "connected" / "uv"),
        }
        built = connected.build(source, tmp_path / "online", **private)
        filled = connected.run("wheels", source, **private)
    assert filled.returncode == 0, filled.stderr
    told = [Path(line) for line in filled.stdout.splitlines()]
    assert told == sorted((source / "wheels").iterdir())
    assert SECRET not in filled.stderr + built.log
    assert files_with(SECRET, [tmp_path]) == []

    done = without_network(alone, "build", source, "--out", tmp_path / "without", "--json")
    assert done.returncode == 0, done.stderr
    assert ", from wheels alone\n" in done.stderr
    same = {key: built.told[key] for key in ("name", "version", "bundle_digest")}
    assert {key: json.loads(done.stdout)[key] for key in same} == same

    rows = tmp_path / "rows.json"
    example = json.loads((tmp_path / "without" / "golden.json").read_bytes())
    rows.write_text(json.dumps(example["rows"]), encoding="utf-8")
    scored = without_network(alone, "predict", tmp_path / "without", rows)
    assert scored.returncode == 0, scored.stderr
    assert [json.loads(line)["prediction"] for line in scored.stdout.splitlines()] == example["predictions"]

    # The same wheels in a folder of another name are no part of the source either.
    (source / "wheels").rename(source / "third party")
    digest = source_tree.digest(source)
    named = source / "modelcast.yaml"
    named.write_text(f"{named.read_text(encoding='utf-8')}\nwheels: third party\n", encoding="utf-8")
    assert source_tree.digest(source) != digest
    before = source_tree.digest(source)
    (source / "third party" / "numpy-0-py3-none-any.whl").touch()
    assert source_tree.digest(source) == before
    assert [path for path in source_tree.files(source) if path.suffix == ".whl"] == []


def test_an_empty_wheelhouse_is_refused_with_how_to_fill_it(modelcast: Modelcast, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SAMPLES / "breast-cancer", source)
    (source / "modelcast.yaml").write_text("wheels: vendor\n", encoding="utf-8")
    (source / "vendor").mkdir()
    done = modelcast.run("build", source, "--out", tmp_path / "bundle")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "error: environment: `wheels: vendor` of modelcast.yaml holds no wheel. "
        "Run `modelcast wheels SRC` where there is a network, and put the folder into the repository."
    )

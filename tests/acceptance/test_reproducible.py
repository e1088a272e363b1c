"""Two builds of one source are one version and one digest, whoever builds it, where and when; and verify finds the rest."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.commands import MODELCAST, SAMPLES, WITHIN_S, Built, Modelcast
from tests.acceptance.files import copy
from tests.acceptance.workshop import Case, Workshop

NOBODY = 65534
PRIVATE = "hunter2-of-somebody"
"""In the folder's name, the user's, the host's and in what looks like credentials: it may be nowhere."""
ELSEWHERE = {
    "USER": PRIVATE,
    "LOGNAME": PRIVATE,
    "HOSTNAME": PRIVATE,
    "GITHUB_TOKEN": PRIVATE,
    "AWS_SECRET_ACCESS_KEY": PRIVATE,
    "DATABASE_URL": f"postgres://{PRIVATE}:{PRIVATE}@db/models",
    "OPENSHIFT_BUILD_NAMESPACE": PRIVATE,
    "OPENSHIFT_BUILD_NAME": PRIVATE,
    "TZ": "Pacific/Kiritimati",
    "LANG": "C",
    "LC_ALL": "C",
    "PYTHONHASHSEED": "7",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
}
EVERY = ["breast-cancer", "customers", "diabetes", "object-counter", "penguins", "spam"]

Again = Callable[[Case], Built]


def test_no_sample_is_forgotten_here_and_each_says_its_name() -> None:
    found = [path.name for path in SAMPLES.iterdir() if path.is_dir() and not path.name.endswith("-should-fail")]
    assert sorted(name for name in found if name != "__pycache__") == EVERY
    for name in EVERY:
        assert f"name: {name}\n" in (SAMPLES / name / "modelcast.yaml").read_text(encoding="utf-8")


@pytest.fixture
def again(modelcast: Modelcast) -> Iterator[Again]:
    """Builds a copy of a case as another user, with another home, clock, language, mask and folder."""
    with tempfile.TemporaryDirectory(prefix="modelcast-again-") as made:  # pytest's own folders are for one user alone
        folder = Path(made) / PRIVATE
        folder.mkdir()
        Path(made).chmod(0o755)

        def build(case: Case) -> Built:
            source = copy(case.source, folder / "another name" / "of this")
            for name in ("home", "tmp", "cache/environments", "out"):
                (folder / name).mkdir(parents=True)
            for made_before in (modelcast.cache / "environments").resolve().iterdir():
                if made_before.is_dir():  # its lock stands beside it, and whoever builds must own that
                    (folder / "cache" / "environments" / made_before.name).symlink_to(made_before)
            shutil.copytree((modelcast.cache / "resolutions").resolve(), folder / "cache" / "resolutions")
            return _built(modelcast, source, folder)

        yield build


def _built(modelcast: Modelcast, source: Path, folder: Path) -> Built:
    command = [str(MODELCAST), "build", str(source), "--out", str(folder / "out" / "bundle"), "--json"]
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        # He may read what root may: this Python may lie in root's home.
        may = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *may, *command]
    env = modelcast.environment(ELSEWHERE)
    env |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "MODELCAST_CACHE": str(folder / "cache")}
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=WITHIN_S, umask=0o077,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Built(root=folder / "out" / "bundle", told=json.loads(done.stdout), log=done.stderr)


def hashes(root: Path) -> dict[str, str]:
    """Every file of a bundle that is in its digest."""
    files = [path for path in root.rglob("*") if path.is_file() and "receipts" not in path.relative_to(root).parts]
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("name", EVERY)
def test_another_user_elsewhere_builds_the_same_bundle_and_nothing_of_him_is_in_it(
    workshop: Workshop, again: Again, name: str
) -> None:
    first = workshop.begin(name).result()
    second = again(first)
    assert hashes(second.root) == hashes(first.built.root)
    assert second.told["version"] == first.built.told["version"]
    assert second.told["name"] == name
    for path in second.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PRIVATE.encode() not in content, path
            assert str(second.root.parents[1]).encode() not in content, path


def test_a_changed_digit_of_the_holdout_changes_what_is_made_of_it_and_no_more(
    copied_sample: Case, changed_sample: Case
) -> None:
    before, after = hashes(copied_sample.built.root), hashes(changed_sample.built.root)
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # Golden rows are taken of the holdout; the version stands in the other three.
    assert differing <= {"golden.json", "manifest.json", "model-card.html", "sbom.cdx.json"}
    assert differing >= {"manifest.json", "model-card.html", "sbom.cdx.json"}


@pytest.mark.parametrize("name", ["breast-cancer", "penguins"])
def test_what_was_built_is_verified_with_the_models_own_answers(
    workshop: Workshop, modelcast: Modelcast, name: str
) -> None:
    done = modelcast.run("verify", workshop.begin(name).result().built.root, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [check["status"] for check in report["checks"]] == ["ok"] * 8
    assert report["checks"][-1]["detail"].endswith(": 20 golden rows reproduced")


def test_a_tampered_bundle_ends_in_one_line(sibling_module: Case, modelcast: Modelcast, tmp_path: Path) -> None:
    bundle = copy(sibling_module.built.root, tmp_path / "bundle")
    with (bundle / "code" / "features.py").open("ab") as file:
        file.write(b"# one line more\n")
    done = modelcast.run("verify", bundle)
    assert done.returncode == 1
    size = (bundle / "code" / "features.py").stat().st_size
    assert done.stderr.splitlines()[-1] == (
        f"error: verify: files: code/features.py has {size} bytes, its manifest says {size - 16}; the bundle was changed "
        "after it was sealed. Get it again from where it was built, or build it again with `modelcast build`."
    )
    table = done.stdout.splitlines()
    assert table[-1] == "answers     not checked  nothing is run where something else is wrong"

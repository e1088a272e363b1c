"""A repository in git: what it is called, and that the same content is the same model wherever it was built."""

from pathlib import Path

from modelcast_runtime.bundle import open_bundle

from tests.acceptance.commands import Modelcast
from tests.acceptance.files import write
from tests.acceptance.workshop import Case, git


def test_a_model_is_called_after_the_origin_of_its_repository(git_main: Case) -> None:
    assert git_main.source.name == "working copy"
    assert git_main.built.told["name"] == "side-model"


def test_a_git_url_with_a_branch_is_built_from_that_branch(git_branch: Case, git_main: Case) -> None:
    provenance = open_bundle(git_branch.built.root).provenance()
    assert provenance is not None
    assert (provenance.ref, len(provenance.commit or "")) == ("best", 40)
    assert provenance.source == "", "a place on this machine's disk is nobody's business"
    assert git_branch.built.told["name"] == "working-copy"
    assert git_branch.built.told["version"] != git_main.built.told["version"]


def test_no_credentials_of_the_origin_are_in_the_bundle(git_main: Case) -> None:
    assert [path for path in git_main.built.root.rglob("*") if path.is_file() and b"secret" in path.read_bytes()] == []


def test_a_copy_without_git_in_another_folder_trains_the_same_version(git_main: Case, git_copy: Case) -> None:
    assert identity(git_copy) == identity(git_main)


def test_two_builds_of_one_sample_are_one_version_and_one_digest(copied_sample: Case, installed: Case) -> None:
    assert copied_sample.source != installed.source
    assert identity(copied_sample) == identity(installed)


def test_a_changed_digit_in_the_data_is_another_version(copied_sample: Case, changed_sample: Case) -> None:
    assert changed_sample.built.told["version"] != copied_sample.built.told["version"]
    assert changed_sample.built.told["bundle_digest"] != copied_sample.built.told["bundle_digest"]


def test_a_url_without_such_a_branch_is_refused(modelcast: Modelcast, git_main: Case) -> None:
    url = git_main.source.as_uri()
    done = modelcast.run("build", f"{url}#nowhere", "--out", git_main.source.parent / "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: source: {url} has no branch, tag or commit 'nowhere'. Check the ref after `#`.\n"
    assert not (git_main.source.parent / "none").exists()


def test_a_url_is_served_and_built_once_for_a_commit(modelcast: Modelcast, tmp_path: Path) -> None:
    """A bare repository, a model in a folder of it, and a branch that moves."""
    work = write(tmp_path / "work", {"models/echo/prediction.py": ECHO})
    bare = tmp_path / "models.git"
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--message", "one")
    git(work, "tag", "v1")
    git(tmp_path, "clone", "--quiet", "--bare", str(work), str(bare))
    url = f"{bare.as_uri()}#main:models/echo"

    first, log = answered_by(modelcast, url)
    assert first == ("echo", 1)
    assert "---> smoke: echo " in log
    again, log = answered_by(modelcast, url)
    assert again == first
    assert "was built before, and has not changed" in log
    assert "---> smoke" not in log

    write(work, {"models/echo/prediction.py": ECHO.replace("1", "2")})
    git(work, "commit", "--quiet", "--all", "--message", "two")
    git(work, "push", "--quiet", str(bare), "main")
    assert answered_by(modelcast, url)[0] == ("echo", 2)
    assert answered_by(modelcast, f"{bare.as_uri()}#v1:models/echo")[0] == ("echo", 1)


ECHO = "def predict(body):\n    return {'edition': 1}\n"


def answered_by(modelcast: Modelcast, url: str) -> tuple[tuple[str, int], str]:
    """The model's name and what it answers, and the log of the command."""
    with modelcast.serving(url, workers=1) as service:
        answer = service.ask(json={}).json()["edition"]
        return (service.name, answer), service.logged()


def identity(case: Case) -> tuple[str, str, str]:
    """What must not depend on when and where a bundle was built."""
    return case.built.told["name"], case.built.told["version"], case.built.told["bundle_digest"]

"""The receipt is an in-toto Statement with SLSA provenance, by the published schemas, and says nothing of the machine."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance as SlsaProvenance
from in_toto_attestation.v1.statement import Statement as InTotoStatement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from modelcast_builder import __version__, provenance
from modelcast_builder.config import Config
from modelcast_builder.credentials import public_address
from modelcast_builder.discover import Plan
from modelcast_builder.document import Document
from modelcast_builder.environment import Lock
from modelcast_builder.provenance import Build, Sealed
from modelcast_builder.source import fetch
from modelcast_runtime import contract, statement
from modelcast_runtime.contract import Step

SECRET = "s3cr3t"
LOCK = Lock(packages=("numpy==2.4.6", "torch==2.9.0+cpu"), serving=("flask==3.1.3",), as_of="2026-01-01T00:00:00Z")
SEALED = Sealed(
    name="lunch",
    digest=f"sha256:{'a' * 64}",
    model="model.onnx",
    model_sha256="b" * 64,
    original_sha256="c" * 64,
    lock_sha256="d" * 64,
    receipts={"receipts/notebooks/train.html": "e" * 64},
)
BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A folder with a notebook, data in and beside `data/`, and a link that leads out."""
    root = tmp_path / SECRET
    (root / "data").mkdir(parents=True)
    (root / "train.ipynb").write_text("{}", encoding="utf-8")
    (root / "data" / "train.csv").write_text("x\n1\n", encoding="utf-8")
    (root / "rows.csv").write_text("x\n2\n", encoding="utf-8")
    (root / "data" / "link.csv").symlink_to("/etc/passwd")
    return root


def built(repo: Path, **said: Any) -> Build:
    facts: dict[str, Any] = {
        "source": fetch(str(repo), repo.parent / "work"),
        "source_digest": f"sha256:{'f' * 64}",
        "config": Config(),
        "plan": Plan(notebooks=(repo / "train.ipynb",), artifact=None, reason="a notebook"),
        "lock": LOCK,
        "began": BEGAN,
    }
    return Build(**facts | said)


def written(build: Build) -> bytes:
    return contract.encode(provenance.record(build, SEALED))


def git(repo: Path, *arguments: str) -> None:
    somebody = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", repo, *somebody, *arguments], check=True, capture_output=True)


def test_it_is_what_in_toto_and_slsa_publish(repo: Path) -> None:
    config = Config(source_url="https://host/x.git", commit="1" * 40, parameters={"k": 5, "rates": [0.1, 0.2]})
    document = json.loads(
        written(built(repo, config=config, notes=("a: note",), steps=(Step(name="train", seconds=1.5),)))
    )
    # Unknown fields and wrong types are errors of the published messages.
    message = json_format.ParseDict(document, StatementMessage())
    InTotoStatement.copy_from_pb(message).validate()
    predicate = json_format.ParseDict(document["predicate"], SlsaProvenance())
    assert (document["_type"], document["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://slsa.dev/provenance/v1",
    )
    assert predicate.run_details.metadata.started_on.ToDatetime(UTC) == BEGAN
    assert BEGAN < predicate.run_details.metadata.finished_on.ToDatetime(UTC) <= datetime.now(UTC)


def test_it_names_what_was_asked_what_it_was_made_from_and_what_came_of_it(repo: Path) -> None:
    config = Config(
        source_url=f"https://{SECRET}@host/x.git?token={SECRET}",
        commit="1" * 40,
        ref="main",
        parameters={"k": 5},
        document=contract.decode(b'{"data": {"train": "rows.csv"}}', Document),
    )
    said = json.loads(written(built(repo, config=config)))
    definition = said["predicate"]["buildDefinition"]
    details = said["predicate"]["runDetails"]
    assert said["subject"] == [
        {"name": "lunch", "digest": {"sha256": "a" * 64}},
        {"name": "model.onnx", "digest": {"sha256": "b" * 64}},
    ]
    assert definition["buildType"] == "urn:modelcast:build:v1"
    assert definition["externalParameters"] == {
        "source": "https://host/x.git",
        "ref": "main",
        "parameters": {"k": 5},
        "notebooks": ["train.ipynb"],
    }
    assert definition["internalParameters"] == {"environmentAsOf": "2026-01-01T00:00:00Z", "python": LOCK.python}
    assert definition["resolvedDependencies"] == [
        {"name": "repository", "uri": "git+https://host/x.git", "digest": {"gitCommit": "1" * 40}},
        {"name": "source", "digest": {"sha256": "f" * 64}},
        {"name": "data/train.csv", "digest": {"sha256": provenance.source_tree.sha256_of(repo / "data" / "train.csv")}},
        {"name": "rows.csv", "digest": {"sha256": provenance.source_tree.sha256_of(repo / "rows.csv")}},
        {"name": "environment.lock", "digest": {"sha256": "d" * 64}},
        {"uri": "pkg:pypi/numpy@2.4.6"},
        {"uri": "pkg:pypi/torch@2.9.0%2Bcpu"},
        {"uri": "pkg:pypi/flask@3.1.3"},
    ]
    assert (details["builder"]["id"], details["builder"]["version"]["modelcast"]) == (
        "urn:modelcast:builder",
        __version__,
    )
    dependencies = details["builder"]["builderDependencies"]
    assert [one["name"] for one in dependencies] == ["modelcast_builder", "modelcast_runtime"]
    assert all(len(one["digest"]["sha256"]) == 64 for one in dependencies)
    assert details["byproducts"][:2] == [
        {"name": "original model", "digest": {"sha256": "c" * 64}},
        {"name": "receipts/notebooks/train.html", "digest": {"sha256": "e" * 64}},
    ]


def test_a_trained_file_that_was_there_is_among_what_it_was_made_from(repo: Path) -> None:
    (repo / "model.joblib").write_bytes(b"model")
    plan = Plan(notebooks=(), artifact=repo / "model.joblib", reason="a file")
    said = provenance.record(built(repo, plan=plan), SEALED)
    assert said.predicate.dependency("model.joblib").sha256 == provenance.source_tree.sha256_of(repo / "model.joblib")


def test_what_the_service_shows_of_it(repo: Path) -> None:
    config = Config(source_url="https://host/x.git", commit="1" * 40)
    steps = (Step(name="train", seconds=1.5),)
    shown = statement.shown(written(built(repo, config=config, notes=("a: note",), steps=steps)))
    assert (shown.source, shown.commit, shown.ref) == ("https://host/x.git", "1" * 40, None)
    assert shown.source_digest == f"sha256:{'f' * 64}"
    assert (shown.builder_version, shown.environment_as_of) == (__version__, "2026-01-01T00:00:00Z")
    assert shown.packages == {"numpy": "2.4.6", "torch": "2.9.0+cpu", "flask": "3.1.3"}
    assert (shown.notes, shown.steps) == (("a: note",), steps)
    assert datetime.fromisoformat(shown.built_at) > BEGAN


def test_openshifts_reference_and_commit_are_read_without_git(repo: Path) -> None:
    from modelcast_builder.config import read_config

    variables = {
        "OPENSHIFT_BUILD_SOURCE": "https://host/x.git",
        "OPENSHIFT_BUILD_COMMIT": "2" * 40,
        "OPENSHIFT_BUILD_REFERENCE": "release",
    }
    shown = statement.shown(written(built(repo, config=read_config(repo, variables))))
    assert (shown.source, shown.commit, shown.ref) == ("https://host/x.git", "2" * 40, "release")


def test_gits_own_commit_wins_and_no_credential_of_its_origin_is_in_it(repo: Path) -> None:
    git(repo, "init", "--quiet")
    git(repo, "remote", "add", "origin", f"https://user:{SECRET}@host/x.git")
    git(repo, "commit", "--quiet", "--allow-empty", "--message", "one")
    content = written(built(repo, config=Config(source_url="https://other/x.git", commit="2" * 40)))
    shown = statement.shown(content)
    assert (shown.source, len(shown.commit or "")) == ("https://host/x.git", 40)
    assert shown.commit != "2" * 40
    assert SECRET.encode() not in content


def test_of_a_folder_without_git_nothing_of_the_machine_is_in_it(repo: Path) -> None:
    content = written(built(repo)).decode()
    assert statement.shown(content.encode()).source == ""
    assert SECRET not in content
    assert str(repo.parent) not in content


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://host/x.git", "https://host/x.git"),
        ("https://user:s3cr3t@host:8443/a/x.git?token=s3cr3t#s3cr3t", "https://host:8443/a/x.git"),
        ("https://user:12/s3cr3t@127.0.0.1:9/x.git", "https://127.0.0.1:9/x.git"),
        ("ssh://alice@host/x.git", "ssh://host/x.git"),
        ("git@host:team/x.git", "ssh://host/team/x.git"),
        ("host:team/x.git", "ssh://host/team/x.git"),
        ("file:///home/alice/x", ""),
        ("/home/alice/x", ""),
        ("../x:y", ""),
        ("", ""),
    ],
)
def test_an_address_as_anybody_may_know_it(address: str, public: str) -> None:
    assert public_address(address) == public

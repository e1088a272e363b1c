"""Where a repository comes from, what the model is called, and that no credential gets out."""

import os
import pty
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from modelcast_builder.config import Config
from modelcast_builder.credentials import host_of, redacted
from modelcast_builder.document import Document
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.source import Source, fetch, model_name

IDENTITY = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
SECRET = "s3cr3t"


def git(repo: Path, *arguments: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(
        ["git", "-C", str(repo), *arguments], capture_output=True, text=True, check=True, env=os.environ | IDENTITY
    )
    return done.stdout.strip()


def commit(repo: Path, content: str) -> str:
    """One more commit; its id."""
    (repo / "file").write_text(content, encoding="utf-8")
    git(repo, "add", "file")
    git(repo, "commit", "--quiet", "-m", content)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with two branches and a tag; its default branch holds `main`."""
    repo = tmp_path / "origins" / "Penguins Of_2024.git"
    repo.mkdir(parents=True)
    git(repo, "init", "--quiet", "-b", "main")
    commit(repo, "first")
    git(repo, "tag", "-a", "v1", "-m", "v1")
    git(repo, "checkout", "--quiet", "-b", "feature/x")
    commit(repo, "feature")
    git(repo, "checkout", "--quiet", "main")
    commit(repo, "main")
    return repo


@pytest.mark.parametrize(
    ("ref", "content"), [("", "main"), ("#main", "main"), ("#feature/x", "feature"), ("#v1", "first"), ("#", "main")]
)
def test_a_url_is_cloned_at_its_ref(origin: Path, tmp_path: Path, ref: str, content: str) -> None:
    source = fetch(f"file://{origin}{ref}", tmp_path)
    assert (source.root / "file").read_text(encoding="utf-8") == content
    assert source.commit == git(source.root, "rev-parse", "HEAD")
    assert source.origin == f"file://{origin}"
    assert source.location == f"file://{origin}{ref}"


def test_a_commit_is_a_ref_whole_and_short(origin: Path, tmp_path: Path) -> None:
    first = git(origin, "rev-parse", "v1^{commit}")
    assert fetch(f"file://{origin}#{first}", tmp_path / "a").commit == first
    assert fetch(f"file://{origin}#{first[:8]}", tmp_path / "b").commit == first


@pytest.mark.parametrize("ref", ["nope", "--orphan=x", "-q", "v1 main"])
def test_an_unknown_ref_is_refused(origin: Path, tmp_path: Path, ref: str) -> None:
    with pytest.raises(BuildError) as refused:
        fetch(f"file://{origin}#{ref}", tmp_path)
    assert str(refused.value) == (
        f"source: file://{origin} has no branch, tag or commit {ref!r}. Check the ref after `#`"
    )


def test_a_url_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as refused:
        fetch(f"file://{tmp_path}/none.git", tmp_path)
    assert str(refused.value) == (
        f"source: file://{tmp_path}/none.git cannot be cloned: fatal: '{tmp_path}/none.git' does not appear to be a git "
        "repository. Check the address and the ref after `#`"
    )


def test_a_repository_on_this_disk_is_cloned_at_its_ref(origin: Path, tmp_path: Path) -> None:
    source = fetch(f"{origin}#v1", tmp_path)
    assert (source.root / "file").read_text(encoding="utf-8") == "first"
    assert (source.location, source.origin) == (f"{origin}#v1", str(origin))
    git(origin, "remote", "add", "origin", f"https://user:{SECRET}@host/team/spam.git")
    assert fetch(f"{origin}#v1", tmp_path / "again").origin == "https://host/team/spam.git"


@pytest.mark.parametrize("name", ["bare.git", "a#b.git"])
def test_a_bare_repository_on_this_disk_is_cloned(origin: Path, tmp_path: Path, name: str) -> None:
    bare = tmp_path / name
    git(tmp_path, "clone", "--quiet", "--bare", str(origin), str(bare))
    contents = [
        (fetch(f"{bare}{ref}", tmp_path / f"work{number}").root / "file").read_text(encoding="utf-8")
        for number, ref in enumerate(("", "#feature/x"))
    ]
    assert contents == ["main", "feature"]


def test_a_folder_of_a_repository_is_named_behind_its_ref(origin: Path, tmp_path: Path) -> None:
    part = origin / "models" / "spam"
    part.mkdir(parents=True)
    commit(part, "part")
    for number, rest in enumerate(("#main:models/spam", "#:models/spam/")):
        source = fetch(f"file://{origin}{rest}", tmp_path / str(number))
        assert (source.root / "file").read_text(encoding="utf-8") == "part"
        assert (source.origin, source.location) == (None, f"file://{origin}{rest}")
        assert source.commit == git(origin, "rev-parse", "main")
        assert model_name(source, Config()) == "spam"


@pytest.mark.parametrize("folder", ["nope", "file", "../../origins", "out"])
def test_a_folder_that_the_repository_does_not_have_is_refused(origin: Path, tmp_path: Path, folder: str) -> None:
    (origin / "out").symlink_to(tmp_path)
    git(origin, "add", "out")
    git(origin, "commit", "--quiet", "-m", "out")
    with pytest.raises(BuildError) as refused:
        fetch(f"file://{origin}#main:{folder}", tmp_path)
    assert str(refused.value) == (
        f"source: file://{origin} has no folder {folder!r} at 'main'. Write URL#REF:FOLDER with a folder of the repository"
    )


# What git would ask for.

SAID = {
    "fatal: could not read Username for 'https://h': terminal prompts disabled": (
        "source: https://h/x wants credentials, and git has none that it takes. Check the address, store them for git "
        "(a credential helper, a key in ssh's agent), or name a folder with a clone"
    ),
    "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure": (
        "source: https://h/x wants credentials, and git has none that it takes. Check the address, store them for git "
        "(a credential helper, a key in ssh's agent), or name a folder with a clone"
    ),
    "Host key verification failed.\nfatal: Could not read from remote repository.": (
        "source: ssh does not know the host of https://h/x. Connect to it once by hand, and accept its key"
    ),
    "fatal: unable to access 'https://h/x/': Could not resolve host: h": (
        "https://h/x cannot be reached: Could not resolve host: h. Check the address and the network"
    ),
    "ssh: Could not resolve hostname h: Name or service not known\nfatal: Could not read from remote repository.": (
        "https://h/x cannot be reached: ssh: Could not resolve hostname h: Name or service not known. "
        "Check the address and the network"
    ),
}


@pytest.mark.parametrize("said", SAID)
def test_why_git_failed_is_one_line(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "git"
    tool.write_text(f"#!/bin/sh\ncat >&2 <<'end'\n{said}\nend\nexit 128\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises((BuildError, MissingPart)) as refused:
        fetch("https://h/x", tmp_path)
    assert str(refused.value) == SAID[said]
    assert isinstance(refused.value, MissingPart) == ("cannot be reached" in SAID[said])


class Locked(BaseHTTPRequestHandler):
    """A server that gives nothing without a password."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_password_is_never_asked_for(tmp_path: Path) -> None:
    """With a terminal at hand, where git would prompt."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/team/x.git"
        program = f"""
import fcntl, os, pathlib, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
assert os.open("/dev/tty", os.O_RDWR)
from modelcast_builder.source import fetch
try:
    fetch({url!r}, pathlib.Path({str(tmp_path)!r}))
except Exception as error:
    print(error)
"""
        ours, theirs = pty.openpty()
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        try:
            child.wait(timeout=300)
        finally:
            child.kill()
            child.wait()
            server.shutdown()
        shown = os.read(ours, 65536)
        os.close(ours)
        os.close(theirs)
    assert (
        shown.decode().split()
        == (
            f"source: {url} wants credentials, and git has none that it takes. "
            "Check the address, store them for git (a credential helper, a key in ssh's agent), or name a folder with a clone"
        ).split()
    )


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in (tmp_path / "nope", tmp_path / "file"):
        with pytest.raises(BuildError) as refused:
            fetch(str(name), tmp_path)
        assert str(refused.value) == (
            f"source: {name} is no folder and no git URL. Name a folder, or a URL such as https://host/repo.git#main"
        )


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert fetch(str(tmp_path), tmp_path / "work") == Source(
        root=tmp_path, location=str(tmp_path), origin=None, commit=None
    )


def test_a_repository_without_origin_and_commits(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    source = fetch(str(tmp_path), tmp_path / "work")
    assert (source.origin, source.commit) == (None, None)


# Credentials.

SECRETS = {
    f"https://user:{SECRET}@host/x.git": "https://host/x.git",
    f"https://{SECRET}@host/x.git": "https://host/x.git",
    f"https://user:{SECRET}@{SECRET}@host/x.git": "https://host/x.git",
    f"fatal: unable to access 'https://u:{SECRET}@h/x/': no": "fatal: unable to access 'https://h/x/': no",
    f"https://user:pass/{SECRET}@host/x.git": "https://host/x.git",
    f"https://user:12/{SECRET}@host.org/x.git": "https://host.org/x.git",
    f"https://a/{SECRET}/b@host/x.git": "https://host/x.git",
    f"error: '--default-index' 'https://u:a'/{SECRET}@h/x': no": "error: '--default-index' 'https://h/x': no",
    f"ssh://git:{SECRET}@host:22/x": "ssh://host:22/x",
    f"https://a:{SECRET}@h/x and https://b:{SECRET}@h/y": "https://h/x and https://h/y",
    "git@host:team/x.git": "git@host:team/x.git",
    "https://host.org/x@v1": "https://host.org/x@v1",
    f"https://host.org/x@v1,https://u:{SECRET}@host.org/y": "https://host.org/x@v1,https://host.org/y",
}


@pytest.mark.parametrize("text", SECRETS)
def test_no_credential_is_left_in_a_text(text: str) -> None:
    assert redacted(text) == SECRETS[text]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (f"https://user:pass/{SECRET}@host.org/x", "host.org"),
        (f"https://{SECRET}/x@localhost/x", "localhost"),
        (f"https://user:{SECRET}@host.org:8080/feed@view/simple", "host.org"),
        ("https://[::1]:8080/simple", "::1"),
        ("https://[", ""),
        ("/folder", ""),
    ],
)
def test_the_host_of_an_address_is_no_part_of_a_password(address: str, host: str) -> None:
    assert host_of(address) == host


def test_no_credential_of_the_url_is_in_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(MissingPart) as refused:
        fetch(f"https://user:{SECRET}@127.0.0.1:9/x.git#main", tmp_path)
    assert SECRET not in str(refused.value)
    assert str(refused.value).startswith("https://127.0.0.1:9/x.git cannot be reached: Failed to connect to 127.0.0.1 ")
    assert str(refused.value).endswith(". Check the address and the network")


def test_a_password_with_a_slash_is_in_no_refusal_either(tmp_path: Path) -> None:
    with pytest.raises((BuildError, MissingPart)) as refused:
        fetch(f"https://user:12/{SECRET}@127.0.0.1:9/x.git#main", tmp_path)
    assert SECRET not in str(refused.value)


# One repository, and no other.


def test_a_folder_of_a_repository_has_no_origin(origin: Path) -> None:
    git(origin, "remote", "add", "origin", "https://host/whole.git")
    part = origin / "models" / "spam"
    part.mkdir(parents=True)
    source = fetch(str(part), origin)
    assert (source.origin, source.commit, model_name(source, Config())) == (None, None, "spam")


def test_an_empty_git_folder_does_not_speak_for_the_repository_around_it(origin: Path) -> None:
    git(origin, "remote", "add", "origin", "https://host/whole.git")
    part = origin / "part"
    (part / ".git").mkdir(parents=True)
    source = fetch(str(part), origin)
    assert (source.origin, source.commit) == (None, None)


def test_a_build_in_a_git_hook_asks_about_its_own_repository(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    git(folder, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(origin / ".git"))
    assert fetch(str(folder), tmp_path).commit is None


# Names.

NAMES: dict[str, tuple[dict[str, str | None], Config, str]] = {
    "written": ({"origin": "https://host/x.git"}, Config(name="penguins-2"), "penguins-2"),
    "of the origin": ({"origin": "https://host/team/My_Model.git/"}, Config(source_url="https://host/y"), "my-model"),
    "of an ssh origin": ({"origin": "git@host:team/spam.git"}, Config(), "spam"),
    "of an ssh origin without a folder": ({"origin": "git@host:spam.git"}, Config(), "spam"),
    "of an origin on disk": ({"origin": "/srv/git/spam.git"}, Config(), "spam"),
    "of openshift's source": ({}, Config(source_url="https://host/team/spam.git"), "spam"),
    "of the folder": ({"root": "/home/me/Spam filter (2)"}, Config(), "spam-filter-2"),
    "of S2I's folder": ({"root": "/tmp/src"}, Config(), "model"),
    "of the image's folder": ({"root": "/opt/app-root/src"}, Config(), "model"),
    "of a folder called src elsewhere": ({"root": "/home/me/src"}, Config(), "src"),
    "of S2I's folder, with a source": ({"root": "/tmp/src"}, Config(source_url="https://host/spam"), "spam"),
    "without a letter": ({"root": "/home/モデル"}, Config(), "model"),
    "of the root of the disk": ({"root": "/"}, Config(), "model"),
    "too long": ({"root": "/" + "a" * 62 + "-b"}, Config(), "a" * 62),
    "written at full length": ({}, Config(name="a" * 63), "a" * 63),
}


@pytest.mark.parametrize("case", NAMES)
def test_the_name(case: str) -> None:
    told, config, name = NAMES[case]
    source = Source(root=Path(told.get("root") or "/r"), location="", origin=told.get("origin"), commit=None)
    assert model_name(source, config) == name


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("My_Model", "my-model"),
        ("-a", "a"),
        ("a.b", "a-b"),
        ("a" * 64, "a" * 63),
        ("", "model"),
        ("a\n", "a"),
        ("é", "model"),
    ],
)
def test_a_written_name_that_is_no_label_is_refused(written: str, near: str) -> None:
    source = Source(root=Path("/r"), location="", origin=None, commit=None)
    with pytest.raises(BuildError) as refused:
        model_name(source, Config(document=Document(name=written), name=written))
    assert str(refused.value) == (
        f"config: the name {written!r} is no DNS label. "
        f"Write `name: {near}`: lower-case letters, digits and hyphens, 63 at most"
    )

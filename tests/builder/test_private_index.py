"""Private package indexes as pip's users name them: credentials, authorities, proxies, folders; and none of it told on."""

import http.server
import os
import select
import socket
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from modelcast_builder.config import build_settings
from modelcast_builder.environment import Lock, Requirements, base_python, create, pip, resolve, use_uv, vendor
from modelcast_builder.environment.pip_settings import in_pips_words
from modelcast_builder.environment.uv import environment_for_uv
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.report import Reporter

from tests.package_index import Index, Release, fill, locked_releases, running, serving

USER, SECRET = "deployer", "s3cr3t-of-the-index"
PROXY_SECRET = "s3cr3t-of-the-proxy"
DEAD = "http://127.0.0.1:9/simple"


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own and a server's certificate from it."""

    certificate: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ours", "-days", "2")
    openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-out", "server.pem", "-days", "2", "-extfile", "extensions"),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Authority(folder / "ca.pem", context)


@pytest.fixture
def private() -> Iterator[Index]:
    """An index that wants a user and a password."""
    with serving(Index([*locked_releases(), Release("own", "1.0")], credentials=f"{USER}:{SECRET}")) as held:
        yield held


def address(index: Index, path: str = "/simple") -> str:
    return index.address.replace("://", f"://{USER}:{SECRET}@") + path


Resolve = Callable[..., Lock]


@pytest.fixture
def resolved(tmp_path: Path) -> Resolve:
    """Resolve `own` where nothing but the given variables says where packages come from."""

    def run(**variables: str) -> Lock:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        own = {
            "HOME": str(home),
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "UV_HTTP_RETRIES": "0",
            "PIP_CONFIG_FILE": "/dev/null",
        }
        uv = use_uv({"PATH": os.environ["PATH"], **own, **variables})
        cache = tmp_path / "cache"
        return resolve(Requirements(ranges=("own",)), {}, python=base_python(), cache=cache, uv=uv)

    return run


def has_own(lock: Lock) -> bool:
    return "own==1.0" in lock.packages


def files_with(folder: Path, *secrets: str) -> list[str]:
    """The files anywhere below that hold one of the secrets, as it is or in base64."""
    shapes = [shape for secret in secrets for shape in (secret.encode(), b64encode(f"{USER}:{secret}".encode()))]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [str(path) for path in files if any(shape in path.read_bytes() for shape in shapes)]


# --- where packages come from


def test_credentials_in_the_address_of_the_index(private: Index, resolved: Resolve, tmp_path: Path) -> None:
    assert has_own(resolved(PIP_INDEX_URL=address(private)))
    assert files_with(tmp_path, SECRET) == []


def test_the_quotes_of_s2is_environment_file_are_no_part_of_the_address(private: Index, resolved: Resolve) -> None:
    assert has_own(resolved(PIP_INDEX_URL=f'"{address(private)}"'))


def test_an_extra_index_beside_the_default_one(private: Index, resolved: Resolve, tmp_path: Path) -> None:
    with serving(Index([*locked_releases()])) as public:
        variables = {"PIP_INDEX_URL": f"{public.address}/simple", "PIP_EXTRA_INDEX_URL": f"'{address(private)}'"}
        assert has_own(resolved(**variables))
    assert files_with(tmp_path, SECRET) == []


def test_an_index_of_plain_html_without_dates(resolved: Resolve) -> None:
    with serving(Index([*locked_releases(), Release("own", "1.0")], is_html=True)) as plain:
        lock = resolved(PIP_INDEX_URL=f"{plain.address}/simple")
    assert has_own(lock)
    assert lock.notes == ("the package index tells no upload dates: the lock depends on the day of the build",)


def test_credentials_in_netrc(private: Index, resolved: Resolve, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    netrc = tmp_path / "home" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login {USER} password {SECRET}\n")
    netrc.chmod(0o600)
    assert has_own(resolved(PIP_INDEX_URL=f"{private.address}/simple"))
    elsewhere = netrc.rename(tmp_path / "credentials")
    assert has_own(resolved(PIP_INDEX_URL=f"{private.address}/simple", NETRC=str(elsewhere)))
    elsewhere.unlink()
    assert files_with(tmp_path, SECRET) == []


@pytest.mark.parametrize("place", [".pip/pip.conf", ".config/pip/pip.conf", "named.ini"])
def test_the_index_of_pips_own_configuration(private: Index, resolved: Resolve, tmp_path: Path, place: str) -> None:
    file = tmp_path / "home" / place
    file.parent.mkdir(parents=True)
    file.write_text(f"[global]\nindex-url = {DEAD}\n[install]\nindex_url = {address(private)}\n")
    assert has_own(resolved(PIP_CONFIG_FILE=str(file) if place == "named.ini" else ""))
    with pytest.raises(MissingPart):
        resolved(PIP_CONFIG_FILE=str(file) if place == "named.ini" else "", PIP_INDEX_URL=DEAD, UV_NO_CACHE="1")


def test_a_folder_of_wheels_and_no_index_at_all(resolved: Resolve, tmp_path: Path) -> None:
    links = fill(tmp_path / "with spaces", [Release("own", "1.0")])
    with serving(Index([*locked_releases()])) as public:
        assert has_own(resolved(PIP_INDEX_URL=f"{public.address}/simple", UV_FIND_LINKS=str(links)))
    links = fill(tmp_path / "links", [*locked_releases(), Release("own", "1.0")])
    assert has_own(resolved(PIP_INDEX_URL=DEAD, PIP_FIND_LINKS=str(links), PIP_NO_INDEX="1", UV_NO_CACHE="1"))


# --- authorities


def test_an_index_behind_an_authority_of_ones_own(authority: Authority, resolved: Resolve, tmp_path: Path) -> None:
    with serving(Index([*locked_releases(), Release("own", "1.0")]), authority.context) as index:
        where = {"PIP_INDEX_URL": f"{index.address}/simple", "UV_NO_CACHE": "1"}
        for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            assert has_own(resolved(**where, **{name: str(authority.certificate)}))
        assert has_own(resolved(**where, PIP_TRUSTED_HOST="127.0.0.1"))
        (tmp_path / "cache" / "resolutions").rename(tmp_path / "forgotten")
        with pytest.raises(MissingPart):
            resolved(**where)


def test_all_the_authorities_that_are_named_are_trusted(authority: Authority, resolved: Resolve) -> None:
    others = next(
        path for path in map(Path, ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem")) if path.exists()
    )
    with serving(Index([*locked_releases(), Release("own", "1.0")]), authority.context) as index:
        where = {"PIP_INDEX_URL": f"{index.address}/simple", "PIP_CERT": str(others)}
        assert has_own(resolved(**where, SSL_CERT_FILE=str(authority.certificate)))


@pytest.mark.parametrize("named", ["certificates/ca.pem", "~/ca.pem", "certificates"])
def test_an_authority_is_found_from_the_callers_folder(
    authority: Authority, resolved: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    for folder in ("certificates", "home"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ca.pem").write_bytes(authority.certificate.read_bytes())
    monkeypatch.chdir(tmp_path)
    with serving(Index([*locked_releases(), Release("own", "1.0")]), authority.context) as index:
        assert has_own(resolved(PIP_INDEX_URL=f"{index.address}/simple", PIP_CERT=named))


def test_certificates_that_are_not_there_are_not_passed_over(authority: Authority, resolved: Resolve) -> None:
    with pytest.raises(MissingPart) as missing:
        resolved(PIP_INDEX_URL=DEAD, PIP_CERT="/absent/ca.pem", SSL_CERT_FILE=str(authority.certificate))
    assert str(missing.value) == (
        "environment: PIP_CERT names the certificates /absent/ca.pem, which cannot be read. "
        "Correct the path, or unset PIP_CERT"
    )


def test_paths_are_those_of_the_callers_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    env = environment_for_uv(
        {"PIP_FIND_LINKS": "links https://a/x\n~/more", "NETRC": "netrc", "UV_CACHE_DIR": "../uv", "HOME": "/me"}
    )
    assert (env["UV_FIND_LINKS"], env["NETRC"]) == (f"{tmp_path}/links,https://a/x,/me/more", f"{tmp_path}/netrc")
    assert env["UV_CACHE_DIR"] == str(tmp_path.parent / "uv")
    assert environment_for_uv({"UV_FIND_LINKS": "with space,,/b"})["UV_FIND_LINKS"] == f"{tmp_path}/with space,/b"


# --- proxies


@contextmanager
def proxy(asked: list[str]) -> Iterator[int]:
    """A proxy that wants a user and a password, and tunnels."""
    wanted = f"Basic {b64encode(f'{USER}:{PROXY_SECRET}'.encode()).decode()}"

    class Tunnel(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            if self.headers.get("Proxy-Authorization") != wanted:
                self.send_error(407)
                return
            asked.append(self.path)
            host, _, port = self.path.partition(":")
            with socket.create_connection((host, int(port))) as there:
                self.send_response(200)
                self.end_headers()
                self.wfile.flush()
                ends = {self.connection: there, there: self.connection}
                while True:
                    (ready, *_), _, _ = select.select([*ends], [], [])
                    content = ready.recv(65536)
                    if not content:
                        break
                    ends[ready].sendall(content)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with running(Tunnel) as port:
        yield port


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "PIP_PROXY"])
def test_the_index_is_reached_through_the_proxy(
    authority: Authority, resolved: Resolve, tmp_path: Path, name: str
) -> None:
    asked: list[str] = []
    with serving(Index([*locked_releases(), Release("own", "1.0")]), authority.context) as index, proxy(asked) as port:
        where = {"PIP_INDEX_URL": f"{index.address}/simple", "PIP_CERT": str(authority.certificate)}
        through = f"http://{USER}:{PROXY_SECRET}@127.0.0.1:{port}"
        assert has_own(resolved(**where, **{name: f'"{through}"'}))
    assert set(asked) == {index.address.removeprefix("https://")}
    assert files_with(tmp_path, PROXY_SECRET) == []


# --- refusals tell no credentials


def test_an_index_that_refuses_the_credentials_is_named_without_them(private: Index, resolved: Resolve) -> None:
    wrong = address(private).replace(SECRET, "wr0ng-s3cret")
    with pytest.raises(MissingPart) as missing:
        resolved(PIP_INDEX_URL=wrong)
    assert str(missing.value) == (
        "environment: the package index 127.0.0.1 refuses the credentials that it was given, or wants some. "
        "Correct the user and the password in PIP_INDEX_URL or in ~/.netrc"
    )


@pytest.mark.parametrize(
    ("variables", "where"),
    [
        ({"PIP_INDEX_URL": "{}"}, "PIP_INDEX_URL"),
        ({"UV_DEFAULT_INDEX": "https://pypi.invalid", "UV_INDEX": "own={}"}, "UV_DEFAULT_INDEX, UV_INDEX"),
        ({"UV_INDEX_URL": "{}", "PIP_INDEX_URL": "https://pypi.invalid"}, "UV_INDEX_URL"),
    ],
)
def test_an_installation_with_wrong_credentials_says_where_they_are_set(
    private: Index, tmp_path: Path, variables: Mapping[str, str], where: str
) -> None:
    wrong = address(private).replace(SECRET, "wr0ng-s3cret")
    told = {name: value.format(wrong) for name, value in variables.items()}
    uv = use_uv({"PATH": os.environ["PATH"], "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_HTTP_RETRIES": "0", **told})
    with pytest.raises(MissingPart) as missing:
        create(Lock(packages=("own==1.0",), serving=(), as_of=""), cache=tmp_path / "cache", uv=uv)
    assert str(missing.value).endswith(
        "refuses the credentials that it was given, or wants some. "
        f"Correct the user and the password in {where} or in ~/.netrc"
    )
    assert "wr0ng" not in str(missing.value)


def test_a_download_with_wrong_credentials_is_known_as_that(private: Index, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INPUT": "1"}
    right = address(private, "/files/own-1.0-py3-none-any.whl")
    other = pip.download([f"own @ {right}#sha256={'0' * 64}"], tmp_path, env=env)
    assert other is not None
    assert (other.unauthorised, other.is_of_the_build) == (False, False)
    refusal = pip.download([f"own @ {right.replace(SECRET, 'wr0ng-s3cret')}"], tmp_path, env=env)
    assert refusal is not None
    assert (refusal.unauthorised, refusal.is_of_the_build) == (True, False)
    assert "wr0ng" not in refusal.err


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_INDEX_URL": f"https://{USER}:{SECRET}@pypi.invalid/simple"},
        {"PIP_INDEX_URL": f"https://{USER}:p@{SECRET}@pypi.invalid/simple"},
        {"PIP_INDEX_URL": f"https://{USER}:12/{SECRET}@pypi.invalid/simple"},
        {"UV_INDEX": f"mine=https://{SECRET}@pypi.invalid/simple", "PIP_INDEX_URL": "https://pypi.invalid/simple"},
        {"PIP_INDEX_URL": "https://pypi.invalid/simple", "HTTPS_PROXY": f"http://{USER}:{SECRET}@127.0.0.1:9"},
    ],
)
def test_an_index_that_cannot_be_reached_is_named_by_its_host(resolved: Resolve, variables: Mapping[str, str]) -> None:
    with pytest.raises(MissingPart) as missing:
        resolved(**variables)
    assert str(missing.value) == (
        "environment: the package index pypi.invalid cannot be reached, and there is no wheelhouse for own, "
        "scikit-learn, numpy, pandas, joblib, ipykernel. Build with a network, name a mirror in PIP_INDEX_URL, or run "
        "`modelcast wheels SRC` where there is a network"
    )


def test_a_bad_address_of_an_index_is_shown_without_its_credentials(resolved: Resolve) -> None:
    with pytest.raises(BuildError) as refused:
        resolved(PIP_INDEX_URL=f"https://{USER}:pass/{SECRET}@pypi.invalid/simple")
    assert str(refused.value) == (
        "environment: where packages come from cannot be read: invalid value 'https://pypi.invalid/simple' for "
        "'--default-index <DEFAULT_INDEX>': invalid port number. "
        "Correct PIP_INDEX_URL and the like; in a password write / as %2F, @ as %40"
    )


def test_two_places_that_differ_are_two_questions_and_two_passwords_are_one() -> None:
    views = ["https://me:{}@feeds.org/a@local/simple", "https://me:{}@feeds.org/b@local/simple"]
    one, other, renewed = (
        use_uv({"UV_FIND_LINKS": f"https://links.org/,{view.format(password)}"}).sources
        for view, password in zip([*views, views[0]], ["pass@word", "pass@word", "another"], strict=True)
    )
    assert one == renewed == ("UV_FIND_LINKS=https://links.org/,https://feeds.org/a@local/simple",)
    assert other == ("UV_FIND_LINKS=https://links.org/,https://feeds.org/b@local/simple",)


# --- the wheelhouse is filled from the same places


def test_a_wheelhouse_is_filled_through_credentials_authority_and_proxy_and_keeps_none_of_them(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    held = Index([*locked_releases(), Release("own", "1.0")], credentials=f"{USER}:{SECRET}")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "requirements.txt").write_text("own\n")
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    with serving(held, authority.context) as index, proxy(asked) as port:
        monkeypatch.setenv("PIP_INDEX_URL", f"'{address(index)}'")
        monkeypatch.setenv("PIP_CERT", str(authority.certificate))
        monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PROXY_SECRET}@127.0.0.1:{port}")
        settings = replace(build_settings({}), cache=tmp_path / "cache")
        files = vendor(repository, None, settings, Reporter(), into=repository / "wheels")
    assert "own-1.0-py3-none-any.whl" in [path.name for path in files]
    assert asked
    assert files_with(tmp_path, SECRET, PROXY_SECRET) == []


def test_uvs_own_words_reach_pip() -> None:
    said = {
        "UV_DEFAULT_INDEX": "first=https://a/simple",
        "UV_INDEX": "my-own=https://b/simple https://c/simple?x=1",
        "UV_INDEX_MY_OWN_USERNAME": "me@work",
        "UV_INDEX_MY_OWN_PASSWORD": "pass/word",
        "UV_INSECURE_HOST": "a",
        "UV_FIND_LINKS": "/one,/the second",
        "PIP_NO_INDEX": "0",
        "UV_KEYRING_PROVIDER": "subprocess",
        "SSL_CERT_FILE": "/ca.pem",
        "PIP_TARGET": "/elsewhere",
        "HOME": "/nowhere",
    }
    assert in_pips_words(environment_for_uv(said)) == {
        "PIP_INDEX_URL": "https://a/simple",
        "PIP_EXTRA_INDEX_URL": "https://me%40work:pass%2Fword@b/simple https://c/simple?x=1",
        "PIP_TRUSTED_HOST": "a",
        "PIP_FIND_LINKS": "/one file:///the%20second",
        "PIP_NO_INDEX": "0",
        "PIP_CERT": "/ca.pem",
        "PIP_KEYRING_PROVIDER": "subprocess",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "SSL_CERT_FILE": "/ca.pem",
        "HOME": "/nowhere",
    }

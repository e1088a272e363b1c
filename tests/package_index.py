"""A package index of our own on the loopback (PEP 691 or 503), with dates, credentials and TLS; and uv pointed at it."""

import base64
import hashlib
import http.server
import io
import json
import os
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from modelcast_builder.environment import Uv, locked, use_uv

LONG_AGO = "2020-02-02T12:00:00Z"


@dataclass(frozen=True)
class Release:
    """One wheel of the index."""

    name: str
    version: str
    uploaded: str = LONG_AGO
    needs: tuple[str, ...] = ()
    tag: str = "py3-none-any"
    python: str = ""
    module: str = ""
    is_source: bool = False
    """Not a wheel but what one is built from, by a build backend of its own."""
    fails: str = ""
    """What the build backend ends with."""

    @property
    def file(self) -> str:
        if self.is_source:
            return f"{self.name}-{self.version}.tar.gz"
        return f"{self.name.replace('-', '_')}-{self.version}-{self.tag}.whl"

    @property
    def metadata(self) -> bytes:
        head = [f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}"]
        requires = [f"Requires-Python: {self.python}"] if self.python else []
        return "\n".join([*head, *requires, *(f"Requires-Dist: {need}" for need in self.needs), ""]).encode()

    @property
    def source(self) -> bytes:
        """A source distribution that needs nothing to be built: its backend is in it, and writes the wheel."""
        backend = (
            "import base64, pathlib\n"
            f"NAME = '{replace(self, is_source=False).file}'\n"
            f"WHEEL = '{base64.b64encode(replace(self, is_source=False).wheel).decode()}'\n"
            "def build_wheel(folder, config_settings=None, metadata_directory=None):\n"
            f"    if {self.fails!r}: raise RuntimeError({self.fails!r})\n"
            "    pathlib.Path(folder, NAME).write_bytes(base64.b64decode(WHEEL))\n"
            "    return NAME\n"
        )
        project = (
            f'[project]\nname = "{self.name}"\nversion = "{self.version}"\n'
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        written, folder = io.BytesIO(), f"{self.name}-{self.version}"
        with tarfile.open(fileobj=written, mode="w:gz") as archive:
            for name, text in (
                ("backend.py", backend),
                ("pyproject.toml", project),
                ("PKG-INFO", self.metadata.decode()),
            ):
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        return written.getvalue()

    @property
    def content(self) -> bytes:
        """What the index gives; archives hold times, so each is written once."""
        return _content(self)

    @property
    def wheel(self) -> bytes:
        written, folder = io.BytesIO(), f"{self.name.replace('-', '_')}-{self.version}.dist-info"
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr(f"{folder}/METADATA", self.metadata)
            head = "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\n"
            archive.writestr(f"{folder}/WHEEL", f"{head}Tag: {self.tag}\n")
            if self.module:
                archive.writestr(f"{self.name}/__init__.py", self.module)
            archive.writestr(f"{folder}/RECORD", "")
        return written.getvalue()


@cache
def _content(release: Release) -> bytes:
    return release.source if release.is_source else release.wheel


@dataclass
class Index:
    """A package index (PEP 691) on the loopback, with upload dates or without."""

    releases: list[Release] = field(default_factory=list)
    dated: bool = True
    address: str = ""
    credentials: str = ""
    """`user:password`, without which nothing is told."""
    is_hashed: bool = True
    is_html: bool = False
    """As PEP 503 has it, which tells no dates."""
    asked: list[str] = field(default_factory=list)

    def page(self, name: str) -> bytes:
        if self.is_html:
            files = [(release.file, release.content) for release in self.releases if release.name == name]
            link = '<a href="{}/files/{}#sha256={}">{}</a>'
            shown = [link.format(self.address, file, hashlib.sha256(data).hexdigest(), file) for file, data in files]
            return f"<!DOCTYPE html><html><body>{''.join(shown)}</body></html>".encode() if shown else b""
        listed = [self.entry(release) for release in self.releases if release.name == name]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": listed}).encode() if listed else b""

    def entry(self, release: Release) -> dict[str, object]:
        sha = hashlib.sha256(release.content).hexdigest()
        told = {"upload-time": release.uploaded} if self.dated else {}
        requires = {"requires-python": release.python} if release.python else {}
        described = {"sha256": hashlib.sha256(release.metadata).hexdigest()}
        return {
            "filename": release.file,
            "url": f"{self.address}/files/{release.file}",
            "hashes": {"sha256": sha} if self.is_hashed else {},
            **({} if release.is_source else {"core-metadata": described}),
            **told,
            **requires,
        }

    def file(self, name: str) -> bytes:
        release = next(release for release in self.releases if release.file == name.removesuffix(".metadata"))
        return release.metadata if name.endswith(".metadata") else release.content


def locked_releases() -> Iterator[Release]:
    """Every package of the builder's own lock, as if it had been there for ever."""
    for name, version in {**locked.model_versions(), **locked.serving_versions()}.items():
        yield Release(name, version)


@contextmanager
def serving(held: Index, context: ssl.SSLContext | None = None) -> Iterator[Index]:
    """The index while it answers."""
    wanted = f"Basic {base64.b64encode(held.credentials.encode()).decode()}" if held.credentials else None

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            held.asked.append(self.path)
            kind, name = self.path.strip("/").split("/")
            allowed = self.headers.get("Authorization") == wanted
            body = (held.page(name) if kind == "simple" else held.file(name)) if allowed else b""
            self.send_response((200 if body else 404) if allowed else 401)
            if not allowed:
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Type", "text/html" if held.is_html else "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with running(Answer, context) as port:
        held.address = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield held


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that trusts nobody goes away in the middle, as it should."""


@contextmanager
def running(handler: type[http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port."""
    with _Server(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def uv_at(address: str, folder: Path, **more: str) -> Uv:
    """The real uv, pointed at one index, with a cache of its own."""
    alone = {
        "UV_DEFAULT_INDEX": address,
        "UV_CACHE_DIR": str(folder / "uv"),
        "UV_HTTP_RETRIES": "0",
        "NO_PROXY": "127.0.0.1",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return use_uv({**kept, **alone, **more})


def fill(wheelhouse: Path, releases: Iterator[Release] | Sequence[Release]) -> Path:
    wheelhouse.mkdir()
    for release in releases:
        (wheelhouse / release.file).write_bytes(release.wheel)
    return wheelhouse

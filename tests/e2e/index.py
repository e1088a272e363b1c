"""A private package index on the engine's bridge: it wants a password, tells upload dates, and counts what it gives.

It holds the wheels of the builder image's wheelhouse and two releases of a package that only it has.
"""

import base64
import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name, parse_wheel_filename

UPLOADED = "2026-11-20T00:00:00Z"
OWN = "kiln"


def own_wheel(version: str) -> bytes:
    """A package of one module, which tells its version."""
    written, folder = io.BytesIO(), f"{OWN}-{version}.dist-info"
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(f"{OWN}/__init__.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{folder}/METADATA", f"Metadata-Version: 2.1\nName: {OWN}\nVersion: {version}\n")
        archive.writestr(
            f"{folder}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(
            f"{folder}/RECORD", f"{OWN}/__init__.py,,\n{folder}/METADATA,,\n{folder}/WHEEL,,\n{folder}/RECORD,,\n"
        )
    return written.getvalue()


@dataclass(kw_only=True)
class PrivateIndex:
    """Where it is, who may ask, and which wheels it gave."""

    wheelhouse: Path
    host: str
    password: str
    port: int = 0
    given: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Without the password."""
        return f"http://{self.host}:{self.port}/simple"

    @cached_property
    def wheels(self) -> dict[str, bytes]:
        """Every file by its name."""
        own = {f"{OWN}-{version}-py3-none-any.whl": own_wheel(version) for version in ("1.0", "2.0")}
        return {path.name: path.read_bytes() for path in self.wheelhouse.glob("*.whl")} | own

    def page(self, name: str) -> bytes:
        """PEP 691, of one project."""
        files = [
            {
                "filename": file,
                "url": f"../../files/{file}",
                "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                "core-metadata": True,
                "upload-time": UPLOADED,
            }
            for file, content in self.wheels.items()
            if canonicalize_name(parse_wheel_filename(file)[0]) == name
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode() if files else b""

    def file(self, name: str) -> bytes:
        """A wheel, or what it says of itself (PEP 658), so that a wheel is asked for only to be installed."""
        if not name.endswith(".metadata"):
            self.given.append(name)
            return self.wheels[name]
        with zipfile.ZipFile(io.BytesIO(self.wheels[name.removesuffix(".metadata")])) as archive:
            return archive.read(next(entry for entry in archive.namelist() if entry.endswith(".dist-info/METADATA")))

    def allows(self, header: str) -> bool:
        """Whether the header is the one user's."""
        return header == "Basic " + base64.b64encode(f"ci:{self.password}".encode()).decode()


@contextmanager
def serving(index: PrivateIndex) -> Iterator[PrivateIndex]:
    """The index while it answers."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, name = unquote(self.path).strip("/").split("/")
            body = b""
            if index.allows(self.headers.get("Authorization", "")):
                body = index.page(name) if kind == "simple" else index.file(name)
                status = 200 if body else 404
            else:
                status = 401
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((index.host, index.port), Answer) as server:
        index.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()

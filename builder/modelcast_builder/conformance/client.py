"""One HTTP exchange with the server that is checked: a request carries what its case names, and nothing more."""

import base64
import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 10.0
_LARGEST = 16 * 2**20
_SHOWN = 64


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        """Status and the beginning of the body, in one printable line."""
        if not self.body:
            return f"{self.status}, empty"
        media = self.headers.get("content-type", "no Content-Type").partition(";")[0].strip()
        kind = "" if media == "application/json" else f"{media} "
        begin = " ".join(self.body[: 4 * _SHOWN].decode(errors="replace").split())
        shown = "".join(letter if letter.isprintable() else "·" for letter in begin)
        return f"{self.status} {kind}{shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"


class UnansweredError(Exception):
    """No whole HTTP answer came; the message says what came instead."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the server listens: everything before `/v2`."""

    scheme: str
    host: str
    port: int | None
    prefix: str
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float = TIMEOUT_S

    @property
    def url(self) -> str:
        """The address, without the user and password that it may have been given."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.prefix}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own; `UnansweredError` where no whole answer comes."""
        connection = self._connection()
        try:
            connection.request(method, self.prefix + path, body, {**self.headers, **(headers or {})})
            response = connection.getresponse()
            content = response.read(_LARGEST + 1)
        except TimeoutError as late:
            raise UnansweredError(f"no answer within {self.timeout_s:g} s") from late
        except ssl.SSLCertVerificationError as wrong:
            raise UnansweredError(f"its certificate is not trusted ({wrong.verify_message})") from wrong
        except OSError as broken:
            raise UnansweredError((broken.strerror or str(broken) or type(broken).__name__).lower()) from broken
        except http.client.HTTPException as broken:
            raise UnansweredError(f"no whole HTTP answer ({type(broken).__name__})") from broken
        finally:
            connection.close()
        if len(content) > _LARGEST:
            raise UnansweredError(f"an answer of more than {_LARGEST} bytes")
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=named, body=content)

    def _connection(self) -> http.client.HTTPConnection:
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)


def server_at(url: str) -> Server:
    """The server that an address names (`/v2` at its end may stand or not); ValueError where it names none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as wrong:
        raise ValueError(_NO_ADDRESS) from wrong
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(_NO_ADDRESS)
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        prefix=parts.path.rstrip("/").removesuffix("/v2").rstrip("/"),
        headers=_authorization(parts.username, parts.password),
    )


# The address itself is not repeated: it may hold a password.
_NO_ADDRESS = "expected the address of a server, such as http://localhost:8080 or https://host/prefix"


def _authorization(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

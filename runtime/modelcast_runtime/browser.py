"""What a browser is given: HTML under a strict policy, and the few files that it loads, kept by their digest."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from flask import Response, request

FILES = Path(__file__).parent / "browser_files"
"""The templates; `assets/` holds what the pages load."""

_ALONE = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
POLICY = f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; {_ALONE}"
"""Of our own pages: nothing inline, nothing from elsewhere."""
NOTEBOOK_POLICY = f"sandbox; default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; {_ALONE}"
"""Of what a notebook printed: it has no origin, runs nothing and loads nothing."""

_FOREVER = "public, max-age=31536000, immutable"
_CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that the pages load."""

    content: bytes
    content_type: str


@cache
def assets() -> Mapping[str, Asset]:
    """Every asset by its address below `/assets/`: the digest of all of them, then the name."""
    files = {path.name: path for path in sorted((FILES / "assets").iterdir()) if path.suffix in _CONTENT_TYPES}
    contents = {name: path.read_bytes() for name, path in files.items()}
    digest = hashlib.sha256(b"\0".join(contents.values())).hexdigest()[:16]
    return {
        f"{digest}/{name}": Asset(content, _CONTENT_TYPES[files[name].suffix]) for name, content in contents.items()
    }


def addresses() -> dict[str, str]:
    """The assets' addresses by name, relative: a route may put the service below any path."""
    return {address.partition("/")[2]: f"assets/{address}" for address in assets()}


def under_receipt(card: bytes, provenance: object) -> bytes:
    """The sealed card under a line of what no digest holds: the commit and the time of the build, if known."""
    told = {words: getattr(provenance, name, None) for name, words in _RECEIPT.items()}
    facts = " · ".join(f"{words} {escape(str(value))}" for words, value in told.items() if value)
    return card.replace(b"<body>", f'<body>\n<p class="receipt">{facts}</p>'.encode(), 1) if facts else card


_RECEIPT = {"commit": "Commit", "built_at": "Built at"}


def html(content: bytes, policy: str = POLICY) -> Response:
    """A page; asked for again where the browser has it, it is a 304."""
    response = Response(content, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = policy
    response.headers["Cache-Control"] = "no-cache"
    return _checked(response)


def asset(address: str) -> Response | None:
    """An asset; None where there is none of this address."""
    found = assets().get(address)
    if found is None:
        return None
    response = Response(found.content, content_type=found.content_type)
    response.headers["Cache-Control"] = _FOREVER
    return _checked(response)


def card_policy(card: bytes) -> str:
    """The policy of a sealed card: its own style by its digest, and nothing else."""
    hashes = [base64.b64encode(hashlib.sha256(style).digest()).decode() for style in _STYLE.findall(card)]
    styles = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return f"sandbox; default-src 'none'; style-src {styles}; {_ALONE}"


def _checked(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.add_etag()
    response.make_conditional(request)
    return response

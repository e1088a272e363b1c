"""Keeps credentials out of what is shown: addresses without their users and passwords."""

import re
from urllib.parse import urlsplit

_HOST = r"[\w-]+(?:\.[\w-]+)+"
# All up to the last `@`, for a password that nobody encoded may hold anything. An `@` behind a host of several parts
# is the path's: feeds and tags are named so.
_USER = re.compile(rf"(\w+://)(?!{_HOST}/)\S*@")


def redacted(text: str) -> str:
    """The text without the user and password of any address in it."""
    return _USER.sub(r"\1", text)


def public_address(address: str) -> str:
    """A repository's address as anybody may know it: no user, no query; nothing for a place on this machine's disk."""
    shown = redacted(address)
    if "://" in shown:
        parts = urlsplit(shown)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}" if host and parts.scheme != "file" else ""
    host, colon, path = shown.partition(":")  # ssh's short form
    return f"ssh://{host.rpartition('@')[2]}/{path.lstrip('/')}" if colon and "/" not in host else ""


def host_of(address: str) -> str:
    """The host that an address names, for a sentence; nothing where it names none."""
    try:
        exact = urlsplit(address).hostname or ""
        # What ends at a `/` may be the half of a password.
        return exact if re.fullmatch(_HOST, exact) else urlsplit(redacted(address)).hostname or ""
    except ValueError:
        return ""

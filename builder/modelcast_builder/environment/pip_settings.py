"""Where packages come from, as pip's users say it: PIP_* variables and pip.conf, in uv's words and back in pip's."""

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

KEYS = ("index-url", "extra-index-url", "trusted-host", "find-links", "no-index", "cert", "proxy")
"""What of pip.conf is about where packages come from."""
SECTIONS = ("global", "install", "download")
"""Read in this order: a later one wins."""
FROM_PIP = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
}
"""What an S2I user sets for pip means the same here, where uv's own is not set."""
SAME_AS = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}
"""uv's older names for two of them."""
AUTHORITIES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Each names a file of certificates that the user trusts; all of them are trusted."""
PATHS = (*AUTHORITIES, "SSL_CERT_DIR", "NETRC", "UV_CACHE_DIR")
FIND_LINKS = {"PIP_FIND_LINKS": " ", "UV_FIND_LINKS": ","}
"""What stands between the places, which are folders or pages: uv's way a path may hold a space."""
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
NO_INDEX = "PIP_NO_INDEX"
QUOTED = ("PIP_", "UV_", "SSL_CERT_", "NETRC", "NO_PROXY", "no_proxy", *AUTHORITIES, *PROXIES)
"""S2I keeps the quotes that a user writes in .s2i/environment; these settings are read without them."""


def settings(env: Mapping[str, str]) -> dict[str, str]:
    """The environment with pip.conf's settings as PIP_* where no variable says otherwise.

    Values are without quotes, and paths are whole: uv and pip run in another folder than the caller's.
    """
    said = {name: _unquoted(value) if name.startswith(QUOTED) else value for name, value in env.items()}
    from_files = {name: value for name, value in _configured(said).items() if not said.get(name)}
    if authorities(said):
        from_files.pop("PIP_CERT", None)  # what the machine's pip.conf trusts gives way to what a variable names
    home = Path(said.get("HOME") or Path.home())
    return {name: _whole(name, value, home) for name, value in {**said, **from_files}.items()}


def in_uvs_words(env: Mapping[str, str]) -> dict[str, str]:
    """The variables of uv that say the same as pip's, where uv's own are not set."""
    found = {}
    for theirs, ours in FROM_PIP.items():
        taken = env.get(ours) or env.get(SAME_AS.get(ours, ""))
        if env.get(theirs) and not taken:
            found[ours] = FIND_LINKS.get(ours, " ").join(env[theirs].split())
    if env.get("PIP_PROXY") and not any(env.get(name) for name in PROXIES):
        found["ALL_PROXY"] = env["PIP_PROXY"]
    return found


def in_pips_words(env: Mapping[str, str]) -> dict[str, str]:
    """Uv's environment for pip: the same places with the same credentials, and no configuration file."""
    kept = {name: value for name, value in env.items() if not name.startswith(("PIP_", "UV_"))}
    extra = env.get("UV_INDEX") or env.get("UV_EXTRA_INDEX_URL", "")
    told = {
        "PIP_INDEX_URL": _address(env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL", ""), env),
        "PIP_EXTRA_INDEX_URL": " ".join(_address(place, env) for place in extra.split()),
        "PIP_TRUSTED_HOST": env.get("UV_INSECURE_HOST", ""),
        "PIP_FIND_LINKS": " ".join(map(_link, env.get("UV_FIND_LINKS", "").split(","))),
        NO_INDEX: env.get(NO_INDEX, ""),
        "PIP_CERT": env.get("SSL_CERT_FILE", ""),
        "PIP_KEYRING_PROVIDER": env.get("UV_KEYRING_PROVIDER", ""),
    }
    quiet = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return {**kept, **{name: value for name, value in told.items() if value}, **quiet, "PIP_NO_CACHE_DIR": "1"}


def index_settings(env: Mapping[str, str]) -> list[str]:
    """The variables that name the indexes in uv's environment: pip's, where what uv is told comes from there."""
    found = []
    for theirs, ours in FROM_PIP.items():
        if ours in SAME_AS:
            is_pips = env.get(theirs) and env.get(ours) == " ".join(env[theirs].split())
            found += [theirs] if is_pips else [name for name in (ours, SAME_AS[ours]) if env.get(name)][:1]
    return found


def authorities(env: Mapping[str, str]) -> Mapping[str, Path]:
    """Every file (or folder) of trusted certificates that the environment names, by its variable."""
    return {name: Path(env[name]) for name in AUTHORITIES if env.get(name)}


def says_yes(value: str | None) -> bool:
    """Whether a flag of pip's is on."""
    return (value or "").strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def named_index(place: str) -> tuple[str, str]:
    """The name of an index, which uv lets it have (`mine=https://host/simple`), or nothing, and its address."""
    name, _, address = place.partition("=")
    return (name, address) if address and "://" not in name else ("", place)


def _address(place: str, env: Mapping[str, str]) -> str:
    """The address of an index with the user and the password that uv has in variables of the index's name."""
    name, address = named_index(place)
    prefix = f"UV_INDEX_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_"
    said = [quote(env.get(prefix + part, ""), safe="") for part in ("USERNAME", "PASSWORD")]
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{':'.join(said)}@{rest}" if name and any(said) else address


def _link(place: str) -> str:
    # pip takes white space for the end of a place.
    return place if not re.search(r"\s", place) else f"file://{quote(place)}"


def _whole(name: str, value: str, home: Path) -> str:
    if not value:
        return value
    if name in FIND_LINKS:
        places = map(str.strip, value.split(",") if FIND_LINKS[name] == "," else value.split())
        return FIND_LINKS[name].join(place if "://" in place else _absolute(place, home) for place in places if place)
    return _absolute(value, home) if name in PATHS else value


def _absolute(path: str, home: Path) -> str:
    return os.path.normpath(home / path[2:] if path.startswith("~/") else Path.cwd() / path)


def _unquoted(value: str) -> str:
    bare = value.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        return bare[1:-1].strip()
    return value


def _configured(env: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _files(env):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue  # pip itself would refuse it; here it is one of several places, and the variables still rule
        for section in (name for name in SECTIONS if parser.has_section(name)):
            for key, value in parser.items(section):
                name = key.replace("_", "-").lower()
                if name in KEYS and value.strip():
                    found[f"PIP_{name.replace('-', '_').upper()}"] = value.strip()
    return found


def _files(env: Mapping[str, str]) -> Iterator[Path]:
    """Pip's own places, the last of which wins."""
    named = env.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    for folder in env.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    home = env.get("HOME", "")
    if home:
        yield Path(home) / ".pip" / "pip.conf"
        yield Path(env.get("XDG_CONFIG_HOME") or f"{home}/.config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)

"""Which variables of the build's environment its notebooks get: they run code of anybody who may commit."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from modelcast_builder import source_tree
from modelcast_builder.errors import BuildError

# Of names in lower case, "_" around and between their words: whole words tell, MONKEY, KEY_COLUMNS, TOKENIZER do not.
_CREDENTIAL_NAME = re.compile(
    r"""passw | pass_word | pass_?phrase | secret | credential | _conn(ection)?_?str(ing)?_
    | _[a-z\d]*(token | auth | (api | access | account | private | auth | ssh)keys?)\d*_
    | _(tokens | authorization | authentication | creds? | private | bearer | jwt | [a-z]*askpass)_
    | _(netrc | kubeconfig | docker_config | pgpassfile | xauthority)_
    | (api | access | account | deploy | encryption | gpg | master | signing | ssh | ssl | tls)_keys?\d*_
    | [a-z\d]_(key | pwd | pass | pat)\d*_(\d+_)?$""",
    re.VERBOSE,
)
# Models of texts have tokens too.
_OF_TEXTS = re.compile(
    r"_((max|min|num|n|new)_)+tokens(?=_)|_token_(pattern|count|length|limit)(?=_)|"
    r"_(pad|eos|bos|unk|mask|cls|sep)_token(?=_)"
)
_BETWEEN_WORDS = re.compile(r"(?<=[a-z\d])(?=[A-Z])|[^A-Za-z\d]+")
_CREDENTIAL_VALUE = re.compile(
    r"://[^/\s]+@|\b(password|passwd|pwd|passphrase|(account|sharedaccess|access|api)_?key)\s*=\s*[^\s;&]",
    re.IGNORECASE,
)
_ALWAYS = "S2I_"
# They are about the Python and the screen of whoever builds, and would decide what the model's own Python imports.
_OF_THE_BUILDER = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONSAFEPATH", "PYTHONUSERBASE", "VIRTUAL_ENV", "MPLBACKEND"}
)
# What a process needs to run at all, whatever `build.env` lists.
_OF_THE_MACHINE = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR)|"
    r"REQUESTS_CA_BUNDLE|(HTTPS?|FTP|ALL|NO)_PROXY|(https?|ftp|all|no)_proxy"
)
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_CODE = (".ipynb", ".py")


def with_s2i(root: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """The build's variables, and under them those of `.s2i/environment`, which S2I has set already.

    So a laptop builds what a cluster builds.
    """
    path = root / ".s2i" / "environment"
    text = path.read_text(encoding="utf-8-sig", errors="replace") if path.is_file() else ""
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {**{name.strip(): value.strip() for name, _, value in pairs}, **variables}


def unquoted(value: str) -> str:
    """S2I keeps the quotes that a user writes in .s2i/environment."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


def check_named(names: Sequence[str] | None, variables: Mapping[str, str], where: str) -> None:
    """Raise `BuildError` where `build.env` lists what no notebook gets; `where` says in which line."""
    for name in names or ():
        if name.startswith(_ALWAYS):
            continue
        if name in _OF_THE_BUILDER:
            problem = f"{where}: `build.env` names {name}, which is about the builder's own Python: no notebook gets it"
            fix = (
                'Leave it out, and set in the notebook what it needs: `sys.path.append("src")`, `matplotlib.use("agg")`'
            )
            raise BuildError("config", problem, fix)
        if _names_credential(name):
            problem = f"{where}: `build.env` names {name}, which looks like a credential: no notebook gets one"
            raise BuildError("config", problem, "Give the variable another name, or fetch the data before the build")
        if _CREDENTIAL_VALUE.search(variables.get(name, "")):
            problem = f"{where}: `build.env` names {name}, whose value holds a credential: no notebook gets one"
            raise BuildError("config", problem, "Take user and password out of it")


def handed(variables: Mapping[str, str], names: Sequence[str] | None) -> dict[str, str]:
    """What a notebook gets: those of `build.env` and S2I's, without `build.env` all but credentials.

    Never what is about the builder's own Python.
    """
    return {name: unquoted(value) for name, value in variables.items() if _passes(name, value, names)}


def deciding(root: Path, given: Mapping[str, str], names: Sequence[str] | None) -> dict[str, str]:
    """Those handed through that may decide what a notebook does: named in `build.env`, S2I's, or in its code's words.

    Everything else in a shell (window ids, prompts) differs from one to the next.
    """
    files = [path for path in source_tree.files(root) if path.suffix in _CODE and path.is_file()]
    words = {word.decode() for path in files for word in _WORD.findall(path.read_bytes())}
    known = words | set(names or ())
    return {name: value for name, value in given.items() if name in known or name.startswith(_ALWAYS)}


def _passes(name: str, value: str, names: Sequence[str] | None) -> bool:
    if name.startswith(_ALWAYS):
        return True
    if name in _OF_THE_BUILDER:
        return False
    is_wanted = names is None or name in names or _OF_THE_MACHINE.fullmatch(name) is not None
    return is_wanted and not (_names_credential(name) or _CREDENTIAL_VALUE.search(value))


def _names_credential(name: str) -> bool:
    words = f"_{_BETWEEN_WORDS.sub('_', name).lower()}_"
    return _CREDENTIAL_NAME.search(_OF_TEXTS.sub("", words)) is not None

"""`prediction.py` with `predict(body: dict) -> dict`, the convention of Red Hat's S2I sample: code that is the model.

Decided by its syntax tree, never imported here. It is served with the files beside it, which only it knows how to load.
"""

import ast
import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from modelcast_builder import artifact as artifacts
from modelcast_builder import travel
from modelcast_builder.artifact import Artifact, lfs_pointer
from modelcast_builder.artifact.kinds import is_lfs_pointer
from modelcast_builder.errors import BuildError
from modelcast_builder.imports import imports_of
from modelcast_builder.sight import look
from modelcast_builder.travel import TravelFile

FILE = Path("prediction.py")
FUNCTION = "predict"

_DEF = ast.FunctionDef | ast.AsyncFunctionDef
# What the stock Python builder starts by name, and what a web application imports.
_ENTRIES = {Path(name) for name in ("app.py", "wsgi.py", "asgi.py", "application.py", "manage.py", "app.sh")}
_WEB = {
    "aiohttp", "bottle", "cherrypy", "dash", "django", "falcon", "fastapi", "flask", "gradio", "litestar", "pyramid",
    "quart", "sanic", "starlette", "streamlit", "tornado",
}  # fmt: skip


def predicts(repo: Path) -> bool:
    """Whether the module at the root binds `predict`: by def, import or assignment, at its top level.

    A def counts where it can be called with one argument: another is a function of the training's. Raises BuildError
    where the module is not Python.
    """
    return any(_takes_one(node) for node in _bindings(repo))


def misshapen(repo: Path) -> str | None:
    """The `predict` of the module at the root as it is written, where it cannot be called with one argument."""
    written = (node for node in _bindings(repo) if isinstance(node, _DEF) and not _takes_one(node))
    return next((f"{FUNCTION}({ast.unparse(node.args)})" for node in written), None)


def _bindings(repo: Path) -> list[ast.stmt]:
    """The statements that bind `predict`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are its author's
            tree = ast.parse((repo / FILE).read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        if line is None:  # what Python makes of a NUL differs from version to version
            raise BuildError("discover", f"{FILE} is no Python source", "Save it as text in UTF-8") from None
        problem = f"{FILE}:{line} is no Python that this version reads: {error.args[0]}"
        raise BuildError("discover", problem, "Correct that line") from None
    return [node for name, node in _bound(tree.body) if name == FUNCTION]


def _takes_one(node: ast.stmt) -> bool:
    """Whether what it binds can be called with one argument, as far as it tells."""
    if not isinstance(node, _DEF):
        return True
    taken = node.args
    positional = len(taken.posonlyargs) + len(taken.args)
    takes_any = positional > 0 or taken.vararg is not None
    return takes_any and positional - len(taken.defaults) <= 1 and None not in taken.kw_defaults


def is_code(path: Path) -> bool:
    """Whether what is to be served is a module and no trained file."""
    return path.suffix == ".py"


def scan(path: Path) -> Artifact:
    """The module as an artifact, with the versions on which the trained files beside it agree."""
    content = path.read_bytes()
    return Artifact(
        path=path,
        kind="python",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        versions=_recorded(path.parent),
    )


def files(repo: Path, code: Sequence[str] | None) -> tuple[TravelFile, ...]:
    """Everything that is not hidden, or what `code:` names, and the module itself; raises BuildError."""
    travelling = travel.everything(repo, None if code is None else (*code, FILE.as_posix()))
    for file in travelling:
        if is_lfs_pointer(file.source):
            raise lfs_pointer("travel", file.target.as_posix())
    return travelling


def web_application(repo: Path, seen: Sequence[Path]) -> Path | None:
    """The file by which a repository without a model is a web application, or None."""
    entry = next((file for file in seen if file in _ENTRIES), None)
    sources = (file for file in seen if file.suffix == ".py" and (repo / file).is_file())
    return entry or next(
        (file for file in sources if _WEB & set(imports_of(repo / file, file.stem, is_package=False))), None
    )


def _bound(statements: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """The names that a module's top level binds, also under `if` and `try`, and what binds them."""
    for node in statements:
        if isinstance(node, _DEF):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node) for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _bound(node.body)
            yield from _bound(getattr(node, "orelse", []))
            yield from _bound([each for handler in getattr(node, "handlers", []) for each in handler.body])


def _recorded(repo: Path) -> Mapping[str, str]:
    versions: dict[str, set[str]] = {}
    for place in look(repo).artifacts:
        with suppress(BuildError):  # whether it is needed, and how it is read, only the module knows
            for name, version in artifacts.scan(repo / place).recorded.items():
                versions.setdefault(name, set()).update(version)
    return {name: found.pop() for name, found in versions.items() if len(found) == 1}

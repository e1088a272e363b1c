"""What a trained file says of itself, read without loading it: nothing of it is imported, called or executed here."""

import lzma
import pickle
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelcast_builder import source_tree
from modelcast_builder.artifact import skops, skops_values, structures
from modelcast_builder.artifact.compression import Span, UnreadableError, open_stream, read_spans
from modelcast_builder.artifact.kinds import is_lfs_pointer, is_what_it_says, kind_of
from modelcast_builder.artifact.mlflow import MlflowModel, read_mlmodel
from modelcast_builder.artifact.replay import Replay, Seen, steps_for
from modelcast_builder.artifact.structures import native
from modelcast_builder.artifact.stubs import Global, Items, Made, is_by_value
from modelcast_builder.errors import BuildError

CORRUPT = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    LookupError,
    ArithmeticError,
    OSError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What the parser and the decompressors raise on bytes that are none of theirs."""
_REWRITE = 'Write it again with joblib.dump(model, "model.joblib") and commit the whole file'


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A trained file of the repository and what it names."""

    path: Path
    """The file that a load opens: of an MLflow folder the one that it names."""
    kind: str
    """`pickle` (joblib too), `skops`, `onnx`, `xgboost` or `lightgbm`; names are read from the first two only."""
    size: int
    sha256: str
    globals: frozenset[tuple[str, str]] = frozenset()
    """Every (module, name) that a load would import."""
    imports: frozenset[str] = frozenset()
    """Modules that code inside the pickle imports by name (cloudpickle)."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution -> the version that made the root (of several: the one of the root, else the newest named)."""
    least: Mapping[str, str] = field(default_factory=dict)
    """Distribution -> the oldest version that surely reads it, where the file tells no more."""
    recorded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Distribution -> every version recorded; more than one says that parts were made apart."""
    root: tuple[str, str] | None = None
    """The class of the object itself; None where the file does not tell."""
    main_names: frozenset[str] = frozenset()
    """What `__main__`, a notebook, defined."""
    by_value: bool = False
    """Whether code travels inside the pickle (cloudpickle, dill)."""
    called: frozenset[tuple[str, str]] = frozenset()
    """Those of the globals that a load would call, of a skops file also those that the model calls when it scores."""
    instances: frozenset[tuple[str, str]] = frozenset()
    """Classes of a pickle that a load would make an object of without calling them (`__new__`)."""
    made: tuple[Made, ...] = field(default=(), compare=False, repr=False)
    """Of a pickle every object that a load would make, arrays (`stubs.Array`) among them; inert."""
    tree: object = field(default=None, compare=False, repr=False)
    """Of a pickle the root itself, inert."""
    odd: str | None = None
    """The first thing in a pickle that no model needs, such as `calls what it made itself`."""
    mlflow: MlflowModel | None = None
    """The MLflow folder that the file lies in; size and sha256 are the folder's."""
    digest: str = ""
    """The sha256 of the very file that a load opens."""

    @property
    def wants(self) -> dict[str, str]:
        """What its environment must hold: `{"scikit-learn": "1.4.2", "numpy": ">=2"}`."""
        ranges = {name: f">={version}" for name, version in self.least.items() if name not in self.versions}
        return {**self.versions, **ranges}


def scan(path: Path, kind: str | None = None) -> Artifact:
    """Read what the artifact at `path` names, versions and root; raises BuildError where it cannot be read.

    `kind` is given where the path does not tell it.
    """
    if is_lfs_pointer(path):
        raise lfs_pointer("artifact", path.name)
    kind = kind or kind_of(path)
    if kind is None:
        problem = f"{path.name} is no kind of model that is known"
        raise BuildError("artifact", problem, "Served are .joblib .pkl .pickle .skops and MLflow's MLmodel folders")
    if kind == "mlflow":
        return _logged(path)
    size = path.stat().st_size
    if not size:
        raise BuildError("artifact", f"{path.name} is empty", _REWRITE)
    if not is_what_it_says(path, kind):
        problem = f"{path.name} does not hold what its name says ({kind})"
        raise BuildError(
            "artifact", problem, "Save the model again, or name the right file: `model: NAME` in modelcast.yaml"
        )
    digest = source_tree.sha256_of(path)
    bare = Artifact(path=path, kind=kind, size=size, sha256=digest, digest=digest)
    readers = {"pickle": _pickled, "skops": _skopsed}
    if kind in readers:
        return readers[kind](bare)
    native.check(path, kind)
    return bare


def lfs_pointer(step: str, name: str) -> BuildError:
    """The refusal of a file that Git-LFS did not fetch."""
    problem = f"{name} is a Git-LFS pointer, not the file itself"
    return BuildError(step, problem, "Run `git lfs pull` in the repository and build again")


def _logged(folder: Path) -> Artifact:
    """The model of an MLflow folder; where the file records no version, MLmodel does."""
    model = read_mlmodel(folder)
    seen = scan(model.model)
    versions = {"scikit-learn": model.scikit_learn} if model.scikit_learn else {}
    return replace(
        seen,
        mlflow=model,
        size=sum(file.stat().st_size for file in source_tree.files(folder) if file.is_file()),
        sha256=source_tree.digest(folder).removeprefix("sha256:"),
        versions={**versions, **seen.versions},
    )


def _skopsed(bare: Artifact) -> Artifact:
    try:
        schema = skops.read_schema(bare.path)
        structures.check(bare.path, skops_values.objects(bare.path, schema.raw), skops_values.read_members)
    except skops.CORRUPT as error:
        problem = f"{bare.path.name} is no skops file that can be read: {_why(error)}"
        fix = "Write it again with skops.io.dump(model, path), and commit the whole file"
        raise BuildError("artifact", problem, fix) from error
    versions = tuple(sorted(schema.versions, key=_release))
    made_by = schema.made_by or (versions[-1] if versions else None)
    return replace(
        bare,
        globals=schema.names,
        called=schema.called,
        versions={"skops": schema.skops, **({"scikit-learn": made_by} if made_by else {})},
        recorded={"skops": (schema.skops,), **({"scikit-learn": versions} if versions else {})},
        root=schema.root,
        main_names=frozenset(name for module, name in schema.names if module == "__main__"),
    )


def _pickled(bare: Artifact) -> Artifact:
    seen, path = Seen(steps_left=steps_for(bare.size)), bare.path
    try:
        with path.open("rb") as file:
            root = Replay(open_stream(file), seen).load()
        structures.check(path, seen.made, read_spans)
    except UnreadableError as error:
        raise BuildError("artifact", f"{path.name} {error.problem}", error.fix) from None
    except CORRUPT as error:
        problem = f"{path.name} is no pickle that can be read: {_why(error)}"
        raise BuildError("artifact", problem, _REWRITE) from error
    versions = tuple(sorted(seen.versions, key=_release))
    made_by = root.version if isinstance(root, Made) and root.version else versions[-1] if versions else None
    return replace(
        bare,
        globals=frozenset(seen.globals),
        imports=frozenset(seen.imports),
        versions={"scikit-learn": made_by} if made_by else {},
        # Older numpys call it `numpy.core`, which newer ones read too.
        least={"numpy": "2"} if any(_is_in(module, "numpy._core") for module, _ in seen.globals) else {},
        recorded={"scikit-learn": versions} if versions else {},
        root=_class_of(root),
        main_names=frozenset(name for module, name in seen.globals if module == "__main__"),
        by_value=any(is_by_value(module, name) for module, name in seen.globals),
        called=frozenset(name for name, known in seen.globals.items() if known.is_called),
        instances=frozenset(name for name, known in seen.globals.items() if known.is_made),
        made=tuple(seen.made),
        tree=root,
        odd=seen.odd,
    )


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _why(error: BaseException) -> str:
    if isinstance(error, EOFError):
        return "it ends too early"
    if isinstance(error, (ValueError, pickle.UnpicklingError)) and str(error).startswith(
        ("it ", "an array ", "one value ")
    ):
        return str(error)
    return "it is damaged, or of another kind"


def _class_of(root: object) -> tuple[str, str] | None:
    if isinstance(root, Global):
        return ("builtins", "type")
    if isinstance(root, Made):
        return (root.kind.module, root.kind.name) if root.kind else None
    known = {Items: list, Span: bytes}.get(type(root), type(root))
    return (known.__module__, known.__qualname__)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())

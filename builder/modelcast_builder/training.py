"""Gets the trained artifact: the one in the repository, or the one that its notebooks write in a copy of it."""

import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelcast_builder import artifact as artifacts
from modelcast_builder import discover, notebooks, own_code, source_tree, travel
from modelcast_builder.artifact import Artifact
from modelcast_builder.config import Config
from modelcast_builder.discover import Plan
from modelcast_builder.environment import Environment, check_unchanged
from modelcast_builder.errors import BuildError
from modelcast_builder.notebooks import Definition, Executed, ExecutedNotebook
from modelcast_builder.report import Reporter
from modelcast_builder.travel import TravelFile

TIMEOUT_S = 1800

_CREDENTIAL_NAME = re.compile(r"token|secret|passw|credential|api_?key|private|auth", re.IGNORECASE)
_CREDENTIAL_VALUE = re.compile(r"://[^/\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained artifact and what it needs of the repository."""

    artifact: Artifact
    repo: Path
    """The repository as it was when the artifact was there: the source, or the copy that the notebooks worked in."""
    code: tuple[TravelFile, ...]
    definitions: dict[str, str]
    """`__main__` name -> the module made from a notebook."""
    receipts: dict[str, bytes]
    recorded: Path | None


def ready_made(plan: Plan) -> Artifact | None:
    """The artifact where notebooks are documentation; raises `BuildError` for one that holds a notebook's code."""
    if plan.artifact is None:
        return None
    if own_code.is_code(plan.artifact):
        return own_code.scan(plan.artifact)
    artifact = artifacts.scan(plan.artifact)
    if artifact.by_value:
        raise BuildError(
            "audit",
            f"{artifact.path.name} holds code by value (cloudpickle): taken only from a notebook that this build runs",
            "Name that notebook: `notebooks: [train.ipynb]` in modelcast.yaml, or move the code into a module",
        )
    if artifact.main_names:
        raise BuildError(
            "audit",
            f"{artifact.path.name} needs {', '.join(sorted(artifact.main_names))}, which a notebook or script defined",
            "Move it into a module and train again, or name the notebook: `notebooks: [train.ipynb]` in modelcast.yaml",
        )
    return artifact


def take(root: Path, artifact: Artifact, config: Config) -> Trained:
    """The ready-made artifact as it is, with what it needs of the repository."""
    if own_code.is_code(artifact.path):
        code = own_code.files(root, config.document.code)
    else:
        code = travel.plan(root, artifact, imported={}, code=config.document.code, roots=[])
    return Trained(artifact=artifact, repo=root, code=code, definitions={}, receipts={}, recorded=None)


def execute(
    root: Path, plan: Plan, config: Config, environment: Environment, *, work: Path, reporter: Reporter
) -> Trained:
    """What the plan's notebooks write in a copy of the source, run in `environment`; raises `BuildError`."""
    repo = _copy(root, work / "repository")
    executed = notebooks.execute(
        repo,
        [repo / notebook.relative_to(root) for notebook in plan.notebooks],
        environment.python,
        work=work,
        timeout_s=TIMEOUT_S,
        main_names=lambda path: artifacts.scan(path).main_names,
        say=lambda sentence: reporter.say("train", sentence),
        env=_without_credentials(os.environ),
    )
    check_unchanged(environment)
    return _left_behind(executed, repo, config, work)


def _left_behind(executed: Executed, repo: Path, config: Config, work: Path) -> Trained:
    artifact = artifacts.scan(discover.written(repo, executed.written, config))
    folders = [notebook.path.parent for notebook in executed.notebooks]
    planned = travel.plan(repo, artifact, imported=executed.modules, code=config.document.code, roots=folders)
    definitions = [definition for definition in executed.definitions if artifact.path in definition.artifacts]
    return Trained(
        artifact=artifact,
        repo=repo,
        code=planned + tuple(file for definition in definitions for file in _module_of(definition, work)),
        definitions={name: definition.module for definition in definitions for name in definition.names},
        receipts=dict(_receipts(executed.notebooks, repo)),
        recorded=executed.recorded,
    )


def _without_credentials(variables: Mapping[str, str]) -> dict[str, str]:
    """What a notebook may know of the build's environment: it runs code of anybody who may commit."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith("S2I_") or not (_CREDENTIAL_NAME.search(name) or _CREDENTIAL_VALUE.search(value))
    }


def _receipts(executed: Sequence[ExecutedNotebook], repo: Path) -> Iterator[tuple[str, bytes]]:
    for notebook in executed:
        place = notebook.path.relative_to(repo).with_suffix(".html")
        yield f"notebooks/{place.as_posix()}", notebook.html


def _module_of(definition: Definition, work: Path) -> Iterator[TravelFile]:
    """The module made from a notebook's own definitions, and the values that it loads."""
    module = work / f"{definition.module}.py"
    module.write_text(definition.source, encoding="utf-8")
    yield TravelFile(source=module, target=PurePosixPath(module.name))
    if definition.values is not None:
        yield TravelFile(source=definition.values, target=PurePosixPath(f"{definition.module}.joblib"))


def _copy(root: Path, target: Path) -> Path:
    """Exactly what the source digest covers, writable: a notebook may change any of it."""
    target.mkdir()
    for path in source_tree.files(root):
        copied = target / path.relative_to(root)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied, follow_symlinks=False)
        if not copied.is_symlink():
            copied.chmod(copied.stat().st_mode | stat.S_IWUSR)
    return target

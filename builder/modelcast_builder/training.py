"""Gets the trained artifact: the one in the repository, or the one that its notebooks write in a copy of it."""

import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from modelcast_builder import artifact as artifacts
from modelcast_builder import child, discover, frameworks, notebooks, own_code, source_tree, travel
from modelcast_builder.artifact import Artifact, verdict
from modelcast_builder.config import Config
from modelcast_builder.discover import Plan
from modelcast_builder.environment import Environment, check_unchanged
from modelcast_builder.errors import BuildError
from modelcast_builder.inside.messages import AssembleRequest, StageFile
from modelcast_builder.notebooks import Definition, Executed, ExecutedNotebook, stages
from modelcast_builder.notebooks.stages import Stage
from modelcast_builder.report import Reporter
from modelcast_builder.sandbox import of_model
from modelcast_builder.travel import TravelFile

_STAGE = 'joblib.dump(stage, os.environ["S2I_PIPELINE_STAGE_SAVE_FILE"])'


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


def check_parameters(plan: Plan, config: Config) -> None:
    """Raise `BuildError` for parameters that nothing would take."""
    if config.parameters and not plan.notebooks:
        names = ", ".join(config.parameters)
        found = plan.artifact.name if plan.artifact else "the model"
        raise BuildError(
            "discover",
            f"parameters are given ({names}), and no notebook is executed: {found} is there already",
            "Name the notebook that trains it, `notebooks: [train.ipynb]` in modelcast.yaml, or give no parameters",
        )


def ready_made(plan: Plan, trusted: Sequence[str] = ()) -> Artifact | None:
    """The artifact where notebooks are documentation, audited; `trusted` as in modelcast.yaml.

    Raises `BuildError` for one that holds a notebook's code, or what is neither known to be harmless nor trusted.
    """
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
    verdict.judge(artifact, trusted=trusted)
    frameworks.claim(artifact)  # what nobody serves is refused before an environment is made for it
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
        sandbox=config.document.build,
        main_names=lambda path: _scanned(path).main_names,
        say=lambda sentence: reporter.say("train", sentence),
        note=lambda sentence: reporter.note("train", sentence),
        parameters=config.parameters,
        env=config.handed,
        requirements=environment.lock.file,
    )
    check_unchanged(environment)
    if executed.stages and config.model is None:
        steps = ", ".join(stage.name for stage in executed.stages)
        reporter.say("train", f"the model is a Pipeline of the stages that the notebooks saved: {steps}")
        return _assembled(executed, repo, config, environment, work)
    return _left_behind(executed, repo, config, work)


def _left_behind(executed: Executed, repo: Path, config: Config, work: Path) -> Trained:
    artifact = artifacts.scan(discover.written(repo, executed.written, config))
    verdict.judge(artifact, trusted=config.document.trusted, is_made_here=True)
    definitions = [definition for definition in executed.definitions if artifact.path in definition.artifacts]
    return Trained(
        artifact=artifact,
        repo=repo,
        code=_code(artifact, definitions, executed, repo, config, work),
        definitions={name: definition.module for definition in definitions for name in definition.names},
        receipts=dict(_receipts(executed.notebooks, repo)),
        recorded=executed.recorded,
    )


def _assembled(executed: Executed, repo: Path, config: Config, environment: Environment, work: Path) -> Trained:
    """The stages as one Pipeline, whose pickle names the modules made of the notebooks and `__main__` no more."""
    scanned = [_scanned(stage.path) for stage in executed.stages]
    for stage in scanned:
        verdict.judge_names(stage, trusted=config.document.trusted, is_made_here=True)
    needed = _together(scanned)
    paths = {stage.path for stage in executed.stages}
    definitions = [definition for definition in executed.definitions if paths & set(definition.artifacts)]
    code = _code(needed, definitions, executed, repo, config, work)
    folder = work / "stages"
    folder.mkdir()
    target = folder / "model.joblib"
    request = AssembleRequest(
        stages=tuple(_stage_file(stage, definitions) for stage in executed.stages),
        code=str(travel.lay_out(code, folder / "code")),
        by_value=needed.by_value,
        target=str(target),
    )
    child.assemble(environment, request, work, config.handed, of_model(config.document.build))
    return Trained(
        artifact=artifacts.scan(target),
        repo=repo,
        code=code,
        definitions={},
        receipts=dict(_receipts(executed.notebooks, repo)),
        recorded=executed.recorded,
    )


def _scanned(path: Path) -> Artifact:
    """An artifact by its own kind, or a stage, whose name tells none."""
    if path.suffix != stages.SUFFIX:
        return artifacts.scan(path)
    try:
        return artifacts.scan(path, "pickle")
    except BuildError as error:
        raise BuildError("stages", error.problem, f"Save the fitted stage with {_STAGE}") from error


def _together(scanned: Sequence[Artifact]) -> Artifact:
    """What all stages name, as if one file did."""
    return replace(
        scanned[0],
        globals=frozenset().union(*(stage.globals for stage in scanned)),
        imports=frozenset().union(*(stage.imports for stage in scanned)),
        main_names=frozenset().union(*(stage.main_names for stage in scanned)),
        by_value=any(stage.by_value for stage in scanned),
    )


def _stage_file(stage: Stage, definitions: Sequence[Definition]) -> StageFile:
    own = [definition for definition in definitions if stage.path in definition.artifacts]
    return StageFile(
        name=stage.name,
        path=str(stage.path),
        notebook=stage.notebook.as_posix(),
        definitions={name: definition.module for definition in own for name in definition.names},
    )


def _code(
    artifact: Artifact, definitions: Sequence[Definition], executed: Executed, repo: Path, config: Config, work: Path
) -> tuple[TravelFile, ...]:
    """The repository's modules that the artifact needs, and the ones made of the notebooks' own definitions."""
    folders = [notebook.path.parent for notebook in executed.notebooks]
    planned = travel.plan(repo, artifact, imported=executed.modules, code=config.document.code, roots=folders)
    return planned + tuple(file for definition in definitions for file in _module_of(definition, work))


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

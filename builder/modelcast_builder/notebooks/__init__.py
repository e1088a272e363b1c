"""Executes the notebooks, each in a fresh kernel of the model's environment, and tells what they left behind."""

import asyncio
import json
import os
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from nbformat import NotebookNode

from modelcast_builder.document import Build, Parameter
from modelcast_builder.environment.lock import FILE
from modelcast_builder.errors import BuildError
from modelcast_builder.notebooks import failures, files, injection, kernel, page, stages
from modelcast_builder.notebooks.files import STEP
from modelcast_builder.notebooks.kernel import Place, Session
from modelcast_builder.notebooks.stages import Stage
from modelcast_builder.sandbox import of_notebook

_PICKLES = (".joblib", ".pkl", ".pickle", ".skops", stages.SUFFIX)
# Ids of recorded fits differ between notebooks: an artifact carries its own from one to the next.
_IDS_PER_NOTEBOOK = 1_000_000
MainNames = Callable[[Path], frozenset[str]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedNotebook:
    """One notebook with its outputs, as a page for the receipts."""

    path: Path
    html: bytes
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A module made from a notebook's own classes and functions, for the artifacts that refer to `__main__`."""

    module: str
    source: str
    values: Path | None
    """The joblib file that must stand beside the module, as `<module>.joblib`."""
    names: tuple[str, ...]
    """The names of `__main__` that the artifacts refer to."""
    artifacts: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """What the notebooks left behind; paths of files are absolute."""

    notebooks: tuple[ExecutedNotebook, ...]
    written: tuple[Path, ...]
    """Files of an artifact's kind, new or changed; whether a .json or .txt is a model, its content tells."""
    recorded: Path | None
    """A pickle of the recorded fits, for processes of the model's environment."""
    modules: Mapping[str, Path]
    """The repository's own modules that the notebooks imported."""
    definitions: tuple[Definition, ...]
    stages: tuple[Stage, ...]
    """Of those notebooks that saved one, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """What all notebooks of a build share."""

    place: Place
    timeout_s: float
    say: Say
    note: Say
    main_names: MainNames
    modules: dict[str, Path] = field(default_factory=dict)
    definitions: list[Definition] = field(default_factory=list)
    seen: list[Path] = field(default_factory=list)
    noted: set[str] = field(default_factory=set)
    stages: list[Stage] = field(default_factory=list)

    @property
    def records(self) -> Path:
        return self.place.work / "fits.pickle"

    def forget(self, written: Sequence[Path]) -> None:
        """A notebook wrote over what an earlier one left: the earlier one's definitions do not explain it."""
        for index, known in enumerate(self.definitions):
            kept = tuple(path for path in known.artifacts if path not in written)
            self.definitions[index] = replace(known, artifacts=kept)


def execute(  # noqa: PLR0913 - what a notebook needs of the build, by keyword
    repo: Path,
    notebooks: Sequence[Path],
    python: Path,
    *,
    work: Path,
    sandbox: Build,
    env: Mapping[str, str],
    say: Say,
    note: Say | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    main_names: MainNames = lambda _artifact: frozenset(),
    requirements: str = FILE,
) -> Executed:
    """Run the notebooks of `repo` (a copy: they write into it) in this order; raises BuildError.

    `say` gets what belongs to the log, `note` what also belongs to the receipts.
    """
    root = repo.resolve()
    names = [_relative(path, repo.absolute()) for path in notebooks]
    read = [files.read(root / name, name.as_posix()) for name in names]
    work.mkdir(parents=True, exist_ok=True)
    place = Place(
        python=python.absolute(),
        root=root,
        work=work.resolve(),
        env=env,
        sandbox=of_notebook(sandbox),
        requirements=requirements,
    )
    story = _Story(place=place, timeout_s=sandbox.timeout_s, say=say, note=note or say, main_names=main_names)
    story.records.unlink(missing_ok=True)
    _parametrise(read, parameters or {}, story)
    before = files.state(root)
    planned = stages.planned(root, names)
    done = [_execute(notebook, stage, story) for notebook, stage in zip(read, planned, strict=True)]
    return Executed(
        notebooks=tuple(done),
        written=files.changed(before, files.state(root)),
        recorded=story.records if story.records.exists() else None,
        modules=dict(sorted(story.modules.items())),
        definitions=tuple(definition for definition in story.definitions if definition.artifacts),
        stages=tuple(story.stages),
    )


def _parametrise(read: Sequence[NotebookNode], parameters: Mapping[str, Parameter], story: _Story) -> None:
    has_place = injection.inject(read, parameters)
    if parameters and not has_place:
        story.note(
            f"no notebook has a cell tagged `parameters`: each begins with {', '.join(parameters)}, "
            "and what it assigns to the same name itself wins"
        )


def _relative(path: Path, repo: Path) -> Path:
    name = Path(os.path.relpath(repo / path, repo))
    if name.parts[0] == "..":
        fix = "Write its path below the repository's root in `notebooks:`"
        raise BuildError(STEP, f"{path} is not in the repository", fix)
    return name


def _execute(notebook: NotebookNode, stage: Stage, story: _Story) -> ExecutedNotebook:
    started, name = perf_counter(), stage.notebook
    try:
        asyncio.run(_run(notebook, stage, story))
    except kernel.Failed as failed:
        raise failures.explained(failed, name, story.place, story.say) from failed
    seconds = perf_counter() - started
    count = sum(kernel.runs(cell) and not injection.is_added(cell) for cell in notebook.cells)
    story.say(f"executed {name.as_posix()}: {count} cell{'s' * (count != 1)} in {seconds:.1f} s")
    try:
        html = page.render(notebook, title=name.as_posix(), folder=(story.place.root / name).parent)
    except page.NotShown as error:
        raise BuildError(STEP, f"{name.as_posix()} cannot be shown: {error}", "Correct that markdown cell") from error
    return ExecutedNotebook(path=story.place.root / name, html=html, seconds=seconds)


async def _run(notebook: NotebookNode, stage: Stage, story: _Story) -> None:
    root, name = story.place.root, stage.notebook
    env = {**story.place.env, stages.VARIABLE: str(stage.path)}
    async with kernel.opened(notebook, replace(story.place, env=env)) as session:
        folder, first_id = (root / name).parent, _IDS_PER_NOTEBOOK * len(story.seen) + 1
        story.seen.append(name)
        await session.ask("begin", root=str(root), folder=str(folder), first_id=first_id)
        before, earlier = files.state(root), files.facts_of(stage.path)
        await session.run(story.timeout_s)
        await _learn(session, story)
        written = files.changed(before, files.state(root))
        if files.facts_of(stage.path) not in (None, earlier):
            story.stages.append(stage)
            written = (*written, stage.path)
        story.forget(written)
        await _define(session, notebook, name, written, story)


async def _learn(session: Session, story: _Story) -> None:
    """Ask for the modules and the recorded rows."""
    answer = story.place.work / "facts.json"
    await session.ask("finish", root=str(story.place.root), answer=str(answer), records=str(story.records))
    facts = json.loads(answer.read_text(encoding="utf-8"))
    story.modules.update({module: Path(file) for module, file in facts["modules"].items()})
    for note in facts["notes"]:
        if note not in story.noted:
            story.noted.add(note)
            story.note(note)


async def _define(session: Session, notebook: NotebookNode, name: Path, written: Sequence[Path], story: _Story) -> None:
    """Make a module of the notebook's own classes and functions that its artifacts refer to."""
    needs = {path: story.main_names(path) for path in written if path.suffix.lower() in _PICKLES}
    artifacts = tuple(path for path, names in needs.items() if names)
    if not artifacts:
        return
    work, module = story.place.work, _module(name, story)
    needed = sorted(frozenset().union(*needs.values()))
    request, answer, values = (work / f"{module}.{kind}" for kind in ("request.json", "answer.json", "joblib"))
    cells = [cell.source for cell in notebook.cells if kernel.runs(cell)]
    asked = {"cells": cells, "needed": needed, "module": module, "title": name.as_posix(), "values": str(values)}
    request.write_text(json.dumps(asked), encoding="utf-8")
    await session.ask("export", request=str(request), answer=str(answer))
    made = json.loads(answer.read_text(encoding="utf-8"))
    if "problem" in made:
        fix = f"Move what {artifacts[0].name} needs of the notebook into a module beside it, and import it from there"
        raise BuildError(STEP, f"{name.as_posix()}: {made['problem']}", fix)
    story.definitions.append(
        Definition(
            module=module,
            source=made["source"],
            values=values if made["has_values"] else None,
            names=tuple(needed),
            artifacts=artifacts,
        )
    )


def _module(name: Path, story: _Story) -> str:
    """A name that no other module has, and that the same notebook always gets."""
    plain = unicodedata.normalize("NFKD", name.stem).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or sha256(name.stem.encode()).hexdigest()[:8]
    taken = {definition.module for definition in story.definitions}
    module = f"modelcast_notebook_{slug}"
    return module if module not in taken else f"{module}_{len(taken) + 1}"

"""Which file of a repository says what the model needs: one rules, and the report names those that were not read."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from modelcast_builder.environment import conda, pyproject, requirements, uv_lock
from modelcast_builder.environment.lock import FILE, STEP
from modelcast_builder.environment.requirements import Requirements
from modelcast_builder.errors import BuildError

Reader = Callable[[Path, str], Requirements | None]
READERS: dict[str, Reader] = {
    FILE: requirements.read,
    uv_lock.FILE: uv_lock.read,
    pyproject.FILE: pyproject.read,
    **dict.fromkeys(conda.FILES, conda.read),
}
"""In this order: the first that names dependencies rules."""
NOT_READ = {
    "Pipfile.lock": "Write it as requirements.txt: `pipenv requirements > requirements.txt`",
    "Pipfile": "Write what it names into requirements.txt, one `NAME==VERSION` a line",
    "poetry.lock": "Write it as requirements.txt: `poetry export --without-hashes --output requirements.txt`",
    "pdm.lock": "Write it as requirements.txt: `pdm export --without-hashes --output requirements.txt`",
    "conda-lock.yml": "Write what the model imports into requirements.txt",
}
"""Other tools' files, which name dependencies and are in no form that is read; what to do where they are alone."""
EXECUTED = ("setup.py", "setup.cfg")


def read_environment(repository: Path) -> Requirements:
    """What the ruling file of a repository asks for; nothing where there is none. Raises BuildError for a bad one."""
    root = repository.resolve()
    there = [file for file in READERS if (root / file).is_file()]
    for file in there:
        found = READERS[file](root, file)
        if found is not None:
            return replace(found, notes=(*found.notes, *_unread(root, file)))
    alone = next((file for file in NOT_READ if (root / file).is_file()), None)
    if alone is not None:
        raise BuildError(STEP, f"{alone} says what the model needs, and is not read", NOT_READ[alone])
    return Requirements(notes=tuple(_unread(root, None)))


def _unread(root: Path, ruling: str | None) -> Iterator[str]:
    if ruling is None:
        there = [file for file in EXECUTED if (root / file).is_file()]
        yield from (f"{file} is not executed: what the model needs belongs into requirements.txt" for file in there)
        return
    for file in [*READERS, *NOT_READ]:
        if file != ruling and (root / file).is_file() and _matters(root, file):
            yield f"{file} is not read: {ruling} rules"


def _matters(root: Path, file: str) -> bool:
    """Whether a file that does not rule names dependencies at all."""
    try:
        if file == pyproject.FILE:
            return pyproject.names_dependencies(tomllib.loads((root / file).read_text(encoding="utf-8-sig")))
        return file != FILE or requirements.read(root, file) is not None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, BuildError):
        return False

"""Which Python a repository asks for, against the one that builds and serves."""

import platform

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from modelcast_builder.environment.lock import STEP
from modelcast_builder.errors import BuildError


def check_python(where: str, asked: str) -> None:
    """Raise BuildError where the running Python is not what `asked` (`3.11`, `3.11.7`, `>=3.9,<3.12`) allows."""
    ours = platform.python_version()
    if not _specifier(where, asked).contains(ours, prereleases=True):
        problem = f"{where} asks for Python {asked}, and this builder has {ours}"
        raise BuildError(STEP, problem, "Take a builder with that Python, or correct the line")


def _specifier(where: str, asked: str) -> SpecifierSet:
    try:
        return SpecifierSet(f"=={Version(asked)}.*")
    except InvalidVersion:
        pass
    try:
        return SpecifierSet(asked)
    except InvalidSpecifier as wrong:
        problem = f"{where} asks for Python {asked[:40]!r}, which is no version"
        raise BuildError(STEP, problem, "Write a version, such as 3.11, or a range, such as >=3.11") from wrong

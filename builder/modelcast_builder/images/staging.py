"""The folder that an engine builds from, its times and modes always the same: the same content is the same layer."""

import os
import shutil
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.utils import canonicalize_name

from modelcast_builder.environment import Environment
from modelcast_builder.images.dockerfile import APP_ROOT, EPOCH_S, LAID
from modelcast_builder.repack import repack

FILE, PROGRAM, FOLDER = 0o644, 0o755, 0o755


def add_bundle(root: Path, context: Path) -> None:
    """The bundle in the place that it will have, readable by any user."""
    shutil.copytree(root, context / LAID / APP_ROOT.lstrip("/") / "bundle")
    _settle(context / LAID)


def add_environment(serving: Environment, context: Path) -> tuple[Path, ...]:
    """`wheels/` and `requirements.txt`: what is installed here, packed again, so that no index is asked; the wheels."""
    into = context / "wheels"
    into.mkdir()
    site = next(serving.root.glob("lib/python3*/site-packages"))
    found = sorted(metadata.distributions(path=[str(site)]), key=_name)
    wheels = tuple(repack(distribution, serving.root, into) for distribution in found)
    lines = [f"{_name(distribution)}=={distribution.version}" for distribution in found]
    (context / "requirements.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    _settle(into)
    return wheels


def add_source(root: Path, files: Iterable[Path], context: Path) -> None:
    """`upload/src` with these files of a repository, and `upload/scripts` with its own S2I scripts."""
    target = context / "upload" / "src"
    target.mkdir(parents=True)
    for path in files:
        _copy(path, target / path.relative_to(root))
    for script in own_scripts(root):
        _copy(script, context / "upload" / "scripts" / script.name)
        (context / "upload" / "scripts" / script.name).chmod(PROGRAM)
    _settle(context / "upload", keep_programs=True)


def own_scripts(root: Path) -> Iterator[Path]:
    """What a repository puts in the place of the builder's scripts."""
    for name in ("assemble", "run", "save-artifacts"):
        script = root / ".s2i" / "bin" / name
        if script.is_file():
            yield script


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target, follow_symlinks=False)


def _settle(root: Path, *, keep_programs: bool = False) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            is_program = keep_programs and path.stat().st_mode & 0o100
            path.chmod(FOLDER if path.is_dir() else PROGRAM if is_program else FILE)
        os.utime(path, (EPOCH_S, EPOCH_S), follow_symlinks=False)


def _name(distribution: metadata.Distribution) -> str:
    return canonicalize_name(distribution.metadata["Name"])

"""A wheel again from what is installed: what an index gave once need not be fetched a second time.

Only what a wheel can hold comes back: no bytecode, no scripts that an installer writes itself.
"""

from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

from packaging.tags import parse_tag

from modelcast_builder import wheel_file
from modelcast_builder.wheel_file import Member

OF_THE_INSTALLER = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
"""Files of a `.dist-info` folder that tell of the installation."""


def repack(distribution: Distribution, root: Path, into: Path) -> Path:
    """Write the wheel of a distribution that is installed in the environment `root` into a folder; its path."""
    described = Path(str(distribution.locate_file(""))) / _folder(distribution)
    stem = described.name.removesuffix(".dist-info")
    wheel = into / f"{stem}-{_tag(distribution)}.whl"
    members = (
        Member(
            name=name,
            content=_unplaced(file.read_bytes(), root),
            is_executable=bool(file.stat().st_mode & 0o100),
        )
        for name, file in _members(distribution, root, stem)
    )
    wheel_file.write(wheel, members, described.name)
    return wheel


def _unplaced(content: bytes, root: Path) -> bytes:
    """A script as wheels have it: whoever installs it writes the interpreter of its own environment."""
    first, newline, rest = content.partition(b"\n")
    is_placed = first.startswith(b"#!" + bytes(root / "bin") + b"/python")
    return b"#!python" + newline + rest if is_placed else content


def _folder(distribution: Distribution) -> str:
    return next(file.parts[0] for file in distribution.files or () if file.name == "WHEEL" and len(file.parts) == 2)


def _tag(distribution: Distribution) -> str:
    """The compressed set of the tags that the wheel was installed by."""
    said = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [tag for line in said if line.startswith("Tag:") for tag in parse_tag(line.partition(":")[2].strip())]
    parts = ({tag.interpreter for tag in tags}, {tag.abi for tag in tags}, {tag.platform for tag in tags})
    return "-".join(".".join(sorted(part)) for part in parts)


def _members(distribution: Distribution, root: Path, stem: str) -> Iterator[tuple[str, Path]]:
    """Every file that belongs into the wheel, by its name there."""
    site = Path(str(distribution.locate_file(""))).resolve()
    written = {point.name for point in distribution.entry_points if point.group in ("console_scripts", "gui_scripts")}
    for file in distribution.files or ():
        path = Path(str(distribution.locate_file(file))).resolve()
        if path.suffix == ".pyc" or (path.parent.name.endswith(".dist-info") and path.name in OF_THE_INSTALLER):
            continue
        if path.is_relative_to(site):
            yield path.relative_to(site).as_posix(), path
            continue
        inside = path.relative_to(root.resolve())
        if inside.parts[0] != "bin":
            yield f"{stem}.data/data/{inside.as_posix()}", path
        elif inside.name not in written:
            yield f"{stem}.data/scripts/{inside.name}", path

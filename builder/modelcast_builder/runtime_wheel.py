"""The runtime's wheel, made from the copy that is installed beside the builder: no index, no checkout, no build tool.

The same installed bytes are the same wheel on every machine, so its digest may name a cached environment.
"""

from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path

from modelcast_builder import wheel_file
from modelcast_builder.errors import MissingPart
from modelcast_builder.wheel_file import Member

DISTRIBUTION = "modelcast-runtime"
PACKAGE = "modelcast_runtime"
WHEEL = b"Wheel-Version: 1.0\nGenerator: modelcast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
LEFT_OUT = ("__pycache__", ".")
"""What a folder of the package may be called, or begin with, and is no part of it."""


def build(into: Path) -> Path:
    """Write the wheel into a folder. Raises MissingPart where the runtime is importable but not installed."""
    distribution = _installed()
    stem = f"{PACKAGE}-{distribution.version}"
    described = f"{stem}.dist-info"
    files = sorted([*_package(), *_described(distribution, described)])
    into.mkdir(parents=True, exist_ok=True)
    wheel = into / f"{stem}-py3-none-any.whl"
    wheel_file.write(wheel, (Member(name=name, content=data) for name, data in files), described)
    return wheel


def _installed() -> metadata.Distribution:
    try:
        return metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as absent:
        missing = (
            f"environment: {DISTRIBUTION} is not installed beside modelcast. Install ./runtime and ./builder again"
        )
        raise MissingPart(missing) from absent


def _package() -> Iterator[tuple[str, bytes]]:
    # Found and not imported; for an editable install the files are in the checkout, not in the distribution's list.
    found = util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingPart(f"environment: {PACKAGE} cannot be imported. Install ./runtime and ./builder again")
    root = Path(found.origin).parent
    for file in root.rglob("*"):
        inside = file.relative_to(root)
        if file.is_file() and file.suffix != ".pyc" and not any(part.startswith(LEFT_OUT) for part in inside.parts):
            yield f"{PACKAGE}/{inside.as_posix()}", file.read_bytes()


def _described(distribution: metadata.Distribution, folder: str) -> Iterator[tuple[str, bytes]]:
    for name in ("METADATA", "entry_points.txt"):
        text = distribution.read_text(name)
        if text:
            yield f"{folder}/{name}", text.encode()
    for file in distribution.files or ():
        if file.parts[:2] == (folder, "licenses"):
            yield file.as_posix(), file.read_binary()
    yield f"{folder}/WHEEL", WHEEL

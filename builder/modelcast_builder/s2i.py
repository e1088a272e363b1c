"""What S2I wants around a build: the image's own environment, the labels, and what the next build need not fetch.

`modelcast-s2i bake | finish | save-artifacts`, called by the image's Containerfile and scripts and by nobody else.
"""

import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

import click
from modelcast_runtime import contract
from modelcast_runtime.bundle import is_bundle, open_bundle
from packaging.utils import canonicalize_name

from modelcast_builder import environment
from modelcast_builder.cli import Boundary
from modelcast_builder.config import BuildSettings, build_settings
from modelcast_builder.environment import lock_of, lock_text, remembered
from modelcast_builder.environment.venv import SAVED
from modelcast_builder.environment.wheelhouse import missing_from
from modelcast_builder.image_labels import labels
from modelcast_builder.repack import repack
from modelcast_builder.report import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where an image keeps what is asked for here; the defaults are s2i's own."""

    bundle: Path
    kept: Path
    """What `finish` leaves in the image for `save-artifacts`."""
    metadata: Path = Path("/tmp/.s2i/image_metadata.json")  # noqa: S108 - S2I's contract names it


def places(variables: Mapping[str, str]) -> Places:
    """The image's places, by its variables."""
    bundle = Path(variables["MODELCAST_BUNDLE"])
    return Places(bundle=bundle, kept=bundle.with_name("artifacts"))


def bake(settings: BuildSettings) -> None:
    """Make the environment of a repository that asks for nothing, in the image, and print its lock.

    Raises as `environment.create`.
    """
    with tempfile.TemporaryDirectory() as nothing:
        made = environment.prepare(Path(nothing), None, settings, Reporter())
    sys.stdout.write(lock_text(made.lock))


def finish(settings: BuildSettings, at: Places) -> None:
    """After a build: write the labels, keep the resolution that made its lock, and let the right command serve."""
    bundle = open_bundle(at.bundle)
    at.metadata.parent.mkdir(parents=True, exist_ok=True)
    at.metadata.write_bytes(contract.encode({"labels": [{name: text} for name, text in labels(bundle).items()]}))
    shutil.rmtree(at.kept, ignore_errors=True)
    for file in remembered.files_of(settings.cache, lock_of(bundle.root)):
        (at.kept / remembered.FOLDER).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, at.kept / remembered.FOLDER / file.name)
    if bundle.manifest.compilation.backend != "native" and settings.environment is not None:
        # The model's environment stays for the next build; its command, the first on PATH, has no ONNX Runtime.
        (settings.environment / "bin" / "modelcast-runtime").unlink(missing_ok=True)


def save_artifacts(settings: BuildSettings, at: Places, out: BinaryIO) -> None:
    """Write what the next build would have to fetch as a tar stream; nothing where there was no build.

    Wheels that are in the image's wheelhouse stay out, so a model without packages of its own saves a few KB.
    """
    if not is_bundle(at.bundle) or settings.environment is None:
        return
    lock = lock_of(open_bundle(at.bundle).root)
    houses = (settings.wheelhouse,) if settings.wheelhouse else ()
    pins = missing_from(houses, (*lock.packages, *lock.serving))
    wanted = {pin.partition("==")[0] for pin in pins}
    site = next(settings.environment.glob("lib/python3*/site-packages"))
    with tarfile.open(fileobj=out, mode="w|") as stream, tempfile.TemporaryDirectory() as aside:
        for file in sorted((at.kept / remembered.FOLDER).glob("*.txt")):
            stream.add(file, f"{remembered.FOLDER}/{file.name}")
        for distribution in metadata.distributions(path=[str(site)]):
            if canonicalize_name(distribution.metadata["Name"]) in wanted:
                wheel = repack(distribution, settings.environment, Path(aside))
                stream.add(wheel, f"{SAVED}/{wheel.name}")
                wheel.unlink()


@click.group(cls=Boundary)
def main() -> None:
    """What S2I wants around a build; called by the image and by nobody else."""


@main.command("bake")
def _bake() -> None:
    """Make the environment of a repository that asks for nothing, and print its lock."""
    bake(build_settings(os.environ))


@main.command("finish")
def _finish() -> None:
    """Write the image's labels after a build, and keep what the next one need not resolve."""
    finish(build_settings(os.environ), places(os.environ))


@main.command("save-artifacts")
def _save_artifacts() -> None:
    """Write what the next build would have to fetch as a tar stream."""
    save_artifacts(build_settings(os.environ), places(os.environ), sys.stdout.buffer)


if __name__ == "__main__":
    main()

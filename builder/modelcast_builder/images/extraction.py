"""The bundle that an image holds, copied out of it: nothing of the image is ever run."""

from collections.abc import Mapping
from pathlib import Path

from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.images.dockerfile import APP_ROOT
from modelcast_builder.images.engine import STEP, Engine
from modelcast_builder.images.engine import find as find_engine
from modelcast_builder.images.reference import parse_reference

PLACE = f"{APP_ROOT}/bundle"
_NAMED = "MODELCAST_BUNDLE="
_COMMAND = "modelcast-runtime"
"""A container has one, also where its image names none; it is never started."""


def folder_of(bundle_or_image: str, variables: Mapping[str, str], work: Path) -> Path:
    """A bundle's folder, not yet verified: the one of that name, else that of the image, in `work`.

    Raises as `bundle_of` does; what can be no image's name is a folder, whether it is there or not.
    """
    path = Path(bundle_or_image).expanduser()
    if path.exists() or not _is_name(bundle_or_image):
        return path
    return bundle_of(bundle_or_image, find_engine(variables), work)


def bundle_of(reference: str, engine: Engine, work: Path) -> Path:
    """Copy the bundle of a local image into the folder `work`; where it is now, not yet verified.

    Raises BuildError where the image holds none, MissingPart where there is no such image.
    """
    if not engine.has(reference):
        told = f"{STEP}: there is neither a folder {reference} nor an image of that name on this machine"
        raise MissingPart(f"{told}. Correct the name, or get the image by `{engine.command} pull`")
    place, target = _place(reference, engine), work / "bundle"
    made = engine("create", "--network", "none", "--entrypoint", _COMMAND, reference)
    if not made.ok:
        told = f"{STEP}: {engine.command} makes no container of {reference}: {made.reason}"
        raise MissingPart(f"{told}. Mend that, and try again")
    container = made.out.split()[-1]
    try:
        copied = engine("cp", f"{container}:{place}", str(target))
    finally:
        engine("rm", "--force", container)
    if not copied.ok:
        problem = f"{reference} holds no bundle at {place}: {copied.reason}"
        raise BuildError(STEP, problem, "Name an image made by `modelcast image`, or by s2i with modelcast's builder")
    return target


def _is_name(text: str) -> bool:
    try:
        parse_reference(text.partition("@")[0])
    except ValueError:
        return False
    return True


def _place(reference: str, engine: Engine) -> str:
    """Where the image's own variables say that it is, else where modelcast puts it."""
    said: list[str] = engine.config(reference).get("Env") or []
    named = [text.removeprefix(_NAMED) for text in said if text.startswith(_NAMED)]
    return next((place for place in named if place.startswith("/")), PLACE)

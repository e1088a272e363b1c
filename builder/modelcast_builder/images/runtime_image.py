"""A bundle on the runtime image, with the model's environment where it needs its own, proven in place."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelcast_runtime.bundle import Bundle
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from modelcast_builder.environment import Environment
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.image_labels import labels
from modelcast_builder.images import dockerfile, staging
from modelcast_builder.images.engine import STEP, Engine
from modelcast_builder.report import Reporter

PYTHON = "/opt/modelcast/bin/python"
QUESTION = """
import json, platform, sys, sysconfig
print(json.dumps([f"{sys.version_info[0]}.{sys.version_info[1]}", sysconfig.get_platform(), platform.libc_ver()[1]]))
"""
DISTRIBUTIONS = """
import json
from importlib import metadata
print(json.dumps([[one.name, one.version] for one in metadata.distributions()]))
"""
ALONE = ("--rm", "--network", "none")
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""What wheels were called before their names held the glibc's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A runtime image, and for which wheels it is."""

    image: str
    python: str
    """The minor version, such as 3.11."""
    platform: str
    """As `sysconfig.get_platform()` has it: linux-x86_64."""
    glibc: str
    """Nothing where it has another C library."""

    def __str__(self) -> str:
        """As a person says it."""
        library = f"glibc {self.glibc}" if self.glibc else "no glibc"
        return f"{self.image} (Python {self.python}, {self.platform}, {library})"

    def tags(self) -> frozenset[Tag]:
        """The tags of the wheels that it can install."""
        major, minor = (int(part) for part in self.python.split("."))
        machine = self.platform.removeprefix("linux-").replace("-", "_")
        below = range(int(self.glibc.split(".")[1]) if self.glibc else -1, -1, -1)
        named = [f"manylinux_2_{number}" for number in below]
        named += [name for number, name in _LEGACY.items() if number in below]
        platforms = [f"{name}_{machine}" for name in (*named, "linux")]
        general = compatible_tags((major, minor), f"cp{major}{minor}", platforms)
        return frozenset((*cpython_tags((major, minor), platforms=platforms), *general))


def inspect_base(image: str, engine: Engine) -> Base:
    """Ask a local image what it is. Raises MissingPart where there is none of that name, or it is no runtime image."""
    if not engine.has(image):
        told = f"{STEP}: there is no image {image} on this machine"
        raise MissingPart(
            f"{told}. Run `make image` in modelcast's checkout, or name another in MODELCAST_RUNTIME_IMAGE"
        )
    ran = engine("run", *ALONE, "--entrypoint", PYTHON, image, "-c", QUESTION)
    if not ran.ok:
        told = f"{STEP}: {image} is no runtime image of modelcast: {ran.reason}"
        raise MissingPart(f"{told}. Run `make image` in modelcast's checkout, and name what it makes")
    python, platform, glibc = json.loads(ran.out)
    return Base(image=image, python=python, platform=platform, glibc=glibc)


def check_python(bundle: Bundle, serving: Environment, base: Base) -> None:
    """Raise BuildError where the image has another Python than the model needs."""
    needed = serving.lock.python
    if needed != base.python:
        fix = f"Run `make image` with a BASE_IMAGE of Python {needed}, and name the image in MODELCAST_RUNTIME_IMAGE"
        raise BuildError(STEP, f"{bundle.manifest.name} needs Python {needed}, and {base.image} has {base.python}", fix)


def on_runtime(bundle: Bundle, serving: Environment | None, base: Base, engine: Engine, reporter: Reporter) -> str:
    """Build the image and let it prove itself; its id. Raises BuildError and MissingPart, and then leaves no image."""
    recipe = dockerfile.Laid(base=base.image, labels=labels(bundle), has_environment=serving is not None)
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        context = Path(folder)
        staging.add_bundle(bundle.root, context)
        if serving is not None:
            check_python(bundle, serving, base)
            check_platform(staging.add_environment(serving, context), base)
        (context / "Dockerfile").write_text(dockerfile.laid(recipe), encoding="utf-8")
        ran = engine.build(context, "--network", "none")
    if not ran.ok:
        raise MissingPart(f"{STEP}: {engine.command} cannot build the image: {ran.reason}. Mend that, and try again")
    reporter.say(STEP, prove(ran.out, engine))
    return ran.out


def check_platform(wheels: Iterable[Path], base: Base) -> None:
    """Raise BuildError where what is installed here was made for another kind of machine than the image."""
    tags = base.tags()
    others = [wheel.name for wheel in wheels if tags.isdisjoint(parse_wheel_filename(wheel.name)[3])]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        fix = "Run `modelcast image` on a machine like it, or with --builder, which installs in the image"
        raise BuildError(STEP, f"{others[0]}{more}, as installed here, cannot be installed in {base}", fix)


def prove(image: str, engine: Engine) -> str:
    """Every hash and every golden row, in the image, with nothing writable; what it says. Raises BuildError."""
    try:
        return ask(image, engine)
    except BuildError:
        engine("image", "rm", image)
        raise


def ask(image: str, engine: Engine) -> str:
    """The same of an image that stays."""
    ran = engine("run", *ALONE, *HARDENED, image, "modelcast-runtime", "selftest")
    if ran.ok:
        return ran.out.strip()
    problem = f"the model does not answer in the image as it did in its build: {ran.reason}"
    raise BuildError(STEP, problem, "Build the bundle on a machine like the image's base")


def installed(image: str, engine: Engine) -> Mapping[str, str]:
    """The distributions beside what serves in the image: normal name and version. Raises MissingPart."""
    beside = f'exec "$(dirname "$(command -v modelcast-runtime)")/python" -c \'{DISTRIBUTIONS}\''
    ran = engine("run", *ALONE, *HARDENED, "--entrypoint", "/bin/sh", image, "-c", beside)
    if not ran.ok:
        raise MissingPart(f"{STEP}: {image} cannot say what is installed in it: {ran.reason}. See that it can be run")
    return {canonicalize_name(name): version for name, version in json.loads(ran.out)}

"""Finds out whether a notebook changed the environment that it ran in: what it installed is in no lock."""

import shutil

from packaging.utils import canonicalize_name

from modelcast_builder.environment.uv import Uv, use_uv
from modelcast_builder.environment.venv import Environment, package_of
from modelcast_builder.errors import BuildError

_OURS = "modelcast-runtime"


def check_unchanged(environment: Environment, uv: Uv | None = None) -> None:
    """Raise `BuildError` and drop the environment where it no longer is what its lock says."""
    frozen = (uv or use_uv())("pip", "freeze", "--python", str(environment.python))
    locked = {*environment.lock.packages, *environment.lock.serving}
    found = [line.strip() for line in frozen.out.splitlines() if line.strip() and not line.startswith(_OURS)]
    installed = [line for line in found if _pin(line) not in locked]
    if not installed:
        return
    shutil.rmtree(environment.root, ignore_errors=True)  # the cache must not keep it for the next build
    # Where a package comes from may be an address with credentials.
    names = ", ".join(line if "==" in line else package_of(line) for line in installed[:5])
    raise BuildError(
        "notebooks",
        f"a notebook installed {names} while it ran, and the environment's lock does not hold that",
        f"Add {package_of(installed[0])} to {environment.lock.file}, and take the installation out of the notebook",
    )


def _pin(line: str) -> str:
    name, _, version = line.partition("==")
    return f"{canonicalize_name(name)}=={version}"

"""A repository assembled in an S2I builder image, by the Dockerfile that s2i would generate."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from modelcast_builder import build_variables, source_tree
from modelcast_builder.config import read_config
from modelcast_builder.environment import wheelhouse
from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.images import dockerfile, staging
from modelcast_builder.images.dockerfile import Assembled
from modelcast_builder.images.engine import STEP, Engine, Ran
from modelcast_builder.images.reference import Reference
from modelcast_builder.source import Source, fetch

SCRIPTS, USER = "io.openshift.s2i.scripts-url", "io.openshift.s2i.assemble-user"
DESTINATION = "io.openshift.s2i.destination"
ORDINARY_USER = "1001"
HANDED = ("MODELCAST_NAME", "MODELCAST_PARAMETERS", "S2I_")
"""Which of the caller's variables decide a build, as `s2i build -e` would be given them; they stay in the image."""
PART_MISSING = "3"


def through_s2i(source: str, builder: str, name: Reference, variables: Mapping[str, str], engine: Engine) -> str:
    """Build the image; its id. Raises BuildError with the assembly's own last line, and MissingPart."""
    scripts, settings = _builder(builder, engine)
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        work = Path(folder).resolve()
        repo = fetch(source, work)
        context = work / "context"
        wheels = wheelhouse.find(repo.root, read_config(repo.root, variables).document.wheels)
        vendored = [path for path in sorted(wheels.rglob("*")) if path.is_file()] if wheels else []
        staging.add_source(repo.root, [*source_tree.files(repo.root), *vendored], context)
        recipe = Assembled(
            builder=builder,
            labels=_labels(repo, builder, name),
            environment=_environment(repo, variables),
            user=settings.get(USER) or ORDINARY_USER,
            scripts=scripts,
            destination=settings.get(DESTINATION) or "/tmp",  # noqa: S108 - S2I's contract names it
            overriding=frozenset(script.name for script in staging.own_scripts(repo.root)),
        )
        (context / "Dockerfile").write_text(dockerfile.assembled(recipe), encoding="utf-8")
        ran = engine.build(context, is_told=True)
    if not ran.ok:
        raise _refusal(ran, builder, source)
    return ran.out


def _builder(image: str, engine: Engine) -> tuple[str, Mapping[str, str]]:
    """Where its scripts are, and its labels."""
    if not engine.has(image):
        told = f"{STEP}: there is no image {image} on this machine"
        fix = f"Get it by `{engine.command} pull {image}`, or make modelcast-builder by `make image` in its checkout"
        raise MissingPart(f"{told}. {fix}")
    labels: Mapping[str, str] = engine.config(image).get("Labels") or {}
    scripts = labels.get(SCRIPTS, "")
    if not scripts.startswith("image://"):
        problem = f"{image} is no S2I builder image: it has no label {SCRIPTS} with an image:// address"
        raise BuildError(STEP, problem, "Name one after --builder, such as modelcast-builder")
    return scripts.removeprefix("image://").rstrip("/"), labels


def _labels(repo: Source, builder: str, name: Reference) -> dict[str, str]:
    said = {
        "io.k8s.display-name": name.text,
        "io.openshift.s2i.build.commit.id": repo.commit,
        "io.openshift.s2i.build.image": builder,
        "io.openshift.s2i.build.source-location": repo.origin or repo.location,
    }
    return {label: text for label, text in said.items() if text}


def _environment(repo: Source, variables: Mapping[str, str]) -> dict[str, str]:
    """What the repository sets, and over it what OpenShift tells a build: without .git it would not know its origin."""
    handed = {key: value for key, value in variables.items() if key.startswith(HANDED)}
    told = {"OPENSHIFT_BUILD_SOURCE": repo.origin or repo.location, "OPENSHIFT_BUILD_COMMIT": repo.commit or ""}
    return build_variables.with_s2i(repo.root, {**{key: value for key, value in told.items() if value}, **handed})


def _refusal(ran: Ran, builder: str, source: str) -> Exception:
    lines = ran.out.splitlines()
    # BuildKit puts a number and the time before a line.
    said = [found[1] for line in lines if (found := re.search(r"(?:^|\d )error: (\w+: .+?)\.?$", line))]
    codes = re.findall(r"(?:non-zero code:|exit code:|exit status) (\d+)", ran.out)
    if not said:
        return BuildError(STEP, f"{builder} cannot assemble {source}: {ran.reason}", "The lines above say more")
    if codes[-1:] == [PART_MISSING]:
        return MissingPart(said[-1])
    step, _, rest = said[-1].partition(": ")
    problem, _, fix = rest.rpartition(". ")
    return BuildError(step, problem, fix)

"""Naming and pushing an image, and what a registry says against it."""

import re
import tempfile
from pathlib import Path

from modelcast_builder.errors import BuildError, MissingPart
from modelcast_builder.images.engine import Engine, Ran
from modelcast_builder.images.reference import Reference

STEP = "push"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_UNAUTHORISED = re.compile(
    r"unauthorized|authentication required|no basic auth|access to the resource is denied|insufficient_scope|forbidden",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"refused|no such host|time.?out|timed out|no route|unreachable|misbehaving|HTTP response to HTTPS|x509|tls:|EOF",
    re.IGNORECASE,
)


def tag(image: str, reference: Reference, engine: Engine) -> None:
    """Give an image its name. Raises MissingPart."""
    ran = engine("tag", image, reference.text)
    if not ran.ok:
        raise MissingPart(f"image: {engine.command} cannot name the image {reference.text}: {ran.reason}. Name another")


def push(reference: Reference, engine: Engine) -> str:
    """Push the image of that name; `REPOSITORY@sha256:...`, the registry's digest. Raises MissingPart, BuildError."""
    with tempfile.TemporaryDirectory(prefix="modelcast-") as folder:
        written = Path(folder) / "digest"
        # podman's local digest may be another than the registry's, to which it compresses.
        options = ("--digestfile", str(written)) if engine.is_podman else ()
        ran = engine("push", *options, reference.text)
        if not ran.ok:
            raise _refusal(reference, ran, engine)
        said = written.read_text(encoding="ascii") if engine.is_podman else ran.out.rpartition("digest:")[2]
    found = _DIGEST.search(said)
    if found is None:
        raise BuildError(
            STEP, f"{engine.command} pushed {reference.text} and told no digest", "Ask the registry for it"
        )
    return reference.at(found[0])


def _refusal(reference: Reference, ran: Ran, engine: Engine) -> Exception:
    host = reference.host
    if _UNAUTHORISED.search(ran.reason):
        fix = f"Run `{engine.command} login {host}` with an account that may push there"
        return MissingPart(f"{STEP}: the registry {host} refuses these credentials, or wants some: {ran.reason}. {fix}")
    if _UNREACHABLE.search(ran.reason):
        fix = "See that it runs and that the engine trusts it, or correct the name after -t"
        return MissingPart(f"{STEP}: the registry {host} cannot be reached: {ran.reason}. {fix}")
    problem = f"the registry {host} does not take {reference.text}: {ran.reason}"
    return BuildError(STEP, problem, "Correct the name after -t")

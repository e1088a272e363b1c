"""When, from what and by what a bundle was made, as SLSA provenance: the only room that asks the clock.

Nothing of the machine may come into it: no path, no user, no host, and no value of a variable.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import modelcast_runtime
from modelcast_runtime import contract, statement
from modelcast_runtime.contract import Step
from modelcast_runtime.statement import (
    BuildDefinition,
    Builder,
    Metadata,
    Predicate,
    Resource,
    RunDetails,
    Statement,
)

import modelcast_builder
from modelcast_builder import __version__, source_tree
from modelcast_builder.config import Config
from modelcast_builder.credentials import public_address
from modelcast_builder.discover import Plan
from modelcast_builder.environment import Lock
from modelcast_builder.source import Source

_DATA = "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What is known of a build before anything of it is sealed."""

    source: Source
    source_digest: str
    config: Config
    plan: Plan
    lock: Lock
    began: datetime
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What came of it; SHA-256s in hexadecimal, without `sha256:`."""

    name: str
    digest: str
    """The bundle's own, with `sha256:`."""
    model: str
    """The model file, relative to the bundle."""
    model_sha256: str
    original_sha256: str
    """Of what was trained; the same, unless that was compiled."""
    lock_sha256: str
    receipts: dict[str, str]


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def record(build: Build, sealed: Sealed) -> Statement:
    """The receipt of this build; outside both digests."""
    subject = (
        Resource(name=sealed.name, digest=_sha256(sealed.digest)),
        Resource(name=sealed.model, digest=_sha256(sealed.model_sha256)),
    )
    definition = BuildDefinition(
        build_type=statement.BUILD_TYPE,
        external_parameters={name: value for name, value in _asked(build).items() if value},
        internal_parameters={"environmentAsOf": build.lock.as_of, "python": build.lock.python},
        resolved_dependencies=tuple(_dependencies(build, sealed)),
    )
    details = RunDetails(
        builder=Builder(
            id=statement.BUILDER,
            version={"modelcast": __version__, "python": ".".join(map(str, sys.version_info[:3]))},
            builder_dependencies=tuple(_own_code()),
        ),
        metadata=Metadata(started_on=_moment(build.began), finished_on=_moment(now())),
        byproducts=(
            Resource(name=statement.ORIGINAL, digest=_sha256(sealed.original_sha256)),
            *(Resource(name=name, digest=_sha256(sha256)) for name, sha256 in sorted(sealed.receipts.items())),
            statement.report_of(build.notes, build.steps),
        ),
    )
    return Statement(
        kind=statement.STATEMENT,
        subject=subject,
        predicate_type=statement.PREDICATE,
        predicate=Predicate(build_definition=definition, run_details=details),
    )


def _asked(build: Build) -> dict[str, object]:
    """What whoever started the build decided; what is empty is left out."""
    return {
        "source": _address(build),
        "ref": build.source.ref or build.config.ref,
        "parameters": dict(build.config.parameters),
        "notebooks": [notebook.relative_to(build.source.root).as_posix() for notebook in build.plan.notebooks],
    }


def _address(build: Build) -> str:
    return public_address(build.source.origin or build.config.source_url or "")


def _dependencies(build: Build, sealed: Sealed) -> Iterator[Resource]:
    address, commit = _address(build), build.source.commit or build.config.commit
    if address or commit:
        uri, digest = f"git+{address}" if address else "", {"gitCommit": commit} if commit else {}
        yield Resource(name=statement.REPOSITORY, uri=uri, digest=digest)
    yield Resource(name=statement.SOURCE, digest=_sha256(build.source_digest))
    for path in _inputs(build):
        yield Resource(name=_name(path, build), digest=_sha256(source_tree.sha256_of(path)))
    yield Resource(name=contract.LOCK, digest=_sha256(sealed.lock_sha256))
    for pin in (*build.lock.packages, *build.lock.serving):
        yield Resource(uri=statement.purl(*pin.split("==", 1)))


def _inputs(build: Build) -> Iterator[Path]:
    """The files of the source that hold data, and the trained file where it was there."""
    root, written = build.source.root, build.config.document.data
    named = {name for name in (written.train, written.holdout) if name}
    for path in source_tree.files(root):
        name = path.relative_to(root)
        is_input = name.parts[0] == _DATA or name.as_posix() in named or path == build.plan.artifact
        if is_input and path.is_file() and not path.is_symlink():
            yield path


def _name(path: Path, build: Build) -> str:
    return path.relative_to(build.source.root).as_posix()


def _own_code() -> Iterator[Resource]:
    """The builder by what it is: one of the same version may have been changed."""
    for module in (modelcast_builder, modelcast_runtime):
        root = Path(module.__file__ or "").parent
        yield Resource(name=module.__name__, digest=_sha256(source_tree.digest(root)))


def _sha256(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"

"""A build's receipt as others read it, an in-toto Statement with SLSA provenance, and what the service shows of it.

Unlike the contract's own types these take what they do not know: the Statement's specification asks its readers to.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from modelcast_runtime import contract
from modelcast_runtime.contract import Provenance, Step

STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:modelcast:build:v1"
"""What the parameters below mean: docs/lineage.md."""
BUILDER: Final = "urn:modelcast:builder"
REPOSITORY, SOURCE, ORIGINAL, REPORT = "repository", "source", "original model", "report"
"""Names of resources that are found again by them."""
_PYPI = "pkg:pypi/"


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The base of every level: what is not said is not written."""


class Resource(_Part, frozen=True, kw_only=True):
    """A ResourceDescriptor: something by its address, its digests (in hexadecimal, without `sha256:`), or both."""

    name: str = ""
    uri: str = ""
    digest: dict[str, str] = {}
    annotations: dict[str, Any] = {}

    @property
    def sha256(self) -> str | None:
        """Its SHA-256 in hexadecimal."""
        return self.digest.get("sha256")


class BuildDefinition(_Part, frozen=True, kw_only=True):
    """What was asked for, and all that it was made from."""

    build_type: str
    external_parameters: dict[str, Any]
    """`source`, `ref`, `parameters`, `notebooks`: what whoever started the build decided."""
    internal_parameters: dict[str, Any] = {}
    """`environmentAsOf`, `python`: what the builder decided."""
    resolved_dependencies: tuple[Resource, ...] = ()


class Builder(_Part, frozen=True, kw_only=True):
    """What made it."""

    id: str
    version: dict[str, str] = {}
    builder_dependencies: tuple[Resource, ...] = ()


class Metadata(_Part, frozen=True, kw_only=True):
    """When, in UTC: `2026-01-01T00:00:00Z`."""

    started_on: str = ""
    finished_on: str = ""


class RunDetails(_Part, frozen=True, kw_only=True):
    """One run of the build."""

    builder: Builder
    metadata: Metadata = Metadata()
    byproducts: tuple[Resource, ...] = ()


class Predicate(_Part, frozen=True, kw_only=True):
    """SLSA provenance."""

    build_definition: BuildDefinition
    run_details: RunDetails

    def dependency(self, name: str) -> Resource:
        """What it was made from, by its name; empty where it is not named."""
        return _named(self.build_definition.resolved_dependencies, name)

    def byproduct(self, name: str) -> Resource:
        """What was made beside the bundle, by its name; empty where it is not named."""
        return _named(self.run_details.byproducts, name)

    @property
    def packages(self) -> dict[str, str]:
        """The versions of the packages of the model's environment, by name."""
        addresses = (resource.uri for resource in self.build_definition.resolved_dependencies)
        return dict(package_of(uri) for uri in addresses if uri.startswith(_PYPI))


class Statement(_Part, frozen=True, kw_only=True):
    """`receipts/provenance.json`."""

    kind: str = msgspec.field(name="_type")
    subject: tuple[Resource, ...]
    predicate_type: str
    predicate: Predicate

    def of(self, name: str) -> Resource:
        """The subject of that name; empty where there is none."""
        return _named(self.subject, name)


class _Kind(_Part, frozen=True, kw_only=True):
    kind: str = msgspec.field(name="_type", default="")


def read(content: bytes) -> Statement | None:
    """The receipt as it is written; None for the flat one of older bundles. Raises as `contract.decode` does."""
    if not contract.decode(content, _Kind).kind:
        return None
    return contract.decode(content, Statement)


def shown(content: bytes) -> Provenance:
    """What the service shows of a receipt, of either form. Raises as `contract.decode` does."""
    statement = read(content)
    if statement is None:
        return contract.decode(content, Provenance)
    predicate = statement.predicate
    definition, details = predicate.build_definition, predicate.run_details
    report = predicate.byproduct(REPORT).annotations
    said: Mapping[str, Any] = definition.external_parameters
    facts = {
        "built_at": details.metadata.finished_on,
        "builder_version": details.builder.version.get("modelcast", ""),
        "python": details.builder.version.get("python", ""),
        "source": said.get("source", ""),
        "ref": said.get("ref"),
        "commit": predicate.dependency(REPOSITORY).digest.get("gitCommit"),
        "source_digest": sha256_text(predicate.dependency(SOURCE)),
        "environment_as_of": definition.internal_parameters.get("environmentAsOf", ""),
        "packages": predicate.packages,
        "notes": report.get("notes", ()),
        "steps": report.get("steps", ()),
    }
    return msgspec.convert(facts, Provenance)


def report_of(notes: tuple[str, ...], steps: tuple[Step, ...]) -> Resource:
    """What the build had to say, and how long its steps took."""
    said = {"notes": list(notes), "steps": [msgspec.to_builtins(step) for step in steps]}
    return Resource(name=REPORT, uri=f"{BUILD_TYPE}:report", annotations=said)


def purl(name: str, version: str) -> str:
    """The package URL of a package of the Python index."""
    return f"{_PYPI}{name}@{quote(version)}"


def package_of(uri: str) -> tuple[str, str]:
    """Name and version of such an address."""
    name, _, version = uri.removeprefix(_PYPI).partition("@")
    return name, unquote(version)


def sha256_text(resource: Resource) -> str:
    """`sha256:<hex>` as everywhere else in a bundle; nothing where there is none."""
    return f"sha256:{resource.sha256}" if resource.sha256 else ""


def _named(resources: tuple[Resource, ...], name: str) -> Resource:
    return next((resource for resource in resources if resource.name == name), Resource())

"""What is deployed: the facts of a bundle that its manifests say, as frozen values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelcast_runtime.baseline import Baseline
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.settings import stop_seconds

from modelcast_builder.errors import BuildError
from modelcast_builder.image_labels import facts
from modelcast_builder.manifests import sizing
from modelcast_builder.manifests.sizing import Size

REPLICAS = 2
"""One can be drained or replaced while the other answers."""
_SHORT = 12
_SOURCE = "modelcast.source"
_REACHED = ("https://", "http://", "ssh://", "git://", "git@")
_SPARE_S = 5
# A Service's name is a host's in DNS: RFC 1035, which has no digit in front, unlike the label that a model's name is.
_SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One model, its image and what its pods need. A template has parameters for some of the values."""

    name: str
    image: str
    replicas: int | str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """What is too long for a label: whole digests, the repository."""
    repository: str | None
    """The git URL that the bundle was built from; None for a folder, which nobody else can reach."""
    size: Size
    grace_s: int
    """How long a pod may take to end, in seconds."""
    version: str
    """The model's, whole."""
    baseline: Baseline
    """What is watched; without signals where nothing can be."""

    @property
    def selector(self) -> dict[str, str]:
        """The labels that never change, by which pods are found."""
        return {"app.kubernetes.io/name": self.name, "app.kubernetes.io/instance": self.name}


def describe(bundle: Bundle, image: str) -> Subject:
    """What the manifests of a bundle say; raises `BuildError` where its name cannot be a Service's."""
    name = bundle.manifest.name
    if not _SERVICE_NAME.fullmatch(name):
        raise BuildError(
            "manifests",
            f"the model's name {name!r} cannot name a Service: lower-case letters, digits and hyphens, a letter first, "
            "63 at most",
            "Write another `name:` in modelcast.yaml and build again; the model's version stays the same",
        )
    said = {key: text for key, text in facts(bundle).items() if key != _SOURCE or text.startswith(_REACHED)}
    version = bundle.manifest.version
    short = version.removeprefix("sha256:")[:_SHORT]
    return Subject(
        name=name,
        image=image,
        replicas=REPLICAS,
        # A label holds 63 characters and no colon.
        labels=MappingProxyType({"app.kubernetes.io/version": short}),
        annotations=MappingProxyType(said),
        repository=said.get(_SOURCE, "").partition("#")[0] or None,
        size=sizing.of(bundle.model_bytes),
        grace_s=stop_seconds(bundle.manifest.service.limits) + _SPARE_S,
        version=version,
        baseline=bundle.baseline or Baseline(source="nothing", rows=0),
    )

"""What is written for which platform; one more platform is one more entry of `TARGETS`, one more kind a name in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelcast_builder.manifests.metadata import Object
from modelcast_builder.manifests.network import ingress, route, service
from modelcast_builder.manifests.operation import (
    dashboard_file,
    dashboard_map,
    disruption_budget,
    prometheus_rule,
    rules_file,
    service_monitor,
)
from modelcast_builder.manifests.subject import Subject
from modelcast_builder.manifests.template import template
from modelcast_builder.manifests.workload import deployment

Make = Callable[[Subject], Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One platform."""

    folders: Mapping[str, tuple[Make, ...]]
    """What `kubectl apply -k` takes at once, by the folder below `--out`."""
    alone: Mapping[str, Make]
    """What is used by itself, by its file."""

    def files(self, subject: Subject) -> dict[str, Object]:
        """The objects by their file's path below `--out`."""
        written: dict[str, Object] = {}
        for place, makes in self.folders.items():
            objects = [make(subject) for make in makes]
            files = {f"{of['kind'].lower()}.yaml": of for of in objects}
            written |= {f"{place}{name}": of for name, of in {**files, "kustomization.yaml": _kustomize(files)}.items()}
        return written | {name: make(subject) for name, make in self.alone.items()}


def _kustomize(files: Mapping[str, Object]) -> Object:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(files)}


_EVERYWHERE: tuple[Make, ...] = (deployment, service, disruption_budget)
_WATCHING: tuple[Make, ...] = (service_monitor, prometheus_rule, dashboard_map)
_ALONE: Mapping[str, Make] = MappingProxyType({"rules.yml": rules_file, "dashboard.json": dashboard_file})
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "openshift": Target(
            folders={"": (*_EVERYWHERE, route, *_WATCHING)}, alone={"template.yaml": template, **_ALONE}
        ),
        # A cluster without the Prometheus operator does not know the kinds and would refuse the whole folder.
        "kubernetes": Target(folders={"": (*_EVERYWHERE, ingress), "monitoring/": _WATCHING}, alone=_ALONE),
    }
)

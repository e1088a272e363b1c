"""What those who run the cluster ask of a service: its metrics, and how many pods may be missing."""

from modelcast_builder.manifests.metadata import Object, named
from modelcast_builder.manifests.subject import Subject
from modelcast_builder.manifests.workload import PORT


def service_monitor(subject: Subject) -> Object:
    """Where the Prometheus operator finds the metrics. OpenShift's looks in the object's own namespace alone."""
    endpoint = {"port": PORT, "path": "/metrics", "interval": "30s"}
    spec = {"selector": {"matchLabels": subject.selector}, "endpoints": [endpoint]}
    return named("ServiceMonitor", "monitoring.coreos.com/v1", subject) | {"spec": spec}


def disruption_budget(subject: Subject) -> Object:
    """One pod at a time; counted from above, so that a single replica does not keep a node from being drained."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": subject.selector}}
    return named("PodDisruptionBudget", "policy/v1", subject) | {"spec": spec}

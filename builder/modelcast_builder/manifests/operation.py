"""What those who run the cluster ask of a service: its metrics, and how many pods may be missing."""

from modelcast_builder.manifests.metadata import Object, named
from modelcast_builder.manifests.subject import Subject
from modelcast_builder.manifests.watching import dashboard, groups
from modelcast_builder.manifests.watching.watched import Watched
from modelcast_builder.manifests.workload import PORT


def service_monitor(subject: Subject) -> Object:
    """Where the Prometheus operator finds the metrics. OpenShift's looks in the object's own namespace alone."""
    endpoint = {"port": PORT, "path": "/metrics", "interval": "30s"}
    # The rules find the metrics by their job, whatever an overlay makes of the Service's name.
    job = "app.kubernetes.io/name"
    spec = {"jobLabel": job, "selector": {"matchLabels": subject.selector}, "endpoints": [endpoint]}
    return named("ServiceMonitor", "monitoring.coreos.com/v1", subject) | {"spec": spec}


def disruption_budget(subject: Subject) -> Object:
    """One pod at a time; counted from above, so that a single replica does not keep a node from being drained."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": subject.selector}}
    return named("PodDisruptionBudget", "policy/v1", subject) | {"spec": spec}


def prometheus_rule(subject: Subject) -> Object:
    """What the Prometheus operator lets Prometheus compute of the metrics, and call people for."""
    return named("PrometheusRule", "monitoring.coreos.com/v1", subject) | {"spec": rules_file(subject)}


def rules_file(subject: Subject) -> Object:
    """The same for a Prometheus without operator: a file of `rule_files`."""
    return {"groups": groups(_watched(subject))}


def dashboard_file(subject: Subject) -> Object:
    """What Grafana imports."""
    return dashboard.dashboard(_watched(subject))


def dashboard_map(subject: Subject) -> Object:
    """The same where Grafana's sidecar looks for dashboards."""
    made = named("ConfigMap", "v1", subject, suffix="-dashboard")
    made["metadata"]["labels"]["grafana_dashboard"] = "1"
    return made | {"data": {f"{subject.name}.json": dashboard.text(dashboard_file(subject))}}


def _watched(subject: Subject) -> Watched:
    return Watched(job=subject.name, version=subject.version, baseline=subject.baseline)

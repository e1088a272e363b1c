"""From the baseline of a bundle to what Prometheus computes, what it calls people for, and what Grafana shows of it."""

from modelcast_builder.manifests.metadata import Object
from modelcast_builder.manifests.watching import alerts, recording
from modelcast_builder.manifests.watching.watched import Watched


def groups(watched: Watched) -> list[Object]:
    """The rules of one version, in one group: its rules are evaluated in their order, one reads the other."""
    rules = [*recording.rules(watched), *alerts.rules(watched)]
    return [{"name": f"modelcast-{watched.job}", "interval": watched.timing.every, "rules": rules}]

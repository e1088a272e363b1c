"""The pods, under the strictest rules that a cluster has: `restricted-v2` of OpenShift, PodSecurity `restricted`."""

from typing import Any

from modelcast_builder.manifests.metadata import Object, annotated, labels, named
from modelcast_builder.manifests.sizing import SCRATCH_MIB
from modelcast_builder.manifests.subject import Subject

PORT = "http"
"""The name of the port, in the pod and in the Service."""
PORT_NUMBER = 8080


def deployment(subject: Subject) -> Object:
    """A rollout takes no pod away before its successor answers.

    There is no preStop: a service that is told to stop goes on accepting for `limits.drain_s`, so that connections
    which are on their way while the cluster takes the pod out of the Service are answered.
    """
    spec: Object = {
        "replicas": subject.replicas,
        "selector": {"matchLabels": subject.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        # Longer than a start may take, so that a rollout which cannot succeed is told from a slow one.
        "progressDeadlineSeconds": 2 * subject.size.startup_s + 60,
        "template": annotated({"metadata": {"labels": labels(subject)}, "spec": _pod(subject)}, **subject.annotations),
    }
    return annotated(named("Deployment", "apps/v1", subject), **subject.annotations) | {"spec": spec}


def _pod(subject: Subject) -> Object:
    return {
        "automountServiceAccountToken": False,
        # Else the variables of a Service named `port` or `modelcast` would be read as the service's settings.
        "enableServiceLinks": False,
        # No runAsUser and no fsGroup: OpenShift gives each project its own, and the image runs under any.
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": subject.grace_s,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": subject.selector},
                # Each version is spread by itself: the one that leaves does not count.
                "matchLabelKeys": ["pod-template-hash"],
            }
        ],
        "containers": [_container(subject)],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": f"{SCRATCH_MIB}Mi"}}],
    }


def _container(subject: Subject) -> Object:
    size = subject.size
    return {
        "name": "model",
        "image": subject.image,
        "ports": [{"name": PORT, "containerPort": PORT_NUMBER, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": size.cpu_request, "memory": size.memory},
            # Memory cannot be taken back from a process: what it may use is what is set aside for it.
            "limits": {"cpu": size.cpu_limit, "memory": size.memory},
        },
        "startupProbe": _probe("/readyz", every_s=1, failures=size.startup_s),
        "readinessProbe": _probe("/readyz", every_s=5, failures=3),
        # Slow to judge: a busy CPU is no reason to throw away a process that answers.
        "livenessProbe": _probe("/healthz", every_s=10, failures=6),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # The one line that says why a start was refused is the pod's own message.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the container's own
    }


def _probe(path: str, *, every_s: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": PORT},
        "periodSeconds": every_s,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }

"""How requests reach the pods: the Service, and what is in front of it."""

from modelcast_builder.manifests.metadata import Object, named
from modelcast_builder.manifests.subject import Subject
from modelcast_builder.manifests.workload import PORT, PORT_NUMBER


def service(subject: Subject) -> Object:
    """The pods that are ready, under one name."""
    port = {"name": PORT, "port": PORT_NUMBER, "targetPort": PORT, "protocol": "TCP"}
    spec = {"type": "ClusterIP", "selector": subject.selector, "ports": [port]}
    return named("Service", "v1", subject) | {"spec": spec}


def route(subject: Subject) -> Object:
    """OpenShift's: TLS ends at the router, and plain HTTP is sent there."""
    spec = {
        "to": {"kind": "Service", "name": subject.name, "weight": 100},
        "port": {"targetPort": PORT},
        "tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
        "wildcardPolicy": "None",
    }
    return named("Route", "route.openshift.io/v1", subject) | {"spec": spec}


def ingress(subject: Subject) -> Object:
    """Every host of the cluster's default class; an overlay gives it a host and a certificate."""
    backend = {"service": {"name": subject.name, "port": {"name": PORT}}}
    rule = {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return named("Ingress", "networking.k8s.io/v1", subject) | {"spec": {"rules": [rule]}}

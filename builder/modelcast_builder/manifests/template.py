"""OpenShift's Template: all of it under one name, and the way from the repository's next commit to the next rollout."""

import json
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from modelcast_builder.manifests.metadata import Object, annotated, named
from modelcast_builder.manifests.network import route, service
from modelcast_builder.manifests.operation import disruption_budget, service_monitor
from modelcast_builder.manifests.subject import Subject
from modelcast_builder.manifests.workload import deployment

_LATEST = "${NAME}:latest"
_BUILDER, _WEBHOOK = "-builder", "-webhook"


def template(subject: Subject) -> Object:
    """What `oc new-app -f` takes: the pods run IMAGE until a build of the repository is done, and then what it made.

    A build begins when the webhook is called, or by `oc start-build`; never by itself, since IMAGE is the one proven.
    """
    # A version would be that of IMAGE for ever, whatever was built since.
    like = replace(
        subject,
        name="${NAME}",
        image="${IMAGE}",
        replicas="${{REPLICAS}}",
        labels=MappingProxyType({"app.openshift.io/runtime": "python"}),
        annotations=MappingProxyType(
            {
                "app.openshift.io/vcs-uri": "${SOURCE_REPOSITORY_URL}",
                "app.openshift.io/vcs-ref": "${SOURCE_REPOSITORY_REF}",
            }
        ),
    )
    objects = [
        _webhook(like),
        _builder(like),
        named("ImageStream", "image.openshift.io/v1", like),
        _build(like),
        _following(deployment(like)),
        *(make(like) for make in (service, route, disruption_budget, service_monitor)),
    ]
    about = {
        "openshift.io/display-name": subject.name,
        "description": f"The model {subject.name} as a scoring service, and the build of its next version",
        "tags": "python,machine-learning,modelcast",
        "iconClass": "icon-python",
        **subject.annotations,
    }
    return annotated(named("Template", "template.openshift.io/v1", subject), **about) | {
        "message": "The model ${NAME} answers as soon as `oc rollout status deployment/${NAME}` is done; "
        "`oc start-build ${NAME}` builds and rolls out its next version.",
        "objects": objects,
        "parameters": _parameters(subject),
    }


def _following(deployed: Object) -> Object:
    """The same Deployment, whose image becomes that of the stream as soon as a build has filled it."""
    container = deployed["spec"]["template"]["spec"]["containers"][0]["name"]
    trigger = {
        "from": {"kind": "ImageStreamTag", "name": _LATEST},
        "fieldPath": f'spec.template.spec.containers[?(@.name=="{container}")].image',
    }
    return annotated(deployed, **{"image.openshift.io/triggers": json.dumps([trigger])})


def _builder(subject: Subject) -> Object:
    tag = {
        "name": "latest",
        "from": {"kind": "DockerImage", "name": "${BUILDER_IMAGE}"},
        "referencePolicy": {"type": "Local"},
    }
    return named("ImageStream", "image.openshift.io/v1", subject, suffix=_BUILDER) | {"spec": {"tags": [tag]}}


def _webhook(subject: Subject) -> Object:
    secret = {"type": "Opaque", "stringData": {"WebHookSecretKey": "${WEBHOOK_SECRET}"}}
    return named("Secret", "v1", subject, suffix=_WEBHOOK) | secret


def _build(subject: Subject) -> Object:
    spec = {
        "source": {
            "type": "Git",
            "git": {"uri": "${SOURCE_REPOSITORY_URL}", "ref": "${SOURCE_REPOSITORY_REF}"},
            "contextDir": "${CONTEXT_DIR}",
        },
        "strategy": {
            "type": "Source",
            "sourceStrategy": {
                "from": {"kind": "ImageStreamTag", "name": f"{subject.name}{_BUILDER}:latest"},
                "incremental": True,
                "env": [{"name": "MODELCAST_NAME", "value": "${NAME}"}],
            },
        },
        "output": {"to": {"kind": "ImageStreamTag", "name": _LATEST}},
        # Every hash and every golden row holds in the image, or it is not pushed.
        "postCommit": {"script": "modelcast-runtime selftest"},
        "triggers": [{"type": "Generic", "generic": {"secretReference": {"name": subject.name + _WEBHOOK}}}],
    }
    return named("BuildConfig", "build.openshift.io/v1", subject) | {"spec": spec}


def _parameters(subject: Subject) -> list[dict[str, Any]]:
    return [
        _parameter("NAME", "Name of the model and of everything made for it", subject.name),
        _parameter("IMAGE", "The model's image that runs first, by its digest", subject.image),
        _parameter("REPLICAS", "Number of pods", str(subject.replicas)),
        _parameter("SOURCE_REPOSITORY_URL", "Git repository of the model", subject.repository),
        _parameter("SOURCE_REPOSITORY_REF", "Branch, tag or commit; empty for the default branch", "", required=False),
        _parameter("CONTEXT_DIR", "Folder of the repository that holds the model; empty for all", "", required=False),
        _parameter("BUILDER_IMAGE", "The S2I image modelcast-builder, where the cluster can pull it", None),
        {
            "name": "WEBHOOK_SECRET",
            "description": "Part of the address that a push to the repository calls",
            "generate": "expression",
            "from": "[a-zA-Z0-9]{40}",
        },
    ]


def _parameter(name: str, description: str, value: str | None, *, required: bool = True) -> dict[str, Any]:
    given = {} if value is None else {"value": value}
    return {"name": name, "description": description, "required": required, **given}

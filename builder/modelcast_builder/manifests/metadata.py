"""What every object says of itself."""

from typing import Any

from modelcast_builder.manifests.subject import Subject

Object = dict[str, Any]
"""A Kubernetes object, as the API has it."""


def labels(subject: Subject) -> dict[str, str]:
    """The selector's labels and those that tell people what they see."""
    common = {"app.kubernetes.io/component": "model", "app.kubernetes.io/managed-by": "modelcast"}
    return {**subject.selector, **common, **subject.labels}


def named(kind: str, version: str, subject: Subject, *, suffix: str = "") -> Object:
    """The head of an object that bears the model's name."""
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": subject.name + suffix, "labels": labels(subject)},
    }


def annotated(thing: Object, **annotations: str) -> Object:
    """The same with annotations; none where there are none to say."""
    metadata = thing["metadata"]
    said = {**metadata.get("annotations", {}), **annotations}
    return thing | {"metadata": metadata | ({"annotations": said} if said else {})}

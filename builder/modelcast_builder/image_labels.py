"""What an image that holds a bundle is labelled with, and the objects that deploy it are annotated with."""

from modelcast_runtime.bundle import Bundle

LABEL_LENGTH = 256
"""s2i takes 10,240 bytes of labels in all, and a longer one fails the build at its very end."""


def labels(bundle: Bundle) -> dict[str, str]:
    """What an image is labelled with: the facts, and what tools of any image look for.

    The time is not among them: the same bundle is the same image on every day.
    """
    said = facts(bundle)
    common = {
        "title": said["modelcast.name"],
        "version": said["modelcast.version"],
        "description": bundle.manifest.description[:LABEL_LENGTH],
        "revision": said.get("modelcast.commit", ""),
        "source": said.get("modelcast.source", ""),
    }
    return said | {f"org.opencontainers.image.{name}": text for name, text in common.items() if text}


def facts(bundle: Bundle) -> dict[str, str]:
    """What the image's labels say of its model; all of it is at /info too."""
    manifest, provenance = bundle.manifest, bundle.provenance()
    said: dict[str, str | None] = {
        "name": manifest.name,
        "version": manifest.version,
        "bundle-digest": bundle.digest,
        "framework": manifest.framework,
        "task": manifest.task,
    }
    if provenance:
        said |= {
            "python": provenance.python,
            "scikit-learn": provenance.packages.get("scikit-learn"),
            "commit": provenance.commit,
            "source": provenance.source,
        }
    return {f"modelcast.{name}": text[:LABEL_LENGTH] for name, text in said.items() if text}

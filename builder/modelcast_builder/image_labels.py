"""What an image that holds a bundle is labelled with, and the objects that deploy it are annotated with."""

from modelcast_runtime.bundle import Bundle

LABEL_LENGTH = 256
"""s2i takes 10,240 bytes of labels in all, and a longer one fails the build at its very end."""


def labels(bundle: Bundle) -> dict[str, str]:
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

"""From a bundle to the objects that deploy it: bundle -> subject -> objects of the target -> files.

Every object is made of plain values and dumped by the YAML library; no text is ever filled in.
"""

from collections.abc import Sequence
from pathlib import Path

from modelcast_runtime.bundle import Bundle

from modelcast_builder.manifests import folder
from modelcast_builder.manifests.subject import describe
from modelcast_builder.manifests.targets import TARGETS


def write(bundle: Bundle, image: str, target: str, out: Path) -> Sequence[Path]:
    """Write what deploys `image`, which holds `bundle`, on a key of `TARGETS`; the files. Raises `BuildError`.

    Nothing is written where a file of somebody else's, or one that was changed by hand, would be lost.
    """
    return folder.write(out, TARGETS[target].files(describe(bundle, image)))

"""What `modelcast image` does: a bundle laid on the runtime image, or a repository assembled as S2I would; then a push.

Bundle and environment -> `staging` writes a build context -> `Engine.build` -> the image proves itself -> its name.
"""

from modelcast_builder.images.assembly import through_s2i
from modelcast_builder.images.engine import Engine
from modelcast_builder.images.engine import find as find_engine
from modelcast_builder.images.extraction import bundle_of, folder_of
from modelcast_builder.images.reference import Reference, parse_reference
from modelcast_builder.images.registry import push, tag
from modelcast_builder.images.runtime_image import Base, inspect_base, on_runtime

__all__ = [
    "Base",
    "Engine",
    "Reference",
    "bundle_of",
    "find_engine",
    "folder_of",
    "inspect_base",
    "on_runtime",
    "parse_reference",
    "push",
    "tag",
    "through_s2i",
]

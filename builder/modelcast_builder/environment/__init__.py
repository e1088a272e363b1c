"""The model's environment: what the repository asks for, resolved as of one date, installed by uv, imported once.

The ruling file -> `read_environment` -> `resolve` -> Lock -> `create` -> Environment. The lock is all that a bundle
keeps of it: `lock_text` and `parse_lock`. `vendor` ends with a folder of wheels instead.
"""

from modelcast_builder.environment.bundled import of_bundle, of_model
from modelcast_builder.environment.changes import check_unchanged
from modelcast_builder.environment.converter import Converter, NoConverter, make_converter
from modelcast_builder.environment.lock import Lock, lock_of, lock_text, parse_lock
from modelcast_builder.environment.prepare import prepare, vendor
from modelcast_builder.environment.requirements import Requirements, read_requirements
from modelcast_builder.environment.resolution import resolve
from modelcast_builder.environment.sources import read_environment
from modelcast_builder.environment.uv import Uv, use_uv
from modelcast_builder.environment.venv import Environment, base_python, builders, create

__all__ = [
    "Converter",
    "Environment",
    "Lock",
    "NoConverter",
    "Requirements",
    "Uv",
    "base_python",
    "builders",
    "check_unchanged",
    "create",
    "lock_of",
    "lock_text",
    "make_converter",
    "of_bundle",
    "of_model",
    "parse_lock",
    "prepare",
    "read_environment",
    "read_requirements",
    "resolve",
    "use_uv",
    "vendor",
]

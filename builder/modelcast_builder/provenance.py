"""When, from what and by what a bundle was made: the only room that asks the clock."""

import sys
from datetime import UTC, datetime

from modelcast_runtime.contract import Provenance

from modelcast_builder import __version__
from modelcast_builder.clone import public
from modelcast_builder.config import Config
from modelcast_builder.environment import Lock
from modelcast_builder.report import Reporter
from modelcast_builder.source import Source


def record(source: Source, config: Config, lock: Lock, reporter: Reporter) -> Provenance:
    """The receipt of this build; outside both digests."""
    return Provenance(
        built_at=datetime.now(UTC).isoformat(timespec="seconds"),
        builder_version=__version__,
        python=".".join(map(str, sys.version_info[:3])),
        source=source.origin or public(config.source_url or "") or source.location,
        commit=source.commit or config.commit,
        environment_as_of=lock.as_of,
        packages=dict(pin.split("==", 1) for pin in lock.packages),
        notes=tuple(reporter.notes),
        steps=tuple(reporter.steps),
    )

"""`modelcast serve --watch`: a repository is served, and built again when it changes; what serves goes on meanwhile."""

import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelcast_runtime.bundle import Bundle
from modelcast_runtime.settings import read_settings

from modelcast_builder.config import BuildSettings
from modelcast_builder.errors import BuildError, MissingPart, last_line
from modelcast_builder.report import Reporter
from modelcast_builder.succession import Succession
from modelcast_builder.watch import Watch

Flags = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Servable:
    """A bundle, and the command that serves it, given the service's flags."""

    bundle: Bundle
    command: Callable[[Flags], list[str]]

    @property
    def title(self) -> str:
        """The model, as the service's first line names it."""
        return f"{self.bundle.manifest.name} {self.bundle.manifest.version}"


def serve_watching(
    root: Path, make: Callable[[], Servable], settings: BuildSettings, flags: Flags, reporter: Reporter
) -> int:
    """Serve what `make` builds of the folder, until told to stop; the exit code of a service that ended by itself.

    Raises as `make` does the first time, `SettingsError` and `CannotListenError`.
    """
    watch = Watch(root, apart=settings.cache)
    first = make()
    told = read_settings(settings.variables, flags, first.bundle.manifest.service)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with Succession(told.host, told.port, settings.variables) as services:
        flags = {**flags, "host": told.host, "port": services.port}
        serving, code = first, _followed(services, first, flags)
        while code is None:
            time.sleep(watch.pause_s)
            if said := watch.changes():
                reporter.say("watch", said)
                serving = _next(services, serving, make, flags, reporter)
            code = services.ended()
        return code


def _next(
    services: Succession, serving: Servable, make: Callable[[], Servable], flags: Flags, reporter: Reporter
) -> Servable:
    """What serves from now on: what was built anew, or where that failed or is no other bundle, what served before."""
    try:
        made = make()
    except (BuildError, MissingPart) as error:
        sys.stderr.write(f"{last_line(str(error))}\n")
    except (FileNotFoundError, NotADirectoryError) as error:
        reporter.say("watch", f"{error.filename} went while it was read")  # and the next look tells of it
    else:
        if made.bundle.root != serving.bundle.root and _followed(services, made, flags) is None:
            return made
    reporter.say("watch", f"{serving.title} serves on")
    return serving


def _followed(services: Succession, made: Servable, flags: Flags) -> int | None:
    return services.follow(made.command(flags), ready=f"serving {made.title} at ")

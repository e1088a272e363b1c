"""The service in one call: `serve` listens, forks the workers, and comes back when it was told to stop."""

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from modelcast_runtime.listening import CannotListenError, is_handed_over
from modelcast_runtime.settings import Settings
from modelcast_runtime.worker import Application, Draining, Duty, ScoringWorker, Slots, Startup

if TYPE_CHECKING:
    from modelcast_runtime.bundle import Bundle


def serve(
    bundle: "Bundle",
    settings: Settings,
    *,
    make_app: Callable[[ScoringWorker], Application],
    make_store: Callable[[int], Slots],
    refusals: tuple[type[Exception], ...] = (),
) -> int:
    """Serve in the foreground until told to stop; the exit code.

    `make_app` runs in each worker after the fork; one of `refusals` from it ends the service with one line.
    `make_store` gets the number of slots, before the fork.
    """
    # gunicorn reads it with int() at import, where "" and quotes are a traceback; here it has been understood.
    os.environ["WEB_CONCURRENCY"] = str(settings.workers)
    from modelcast_runtime import master

    parent = os.getpid()
    code: object = master.OUR_BUG
    try:
        service = master.Service(settings)
        service.duty = Duty(
            name=bundle.manifest.name,
            version=bundle.manifest.version,
            limits=settings.limits,
            logs_access=settings.log_access == "json",
            store=make_store(master.slots_for(service.cfg.workers)),
            make_app=make_app,
            refusals=refusals,
            draining=Draining(),
            startup=Startup(service.cfg.workers),
            is_handed_over=is_handed_over(),
        )
        master.Master(service).run()
    except CannotListenError as reason:
        code = master.refuse(str(reason))
    except SystemExit as end:
        code = end.code
    finally:
        if os.getpid() != parent:
            _leave_child(code)
    return code if isinstance(code, int) else 0


def _leave_child(code: object) -> NoReturn:
    # A worker must not run what the caller does after `serve`, nor what the master registered for its own exit.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0)


def terminate_on_signal() -> None:
    """For the time before `serve`: as PID 1 of a container, a process ignores SIGTERM unless it asks for it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))

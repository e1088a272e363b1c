"""Whether this worker may be sent requests: the golden rows reproduced here, and it is not being stopped."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What readiness is made of; liveness needs nothing of the model."""

    golden_rows: int
    """How many golden rows reproduced in this worker after the fork (a worker where one does not never serves)."""
    is_draining: Callable[[], bool]

    def is_ready(self) -> bool:
        """Whether new requests are welcome."""
        return not self.is_draining()

    def report(self) -> dict[str, object]:
        """The body of `/readyz`."""
        draining = self.is_draining()
        return {
            "status": "draining" if draining else "ok",
            "checks": {"golden_rows": f"{self.golden_rows} reproduced", "accepting": not draining},
        }

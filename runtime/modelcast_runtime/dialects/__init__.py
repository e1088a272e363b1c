"""How each protocol reads a request and writes an answer: one module a protocol, one line in `DIALECTS`.

A dialect is pure: bytes in, checked rows out; scores in, bytes out. Reading the body, scoring, counting and logging are
the lane's, and the same for all of them.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Wanted
from modelcast_runtime.payload import Decoded
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings

# Below this a body is decoded faster than it is handed to a thread; a large one takes up to seconds.
DECODED_INLINE = 65_536
NOTHING: frozenset[Wanted] = frozenset()


class Request(NamedTuple):
    """A whole request; `headers` have lower-case names, `body` is inflated."""

    headers: dict[bytes, bytes]
    query: bytes
    body: bytes


class Asked(NamedTuple):
    """Checked rows, the outputs that are wanted beside `predict`, and what the dialect needs to write the answer."""

    rows: Decoded
    wanted: frozenset[Wanted] = NOTHING
    notes: Any = None


class Dialect(Protocol):
    """One protocol of one model; made once a worker."""

    name: str
    """The value of the metrics' label `protocol`, one of `metrics.PROTOCOLS`."""
    paths: tuple[str, ...]
    """Where it answers POST, as they stand in a request."""

    def glance(self, headers: dict[bytes, bytes], query: bytes) -> None:
        """Refuse by raising `Problem` what needs no body to be refused."""

    def is_slow(self, headers: dict[bytes, bytes], size: int) -> bool:  # noqa: ARG002 - most forms are alike
        """Whether a body of so many bytes is read on a thread."""
        return size > DECODED_INLINE

    def read(self, request: Request) -> Asked:
        """Check the rows; raises `Problem`. A large body is read on a thread."""

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:
        """The answer; `identity` is the prediction's id."""

    def refuse(self, problem: Problem) -> Response:
        """The problem as this protocol's clients read it."""


def create_dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """Every protocol that this bundle answers; imported here, as each module knows this one."""
    from modelcast_runtime.dialects import mlflow, own, sagemaker, v1, v2

    makers: tuple[Callable[[Bundle, Settings], Iterable[Dialect]], ...] = (
        own.dialects,
        v2.dialects,
        v1.dialects,
        mlflow.dialects,
        sagemaker.dialects,
    )
    for make in makers:
        yield from make(bundle, settings)

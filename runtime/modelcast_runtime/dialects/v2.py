"""`POST /v2/models/NAME/infer`: the Open Inference Protocol V2 with binary tensors."""

from collections.abc import Iterable

from modelcast_runtime.asgi import Response
from modelcast_runtime.bundle import Bundle
from modelcast_runtime.columns import Scores
from modelcast_runtime.contract import Manifest
from modelcast_runtime.dialects import Asked, Dialect, Request, v2_answer, v2_problems, v2_request, v2_rows
from modelcast_runtime.dialects.v2_metadata import model_paths
from modelcast_runtime.problems import Problem
from modelcast_runtime.settings import Settings

BINARY_INLINE = 1_048_576
"""Up to so many bytes the numbers of a binary body are looked at on the event loop: 0.4 ms, and no thread."""
_DIGITS = 5
"""Of the length of a JSON that is short enough to be read there too."""


def dialects(bundle: Bundle, settings: Settings) -> Iterable[Dialect]:
    """The one dialect of this protocol."""
    return (V2(bundle.manifest, settings),)


class V2(Dialect):
    """Tensors in and out; every output of the model, or those that are asked for."""

    name = "v2"

    def __init__(self, manifest: Manifest, settings: Settings) -> None:
        """The manifest tells what is taken and given, the settings what is refused."""
        self.paths = tuple(f"{path}/infer" for path in model_paths(manifest))
        self._manifest = manifest
        self._given = tuple(output.name for output in manifest.signature.outputs)
        self._terms = v2_rows.Terms.of(
            manifest.signature, ignores_extra=settings.extra_inputs == "ignore", max_rows=settings.limits.rows
        )

    def glance(self, headers: dict[bytes, bytes], query: bytes) -> None:
        """Nothing: what is asked for stands in the body."""

    def is_slow(self, headers: dict[bytes, bytes], size: int) -> bool:
        """Numbers that come in binary are taken as they lie: only the JSON before them needs to be read."""
        text = headers.get(v2_request.HEADER, b"")
        is_binary = self._terms.takes_matrix and text.isdigit() and len(text) <= _DIGITS
        return size > BINARY_INLINE if is_binary else super().is_slow(headers, size)

    def read(self, request: Request) -> Asked:
        """The envelope, then the tensors in it."""
        envelope = v2_request.read(request.body, request.headers, self._given)
        asked = [name for name, _ in envelope.outputs]
        return Asked(
            rows=v2_rows.read(envelope, self._terms),
            wanted=frozenset(name for name in self._given if name in asked and name != "predict"),
            notes=v2_answer.Notes(envelope.identity, envelope.outputs),
        )

    def write(self, scores: Scores, asked: Asked, identity: str) -> Response:
        """The tensors that were asked for, in their order."""
        return v2_answer.encode(scores, self._manifest, asked.notes, identity)

    def refuse(self, problem: Problem) -> Response:
        """`{"error": ...}`."""
        return v2_problems.refusal(problem)

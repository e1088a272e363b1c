"""What the Open Inference Protocol refuses beside values: its own words, and its clients' `{"error": ...}`.

Invariant: no text here ever holds a value that the caller sent.
"""

import orjson

from modelcast_runtime.asgi import Response
from modelcast_runtime.problems import Problem


def error(problem: Problem) -> bytes:
    """The body of every refusal below /v2."""
    return orjson.dumps({"error": problem.detail})


def refusal(problem: Problem) -> Response:
    """The problem as the protocol's clients read it."""
    return Response.refusing(problem, error(problem), "application/json")


def wrong_request(at: str, expected: str, got: str) -> Problem:
    """400: a part of the request that is not as the protocol has it."""
    return _of_form("Wrong request", at, expected, got, "The Open Inference Protocol V2 says what a request holds.")


def wrong_tensor(at: str, expected: str, got: str) -> Problem:
    """400: a tensor that the model does not take or give."""
    return _of_form("Wrong tensor", at, expected, got, "GET /v2/models/NAME describes the model's tensors.")


def wrong_bytes(at: str, expected: str, got: str) -> Problem:
    """400: binary data that is not what the JSON before it says."""
    advice = "The binary tensor data extension says how a tensor's bytes follow the JSON."
    return _of_form("Wrong binary data", at, expected, got, advice)


def _of_form(title: str, at: str, expected: str, got: str, advice: str) -> Problem:
    detail = f"{at}: expected {expected}, got {got}. {advice}"
    return Problem(status=400, title=title, detail=detail, at=at, expected=expected, got=got)


def not_found() -> Problem:
    """404: another model or version, or a route that the service does not have."""
    detail = (
        "Not found: no such model, version or route is served here. GET /v2/models names the model, and "
        "GET /v2/models/NAME its version."
    )
    return Problem(status=404, title="Not found", detail=detail)


def not_ready() -> Problem:
    """503: the service is being stopped; Knative, balancers and clients repeat the request elsewhere."""
    detail = "This replica is being stopped and takes no more requests. Repeat the request: another one answers it."
    return Problem(status=503, title="Not ready", detail=detail, headers=(("Retry-After", "1"),))

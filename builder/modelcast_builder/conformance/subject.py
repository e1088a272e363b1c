"""What is checked: a model of a server, the request that it takes and how it answers that."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from modelcast_builder.conformance import requests
from modelcast_builder.conformance.answers import NotApplicableError, Output, ViolationError, read_json, same, scored
from modelcast_builder.conformance.client import Answer, Server, UnansweredError
from modelcast_builder.conformance.datatypes import is_number
from modelcast_builder.conformance.requests import Request
from modelcast_builder.errors import BuildError, MissingPart

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One model, and what was learnt of it before the first case."""

    server: Server
    model: str
    extensions: frozenset[str]
    metadata: Mapping[str, Any]
    request: Request | None
    """What is taken for a valid request; none where neither metadata nor an example gave one."""
    outputs: tuple[Output, ...] | None
    """What the request was answered with; none where it was not answered as it must be."""
    is_steady: bool
    """Whether the same request had the same answer twice."""

    def path(self, *parts: str, model: str | None = None) -> str:
        """`/v2/models/MODEL/PARTS`."""
        return "/".join(["/v2/models", quote(model or self.model, safe=""), *parts])

    def infer(
        self, request: Mapping[str, Any] | bytes, headers: Mapping[str, str] = JSON, path: str | None = None
    ) -> Answer:
        """The answer to an infer request, which is sent as it is where it is bytes."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return self.server.ask("POST", path or self.path("infer"), body, headers)

    def valid(self, **changes: Any) -> Request:
        """The valid request, to be changed at will; `NotApplicableError` where there is none."""
        if self.request is None:
            raise NotApplicableError("its metadata name no inputs to make a request from: give one with --example FILE")
        if self.outputs is None:
            raise NotApplicableError("the valid request of V2-01 was not answered")
        return {**deepcopy(self.request), **changes}

    def numeric(self) -> tuple[Request, dict[str, Any]]:
        """The valid request, and its first tensor of numbers."""
        request = self.valid()
        for tensor in request["inputs"]:
            if is_number(tensor["datatype"]):
                return request, tensor
        raise NotApplicableError("the model takes no numbers")

    def floating(self) -> tuple[Request, dict[str, Any]]:
        """The valid request, and its first tensor of floating-point numbers."""
        request = self.valid()
        for tensor in request["inputs"]:
            if tensor["datatype"] in ("FP16", "FP32", "FP64"):
                return request, tensor
        raise NotApplicableError("the model takes no floating-point numbers")


def examine(server: Server, model: str | None, example: Request | None) -> Subject:
    """Find the model and ask it a request twice.

    `MissingPart` where nobody answers, `BuildError` where the server speaks no V2 or has no such model.
    """
    told = _server_metadata(server)
    listed = _listed(server)
    chosen = model or _only(server, listed)
    metadata = _metadata(server, chosen, listed)
    request = example or _from(metadata)
    subject = Subject(
        server=server,
        model=chosen,
        extensions=frozenset(name for name in _list(told, "extensions") if isinstance(name, str)),
        metadata=metadata,
        request=request,
        outputs=None,
        is_steady=False,
    )
    return _asked(subject, is_guess=example is None and not _list(metadata, "inputs"))


def _server_metadata(server: Server) -> Mapping[str, Any]:
    try:
        answer, health = server.ask("GET", "/v2"), server.ask("GET", "/v2/health/live")
    except UnansweredError as nobody:
        raise MissingPart(f"no server answers at {server.url}: {nobody}. Start it, or name where it listens") from None
    if answer.status != 200 and health.status != 200:
        led = f" to {answer.headers['location']}" if "location" in answer.headers else ""
        problem = f"{server.url} answers GET /v2 with {answer.status}{led}, and /v2/health/live with {health.status}"
        raise BuildError("check", f"{problem}: it speaks no Open Inference Protocol V2", "Name what is before /v2")
    return _object(answer)


def _listed(server: Server) -> tuple[str, ...] | None:
    """The models as KServe's `GET /v2/models` or Triton's repository index list them; none where neither does."""
    try:
        names = _list(_object(server.ask("GET", "/v2/models")), "models")
        if not names:
            answer = server.ask("POST", "/v2/repository/index", b"{}", JSON)
            names = _list({"models": _parsed(answer)}, "models")
    except UnansweredError:
        return None
    told = [entry.get("name") if isinstance(entry, dict) else entry for entry in names]
    return tuple(dict.fromkeys(name for name in told if isinstance(name, str))) or None


def _only(server: Server, listed: Sequence[str] | None) -> str:
    if listed is None:
        raise BuildError("check", f"{server.url} does not list its models", "Name one with --model NAME")
    if len(listed) > 1:
        problem = f"{server.url} has the models {', '.join(listed)}"
        raise BuildError("check", problem, f"Choose one, such as --model {listed[0]}")
    return listed[0]


def _metadata(server: Server, model: str, listed: Sequence[str] | None) -> Mapping[str, Any]:
    """The model's metadata; nothing where the server keeps them to itself."""
    try:
        answer = server.ask("GET", f"/v2/models/{quote(model, safe='')}")
    except UnansweredError:
        return {}
    # One that lists the model and has no page of it is at fault, and V2-32 says so.
    if answer.status == 404 and model not in (listed or ()):
        known = f"--model {' or '.join(listed)}" if listed else "--model NAME"
        raise BuildError("check", f"{server.url} has no model {model} ({answer})", f"Name one that it has with {known}")
    return _object(answer)


def _from(metadata: Mapping[str, Any]) -> Request | None:
    inputs = _list(metadata, "inputs")
    return requests.from_metadata(inputs) if inputs else requests.TABLES_OWN


def _asked(subject: Subject, *, is_guess: bool) -> Subject:
    """The subject with what it answers; a guess that it refuses was no valid request."""
    if subject.request is None:
        return subject
    try:
        first, second = (scored(subject.infer(subject.request), subject.model).outputs for _ in range(2))
    except (UnansweredError, ViolationError):
        return replace(subject, request=None) if is_guess else subject
    return replace(subject, outputs=first, is_steady=same(first, second))


def _parsed(answer: Answer) -> Any:
    try:
        return read_json(answer.body) if answer.status == 200 else None
    except ValueError:
        return None


def _object(answer: Answer) -> Mapping[str, Any]:
    document = _parsed(answer)
    return document if isinstance(document, dict) else {}


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    """What stands there, where it is a list."""
    value = document.get(key)
    return value if isinstance(value, list) else []

"""Finds what is to be checked: the server, its model, and a request that the model takes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from modelcast_builder.conformance import requests
from modelcast_builder.conformance.answers import ViolationError, is_refusal, read_json, same, scored
from modelcast_builder.conformance.client import Answer, Server, UnansweredError
from modelcast_builder.conformance.requests import Request
from modelcast_builder.conformance.subject import JSON, Subject, listed
from modelcast_builder.errors import BuildError, MissingPart


def examine(server: Server, model: str | None, example: Request | None) -> Subject:
    """Find the model, and a request that it takes.

    `MissingPart` where nobody answers; `BuildError` where the server does not speak V2, has no such model, or refuses
    every request that can be made without an example.
    """
    told = _server_metadata(server)
    known = _known(server)
    chosen = model or _only(server, known)
    subject = Subject(
        server=server,
        model=chosen,
        extensions=frozenset(name for name in listed(told, "extensions") if isinstance(name, str)),
        metadata=_metadata(server, chosen, known),
        request=example,
        outputs=None,
        is_steady=False,
    )
    return _answered(subject) if example else _with_request(subject)


def _server_metadata(server: Server) -> Mapping[str, Any]:
    try:
        answer, health = server.ask("GET", "/v2"), server.ask("GET", "/v2/health/live")
    except UnansweredError as nobody:
        raise MissingPart(f"no server answers at {server.url}: {nobody}. Start it, or name where it listens") from None
    if answer.status != 200 and health.status != 200:
        led = f" to {answer.headers['location']}" if "location" in answer.headers else ""
        problem = f"{server.url} answers GET /v2 with {answer.status}{led}, and /v2/health/live with {health.status}"
        fix = "Name the address of a server that does, without /v2"
        raise BuildError("check", f"{problem}: it does not speak the Open Inference Protocol V2", fix)
    return _object(answer)


def _known(server: Server) -> tuple[str, ...]:
    """The models as KServe's `GET /v2/models` or Triton's repository index list them; none where neither does."""
    try:
        names = listed(_object(server.ask("GET", "/v2/models")), "models")
        names = names or listed({"models": _parsed(server.ask("POST", "/v2/repository/index", b"{}", JSON))}, "models")
    except UnansweredError:
        return ()
    told = [entry.get("name") if isinstance(entry, dict) else entry for entry in names]
    return tuple(dict.fromkeys(name for name in told if isinstance(name, str)))


def _only(server: Server, known: Sequence[str]) -> str:
    if not known:
        raise BuildError("check", f"{server.url} does not list its models", "Name one with --model NAME")
    if len(known) > 1:
        problem = f"{server.url} has the models {', '.join(known)}"
        raise BuildError("check", problem, f"Choose one, such as --model {known[0]}")
    return known[0]


def _metadata(server: Server, model: str, known: Sequence[str]) -> Mapping[str, Any]:
    """The model's metadata; nothing where the server keeps them to itself."""
    try:
        answer = server.ask("GET", f"/v2/models/{quote(model, safe='')}")
    except UnansweredError:
        return {}
    # One that lists the model and has no page of it is at fault, and V2-32 says so.
    if answer.status == 404 and model not in known:
        names = " or ".join(f"--model {name}" for name in known or ("NAME",))
        raise BuildError("check", f"{server.url} has no model {model}", f"Name one that it has with {names}")
    return _object(answer)


def _with_request(subject: Subject) -> Subject:
    """The subject with the first request that it takes, or with one that it answers as no server may."""
    told = "nothing was asked"
    for request in _requests(subject):
        asked = replace(subject, request=request)
        try:
            answer = asked.infer(request)
        except UnansweredError:
            return asked
        tried = _answered(asked)
        is_the_callers = is_refusal(answer) or not subject.told("inputs")
        if tried.outputs is not None or not is_the_callers:
            return tried
        told = str(answer)
    problem = f"no request could be made that {subject.model} at {subject.server.url} takes ({told})"
    raise BuildError("check", problem, "Give one with --example FILE")


def _requests(subject: Subject) -> Iterator[Request]:
    """The example of the service's own description, and two plain rows of what its metadata name."""
    shown = _shown(subject)
    if shown:
        yield shown
    inputs = subject.told("inputs")
    made = requests.from_metadata(inputs) if inputs else requests.TABLES_OWN
    if made:
        yield made


def _shown(subject: Subject) -> Request | None:
    """The example of an infer request in `/openapi.json`."""
    try:
        described = _object(subject.server.ask("GET", "/openapi.json"))
    except UnansweredError:
        return None
    paths = described.get("paths")
    match paths.get(subject.path("infer")) if isinstance(paths, dict) else None:
        case {"post": {"requestBody": {"content": {"application/json": dict(content)}}}}:
            examples = content.get("examples")
            named = list(examples.values()) if isinstance(examples, dict) else []
            values = [example["value"] for example in named if isinstance(example, dict) and "value" in example]
            return next(filter(None, map(requests.from_document, [content.get("example"), *values])), None)
    return None


def _answered(subject: Subject) -> Subject:
    """The subject with what it answers its request, where it does."""
    if subject.request is None:
        return subject
    try:
        first, second = (scored(subject.infer(subject.request), subject.model).outputs for _ in range(2))
    except (UnansweredError, ViolationError):
        return subject
    return replace(subject, outputs=first, is_steady=same(first, second))


def _parsed(answer: Answer) -> Any:
    try:
        return read_json(answer.body) if answer.status == 200 else None
    except ValueError:
        return None


def _object(answer: Answer) -> Mapping[str, Any]:
    document = _parsed(answer)
    return document if isinstance(document, dict) else {}

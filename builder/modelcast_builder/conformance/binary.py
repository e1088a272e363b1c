"""Cases of the binary tensor extension, and what tritonclient puts on the wire."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace

from modelcast_builder.conformance import requests
from modelcast_builder.conformance.answers import (
    NotApplicableError,
    Scored,
    ViolationError,
    is_refusal,
    refused,
    scored,
)
from modelcast_builder.conformance.client import Answer
from modelcast_builder.conformance.requests import Request
from modelcast_builder.conformance.scores import as_before, check_same
from modelcast_builder.conformance.subject import Subject

_EXTENSION = "binary_tensor_data"
_OCTETS = {"Content-Type": "application/octet-stream"}


def binary_input(subject: Subject) -> str:
    """The extension is optional: a server that does not name it may refuse it, with 4xx and its reason."""
    answer = _offered(subject, _send(subject, subject.valid(), headers=_OCTETS))
    return as_before(subject, answer)


def binary_both(subject: Subject) -> str:
    """Likewise."""
    request = requests.with_parameters(subject.valid(), binary_data_output=True)
    answer = _offered(subject, _send(subject, request, headers=_OCTETS))
    given = _read(subject, answer, is_binary=True)
    media = answer.headers.get("content-type", "absent")
    if media != "application/octet-stream":
        raise ViolationError(f"{given}, but Content-Type is {media}")
    return str(given)


def other_size(subject: Subject) -> str:
    """A byte less, and a byte more, than the sizes add up to."""
    request = subject.valid()
    answers = [
        _send(subject, request, headers=_OCTETS, alter=alter) for alter in (lambda t: t[:-1], lambda t: t + b"\0")
    ]
    told = [refused(answer) for answer in answers]
    if _send(subject, request, headers=_OCTETS).status != 200:
        raise NotApplicableError(f"the server takes no {_EXTENSION} of the right size either")
    return told[-1]


def tritonclient(subject: Subject) -> str:
    """Its four modes without Content-Type, its two encodings each way, and an error that it can read."""
    for takes in ("json", "binary"):
        for gives in ("json", "binary"):
            _mode(f"{takes} in, {gives} out", subject, _triton(subject, takes, gives), is_binary=gives == "binary")
    for encoding, compress in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        body, headers = _triton(subject, "binary", "binary")
        packed = compress(body), {**headers, "Content-Encoding": encoding, "Accept-Encoding": encoding}
        _mode(encoding, subject, packed, is_binary=True)
    body, headers = _triton(subject, "binary", "binary")
    try:
        refused(subject.infer(body, headers, path=subject.path("infer", model="modelcast-no-such-model")), 404)
    except ViolationError as wrong:
        raise ViolationError(f"an error: {wrong}") from None
    return "200 in four modes and two encodings, and an error that it can read"


def _triton(subject: Subject, takes: str, gives: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers; it names every output with the form that it wants."""
    names = [output.name for output in subject.outputs or ()]
    outputs = [{"name": name, "parameters": {"binary_data": gives == "binary"}} for name in names]
    request = subject.valid(id="modelcast", outputs=outputs)
    if takes == "json":
        return json.dumps(request).encode(), {}
    head, tail = requests.in_bytes(request)
    return head + tail, {"Inference-Header-Content-Length": str(len(head))}


def _mode(name: str, subject: Subject, sent: tuple[bytes, dict[str, str]], *, is_binary: bool) -> None:
    try:
        _read(subject, _plain(subject.infer(*sent)), is_binary=is_binary)
    except ViolationError as wrong:
        raise ViolationError(f"{name}: {wrong}") from None


def _plain(answer: Answer) -> Answer:
    """The answer with the encoding of its body undone."""
    encoding = answer.headers.get("content-encoding", "identity")
    undo: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress, "identity": bytes}
    try:
        return replace(answer, body=undo[encoding](answer.body))
    except (KeyError, OSError, EOFError, zlib.error):
        raise ViolationError(f"{answer.status}, but the body is not the {encoding} that it says") from None


def _send(
    subject: Subject, request: Request, *, headers: dict[str, str], alter: Callable[[bytes], bytes] = bytes
) -> Answer:
    head, tail = requests.in_bytes(request)
    return subject.infer(head + alter(tail), {**headers, "Inference-Header-Content-Length": str(len(head))})


def _offered(subject: Subject, answer: Answer) -> Answer:
    """The answer, where it is no refusal of an extension that the server does not name."""
    if _EXTENSION not in subject.extensions and is_refusal(answer):
        raise NotApplicableError(f"the server does not offer {_EXTENSION}")
    return answer


def _read(subject: Subject, answer: Answer, *, is_binary: bool) -> Scored:
    """The answer in the form that was asked."""
    given = scored(answer, subject.model)
    if any(output.is_binary != is_binary for output in given.outputs):
        raise ViolationError(f"{given}, but not every output is {'binary' if is_binary else 'JSON'}")
    check_same(subject, given)
    return given

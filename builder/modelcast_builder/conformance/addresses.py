"""Cases about paths and methods, and about what stands at the model's own path."""

from typing import Any

from modelcast_builder.conformance.answers import Output, ViolationError, read_json, refused
from modelcast_builder.conformance.client import Answer
from modelcast_builder.conformance.datatypes import NAMED
from modelcast_builder.conformance.requests import TABLES_OWN
from modelcast_builder.conformance.subject import Subject

_NO_MODEL = "modelcast-no-such-model"
_NO_VERSION = "987654321"


def unknown_model(subject: Subject) -> str:
    """Its metadata, its infer and its readiness, of which only the status is portable."""
    ready = subject.server.ask("GET", subject.path("ready", model=_NO_MODEL))
    if ready.status != 404:
        raise ViolationError(f"GET ready: {ready}")
    return _absent(subject, subject.path(model=_NO_MODEL))


def unknown_version(subject: Subject) -> str:
    """Its metadata and its infer."""
    return _absent(subject, subject.path("versions", _NO_VERSION))


def _absent(subject: Subject, path: str) -> str:
    try:
        refused(subject.server.ask("GET", path), 404)
    except ViolationError as wrong:
        raise ViolationError(f"GET metadata: {wrong}") from None
    return refused(subject.infer(subject.request or TABLES_OWN, path=f"{path}/infer"), 404)


def wrong_method(subject: Subject) -> str:
    """405, and which method would do."""
    answer = subject.server.ask("GET", subject.path("infer"))
    told = refused(answer, 405)
    if "POST" not in answer.headers.get("allow", ""):
        raise ViolationError(f"{told}, but Allow does not name POST")
    return told


def metadata(subject: Subject) -> str:
    """Names, datatypes and shapes of inputs and outputs, and answers are as they say."""
    answer = subject.server.ask("GET", subject.path())
    try:
        document = read_json(answer.body) if answer.status == 200 else None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ViolationError(str(answer))
    if document.get("name") != subject.model or not isinstance(document.get("platform"), str):
        raise ViolationError(f"{answer.status}, but no `platform`, or another `name` than {subject.model}")
    inputs, outputs = (_tensors(answer, document, key) for key in ("inputs", "outputs"))
    for output in subject.outputs or ():
        _check_told(answer, output, outputs)
    shown = ", ".join(f"{name} {datatype} {shape}" for name, (datatype, shape) in (inputs | outputs).items())
    return f"200 {shown}"


def _tensors(answer: Answer, document: dict[str, Any], key: str) -> dict[str, tuple[str, list[int]]]:
    """Datatype and shape of each named tensor."""
    listed = document.get(key)
    if not isinstance(listed, list) or not listed:
        raise ViolationError(f"{answer.status}, but `{key}` names nothing")
    told = {}
    for described in listed:
        match described:
            case {"name": str(name), "datatype": str(datatype), "shape": [*shape]} if datatype in NAMED:
                told[name] = datatype, shape
            case _:
                raise ViolationError(f"{answer.status}, but `{key}` has an entry without name, datatype or shape")
        if not all(type(size) is int and size >= -1 for size in shape):
            raise ViolationError(f"{answer.status}, but the shape of {name} is no list of sizes")
    if len(told) != len(listed):
        raise ViolationError(f"{answer.status}, but `{key}` has a name twice")
    return told


def _check_told(answer: Answer, output: Output, told: dict[str, tuple[str, list[int]]]) -> None:
    datatype, shape = told.get(output.name, ("", []))
    fits = len(shape) == len(output.shape) and all(
        size in (-1, real) for size, real in zip(shape, output.shape, strict=True)
    )
    if datatype != output.datatype or not fits:
        named = f"as {datatype} {shape}" if datatype else "not at all"
        raise ViolationError(f"{answer.status}, but the answer has {output}, and metadata name it {named}")

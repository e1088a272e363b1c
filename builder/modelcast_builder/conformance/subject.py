"""What is checked: a model of a server, the request that it takes and how it answers that."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from modelcast_builder.conformance.answers import NotApplicableError, Output
from modelcast_builder.conformance.client import Answer, Server
from modelcast_builder.conformance.datatypes import is_number
from modelcast_builder.conformance.requests import Request

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

    def told(self, key: str) -> list[Any]:
        """What the metadata list there; nothing where that is no list."""
        return listed(self.metadata, key)

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


def listed(document: Mapping[str, Any], key: str) -> list[Any]:
    """What stands there, where it is a list."""
    value = document.get(key)
    return value if isinstance(value, list) else []

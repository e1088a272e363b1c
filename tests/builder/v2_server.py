"""A small server that is right in every row of the conformance table, and the methods that a wrong one overrides."""

import gzip
import json
import math
import ssl
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.package_index import running

CODES = {"BOOL": "?", "INT64": "q", "FP16": "e", "FP32": "f", "FP64": "d"}
LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Ask:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def as_json(document: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


class Right:
    """Serves `iris`: four numbers a row, one of three classes and the probability of each."""

    model = "iris"
    inputs: tuple[Mapping[str, Any], ...] = ({"name": "input-0", "datatype": "FP64", "shape": [-1, 4]},)
    outputs: tuple[Mapping[str, Any], ...] = (
        {"name": "predict", "datatype": "INT64", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
    )
    extensions: tuple[str, ...] = ("binary_tensor_data",)

    def answer(self, ask: Ask) -> Reply:
        try:
            return self.route(ask)
        except Refusal as refusal:
            return self.refuse(refusal)

    def refuse(self, refusal: Refusal) -> Reply:
        return as_json({"error": str(refusal)}, refusal.status)

    def route(self, ask: Ask) -> Reply:
        match ask.method, ask.path.strip("/").split("/"):
            case "GET", ["v2"]:
                return as_json({"name": "right", "version": "1", "extensions": self.extensions})
            case "GET", ["v2", "health", "live" | "ready"]:
                return Reply(200, b"", {})
            case "GET", ["v2", "models"]:
                return self.models()
            case _, ["v2", "models", name, *rest] if name == self.model:
                return self.of_model(ask, rest)
            case _, ["v2", "models", *_]:
                return self.unknown_model()
        raise Refusal(404, "no such path")

    def models(self) -> Reply:
        return as_json({"models": [self.model]})

    def unknown_model(self) -> Reply:
        raise Refusal(404, "no such model")

    def unknown_version(self) -> Reply:
        raise Refusal(404, "no such version")

    def of_model(self, ask: Ask, rest: list[str]) -> Reply:
        match ask.method, rest:
            case "GET", []:
                return as_json(self.metadata())
            case "GET", ["ready"]:
                return as_json({"name": self.model, "ready": True})
            case "POST", ["infer"]:
                return self.infer(ask)
            case _, ["infer"]:
                return self.wrong_method()
            case _, ["versions", *_]:
                return self.unknown_version()
        raise Refusal(404, "no such path")

    def wrong_method(self) -> Reply:
        headers = {"Content-Type": "application/json", "Allow": "POST"}
        return Reply(405, b'{"error": "POST it"}', headers)

    def metadata(self) -> dict[str, Any]:
        return {"name": self.model, "platform": "none", "inputs": self.inputs, "outputs": self.outputs}

    def infer(self, ask: Ask) -> Reply:
        self.check_content_type(ask.headers.get("Content-Type"))
        head, tail = self.parts(ask, self.plain(ask))
        request = self.read(head)
        for tensor in request["inputs"]:
            tail = self.unpack(tensor, tail)
        self.check_size(tail)
        given = self.score(self.rows(request))
        return self.write(ask, request, self.chosen(request, given))

    def check_content_type(self, media: str | None) -> None:
        pass

    def plain(self, ask: Ask) -> bytes:
        match ask.headers.get("Content-Encoding"):
            case "gzip":
                return gzip.decompress(ask.body)
            case "deflate":
                return zlib.decompress(ask.body)
        return ask.body

    def parts(self, ask: Ask, body: bytes) -> tuple[bytes, bytes]:
        length = int(ask.headers.get(LENGTH, len(body)))
        return body[:length], body[length:]

    # What is read of the JSON.

    def read(self, head: bytes) -> dict[str, Any]:
        try:
            request = json.loads(head, parse_constant=self.constant, parse_float=self.floating)
        except ValueError as wrong:
            raise Refusal(400, "not JSON") from wrong
        self.check_object(request)
        self.check_id(request.get("id", ""))
        self.check_keys(request)
        self.check_parameters(request.get("parameters", {}))
        self.check_inputs(request)
        return request

    def constant(self, literal: str) -> float:
        raise ValueError(literal)

    def floating(self, text: str) -> float:
        number = float(text)
        if math.isinf(number):
            raise ValueError(text)
        return number

    def check_object(self, request: object) -> None:
        if not isinstance(request, dict):
            raise Refusal(400, "no object")

    def check_id(self, given: object) -> None:
        if not isinstance(given, str):
            raise Refusal(400, "the id is no string")

    def check_keys(self, request: Mapping[str, Any]) -> None:
        pass

    def check_parameters(self, parameters: Mapping[str, Any]) -> None:
        if any(isinstance(value, dict | list) for value in parameters.values()):
            raise Refusal(400, "a parameter is no scalar")

    def check_inputs(self, request: Mapping[str, Any]) -> None:
        if "inputs" not in request:
            self.no_inputs()
        if not request["inputs"]:
            self.empty_inputs()

    def no_inputs(self) -> None:
        raise Refusal(400, "no inputs")

    def empty_inputs(self) -> None:
        raise Refusal(400, "no tensors")

    # What is read of a tensor.

    def unpack(self, tensor: dict[str, Any], tail: bytes) -> bytes:
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            return tail
        packed, code = tail[:size], CODES[tensor["datatype"]]
        if len(packed) != size:
            self.too_short()
            packed = packed.ljust(size, b"\0")
        tensor["data"] = list(struct.unpack(f"{self.order()}{size // struct.calcsize(f'<{code}')}{code}", packed))
        return tail[size:]

    def order(self) -> str:
        return "<"

    def too_short(self) -> None:
        raise Refusal(400, "too few bytes")

    def check_size(self, tail: bytes) -> None:
        if tail:
            raise Refusal(400, "too many bytes")

    def rows(self, request: dict[str, Any]) -> list[list[float]]:
        tensors = request["inputs"]
        if request.get("parameters", {}).get("content_type") == "pd":
            self.check_frame()
            columns = [self.values(tensor, width=1) for tensor in tensors]
            return [list(row) for row in zip(*columns, strict=True)]
        flat = self.values(tensors[0], width=4)
        return [flat[at : at + 4] for at in range(0, len(flat), 4)]

    def check_frame(self) -> None:
        pass

    def values(self, tensor: dict[str, Any], width: int) -> list[float]:
        self.check_datatype(tensor["datatype"])
        if "data" not in tensor:
            self.no_data()
        self.check_nesting(tensor["data"])
        flat = self.flat(tensor["data"])
        values = [self.number(value) for value in flat]
        self.check_shape(tensor["shape"], len(values), width)
        return values

    def flat(self, data: list[Any]) -> list[Any]:
        return [value for part in data for value in (part if isinstance(part, list) else [part])]

    def check_datatype(self, datatype: str) -> None:
        if datatype not in CODES:
            raise Refusal(400, "no such datatype")

    def no_data(self) -> None:
        raise Refusal(400, "no data")

    def check_nesting(self, data: list[Any]) -> None:
        pass

    def number(self, value: object) -> float:
        if value is None:
            return self.missing()
        if not isinstance(value, int | float):
            return self.text(value)
        return self.integer(value) if isinstance(value, int) else value

    def missing(self) -> float:
        raise Refusal(400, "takes no null")

    def text(self, value: object) -> float:
        raise Refusal(400, "no number")

    def integer(self, value: int) -> float:
        return float(value)

    def check_shape(self, shape: list[int], count: int, width: int) -> None:
        self.check_sizes(shape)
        self.check_count(shape, count)
        self.check_width(shape, width)
        if shape[0] == 0:
            self.no_rows()

    def check_sizes(self, shape: list[int]) -> None:
        if min(shape) < 0:
            raise Refusal(400, "a negative size")

    def check_count(self, shape: list[int], count: int) -> None:
        if math.prod(shape) != count:
            raise Refusal(400, f"the shape has {math.prod(shape)} elements, data {count}")

    def check_width(self, shape: list[int], width: int) -> None:
        if math.prod(shape[1:]) != width:
            raise Refusal(400, f"expected {width} features")

    def no_rows(self) -> None:
        pass

    # What is given out.

    def score(self, rows: list[list[float]]) -> dict[str, list[Any]]:
        labels = [int(sum(row[:2])) % 3 if all(map(math.isfinite, row)) else 0 for row in rows]
        shares = [[0.8 if label == at else 0.1 for at in range(3)] for label in labels]
        return {"predict": labels, "predict_proba": [share for row in shares for share in row]}

    def chosen(self, request: Mapping[str, Any], given: dict[str, list[Any]]) -> dict[str, tuple[list[Any], Any]]:
        """Values of each output that is wanted, and whether in bytes."""
        default = request.get("parameters", {}).get("binary_data_output", False)
        wanted = request.get("outputs") or [{"name": name} for name in given]
        for output in wanted:
            if output["name"] not in given:
                return self.unknown_output(given)
        return {
            output["name"]: (given[output["name"]], output.get("parameters", {}).get("binary_data", default))
            for output in wanted
        }

    def unknown_output(self, given: dict[str, list[Any]]) -> dict[str, tuple[list[Any], Any]]:
        raise Refusal(400, "no such output")

    def write(self, ask: Ask, request: Mapping[str, Any], chosen: Mapping[str, tuple[list[Any], Any]]) -> Reply:
        outputs, tail = [], b""
        for described in self.outputs:
            if described["name"] in chosen:
                values, is_binary = chosen[described["name"]]
                output, packed = self.output(described, values, is_binary=is_binary)
                outputs.append(output)
                tail += packed
        document = {"model_name": self.model, "outputs": outputs} | self.id_of(request)
        return self.encoded(ask, *self.wire(json.dumps(document).encode(), tail))

    def id_of(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": request.get("id", "made")}

    def output(
        self, described: Mapping[str, Any], values: list[Any], *, is_binary: bool
    ) -> tuple[dict[str, Any], bytes]:
        shape = [len(values) // math.prod(described["shape"][1:]), *described["shape"][1:]]
        head = {"name": described["name"], "datatype": described["datatype"], "shape": shape}
        if not is_binary:
            return {**head, "data": values}, b""
        packed = struct.pack(f"<{len(values)}{CODES[described['datatype']]}", *values)
        return {**head, "parameters": {"binary_data_size": len(packed)}}, packed

    def wire(self, head: bytes, tail: bytes) -> tuple[bytes, dict[str, str]]:
        if not tail:
            return head, {"Content-Type": "application/json"}
        return head + tail, {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}

    def encoded(self, ask: Ask, body: bytes, headers: dict[str, str]) -> Reply:
        encoding = ask.headers.get("Accept-Encoding", "identity")
        if encoding == "gzip":
            return Reply(200, gzip.compress(body), {**headers, "Content-Encoding": "gzip"})
        return Reply(200, body, headers)


class Texts(Right):
    """Serves `words`: how long each text is, as a text."""

    model = "words"
    inputs = ({"name": "text", "datatype": "BYTES", "shape": [-1]},)
    outputs = ({"name": "predict", "datatype": "BYTES", "shape": [-1]},)

    def unpack(self, tensor: dict[str, Any], tail: bytes) -> bytes:
        size = tensor.get("parameters", {}).get("binary_data_size")
        if size is None:
            return tail
        packed, texts = tail[:size], []
        while packed:
            end = 4 + int.from_bytes(packed[:4], "little")
            if len(packed) < end:
                self.too_short()
            texts.append(packed[4:end].decode())
            packed = packed[end:]
        tensor["data"] = texts
        return tail[size:]

    def rows(self, request: dict[str, Any]) -> list[Any]:
        (tensor,) = request["inputs"]
        if tensor["datatype"] != "BYTES" or "data" not in tensor:
            raise Refusal(400, "texts only")
        texts = self.flat(tensor["data"])
        self.check_shape(tensor["shape"], len(texts), 1)
        return [self.known(text) for text in texts]

    def known(self, text: str) -> str:
        return text

    def score(self, rows: list[Any]) -> dict[str, list[Any]]:
        return {"predict": [f"{len(text)} Zeichen: ä" for text in rows]}

    def output(
        self, described: Mapping[str, Any], values: list[Any], *, is_binary: bool
    ) -> tuple[dict[str, Any], bytes]:
        head = {"name": described["name"], "datatype": "BYTES", "shape": [len(values)]}
        if not is_binary:
            return {**head, "data": values}, b""
        packed = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in values)
        return {**head, "parameters": {"binary_data_size": len(packed)}}, packed


@contextmanager
def serving(server: Right, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that runs in a thread until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                reply = server.answer(Ask(self.command, self.path, self.headers, body))
            except ConnectionAbortedError:  # how a server of these tests hangs up
                return
            except Exception as crash:
                reply = Reply(500, f"Traceback: {crash!r}".encode(), {"Content-Type": "text/plain"})
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with running(Handler, context) as port:
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}"

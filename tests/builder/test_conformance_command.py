"""`modelcast check`: what it prints, how it ends, and how it finds what to ask."""

import json
import re
import socket
import socketserver
import ssl
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner, Result
from modelcast_builder import conformance
from modelcast_builder.cli import main
from modelcast_builder.conformance import CASES, Report, server_at
from modelcast_builder.conformance.client import UnansweredError
from modelcast_builder.errors import BuildError, MissingPart

from tests.builder.v2_server import Ask, Refusal, Reply, Right, Texts, as_json, serving
from tests.package_index import running

SHORT = '{"inputs": [{"name": "input-0", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 1.5]}]}'
COLOURS = {"inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["red"], ["blue"]]}]}


def check(*words: str) -> Result:
    return CliRunner().invoke(main, ["check", *words])


def asked(server: Right, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; `HERE` is where the server was."""
    with serving(server) as url:
        done = check(url, *words)
    return done.exit_code, done.stdout.replace(url, "HERE"), done.stderr.replace(url, "HERE")


def last_line(server: Right, *words: str) -> str:
    """How a check ends that could not begin."""
    code, out, err = asked(server, *words)
    assert (code, out) == (1, "")
    return err


def report_of(server: Right, example: Path | None = None) -> Report:
    with serving(server) as url:
        return conformance.check(server_at(url), None, example)


def failed(report: Report) -> list[str]:
    return [outcome.id for outcome in report.outcomes if outcome.result == "fail"]


class Flawed(Right):
    """Takes missing values by right, and has two flaws."""

    def missing(self) -> float:
        return 0.0

    def unknown_version(self) -> Reply:
        raise Refusal(501, "no\u001b[31m versions " + "!" * 100)

    def wrong_method(self) -> Reply:
        return Reply(405, b"", {})


def test_a_report_has_a_line_a_case_and_one_that_counts_them() -> None:
    code, out, err = asked(Flawed())
    head, *lines, blank, counts = [re.split("  +", line) for line in out.splitlines()]
    assert head == ["id", "result", "asked", "expected", "got"]
    assert [line[0] for line in lines] == [case.id for case in CASES]
    assert [lines[at - 1] for at in (1, 9, 27, 28)] == [
        ["V2-01", "pass", 'valid request, id "42"', "200, id echoed", "200 predict INT64 [2], predict_proba FP64 [2, 3]"],
        ["V2-09", "skip", "null where the model takes no NaN", "400", "not applicable: the model takes missing values"],
        [
            "V2-27", "fail", "unknown version", "404",
            'GET metadata: 501 {"error": "no\\u001b[31m versions ' + "!" * 31 + "…",
        ],
        ["V2-28", "fail", "GET on infer", "405 and Allow", "405, but the body is not JSON"],
    ]  # fmt: skip
    assert (blank, counts) == ([""], ["iris at HERE: 31 pass, 2 fail, 1 skip"])
    assert (code, err) == (
        1,
        "error: check: iris at HERE does not answer V2-27 and V2-28 as expected. "
        "Answer them as the column `expected` says.\n",
    )


def test_a_report_as_json() -> None:
    code, out, err = asked(Flawed(), "--json")
    report = json.loads(out)
    assert {key: value for key, value in report.items() if key != "cases"} == {
        "url": "HERE", "model": "iris", "pass": 31, "fail": 2, "skip": 1,
    }  # fmt: skip
    assert report["cases"][27] == {
        "id": "V2-28",
        "title": "GET on infer",
        "result": "fail",
        "expected": "405 and Allow",
        "got": "405, but the body is not JSON",
    }
    assert len(report["cases"]) == 34
    assert (code, err[:12]) == (1, "error: check")


@pytest.mark.parametrize("words", [(), ("--json",), ("--model", "iris")])
def test_a_server_that_is_right_ends_with_0(words: tuple[str, ...]) -> None:
    code, out, err = asked(Right(), *words)
    assert (code, err) == (0, "")
    assert "34 pass, 0 fail, 0 skip\n" in out or '"pass": 34' in out


# Which server.


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://host", "http://", "http://host:port", "http://host/?a=b"])
def test_what_is_no_address_is_wrong_usage(url: str) -> None:
    done = check(url)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith(
        "Error: Invalid value for 'URL': expected the address of a server, such as http://localhost:8080 or "
        "https://host/prefix\n"
    )


def test_a_server_that_cannot_be_reached_is_3() -> None:
    with socket.socket() as taken:  # it does not listen
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = check(url.replace("127", "me:s3cr3t@127", 1), "--model", "iris")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == (
        f"error: no server answers at {url}: connection refused. Start it, or name where it listens.\n"
    )


class _Shell(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def test_what_speaks_no_http_is_3() -> None:
    with running(_Shell) as port:
        done = check(f"http://127.0.0.1:{port}")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr == (
        f"error: no server answers at http://127.0.0.1:{port}: no whole HTTP answer (BadStatusLine). "
        "Start it, or name where it listens.\n"
    )


def test_a_server_that_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = conformance.Server(
            scheme="http", host="127.0.0.1", port=silent.getsockname()[1], prefix="", headers={}, timeout_s=0.05
        )
        with pytest.raises(UnansweredError, match=r"^no answer within 0\.05 s$"):
            server.ask("GET", "/v2")


class NoV2(Right):
    headers: ClassVar = {"Content-Type": "text/html"}
    status = 404

    def route(self, ask: Ask) -> Reply:
        return Reply(self.status, b"<h1>Welcome</h1>", self.headers)


class Elsewhere(NoV2):
    headers: ClassVar = {"Location": "https://elsewhere/v2"}
    status = 301


def test_a_server_that_speaks_another_protocol_is_told() -> None:
    assert last_line(NoV2()) == (
        "error: check: HERE answers GET /v2 with 404, and /v2/health/live with 404: it does not speak the Open "
        "Inference Protocol V2. Name the address of a server that does, without /v2.\n"
    )
    assert last_line(Elsewhere()) == (
        "error: check: HERE answers GET /v2 with 301 to https://elsewhere/v2, and /v2/health/live with 301: it does "
        "not speak the Open Inference Protocol V2. Name the address of a server that does, without /v2.\n"
    )


class Guarded(Right):
    """Lives below a path, and wants a user."""

    def answer(self, ask: Ask) -> Reply:
        if ask.headers.get("Authorization") != "Basic bWU6YSBi":
            return as_json({"error": "who are you"}, 401)
        path = ask.path.removeprefix("/models/one")
        return super().answer(Ask(ask.method, path if path != ask.path else "/", ask.headers, ask.body))


@pytest.mark.parametrize("end", ["", "/", "/v2", "/v2/"])
def test_an_address_may_have_a_user_and_a_path(end: str) -> None:
    with serving(Guarded()) as url:
        done = check(url.replace("127", "me:a%20b@127", 1) + "/models/one" + end)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith(f"iris at {url}/models/one: 34 pass, 0 fail, 0 skip\n")


def test_https_needs_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out certificate"
    subject = ["-subj", "/CN=ours", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command.split(), *subject], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with serving(Right(), context) as url:
        refused = check(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
        trusted = check(url)
    assert (refused.exit_code, refused.stdout) == (3, "")
    assert refused.stderr == (
        f"error: no server answers at {url}: its certificate is not trusted (self-signed certificate). "
        "Start it, or name where it listens.\n"
    )
    assert (trusted.exit_code, trusted.stderr) == (0, "")
    assert trusted.stdout.endswith(f"iris at {url}: 34 pass, 0 fail, 0 skip\n")


# Which model.


class Unlisted(Right):
    def models(self) -> Reply:
        raise Refusal(404, "no such path")


class Several(Right):
    def models(self) -> Reply:
        return as_json({"models": ["iris", "wine"]})


class Triton(Unlisted):
    def route(self, ask: Ask) -> Reply:
        if (ask.method, ask.path) == ("POST", "/v2/repository/index"):
            return as_json([{"name": "iris", "version": "1", "state": "READY"}, {"name": "iris", "version": "2"}])
        return super().route(ask)


def test_a_model_that_is_not_listed_must_be_named() -> None:
    assert last_line(Unlisted()) == "error: check: HERE does not list its models. Name one with --model NAME.\n"
    assert asked(Unlisted(), "--model", "iris")[0] == 0
    assert asked(Triton())[0] == 0


def test_one_of_several_models_must_be_named() -> None:
    assert last_line(Several()) == ("error: check: HERE has the models iris, wine. Choose one, such as --model iris.\n")
    assert asked(Several(), "--model", "iris")[0] == 0


@pytest.mark.parametrize(
    ("server", "known"),
    [(Unlisted, "--model NAME"), (Right, "--model iris"), (Several, "--model iris or --model wine")],
)
def test_a_model_that_is_not_there_is_told(server: type[Right], known: str) -> None:
    assert last_line(server(), "--model", "rose") == (
        f"error: check: HERE has no model rose. Name one that it has with {known}.\n"
    )


# Which request.


class Colours(Texts):
    """Knows two texts."""

    def known(self, text: str) -> str:
        if text not in ("red", "blue"):
            raise Refusal(400, "no such colour")
        return text


class Described(Colours):
    """Shows a request in its OpenAPI document."""

    content: ClassVar[dict[str, Any]] = {"examples": {"rows": {"value": COLOURS | {"id": "7"}}}}

    def route(self, ask: Ask) -> Reply:
        if ask.path == "/openapi.json":
            body = {"requestBody": {"content": {"application/json": self.content}}}
            return as_json({"paths": {"/v2/models/words/infer": {"post": body}}})
        return super().route(ask)


class DescribedOnce(Described):
    content: ClassVar = {"example": COLOURS}


class DescribedWrongly(Described):
    content: ClassVar = {
        "example": {"inputs": [{"name": "text"}]},
        "examples": {"rows": {"value": COLOURS}, "other": 1},
    }


def test_a_request_that_cannot_be_guessed_is_asked_for() -> None:
    assert last_line(Colours()) == (
        'error: check: no request could be made that words at HERE takes (400 {"error": "no such colour"}). '
        "Give one with --example FILE.\n"
    )


def test_a_request_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "colours.json").write_text(json.dumps(COLOURS | {"id": "7"}), encoding="utf-8")
    code, out, err = asked(Colours(), "--example", str(tmp_path / "colours.json"))
    assert (code, err) == (0, "")
    assert re.split("  +", out.splitlines()[1])[1:] == [
        "pass", 'valid request, id "42"', "200, id echoed", "200 predict BYTES [2]",
    ]  # fmt: skip


class Lenient(Texts):
    """Takes a missing text."""

    def known(self, text: str | None) -> str:
        return text or ""


def test_a_request_with_a_null_cannot_be_said_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(COLOURS).replace('"red"', "null"), encoding="utf-8")
    report = report_of(Lenient(), tmp_path / "one.json")
    assert failed(report) == []
    reasons = {outcome.id: outcome.got for outcome in report.outcomes if outcome.id in ("V2-29", "V2-31", "V2-34")}
    assert set(reasons.values()) == {"not applicable: the request has a null, and BYTES has no bytes for one"}


@pytest.mark.parametrize("server", [Described, DescribedOnce, DescribedWrongly])
def test_a_request_is_found_in_the_services_own_description(server: type[Right]) -> None:
    report = report_of(server())
    assert failed(report) == []
    assert sum(outcome.result == "pass" for outcome in report.outcomes) == 26


class NamesNothing(Right):
    """What MLServer and KServe say of a model."""

    inputs = ()

    def metadata(self) -> dict[str, Any]:
        return {**super().metadata(), "platform": "", "outputs": []}


class NamesNothingOfTexts(NamesNothing, Texts):
    pass


def test_metadata_without_inputs_are_a_fault_and_the_tables_own_request_is_tried(tmp_path: Path) -> None:
    assert failed(report_of(NamesNothing())) == ["V2-32"]
    assert last_line(NamesNothingOfTexts()) == (
        'error: check: no request could be made that words at HERE takes (400 {"error": "texts only"}). '
        "Give one with --example FILE.\n"
    )
    (tmp_path / "colours.json").write_text(json.dumps(COLOURS), encoding="utf-8")
    assert failed(report_of(NamesNothingOfTexts(), tmp_path / "colours.json")) == ["V2-32"]


def test_an_example_that_the_model_does_not_take_fails_the_first_case(tmp_path: Path) -> None:
    (tmp_path / "iris.json").write_text(SHORT, encoding="utf-8")
    code, out, err = asked(Right(), "--example", str(tmp_path / "iris.json"))
    assert re.split("  +", out.splitlines()[1])[-1] == '400 {"error": "expected 4 features"}'
    assert out.endswith("iris at HERE: 5 pass, 1 fail, 28 skip\n")
    assert (code, err) == (
        1,
        "error: check: iris at HERE does not answer V2-01 as expected. Answer it as the column `expected` says, or "
        "give a request that the model takes with --example FILE.\n",
    )


NO_EXAMPLES = {
    "": "line 1: not JSON (Expecting value)",
    "{\n  'inputs'": "line 2: not JSON (Expecting property name enclosed in double quotes)",
    '{"inputs": [{"data": [NaN]}]}': "NaN is not JSON",
    "[1]": "$: expected an object whose `inputs` is a list of tensors",
    '{"instances": [[1, 2]]}': "$: expected an object whose `inputs` is a list of tensors",
    '{"inputs": []}': "$: expected an object whose `inputs` is a list of tensors",
    '{"inputs": [{"name": "a"}]}': "$.inputs[0]: expected an object of `name`, `shape`, `datatype` and `data`",
    SHORT.replace("FP64", "FLOAT"): "$.inputs[0].datatype: expected one of BOOL, UINT8, UINT16, UINT32, UINT64, "
    "INT8, INT16, INT32, INT64, FP16, FP32, FP64, BYTES",
    SHORT.replace("[1, 2]", "[-1, 2]"): "$.inputs[0].shape: expected a list of sizes of at least 1",
    SHORT.replace("[1, 2]", "[2, 2]"): "$.inputs[0].data: expected the 4 elements of its shape, got 2",
    SHORT.replace("0.5", '"s3cr3t"'): "$.inputs[0].data: expected elements of FP64",
    SHORT.replace("FP64", "UINT8").replace("0.5, 1.5", "5, 256"): "$.inputs[0].data: expected elements of UINT8",
    SHORT.replace('"name"', '"parameters": [], "name"'): "$.inputs[0].parameters: expected an object",
}


@pytest.mark.parametrize("text", NO_EXAMPLES)
def test_a_file_that_is_no_request_is_told(text: str, tmp_path: Path) -> None:
    example = tmp_path / "example.json"
    example.write_text(text, encoding="utf-8")
    done = check("http://127.0.0.1:9", "--example", str(example))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: check: {example}: {NO_EXAMPLES[text]}. Write a request that the model takes, such as {SHORT}.\n"
    )


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    example = tmp_path / "example.json"
    example.write_bytes(b"\xff\xfe{")
    done = check("http://127.0.0.1:9", "--example", str(example))
    assert done.stderr == (
        f"error: check: {example}: not UTF-8. Write a request that the model takes, such as {SHORT}.\n"
    )


# Servers that answer anything.

ODD = [
    b"", b"null", b"[]", b"1", b'"v2"', b"NaN", b"[" * 50_000, b"\xff\xfe", b"{}", b'{"models": 3}',
    b'{"models": [{"name": 3}, null, "iris"]}',
    b'{"models": ["iris"], "inputs": 3, "outputs": "none", "extensions": {"a": 1}, "paths": []}',
    b'{"models": ["iris"], "inputs": [3], "outputs": [3], "extensions": [[]], "paths": {"/v2/models/iris/infer": 3}}',
    b'{"models": ["iris"], "name": "iris", "platform": "", "inputs": [{"name": "a", "datatype": "FP64", "shape": "b"}]}',
    b'{"models": ["iris"], "model_name": "iris", "outputs": [{"name": "a", "datatype": "FP64", "shape": [null]}]}',
    b'{"models": ["iris"], "model_name": "iris", "outputs": [{"name": "a", "datatype": "FP64", "shape": [1], '
    b'"parameters": [], "data": [1e999]}]}',
    b'{"models": ["iris"], "model_name": "iris", "outputs": [{"name": "a", "datatype": "BYTES", "shape": [1], '
    b'"parameters": {"binary_data_size": -1}}]}',
]  # fmt: skip


class Odd(Right):
    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.reply = Reply(status, body, headers)

    def answer(self, ask: Ask) -> Reply:
        return self.reply


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {}), (200, {"Inference-Header-Content-Length": "7", "Content-Encoding": "gzip"}), (400, {})],
)
@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_no_answer_is_a_bug_of_ours(body: bytes, status: int, headers: dict[str, str]) -> None:
    with serving(Odd(status, body, headers)) as url:
        try:
            report = conformance.check(server_at(url), "iris", None)
        except (BuildError, MissingPart):
            return
        assert report.fault is not None

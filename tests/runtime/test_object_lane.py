"""Own code behind `POST /predict`: what it is asked, what it answers, and whose fault its errors are."""

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from modelcast_builder.seal import Writer
from modelcast_runtime import contract, offline, selftest
from modelcast_runtime.bundle import BundleError, open_bundle
from modelcast_runtime.contract import Compilation, Golden, Manifest, Signature
from modelcast_runtime.formats import load_scorer
from modelcast_runtime.formats.python import OwnPredict, PredictError
from modelcast_runtime.settings import default_workers, read_machine

MakeClient = Callable[..., Any]
MakeCode = Callable[..., Path]
SECRET = "do-not-tell"
TAKES_AN_OBJECT = (
    "$: expected a model that takes rows, got own code that takes an object. "
    "This model is the repository's own predict(): POST a JSON object to /predict."
)


def at(text: str) -> str:
    """The place of a line of `CODE`."""
    return f"prediction.py:{next(number for number, line in enumerate(CODE.splitlines(), 1) if text in line)}"


CODE = """
import asyncio
import json
import sys
import numpy as np
from datetime import date
from lib.table import TABLE

with open("words.json") as file:
    words = json.load(file)
calls = 0


def predict(body):
    global calls
    calls += 1
    print("asked", calls)
    return ANSWERS[body["ask"]](body)


def word(body):
    return {"word": words[body["key"]], "call": calls}


def total(body):
    return {"total": body["left"] + body["right"]}


def missing(body):
    return body["age"]


def looked_up(body):
    return TABLE[body["key"]]


def numbers(body):
    return {
        "array": np.array([[1.5, np.nan], [np.inf, 2]]), "scalar": np.float32(0.5), "whole": np.int64(7), "flag": np.bool_(True),
        "none": float("nan"), 3: "three", "day": date(2024, 2, 29), "pair": (1, 2),
    }


def stopped(body):
    sys.exit(3)


def cancelled(body):
    raise asyncio.CancelledError


def interrupted(body):
    raise KeyboardInterrupt


def generated(body):
    raise StopIteration(body["key"])


def divided(body):
    return 1 / len(body["none"])


def parsed(body):
    return json.loads(body["key"])


ANSWERS = {
    "word": word, "total": total, "missing": missing, "looked up": looked_up, "numbers": numbers, "stopped": stopped,
    "cancelled": cancelled, "interrupted": interrupted, "generated": generated, "divided": divided, "parsed": parsed,
    "list": lambda body: [1, None], "null": lambda body: None, "set": lambda body: {"a": {body["key"]}},
    "huge": lambda body: 2**64, "surrogate": lambda body: "\\ud800",
}
"""
FILES = {"prediction.py": CODE, "words.json": '{"a": "apple"}', "lib/__init__.py": "", "lib/table.py": "TABLE = {}\n"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Own code changes the working directory: it comes back after the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_code(tmp_path_factory: pytest.TempPathFactory) -> MakeCode:
    """`make_code({"prediction.py": ...})` seals a bundle of own code."""

    def make(files: Mapping[str, str] = FILES) -> Path:
        writer = Writer(root=tmp_path_factory.mktemp("code") / "bundle")
        for name, text in files.items():
            writer.write(f"{contract.CODE}/{name}", text.encode())
        writer.write(contract.GOLDEN, contract.encode(Golden(rows=(), predictions=())))
        writer.write(contract.LOCK, b"numpy==2.0.0\n")
        said = Manifest(
            name="own", version="sha256:3f2a", format="python", framework="python", task="generic",
            model="code/prediction.py", signature=Signature(layout="object", inputs=(), outputs=()),
            compilation=Compilation(backend="native", reason="it is code"), files=(),
        )  # fmt: skip
        writer.finish(said)
        return writer.root

    return make


@pytest.fixture
def client(make_code: MakeCode, make_client: MakeClient) -> Any:
    """The application of `CODE`."""
    return make_client(make_code())


def ask(client: Any, **body: Any) -> Any:
    return client("POST", "/predict", body, content_type="application/json")


def test_the_object_goes_in_and_the_answer_comes_back_as_it_is(client: Any) -> None:
    answer = ask(client, ask="word", key="a")
    assert (answer.status, answer.json()) == (200, {"word": "apple", "call": 1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["model-version"] == "sha256:3f2a"
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", answer.headers["prediction-id"])
    assert answer.headers["content-length"] == str(len(answer.body))
    assert client("POST", "/predict", {"ask": "word", "key": "a"}).json()["call"] == 2, "without a Content-Type"


@pytest.mark.parametrize("switch", ["LOG_PREDICTIONS", "LOG_VALUES"])
def test_in_the_log_of_predictions_what_goes_in_and_what_comes_back_are_values(
    make_code: MakeCode, make_client: MakeClient, capsys: pytest.CaptureFixture[str], switch: str
) -> None:
    logged = make_client(make_code(), env={f"MODELCAST_SERVICE_{switch}": {"LOG_VALUES": "true"}.get(switch, "1")})
    answer = ask(logged, ask="word", key="a")
    logged.app.flush(300)
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    told = {"rows": 1, "prediction_id": answer.headers["prediction-id"]}
    if switch == "LOG_VALUES":
        told |= {"first_row": 0, "predictions": [answer.json()], "values": {"ask": "word", "key": "a"}}
    known = ("time", "level", "logger", "model", "version", "protocol", "request_id")
    assert {name: value for name, value in line.items() if name not in known} == told


def test_what_json_does_not_know_is_plain_or_null(client: Any) -> None:
    assert ask(client, ask="numbers").json() == {
        "array": [[1.5, None], [None, 2.0]], "scalar": 0.5, "whole": 7, "flag": True, "none": None, "3": "three",
        "day": "2024-02-29", "pair": [1, 2],
    }  # fmt: skip
    assert (ask(client, ask="list").json(), ask(client, ask="null").json()) == ([1, None], None)


def problem(status: int, title: str, detail: str, at: str | None, expected: str | None, got: str | None) -> Any:
    kind = f"urn:modelcast:problem:{title.lower().replace(' ', '-')}"
    return {
        "type": kind, "title": title, "status": status, "detail": detail, "at": at, "expected": expected, "got": got,
    }  # fmt: skip


def refused(error: str) -> Any:
    expected, got = "an object that predict() can answer", f"one on which it raises {error}"
    detail = f"$: expected {expected}, got {got}. Whoever wrote predict() knows what it takes."
    return problem(400, "Refused by predict", detail, "$", expected, got)


@pytest.mark.parametrize(
    ("body", "error", "place"),
    [
        ({}, "KeyError for the key ask", at("return ANSWERS")),
        ({"ask": SECRET}, "KeyError", at("return ANSWERS")),
        ({"ask": "missing"}, "KeyError for the key age", at('return body["age"]')),
        ({"ask": "looked up", "key": SECRET}, "KeyError", at("return TABLE")),
        ({"ask": "total", "left": SECRET, "right": 1}, "TypeError", at('"total": body')),
        ({"ask": "parsed", "key": SECRET}, "JSONDecodeError", at("json.loads")),
    ],
)
def test_a_body_that_own_code_cannot_use_is_the_callers_fault_and_nothing_of_it_is_told(
    client: Any, caplog: pytest.LogCaptureFixture, body: Any, error: str, place: str
) -> None:
    answer = client("POST", "/predict", body)
    assert (answer.status, answer.json()) == (400, refused(error))
    assert answer.headers["content-type"] == "application/problem+json"
    assert caplog.messages == [f"predict() refused a request: {error.partition(' ')[0]} at {place}"]
    assert SECRET not in answer.body.decode() + caplog.text
    assert ask(client, ask="total", left=1, right=2).json() == {"total": 3}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("divided", f"predict() failed: ZeroDivisionError at {at('1 / len')}"),
        ("stopped", f"predict() failed: SystemExit at {at('sys.exit(3)')}"),
        ("cancelled", f"predict() failed: CancelledError at {at('raise asyncio')}"),
        ("interrupted", f"predict() failed: KeyboardInterrupt at {at('raise KeyboardInterrupt')}"),
        ("generated", f"predict() failed: StopIteration at {at('raise StopIteration')}"),
        ("set", "the answer of predict() is no JSON: Type is not JSON serializable: set"),
        ("huge", "the answer of predict() is no JSON: Integer exceeds 64-bit range"),
        ("surrogate", "the answer of predict() is no JSON: str is not valid UTF-8: surrogates not allowed"),
    ],
)
def test_any_other_failure_is_ours_and_logged_without_values(
    client: Any, caplog: pytest.LogCaptureFixture, how: str, said: str
) -> None:
    answer = ask(client, ask=how, key=SECRET, none=[])
    detail = "The model or the service failed on this request; its log has the reason. Tell who runs it."
    assert (answer.status, answer.json()) == (500, problem(500, "Internal error", detail, None, None, None))
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.ERROR, said)]
    assert SECRET not in answer.body.decode() + caplog.text
    assert ask(client, ask="total", left=1, right=2).status == 200, "the worker lives on"


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"[]", "list of 0 values"),
        (b"[{}]", "list of 1 value"),
        (b"1", "number"),
        (b'"a"', "string"),
        (b"null", "null"),
    ],
)
def test_anything_but_an_object_is_refused(client: Any, body: bytes, got: str) -> None:
    detail = f"$: expected an object, got {got}. GET /schema describes the forms of a request."
    answer = client("POST", "/predict", body)
    assert answer.json() == problem(400, "Wrong form", detail, "$", "an object", got)
    assert client("POST", "/predict", b"{").status == 400


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_rows_and_forms_are_refused_with_what_is_taken(client: Any, kind: str) -> None:
    answer = client("POST", "/predict", b"a\n1\n", content_type=kind)
    detail = "Expected the Content-Type application/json, got another. Send one of these, or no Content-Type at all."
    assert answer.json() == problem(
        415, "Unsupported media type", detail, None, "application/json", "another Content-Type"
    )
    assert answer.headers["accept"] == "application/json"
    assert client("POST", "/predict", b"{}", content_type="application/json; charset=latin-1").status == 415


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/models/own:predict", {"error": TAKES_AN_OBJECT}),
        ("/invocations", {"error_code": "BAD_REQUEST", "message": TAKES_AN_OBJECT}),
    ],
)
def test_protocols_of_rows_are_refused_in_their_own_form(client: Any, path: str, told: dict[str, str]) -> None:
    answer = client("POST", path, {"instances": [[1]]}, content_type="application/json")
    assert (answer.status, answer.headers["content-type"], answer.json()) == (400, "application/json", told)
    assert path not in client("GET", "/openapi.json").json()["paths"]


def test_probabilities_are_not_asked_of_code(client: Any) -> None:
    answer = client("POST", "/predict?proba=true", {"ask": "null"})
    detail = "?proba: expected a model that gives this, got a generic. Leave proba out of the query."
    assert (answer.status, answer.json()["detail"]) == (400, detail)
    assert client("POST", "/predict?proba=false&other=1", {"ask": "null"}).status == 200


def test_a_large_object_goes_in_too(client: Any) -> None:
    left = "x" * 100_000
    assert ask(client, ask="total", left=left, right="y").json() == {"total": f"{left}y"}


def test_what_own_code_prints_is_not_the_commands_result(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ask(client, ask="null")
    assert capsys.readouterr() == ("", "asked 1\n")


def test_requests_are_counted_as_one_row_each(client: Any) -> None:
    for how in ("word", "null", "missing", "divided"):
        ask(client, ask=how, key="a", none=[])
    client("POST", "/predict", b"[]")
    said = client("GET", "/metrics").body.decode()
    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in said.splitlines() if line[0] != "#"}
    codes = {code: counted[f'modelcast_requests_total{{code="{code}",protocol="predict"}}'] for code in (200, 400, 500)}
    assert codes == {200: 2, 400: 2, 500: 1}
    assert (counted["modelcast_rows_total"], counted['modelcast_batch_rows_bucket{le="1.0"}']) == (2, 2)
    assert "modelcast_predictions_total" not in said


def test_every_page_answers(client: Any) -> None:
    assert client("GET", "/readyz").json()["status"] == "ok"
    assert client("GET", "/info").json()["signature"] == {
        "layout": "object", "inputs": [], "outputs": [], "classes": None, "largest": None,
    }  # fmt: skip
    assert client("GET", "/schema").json() == {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Request to own", "type": "object",
    }  # fmt: skip
    assert client("GET", "/predict").status == 405
    page = client("GET", "/", accept="text/html")
    assert page.status == 200
    assert b'<textarea id="body"' in page.body
    for path in ("/docs", "/openapi.json"):
        assert client("GET", path).status == 200


def test_one_thread_asks_and_health_answers_meanwhile(make_code: MakeCode, make_client: MakeClient) -> None:
    source = """
import threading
inside, most, go = 0, 0, threading.Event()

def predict(body):
    global inside, most
    inside += 1
    most = max(most, inside)
    assert go.wait(30)
    inside -= 1
    return {"most": most}
"""
    client = make_client(make_code({"prediction.py": source}))

    async def several() -> list[Any]:
        asked = [asyncio.create_task(client.ask("POST", "/predict", {})) for _ in range(5)]
        assert (await client.ask("GET", "/healthz")).status == 200
        assert not any(one.done() for one in asked)
        sys.modules["prediction"].go.set()
        return await asyncio.gather(*asked)

    assert [answer.json() for answer in asyncio.run(several())] == [{"most": 1}] * 5


def test_an_async_predict_is_awaited_in_one_loop(make_code: MakeCode) -> None:
    source = """
import asyncio
loops = set()
lock = asyncio.Lock()

async def predict(body):
    async with lock:
        await asyncio.sleep(0)
    loops.add(id(asyncio.get_running_loop()))
    return {"twice": body["value"] * 2, "loops": len(loops)}
"""
    own = OwnPredict(make_code({"prediction.py": source}) / "code")
    own.start()
    assert [own.answer({"value": value}) for value in (1, 2)] == [{"twice": 2, "loops": 1}, {"twice": 4, "loops": 1}]
    with pytest.raises(PredictError, match=r"^TypeError at prediction\.py:10$"):
        own.answer({"value": None})
    assert own._runner is not None
    own._runner.close()


def test_nothing_of_it_runs_before_the_application_is_made(make_code: MakeCode, make_client: MakeClient) -> None:
    root = make_code({"prediction.py": "import threading\nthread = threading.get_ident()\npredict = dict"})
    own = load_scorer(open_bundle(root))
    assert isinstance(own, OwnPredict)
    assert "prediction" not in sys.modules
    with pytest.raises(RuntimeError, match=r"^start\(\) comes first$"):
        own.answer({})
    make_client(root)
    assert sys.modules["prediction"].thread == threading.get_ident()


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1\nraise ValueError('no\\nluck')", "ValueError at prediction.py:2: no luck"),
        ("import sys\nsys.exit(4)", "SystemExit at prediction.py:2: 4"),
        ("x = (", "SyntaxError at prediction.py:1: '(' was never closed (prediction.py, line 1)"),
        ("answer = 1", "AttributeError at prediction.py: module 'prediction' has no attribute 'predict'"),
    ],
)
def test_code_that_cannot_be_imported_is_one_line(
    make_code: MakeCode, make_client: MakeClient, source: str, line: str
) -> None:
    with pytest.raises(BundleError) as caught:
        make_client(make_code({"prediction.py": source}))
    assert str(caught.value) == f"prediction.py cannot be imported: {line}"


def test_the_selftest_says_that_it_can_be_called(make_code: MakeCode) -> None:
    assert selftest.run(make_code()) == "own sha256:3f2a: predict() can be called"


def test_serving_writes_nothing_into_the_bundle(make_code: MakeCode) -> None:
    root = make_code()
    code = (
        "import sys; from pathlib import Path; from modelcast_runtime import selftest; selftest.run(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(root)], check=True, capture_output=True)
    open_bundle(root)


def test_memory_is_reckoned_with_all_files_beside_it(make_code: MakeCode) -> None:
    bundle = open_bundle(make_code({"prediction.py": "1234", "models/m.bin": "x" * 1000}))
    assert bundle.model_bytes == 1004
    assert default_workers(read_machine(), bundle.model_bytes) >= 1


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_a_file_of_objects_is_answered_offline(
    make_code: MakeCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_code()
    offline.predict(root, written(tmp_path / "one.json", {"ask": "numbers"}), proba=False, out=None)
    assert json.loads(capsys.readouterr().out)["array"] == [[1.5, None], [None, 2.0]]
    two = [{"ask": "total", "left": 1, "right": 2}, {"ask": "list"}]
    offline.predict(root, written(tmp_path / "two.json", two), proba=False, out=tmp_path / "out.json")
    assert (tmp_path / "out.json").read_text().splitlines() == ['{"total":3}', "[1,null]"]


def command(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """`modelcast-runtime` in a process of its own; it must end by itself."""
    line = [sys.executable, "-m", "modelcast_runtime", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


def test_ctrl_c_ends_the_command_and_is_no_rows_error(make_code: MakeCode, tmp_path: Path) -> None:
    source = "import signal\ndef predict(body):\n    signal.raise_signal(signal.SIGINT)\n"
    done = command("predict", make_code({"prediction.py": source}), written(tmp_path / "rows.json", [{}, {}]))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("name", ["selftest", "predict"])
def test_a_thread_that_own_code_left_behind_does_not_hold_the_command(
    make_code: MakeCode, tmp_path: Path, name: str
) -> None:
    source = "import threading\nthreading.Thread(target=threading.Event().wait).start()\npredict = dict\n"
    files = [written(tmp_path / "row.json", {"a": 1})] if name == "predict" else []
    done = command(name, make_code({"prediction.py": source}), *files)
    said = {"selftest": "own sha256:3f2a: predict() can be called\n", "predict": '{"a":1}\n'}
    assert (done.returncode, done.stdout, done.stderr) == (0, said[name], "")


def test_names_relative_to_the_old_working_directory_are_understood(make_code: MakeCode, tmp_path: Path) -> None:
    written(tmp_path / "one.json", {"ask": "null"})
    offline.predict(make_code(), Path("one.json"), proba=False, out=Path("out.json"))
    assert (tmp_path / "out.json").read_text() == "null\n"


@pytest.mark.parametrize(
    ("name", "content", "out", "line"),
    [
        ("rows.csv", {}, None, "rows.csv: own code takes JSON objects: expected a file that ends in .json"),
        ("a.json", {}, "b.csv", "b.csv: what own code answers is no table. Name a file that ends in .json"),
        ("a.json", [{"ask": "null"}, 1], None,
         "a.json: $[1]: expected an object, got number. GET /schema describes the forms of a request."),
        ("a.json", [{"ask": "null"}, {"ask": SECRET}], None,
         f"a.json: $[1]: predict() raises KeyError at {at('return ANSWERS')}"),
        ("a.json", {"ask": "set", "key": 1}, None,
         "a.json: $: the answer of predict() is no JSON: Type is not JSON serializable: set"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_offline_is_refused_in_one_line(
    make_code: MakeCode, tmp_path: Path, name: str, content: Any, out: str | None, line: str
) -> None:
    with pytest.raises(BundleError) as caught:
        offline.predict(make_code(), written(tmp_path / name, content), proba=False, out=Path(out) if out else None)
    assert str(caught.value) == line


def test_answers_of_many_clients_are_their_own(client: Any) -> None:
    async def many() -> list[Any]:
        asked = [client.ask("POST", "/predict", {"ask": "total", "left": n, "right": n}) for n in range(50)]
        return [answer.json() for answer in await asyncio.gather(*asked)]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, many()).result() == [{"total": 2 * n} for n in range(50)]


def test_the_open_inference_protocol_is_refused_as_it_is_one_of_rows(client: Any) -> None:
    error = {"error": "$: expected a model that takes rows, got own code that takes an object. This model is the repository's own predict(): POST a JSON object to /predict."}  # fmt: skip
    for path in ("/v2/models/own", "/v2/models/own/versions/sha256:3f2a"):
        for answer in (client("GET", path), client("POST", f"{path}/infer", {"inputs": []})):
            assert (answer.status, answer.json()) == (400, error)
        assert client("GET", f"{path}/ready").json() == {"name": "own", "ready": True}
    assert client("GET", "/v2/health/ready").json() == {"ready": True}

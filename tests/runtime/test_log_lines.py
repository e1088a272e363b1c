"""What the running service writes on stderr: nothing of a request unless asked, and the id of each that fails."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from modelcast_runtime import contract

MakeBundle = Callable[..., Path]
TRACE = "0af7651916cd43dd8448eb211c80319c"
FINE, TOGETHER = [0.0, 1.5], [0.0, -2626.5]
"""A row that the model takes, and one on which it raises unless it comes alone."""


class Service:
    """The command, with one worker, and where its log goes."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process, self.log = process, log
        assert process.stdout is not None
        self.line = process.stdout.readline()
        self.address = self.line.split()[-1]

    def ask(self, method: str, target: str, **request: Any) -> httpx.Response:
        return httpx.request(method, self.address + target, timeout=300, trust_env=False, **request)

    def stop(self) -> list[str]:
        """The log, line by line."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=300) == 0
        return self.log.read_text(encoding="utf-8").splitlines()


@contextmanager
def serving(bundle: Path, log: Path, env: Mapping[str, str]) -> Iterator[Service]:
    line = [
        sys.executable,
        "-m",
        "modelcast_runtime",
        "serve",
        str(bundle),
        "--host=127.0.0.1",
        "--port=0",
        "--workers=1",
    ]
    clean = {"PATH": os.environ["PATH"], "MODELCAST_LIMITS_DRAIN_S": "0", **env}
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=stderr, text=True, env=clean, start_new_session=True
        )
    try:
        yield Service(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ask_all(service: Service) -> dict[str, httpx.Response]:
    """One request of each outcome, with its own id."""
    requests: dict[str, tuple[str, str, Any]] = {
        "answered": ("POST", "/predict?proba=false", [FINE, FINE, FINE]),
        "refused": ("POST", "/predict?secret=SECRET", [["SECRET", 1]]),
        "failed": ("POST", "/predict", [FINE, TOGETHER]),
        "page": ("GET", "/healthz?SECRET", None),
        "no-page": ("DELETE", "/nowhere", None),
    }
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "Authorization": "SECRET"}
    answers = {
        identity: service.ask(method, target, json=body, headers={**headers, "X-Request-Id": identity})
        for identity, (method, target, body) in requests.items()
    }
    assert [answer.headers["X-Request-Id"] for answer in answers.values()] == list(requests)
    assert [answer.status_code for answer in answers.values()] == [200, 400, 500, 200, 404]
    return answers


def test_the_service_logs_the_failures_alone_with_their_ids(make_bundle: MakeBundle, tmp_path: Path) -> None:
    with serving(make_bundle("own"), tmp_path / "log", {}) as service:
        assert re.fullmatch(r"serving own sha256:3f2a at http://127\.0\.0\.1:\d+\n", service.line)
        ask_all(service)
        lines = service.stop()
    begun = [line for line in lines if line.startswith("[")]
    pattern = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+\d{4}\] \[\d+\] \[(\w+)\] request failed: (.*)"
    assert [found.groups() if (found := re.fullmatch(pattern, line)) else line for line in begun] == [
        ("WARNING", "the model refused a request: RuntimeError"),
        ("ERROR", "a request could not be answered"),
    ]
    assert lines[lines.index(begun[1]) + 1] == "Traceback (most recent call last):"
    assert "2626" not in "\n".join(lines)
    assert [line for line in lines if line.startswith("RuntimeError")] == ["RuntimeError"]


def test_asked_for_json_every_request_is_one_line_and_so_is_every_failure(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    with serving(make_bundle("own"), tmp_path / "log", {"MODELCAST_LOG_ACCESS": "json"}) as service:
        answers = ask_all(service)
        lines = [json.loads(line) for line in service.stop()]
    assert "SECRET" not in json.dumps(lines)
    accesses = [line for line in lines if line["logger"] == "modelcast.access"]
    for line in accesses:
        assert line.pop("time").endswith("Z")
        assert line.pop("seconds") > 0
    common = {"model": "own", "version": "sha256:3f2a", "trace_id": TRACE}
    expected = {
        "answered": {"level": "info", "method": "POST", "path": "/predict", "rows": 3, "protocol": "predict"},
        "refused": {"level": "info", "method": "POST", "path": "/predict", "rows": None, "protocol": "predict"},
        "failed": {"level": "error", "method": "POST", "path": "/predict", "rows": 2, "protocol": "predict"},
        "page": {"level": "info", "method": "GET", "path": "/healthz", "rows": None, "protocol": "other"},
        "no-page": {"level": "info", "method": "DELETE", "path": "/nowhere", "rows": None, "protocol": "other"},
    }
    assert accesses == [
        {
            "logger": "modelcast.access",
            "request_id": identity,
            "status": answers[identity].status_code,
            "bytes": len(answers[identity].content),
            "prediction_id": answers[identity].headers.get("Prediction-Id"),
            **common,
            **told,
        }
        for identity, told in expected.items()
    ]
    others = [line for line in lines if line["logger"] != "modelcast.access"]
    assert [(line["level"], line["logger"], line["request_id"], line["message"]) for line in others] == [
        ("warning", "modelcast", "failed", "the model refused a request: RuntimeError"),
        ("error", "modelcast", "failed", "a request could not be answered"),
    ]
    assert others[1]["traceback"].endswith("\nRuntimeError")
    assert "2626" not in others[1]["traceback"]


def test_a_page_that_fails_is_logged_with_its_id(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root = make_bundle("array")
    notebook = root / contract.NOTEBOOKS / "train.html"
    notebook.parent.mkdir()
    notebook.touch()
    with serving(root, tmp_path / "log", {"MODELCAST_LOG_ACCESS": "json"}) as service:
        notebook.unlink()
        answer = service.ask("GET", "/notebooks/train.html", headers={"X-Request-Id": "gone"})
        lines = [json.loads(line) for line in service.stop()]
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "gone")
    assert [(line["logger"], line["level"], line["request_id"], line.get("message")) for line in lines] == [
        ("modelcast", "error", "gone", "a page could not be made"),
        ("modelcast.access", "error", "gone", None),
    ]

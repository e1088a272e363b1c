"""The image as clusters run it: any user, nothing writable, the platform's variables, and a start that fails aloud."""

import json
import subprocess
import time

import httpx
import pytest

from tests.e2e.conftest import SAMPLES, Start
from tests.e2e.engine import START_S, Service, docker
from tests.e2e.table import read_table

STRICT = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def answers(service: Service) -> None:
    """One row of the model's own data gets its class."""
    table = read_table(SAMPLES / "breast-cancer" / "data" / "holdout.csv", without=("diagnosis",))
    answer = httpx.post(f"{service.url}/predict", json={"instances": table.instances[:1]}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["benign"]


def workers(service: Service) -> int:
    """The processes below the master, once all of them accept, which the service says by its one line."""
    until = time.monotonic() + START_S
    while "serving " not in service.log():
        assert time.monotonic() < until, service.log()
        time.sleep(0.1)
    return len(docker("top", service.name, "-eo", "pid").splitlines()) - 2


@pytest.mark.parametrize("user", ["12345:0", "1000120000:0", "100001", "2000:3000"])
def test_any_user_serves_with_nothing_writable(breast_cancer: str, start: Start, user: str) -> None:
    service = start(breast_cancer, "--user", user, *STRICT)
    answers(service)
    told = docker(
        "exec", service.name, "sh", "-c", "grep -c :$(id -u): /etc/passwd; touch $MODELCAST_BUNDLE/x && echo written; :"
    )
    assert told == "0", "neither a user that the image knows, nor one that may write"


def test_the_port_and_gunicorns_arguments_are_the_platforms(breast_cancer: str, start: Start) -> None:
    variables = ("--env", "PORT=9090", "--env", "GUNICORN_CMD_ARGS=--workers 3")
    service = start(breast_cancer, *STRICT, *variables, port=9090)
    answers(service)
    assert workers(service) == 3


@pytest.mark.parametrize("user", ["0", "12345:0"])
def test_sagemaker_starts_it_by_the_word_serve(breast_cancer: str, start: Start, user: str) -> None:
    service = start(breast_cancer, "--user", user, *STRICT, command=("serve",))
    ping = httpx.get(f"{service.url}/ping", timeout=60)
    assert (ping.status_code, ping.content) == (200, b"")
    table = read_table(SAMPLES / "breast-cancer" / "data" / "holdout.csv", without=("diagnosis",))
    names = [one["name"] for one in httpx.get(f"{service.url}/info", timeout=60).json()["signature"]["inputs"]]
    line = ",".join(str(table.instances[0][name]) for name in names)
    for body in (f"{line}\n", f"{','.join(names)}\n{line}\n"):
        answer = httpx.post(
            f"{service.url}/invocations",
            content=body,
            headers={"Content-Type": "text/csv", "Accept": "text/csv"},
            timeout=60,
        )
        assert (answer.status_code, answer.text) == (200, "benign\n")
    assert 'modelcast_requests_total{code="200",protocol="sagemaker"} 2.0' in httpx.get(f"{service.url}/metrics").text


@pytest.mark.parametrize(("limits", "expected"), [(("--cpus", "1"), 1), (("--memory", "300m"), 1), ((), 2)])
def test_workers_follow_the_containers_limits(
    breast_cancer: str, start: Start, limits: tuple[str, ...], expected: int
) -> None:
    machine = int(docker("info", "--format", "{{.NCPU}}"))
    service = start(breast_cancer, *STRICT, *limits)
    assert workers(service) == (min(machine, 12) if not limits else expected)


@pytest.mark.parametrize(
    ("options", "command", "reason"),
    [
        (
            (),
            ("sh", "-c", "echo >>$MODELCAST_BUNDLE/environment.lock; exec /usr/libexec/s2i/run"),
            "error: serve: environment.lock has ",
        ),
        (
            ("--env", "WEB_CONCURRENCY=many"),
            (),
            "error: serve: WEB_CONCURRENCY: expected a whole number from 1 to 256, got ",
        ),
        (("--env", "MODELCAST_BUNDLE=/nowhere"), (), "error: serve: /nowhere is no folder; expected a bundle "),
    ],
    ids=["changed", "variable", "no-bundle"],
)
def test_a_start_that_fails_ends_with_its_reason(
    breast_cancer: str, options: tuple[str, ...], command: tuple[str, ...], reason: str
) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", *options, breast_cancer, *command],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(reason)


def test_post_commit_selftest_proves_the_image(breast_cancer: str) -> None:
    """As a BuildConfig's postCommit runs it."""
    told = docker("run", "--rm", "--network", "none", breast_cancer, "/bin/sh", "-ic", "modelcast-runtime selftest")
    version = json.loads(docker("run", "--rm", breast_cancer, "cat", "/opt/app-root/bundle/manifest.json"))["version"]
    assert version in told

"""The running service: it is told to stop under load, and it stays alive while a model is slow or fails."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.acceptance.commands import Modelcast, Service, until
from tests.acceptance.workshop import Case

FAST = {"load": 4.0, "speed": 0.5}
SLOW = {"load": 4.0, "speed": 2000}
"""Not answered before the gate is open."""
REFUSED = {"load": 4.0, "speed": 13}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model says that it was reached, and waits for what opens."""
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def service(modelcast: Modelcast, own_definitions: Case, gate: Path) -> Iterator[Service]:
    with modelcast.serving(own_definitions.built.root, workers=1, GATE=str(gate)) as running:
        yield running


def test_health_answers_while_a_slow_model_scores(service: Service, gate: Path) -> None:
    with ThreadPoolExecutor(1) as clients:
        slow = clients.submit(service.ask, json=[SLOW])
        try:
            until((gate / "reached").exists)
            assert [service.ask(path).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 200]
            assert not slow.done()
        finally:
            (gate / "open").touch()
        assert slow.result().status_code == 200


def test_an_error_of_the_models_is_the_callers_with_its_place(service: Service) -> None:
    answer = service.ask(json={"records": [FAST, FAST, REFUSED, FAST]})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.json() == {
        "type": "urn:modelcast:problem:refused-by-the-model",
        "title": "Refused by the model",
        "status": 400,
        "detail": "$.records[2]: expected a row that the model can score, got one on which it raises ValueError. "
        "GET /schema lists what the inputs take.",
        "at": "$.records[2]",
        "expected": "a row that the model can score",
        "got": "one on which it raises ValueError",
    }
    assert service.ask(json=[FAST]).json()["predictions"] == ["high"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT-to-the-group"])
def test_a_service_that_is_stopped_under_load_answers_whom_it_let_in_and_ends_with_0(
    modelcast: Modelcast, own_definitions: Case, tmp_path: Path, number: signal.Signals
) -> None:
    codes: list[int] = []
    stopped = threading.Event()
    variables = {"MODELCAST_LIMITS_DRAIN_S": "1", "GATE": str(tmp_path)}
    with modelcast.serving(own_definitions.built.root, workers=2, **variables) as service:
        clients = [threading.Thread(target=press, args=(service, codes, stopped)) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            with ThreadPoolExecutor(1) as slow:
                begun = slow.submit(service.ask, json=[SLOW])
                until((tmp_path / "reached").exists)
                until(lambda: codes)
                service.tell(number, group=number == signal.SIGINT)
                until(lambda: not is_ready(service))
                (tmp_path / "open").touch()
                assert begun.result().status_code == 200, "it was being scored when the signal came"
            code, out, err = service.wait()
        finally:
            (tmp_path / "open").touch()
            stopped.set()
            for client in clients:
                client.join()
        with pytest.raises(httpx.ConnectError):
            service.ask("/healthz")
    assert (code, out) == (0, ""), err
    assert "Traceback" not in err
    assert set(codes) == {200}


def is_ready(service: Service) -> bool:
    """As a load balancer asks."""
    try:
        return service.ask("/readyz").status_code == 200
    except httpx.ConnectError:
        return False


def press(service: Service, codes: list[int], stopped: threading.Event) -> None:
    """One request after the other on connections of their own; a refused connection is no answer."""
    while not stopped.is_set():
        try:
            codes.append(service.ask(json=[FAST], headers={"Connection": "close"}).status_code)
        except httpx.ConnectError:
            time.sleep(0.02)

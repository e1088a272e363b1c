"""How long one row takes, through the real application."""

import time
from itertools import count

import pytest
from modelcast_runtime import latency
from modelcast_runtime.bundle import BundleError
from modelcast_runtime.contract import Golden, Limits, ServiceDefaults

from tests.conftest import MakeBundle


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the application is asked."""
    asked, really = list[bytes](), latency.request

    async def request(app: object, method: str, path: str, *, body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        return await really(app, method, path, body=body)  # type: ignore[arg-type]

    monkeypatch.setattr(latency, "request", request)
    return asked


def clock(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    """One that goes on by as much whenever it is asked."""
    ticks = count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks) * step_s)


def test_it_is_the_median_of_requests_with_one_golden_row(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, bodies: list[bytes]
) -> None:
    clock(monkeypatch, 0.001)
    assert latency.median_ms(make_bundle("compiled")) == pytest.approx(1.0)
    assert len(bodies) == latency.WARM_UP + latency.REQUESTS
    assert bodies[:4] == [
        b'{"instances":[[1.0,0.0]]}',
        b'{"instances":[[0.0,1.0]]}',
        b'{"instances":[[-1.0,-1.0]]}',
        b'{"instances":[[1.0,0.0]]}',
    ]


def test_a_slow_model_is_asked_as_often_as_there_is_time_for(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, bodies: list[bytes]
) -> None:
    clock(monkeypatch, 1.5)
    assert latency.median_ms(make_bundle("compiled")) == 1500.0
    assert len(bodies) == 2 + 2


def test_nothing_to_ask(make_bundle: MakeBundle) -> None:
    with pytest.raises(BundleError) as caught:
        latency.median_ms(make_bundle("array", golden=Golden(rows=(), predictions=())))
    assert str(caught.value) == "array has no golden rows to be asked"


def test_a_row_that_is_not_answered(make_bundle: MakeBundle) -> None:
    root = make_bundle("compiled", service=ServiceDefaults(limits=Limits(body_bytes=5)))
    with pytest.raises(BundleError) as caught:
        latency.median_ms(root)
    assert str(caught.value).startswith("POST /predict with a golden row answered 413: ")

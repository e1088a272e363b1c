"""What `modelcast.yaml` says of the service is sealed with the model, and whoever starts it has the last word."""

from tests.acceptance.commands import Modelcast, Service
from tests.acceptance.workshop import Case

ROW = {"text": "cheap lunch", "id": 7}


def statuses(service: Service, *rows: int) -> list[int]:
    """What requests of so many rows are answered."""
    return [service.ask(json=[ROW] * count).status_code for count in rows]


def test_the_sealed_settings_hold_and_the_environment_overrides_them(modelcast: Modelcast, configured: Case) -> None:
    assert "golden rows reproduced, 2 examples of examples.json held" in configured.built.log
    sealed = configured.built.manifest["service"]
    assert (sealed["extra_inputs"], sealed["limits"]["rows"], sealed["limits"]["drain_s"]) == ("ignore", 3, 0)
    with modelcast.serving(configured.built.root, workers=1) as service:
        assert statuses(service, 3, 4) == [200, 413]
        assert (
            service.ask(json=[ROW] * 4)
            .json()["detail"]
            .startswith("A request may have at most 3 rows (MODELCAST_LIMITS_ROWS).")
        )
        assert service.ask("/info").json()["service"] == sealed
    told = {"MODELCAST_LIMITS_ROWS": "5", "MODELCAST_EXTRA_INPUTS": "refuse"}
    with modelcast.serving(configured.built.root, workers=1, **told) as service:
        answers = [service.ask(json=["cheap lunch"] * rows).status_code for rows in (5, 6)]
        assert (answers, statuses(service, 1)) == ([200, 413], [400])

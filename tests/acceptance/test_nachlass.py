"""nachlass' clients ask a running service as they always did: three shapes in a form, a bare list, their own metrics."""

import json
import subprocess
from typing import Any

from tests.acceptance.commands import Modelcast, Service
from tests.acceptance.test_kinds import Hand
from tests.acceptance.workshop import Case


def test_a_list_of_strings_from_python_and_from_curl(modelcast: Modelcast, text: Case, hand: Hand) -> None:
    expected = hand(text)
    texts = [*expected["rows"], "100% free & easy: 1+1 = money, né?"]
    with modelcast.serving(text.built.root, workers=2, S2I_APP_METRICS_PREFIX='"pipeline"') as service:
        answer = service.ask(data={"json_args": json.dumps(texts)})
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Model-Version"] == service.version
        assert answer.json()[:-1] == expected["predictions"]
        sent = ["--data-urlencode", f"json_args={json.dumps(texts, ensure_ascii=False)}"]
        assert curl(service, "/predict", *sent) == answer.json()
        assert curl(service, "/predict", "--data", f"json_args={json.dumps(texts[:1])}") == expected["predictions"][:1]
        refused = service.ask(data={"args": "gASVAAAA"})
        assert (refused.status_code, refused.json()["title"]) == (400, "Pickled rows")
        told = theirs(service)
        assert told["pipeline_processing_seconds_count"] == 4.0
        assert told["pipeline_processing_seconds_sum"] > 0
        counted = {name: value for name, value in told.items() if name.startswith("pipeline_predictions_total")}
        assert {name.split('"')[1] for name in counted} == {"spam", "ham"}
        assert sum(counted.values()) == 2 * len(texts) + 1


def test_a_frame_as_records_as_columns_and_as_pandas_writes_it(modelcast: Modelcast, mixed: Case, hand: Hand) -> None:
    expected = hand(mixed)
    names, rows = expected["names"], expected["rows"]
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    shapes: list[Any] = [
        [dict(zip(names, row, strict=True)) for row in rows],
        columns,
        {name: {str(label): value for label, value in enumerate(values)} for name, values in columns.items()},
    ]
    with modelcast.serving(mixed.built.root, workers=1, S2I_APP_METRICS_PREFIX="nachlass") as service:
        for shape in shapes:
            assert service.ask(data={"json_args": json.dumps(shape)}).json() == expected["predictions"]
        counted = {name: value for name, value in theirs(service, "nachlass").items() if "predictions" in name}
        assert counted == {
            f'nachlass_predictions_total{{value="{value}"}}': 3.0 * expected["predictions"].count(value)
            for value in (False, True)
        }


def curl(service: Service, path: str, *arguments: str) -> Any:
    """What curl prints, as JSON."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *arguments, service.url + path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def theirs(service: Service, prefix: str = "pipeline") -> dict[str, float]:
    """POST, and line by line, as nachlass' notebooks read metrics."""
    lines = service.ask("/metrics", data={"": ""}).text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in pairs if name.startswith(prefix)}
